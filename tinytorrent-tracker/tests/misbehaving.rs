//! Faults of deployed trackers, and the right outcome for each.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::{BODY, PEER, Tracker, client, hasty, honest, request, with_headers};
use tinytorrent_tracker::AnnounceResponse;
use tinytorrent_tracker::client::{ClientConfig, Error, ErrorKind, Phase};
use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;

async fn announce(tracker: &Tracker, config: ClientConfig) -> Result<AnnounceResponse, Error> {
    // As if the user had given the URL: credentials and any path are fine at a local address.
    client(config).trusting_urls().announce(&tracker.http(), &request()).await
}

/// A client with short timeouts, for trackers that send nothing more.
fn impatient() -> ClientConfig {
    let mut config = hasty();
    config.read_timeout(Duration::from_millis(300));
    config
}

async fn announce_udp(tracker: &Tracker) -> Result<AnnounceResponse, Error> {
    client(hasty()).announce(&tracker.udp(), &request()).await
}

fn assert_one_peer(outcome: Result<AnnounceResponse, Error>) {
    let peers = outcome.unwrap().peers;
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0].address, "203.0.113.5:6881".parse().unwrap());
}

/// The kind of the error, which must name the tracker and this phase.
fn kind_of(outcome: Result<AnnounceResponse, Error>, tracker: &Tracker, phase: Phase) -> String {
    let error = outcome.unwrap_err();
    assert_eq!(error.phase(), phase, "{error}");
    assert!(error.to_string().contains(&tracker.address.to_string()), "{error}");
    format!("{:?}", error.kind())
}

/// U-06
#[tokio::test]
async fn two_lost_datagrams_cost_time_only() {
    let tracker = Tracker::udp_with(|count, datagram, from, socket| async move {
        if count >= 2 {
            socket.send_to(&honest(&datagram, &PEER), from).await.unwrap();
        }
    })
    .await;
    assert_one_peer(announce_udp(&tracker).await);
}

/// U-06: it is the announce that is lost
#[tokio::test]
async fn lost_announces_are_sent_again() {
    let tracker = Tracker::udp_with(|count, datagram, from, socket| async move {
        if count == 0 || count >= 3 {
            socket.send_to(&honest(&datagram, &PEER), from).await.unwrap();
        }
    })
    .await;
    assert_one_peer(announce_udp(&tracker).await);
}

/// U-11
#[tokio::test]
async fn an_answer_from_another_port_is_no_answer() {
    let tracker = Tracker::udp_with(|_, datagram, from, _| async move {
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        other.send_to(&honest(&datagram, &PEER), from).await.unwrap();
    })
    .await;
    let mut config = hasty();
    config.request_timeout(Duration::from_millis(300));
    let outcome = client(config).announce(&tracker.udp(), &request()).await;
    assert_eq!(kind_of(outcome, &tracker, Phase::Request), "TimedOut");
}

/// U-12
#[tokio::test]
async fn a_wrong_transaction_id_before_the_right_one_is_ignored() {
    let tracker = Tracker::udp_with(|_, datagram, from, socket| async move {
        let mut reply = honest(&datagram, &PEER);
        reply[7] ^= 1;
        socket.send_to(&reply, from).await.unwrap();
        reply[7] ^= 1;
        socket.send_to(&reply, from).await.unwrap();
    })
    .await;
    assert_one_peer(announce_udp(&tracker).await);
}

/// U-23
#[tokio::test]
async fn a_thousand_peers_arrive_in_one_datagram() {
    // The last is as many as a datagram over IPv4 can hold.
    for count in [1000u16, (65_507 - 20) / 6] {
        let tracker = Tracker::udp_with(move |_, datagram, from, socket| async move {
            let peers: Vec<u8> =
                (0..count).flat_map(|n| [10, 9, (n >> 8) as u8, n as u8, 1, 1]).collect();
            socket.send_to(&honest(&datagram, &peers), from).await.unwrap();
        })
        .await;
        assert_eq!(announce_udp(&tracker).await.unwrap().peers.len(), usize::from(count));
    }
}

/// U-39, U-40: a dead port beside a live tracker on the same socket
#[tokio::test]
async fn an_unreachable_tracker_does_not_disturb_the_others() {
    let live = Tracker::udp_with(|_, datagram, from, socket| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        socket.send_to(&honest(&datagram, &PEER), from).await.unwrap();
    })
    .await;
    let dead: SocketAddr = {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.local_addr().unwrap()
    };
    let client = client(hasty());
    let dead_url = format!("udp://{dead}").parse().unwrap();
    let dead_request = request();
    let hopeless =
        tokio::time::timeout(Duration::from_millis(700), client.announce(&dead_url, &dead_request));
    let (live_url, live_request) = (live.udp(), request());
    let (hopeless, outcome) = tokio::join!(hopeless, client.announce(&live_url, &live_request));
    assert!(hopeless.is_err() || hopeless.unwrap().is_err());
    assert_one_peer(outcome);
    assert_one_peer(client.announce(&live.udp(), &request()).await);
}

/// H-29
#[tokio::test]
async fn redirects_for_ever_end_after_the_limit() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let tracker = Tracker::http_with(move |_, mut stream| {
        let count = counter.fetch_add(1, Ordering::Relaxed);
        async move {
            let answer =
                format!("HTTP/1.1 302 Found\r\nLocation: /{count}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let outcome = announce(&tracker, hasty()).await;
    assert_eq!(kind_of(outcome, &tracker, Phase::Response), "TooManyRedirects(5)");
    assert_eq!(asked.load(Ordering::Relaxed), 6);
}

/// H-29
#[tokio::test]
async fn a_redirect_is_followed_with_the_query_it_gives() {
    let tracker = Tracker::http_with(|head, mut stream| async move {
        let answer = if head.starts_with("GET /moved?x=%2F ") {
            with_headers("", BODY)
        } else {
            b"HTTP/1.1 307 Moved\r\nLocation: /moved?x=%2F\r\nContent-Length: 0\r\n\r\n".to_vec()
        };
        let _ = stream.write_all(&answer).await;
    })
    .await;
    assert_one_peer(announce(&tracker, hasty()).await);
}

/// H-29
#[tokio::test]
async fn a_redirect_to_another_scheme_is_refused() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: udp://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let tracker = Tracker::http_sending(answer).await;
    let outcome = announce(&tracker, hasty()).await;
    assert!(kind_of(outcome, &tracker, Phase::Response).starts_with("ForbiddenRedirect"));
}

/// A byte a second never ends; the whole request does.
#[tokio::test]
async fn a_drip_ends_with_the_time_for_the_whole_request() {
    let tracker = Tracker::http_with(|_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await;
        while stream.write_all(b"d").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let mut config = hasty();
    config.request_timeout(Duration::from_millis(800));
    let outcome = announce(&tracker, config).await;
    assert_eq!(kind_of(outcome, &tracker, Phase::Read), "TimedOut");
}

#[tokio::test]
async fn a_tracker_that_hangs_is_timed_out_while_we_wait_for_its_answer() {
    let tracker = Tracker::http_with(|_, stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let outcome = announce(&tracker, impatient()).await;
    assert_eq!(kind_of(outcome, &tracker, Phase::Request), "TimedOut");
}

#[tokio::test]
async fn a_body_that_stops_is_timed_out_while_we_read() {
    let tracker = Tracker::http_with(|_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nd8:").await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    })
    .await;
    let outcome = announce(&tracker, impatient()).await;
    assert_eq!(kind_of(outcome, &tracker, Phase::Read), "TimedOut");
}

#[tokio::test]
async fn nobody_at_the_port_is_told_as_such() {
    let tracker = Tracker::http_sending("").await;
    let url = tracker.http();
    drop(tracker);
    tokio::task::yield_now().await;
    let error = client(hasty()).announce(&url, &request()).await.unwrap_err();
    assert!(matches!(error.phase(), Phase::Connect | Phase::Request), "{error}");
}

/// H-12
#[tokio::test]
async fn a_page_is_an_error_that_says_so() {
    let page = with_headers("Content-Type: text/html\r\n", b"<!DOCTYPE html><title>Log in");
    let tracker = Tracker::http_sending(page).await;
    let error = announce(&tracker, hasty()).await.unwrap_err();
    assert_eq!(error.phase(), Phase::Response);
    let text = error.to_string();
    assert!(text.contains("html") && text.contains("Log in"), "{text}");
}

/// H-12
#[tokio::test]
async fn a_refusal_under_an_error_status_is_a_refusal() {
    let answer = "HTTP/1.1 403 Forbidden\r\n\r\nd14:failure reason12:unregisterede";
    let tracker = Tracker::http_sending(answer).await;
    let error = announce(&tracker, hasty()).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Refused(refusal) if refusal.reason == "unregistered"),
        "{error}"
    );
    let tracker = Tracker::http_sending("HTTP/1.1 404 Not Found\r\n\r\nno such thing").await;
    let error = announce(&tracker, hasty()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Status { status: 404, .. }), "{error}");
    assert!(error.to_string().contains("no such thing"));
}

/// H-31
#[tokio::test]
async fn a_body_is_limited_before_and_after_decompression() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b'd'; 100_000]).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 5000);
    for body in [vec![b'd'; 5001], bomb] {
        let tracker = Tracker::http_sending(with_headers("", &body)).await;
        let mut config = hasty();
        config.max_body(5000);
        let outcome = announce(&tracker, config).await;
        assert_eq!(kind_of(outcome, &tracker, Phase::Read), "BodyTooLarge(5000)");
    }
}

/// H-31
#[tokio::test]
async fn endless_headers_are_an_error() {
    let tracker = Tracker::http_with(|_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(&[b'x'; 1000]).await.is_ok() {}
    })
    .await;
    let outcome = announce(&tracker, hasty()).await;
    assert!(kind_of(outcome, &tracker, Phase::Request).starts_with("Http"));
}

/// H-03, H-04, H-05, H-34, H-39
#[tokio::test]
async fn the_request_is_what_the_url_says() {
    let (sender, mut heads) = tokio::sync::mpsc::unbounded_channel();
    let tracker = Tracker::http_with(move |head, mut stream| {
        let _ = sender.send(head);
        async move {
            let _ = stream.write_all(&with_headers("", BODY)).await;
        }
    })
    .await;
    let address = tracker.address;
    let url = format!("http://joe:p%40ss@{address}/a/../%2e%2F//announce?k=%2f+x&y#frag");
    let mut config = hasty();
    config.user_agent("Known/1.0");
    assert_one_peer(
        client(config).trusting_urls().announce(&url.parse().unwrap(), &request()).await,
    );
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("GET /a/../%2e%2F//announce?k=%2f+x&y&info_hash=%AB%AB"), "{head}");
    let lower = head.to_ascii_lowercase();
    assert!(lower.contains(&format!("\r\nhost: {address}\r\n")), "{head}");
    assert!(lower.contains("\r\nuser-agent: known/1.0\r\n"), "{head}");
    assert!(head.contains("Basic am9lOnBAc3M="), "{head}");
    assert!(!head.contains("frag") && !lower.contains("joe"), "{head}");
}

/// Dropping the future cancels the request.
#[tokio::test]
async fn a_cancelled_announce_leaves_nothing_behind() {
    let tracker = Tracker::udp_with(|count, datagram, from, socket| async move {
        if count > 0 {
            socket.send_to(&honest(&datagram, &PEER), from).await.unwrap();
        }
    })
    .await;
    let client = client(hasty());
    let (url, request) = (tracker.udp(), request());
    let cancelled = client.announce(&url, &request);
    assert!(tokio::time::timeout(Duration::from_millis(20), cancelled).await.is_err());
    assert_one_peer(client.announce(&url, &request).await);
}
