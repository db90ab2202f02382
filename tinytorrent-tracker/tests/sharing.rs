//! Requests of many torrents to one HTTP tracker: they take turns, and share connections.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::{BODY, client, hasty, request};
use tinytorrent_tracker::client::{ClientConfig, TrackerClient};
use tinytorrent_tracker::{AnnounceEvent, AnnounceRequest, TrackerUrl};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What a server does with a request.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// It answers, and keeps the connection.
    Keep,
    /// It answers, and closes the connection without having said so.
    Close,
    /// It answers `stopped` alone.
    Ignore,
}

/// A tracker that counts its connections.
#[derive(Default)]
struct Counts {
    opened: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
    closing: AtomicUsize,
}

async fn server(manner: Manner) -> (TrackerUrl, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    let counts = Arc::<Counts>::default();
    let shared = Arc::clone(&counts);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let counts = Arc::clone(&shared);
            tokio::spawn(async move {
                counts.opened.fetch_add(1, Ordering::SeqCst);
                let open = counts.open.fetch_add(1, Ordering::SeqCst) + 1;
                counts.most.fetch_max(open, Ordering::SeqCst);
                serve(stream, manner, &counts).await;
                counts.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (url.parse().unwrap(), counts)
}

async fn serve(mut stream: TcpStream, manner: Manner, counts: &Counts) {
    let mut head = Vec::new();
    while stream.read_buf(&mut head).await.is_ok_and(|length| length > 0) {
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        counts.closing.fetch_add(usize::from(text.contains("connection: close")), Ordering::SeqCst);
        head.clear();
        if manner == Manner::Ignore && !text.contains("event=stopped") {
            sleep(Duration::from_secs(3_600)).await;
        }
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY.len());
        stream.write_all(&[answer.as_bytes(), BODY].concat()).await.unwrap();
        if manner == Manner::Close {
            return;
        }
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(120), future).await.expect("in time")
}

/// Announces of so many torrents at once. Returns those that succeeded.
async fn announce(client: &TrackerClient, url: &TrackerUrl, torrents: usize) -> usize {
    let mut announces = JoinSet::new();
    for _ in 0..torrents {
        let (client, url) = (client.clone(), url.clone());
        announces.spawn(async move { client.announce(&url, &request()).await.is_ok() });
    }
    in_time(announces.join_all()).await.into_iter().filter(|is_ok| *is_ok).count()
}

#[tokio::test]
async fn many_torrents_of_a_tracker_share_a_few_connections() {
    let (url, counts) = server(Manner::Keep).await;
    let client = client(ClientConfig::default());
    assert_eq!(announce(&client, &url, 1_000).await, 1_000);
    let (opened, most) = (&counts.opened, &counts.most);
    assert!(most.load(Ordering::SeqCst) <= 8, "{most:?} at a time");
    assert!(opened.load(Ordering::SeqCst) <= 40, "{opened:?} opened");
    // What is left over is closed without a further request.
    in_time(async {
        while counts.open.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_tracker_that_closes_its_connections_is_asked_in_turns_and_nothing_fails() {
    let (url, counts) = server(Manner::Close).await;
    let client = client(ClientConfig::default());
    assert_eq!(announce(&client, &url, 300).await, 300);
    // A connection of ours that is closing may overlap with the next.
    assert!(counts.most.load(Ordering::SeqCst) <= 16);
}

#[tokio::test]
async fn a_single_request_asks_for_the_end_of_its_connection() {
    let (url, counts) = server(Manner::Keep).await;
    let client = client(hasty());
    for number in 1..4 {
        assert_eq!(announce(&client, &url, 1).await, 1);
        assert_eq!(counts.closing.load(Ordering::SeqCst), number);
    }
}

#[tokio::test]
async fn stopped_does_not_wait_behind_requests_without_an_answer() {
    let (url, _) = server(Manner::Ignore).await;
    let client = client(ClientConfig::default());
    let mut others = JoinSet::new();
    for _ in 0..50 {
        let (client, url) = (client.clone(), url.clone());
        others.spawn(async move { client.announce(&url, &request()).await.is_ok() });
    }
    sleep(Duration::from_millis(100)).await;
    let stopped = AnnounceRequest { event: AnnounceEvent::Stopped, ..request() };
    let answer = in_time(client.announce(&url, &stopped)).await;
    assert_eq!(answer.unwrap().peers.len(), 1);
    others.abort_all();
}
