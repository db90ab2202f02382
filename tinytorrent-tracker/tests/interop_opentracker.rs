//! Against opentracker, over UDP and HTTP. Debian builds it for IPv4 and for listed torrents only.
#![cfg(all(feature = "client", feature = "server", unix))]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use support::process::{Process, free_port, is_installed, listening};
use support::{client, hasty, story};
use tinytorrent_tracker::client::{ErrorKind, TrackerClient};
use tinytorrent_tracker::{AnnounceEvent, AnnounceRequest, TrackerUrl};
use tinytorrent_types::WireInfoHash;

/// U-14, U-15, U-20, U-21, U-30, H-01, H-06, H-23, H-36
#[tokio::test]
async fn opentracker_tells_the_life_of_two_peers() {
    if !is_installed("opentracker") {
        return;
    }
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let hashes = [[0xab; 20], [0x20; 20]].map(WireInfoHash::from_bytes);
    let list = folder.path().join("whitelist");
    std::fs::write(&list, hashes.map(|hash| format!("{hash}\n")).concat()).unwrap();
    let mut command = Command::new("opentracker");
    command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-P", &port.to_string()]);
    command.args(["-u", "nobody", "-w"]).arg(&list).current_dir(folder.path());
    let _process = Process::spawn(&mut command).unwrap();
    assert!(listening(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await);

    let client = client(hasty());
    let urls = [format!("udp://127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/announce")];
    lists(&client, &urls[0].parse().unwrap(), hashes[0]).await;
    for (url, hash) in urls.iter().zip(hashes) {
        story::two_peers(&client, &url.parse().unwrap(), hash).await;
    }
    // It takes requests of 8 KiB, and answers longer ones with 500.
    let mut many: Vec<_> = (0..200).map(|byte| WireInfoHash::from_bytes([byte; 20])).collect();
    many.push(hashes[1]);
    for (url, hash) in urls.iter().zip(hashes) {
        story::one_seed(&client, &url.parse().unwrap(), hash).await;
        let response = client.scrape(&url.parse().unwrap(), &many).await.unwrap();
        assert_eq!(response.get(hash).and_then(|counts| counts.seeders), Some(1), "{url}");
    }
    let unlisted = support::request();
    let unlisted = AnnounceRequest { info_hash: WireInfoHash::from_bytes([7; 20]), ..unlisted };
    for url in urls {
        let error = client.announce(&url.parse().unwrap(), &unlisted).await.unwrap_err();
        let is_no = matches!(error.kind(), ErrorKind::Refused(_) | ErrorKind::Exchange(_));
        assert!(is_no && !error.is_timeout(), "{error}");
    }
}

/// Waits until it has read the list, which it does while it listens.
async fn lists(client: &TrackerClient, url: &TrackerUrl, info_hash: WireInfoHash) {
    // A peer that stops leaves no trace.
    let event = AnnounceEvent::Stopped;
    let request = AnnounceRequest { info_hash, event, ..support::request() };
    for _ in 0..100 {
        if client.announce(url, &request).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
