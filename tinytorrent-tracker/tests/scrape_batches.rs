//! Scrapes of more info-hashes than a server takes in one HTTP request.
#![cfg(feature = "client")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

mod support;

use std::sync::{Arc, Mutex};

use support::{Tracker, client, hasty};
use tinytorrent_tracker::client::ErrorKind;
use tinytorrent_tracker::http::{ScrapeQuery, write_scrape};
use tinytorrent_tracker::{ScrapeResponse, SwarmCounts};
use tinytorrent_types::WireInfoHash;
use tokio::io::AsyncWriteExt;

/// In no order, and with most bytes escaped.
fn hashes(count: u8) -> Vec<WireInfoHash> {
    (0..count).map(|number| WireInfoHash::from_bytes([number.wrapping_mul(77); 20])).collect()
}

/// A server that answers a request line that is too long for it with these bytes. It records the
/// number of info-hashes of each request.
async fn server(longest: usize, refusal: &'static str) -> (Tracker, Arc<Mutex<Vec<usize>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = asked.clone();
    let tracker = Tracker::http_with(move |head, mut stream| {
        let line = head.lines().next().unwrap_or_default().to_owned();
        let target = line.split(' ').nth(1).unwrap_or_default();
        let (_, query) = target.split_once('?').unwrap_or_default();
        let info_hashes = ScrapeQuery::read(query).unwrap().info_hashes;
        record.lock().unwrap().push(info_hashes.len());
        let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        if line.len() > longest {
            answer = refusal.into();
        } else {
            // A dictionary is sorted.
            let mut files: Vec<_> =
                info_hashes.iter().map(|hash| (*hash, SwarmCounts::default())).collect();
            files.sort_by_key(|(hash, _)| *hash.as_bytes());
            let mut response = ScrapeResponse::default();
            response.files = files;
            write_scrape(&response, &mut answer);
        }
        async move {
            let _ = stream.write_all(&answer).await;
        }
    })
    .await;
    (tracker, asked)
}

/// U-29, H-37
#[tokio::test]
async fn a_scrape_of_many_is_cut_until_the_server_takes_it_and_put_together_in_order() {
    for (longest, refusal, expected) in [
        (8192, "", &[64, 64, 64, 8][..]),
        (3500, "HTTP/1.1 414 URI Too Long\r\n\r\n", &[64, 32, 32, 32, 32, 32, 32, 8]),
        (2500, "HTTP/1.1 500 Internal Server Error\r\n\r\n", &[64, 32, 32, 32, 32, 32, 32, 8]),
        (1500, "", &[64, 32, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 8]),
    ] {
        let (tracker, asked) = server(longest, refusal).await;
        let hashes = hashes(200);
        let response = client(hasty()).scrape(&tracker.http(), &hashes).await.unwrap();
        let found: Vec<_> = response.files.iter().map(|(hash, _)| *hash).collect();
        assert_eq!(found, hashes, "{longest}");
        assert_eq!(*asked.lock().unwrap(), expected, "{longest}");
    }
}

#[tokio::test]
async fn a_server_that_answers_nothing_is_asked_seven_times() {
    let (tracker, asked) = server(0, "HTTP/1.1 500 Internal Server Error\r\n\r\n").await;
    let error = client(hasty()).scrape(&tracker.http(), &hashes(200)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Status { status: 500, .. }), "{error}");
    assert_eq!(*asked.lock().unwrap(), [64, 32, 16, 8, 4, 2, 1]);
}

#[tokio::test]
async fn a_server_that_forbids_is_asked_once() {
    let (tracker, asked) = server(0, "HTTP/1.1 403 Forbidden\r\n\r\n").await;
    let error = client(hasty()).scrape(&tracker.http(), &hashes(200)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Status { status: 403, .. }), "{error}");
    assert_eq!(*asked.lock().unwrap(), [64]);
}
