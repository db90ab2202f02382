//! Announces of a process that has no file descriptors left.
#![cfg(all(unix, feature = "client", feature = "server"))]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tinytorrent_tracker::client::{ClientConfig, TrackerClient};
use tinytorrent_tracker::server::{ServerConfig, TrackerServer};
use tinytorrent_tracker::{AnnounceRequest, TrackerUrl};
use tinytorrent_types::{PeerId, WireInfoHash};

const TEST: &str = "an_announce_waits_for_a_descriptor";

/// The URLs of the trackers, for the process without descriptors.
const URLS: &str = "TINYTORRENT_TEST_TRACKERS";

/// U-37: the lack of a descriptor says nothing about the tracker.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_announce_waits_for_a_descriptor() {
    if let Ok(urls) = std::env::var(URLS) {
        // One that is dropped would give its sockets back while the next one is to have none.
        let mut clients = Vec::new();
        for url in urls.split(' ') {
            clients.push(assert_announce_waits(url.parse().unwrap()).await);
        }
        return;
    }
    let local: [SocketAddr; 1] = ["127.0.0.1:0".parse().unwrap()];
    let server = TrackerServer::bind(ServerConfig::default(), &local, &local).await.unwrap();
    let mut urls = server.announce_urls();
    // One that has to be looked up.
    urls.push(format!("http://localhost:{}/announce", server.http_addresses()[0].port()));
    let mut child = Command::new("/bin/sh");
    child.arg("-c").arg(format!("ulimit -n 64; exec \"$0\" --exact {TEST} --nocapture"));
    child.arg(std::env::current_exe().unwrap()).env(URLS, urls.join(" "));
    let status = tokio::task::spawn_blocking(move || child.status().unwrap()).await.unwrap();
    assert!(status.success());
    server.shutdown().await;
}

/// Announces to a tracker by a client of its own, which has no socket that it could use again.
async fn assert_announce_waits(url: TrackerUrl) -> TrackerClient {
    let client = TrackerClient::new(ClientConfig::default()).trusting_urls();
    let torrent = WireInfoHash::from_bytes([1; 20]);
    let request = AnnounceRequest::new(torrent, PeerId::from_bytes([2; 20]), 6881, 7);
    let taken: Vec<_> =
        std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).take(1_000).collect();
    let (told, announcing) = (url.clone(), client.clone());
    let announce = tokio::spawn(async move { announcing.announce(&url, &request).await });
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!announce.is_finished(), "{told}: {:?}", announce.await);
    drop(taken);
    announce.await.unwrap().unwrap_or_else(|error| panic!("{told}: {error}"));
    client
}
