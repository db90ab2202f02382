//! A client in a process that has no file descriptors left for a while.
#![cfg(unix)]

mod support;

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use support::{Scene, address, client, in_time};
use tinytorrent_client::{State, TorrentOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Set in the process that has few descriptors.
const CHILD: &str = "TINYTORRENT_TEST_CHILD";

/// Time in which something would have happened that is not to happen.
const WHILE: Duration = Duration::from_millis(700);

/// Runs a test again in a process with few descriptors. Returns `true` in that process.
fn is_in_child(test: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(format!("ulimit -n 100; exec \"$0\" --exact {test} --nocapture"));
    shell.arg(std::env::current_exe().unwrap()).env(CHILD, "1");
    assert!(shell.status().unwrap().success());
    false
}

/// Opens files until there is no descriptor for another one, also of those that are given back meanwhile.
async fn take_all_descriptors() -> Vec<File> {
    let mut taken = Vec::new();
    for _ in 0..5 {
        taken.extend(std::iter::from_fn(|| File::open("/dev/null").ok()).take(1_000));
        tokio::time::sleep(WHILE / 5).await;
    }
    taken
}

// S-11
#[tokio::test]
async fn a_download_waits_for_descriptors_and_goes_on() {
    if !is_in_child("a_download_waits_for_descriptors_and_goes_on") {
        return;
    }
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let seed = scene.seed(&seeder).await;
    seed.set_upload_limit(Some(0));
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    in_time(async {
        while torrent.stats().peers == 0 || torrent.state() != State::Downloading {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let taken = take_all_descriptors().await;
    seed.set_upload_limit(None);
    assert!(timeout(WHILE, torrent.finished()).await.is_err());
    assert_eq!(torrent.state(), State::Downloading, "it is not paused");
    drop(taken);
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
}

// S-16
#[tokio::test]
async fn metadata_that_was_saved_is_not_taken_for_missing() {
    if !is_in_child("metadata_that_was_saved_is_not_taken_for_missing") {
        return;
    }
    let scene = Scene::multi();
    let leecher = client("127.0.0.1:0");
    {
        let seeder = client("127.0.0.1:0");
        let _seed = scene.seed(&seeder).await;
        let torrent = leecher.add(scene.metainfo.hashes(), scene.leech(&seeder)).unwrap();
        in_time(torrent.finished()).await.unwrap();
        in_time(torrent.stop()).await;
    }
    // Nobody is there who could send it once more.
    let options = TorrentOptions::new(scene.leech_dir());
    let taken = take_all_descriptors().await;
    let torrent = leecher.add(scene.metainfo.hashes(), options).unwrap();
    let early = timeout(WHILE, torrent.finished()).await;
    assert!(early.is_err(), "{early:?} {:?}", torrent.state());
    drop(taken);
    in_time(torrent.finished()).await.unwrap();
}

// S-28
#[tokio::test]
async fn a_connection_without_a_descriptor_is_accepted_once_there_is_one() {
    if !is_in_child("a_connection_without_a_descriptor_is_accepted_once_there_is_one") {
        return;
    }
    let scene = Scene::multi();
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let mut taken = take_all_descriptors().await;
    taken.pop();
    // The system completes the connection, and the client cannot open a socket for it.
    let mut socket = in_time(TcpStream::connect(address(&seeder))).await.unwrap();
    let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
    hello.extend(scene.metainfo.hashes().to_wire().as_bytes());
    hello.extend(b"-XX0000-123456789012");
    socket.write_all(&hello).await.unwrap();
    let mut answer = [0; 68];
    assert!(timeout(WHILE, socket.peek(&mut answer)).await.is_err());
    drop(taken);
    in_time(socket.read_exact(&mut answer)).await.unwrap();
}
