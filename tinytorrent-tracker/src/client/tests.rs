use std::net::SocketAddr;

use tinytorrent_types::{InfoHashV1, InfoHashV2, PeerId};
use tokio::net::UdpSocket;

use super::*;
use crate::AnnounceEvent;
use crate::server::{ServerConfig, TrackerServer};
use crate::udp::{RequestBody, Response, ResponseBody};

fn request(event: AnnounceEvent) -> AnnounceRequest {
    let hash = WireInfoHash::from_bytes([1; 20]);
    let mut request = AnnounceRequest::new(hash, PeerId::from_bytes([2; 20]), 6881, 7);
    (request.event, request.left) = (event, Some(5));
    request
}

async fn server() -> TrackerServer {
    let local = ["127.0.0.1:0".parse().unwrap()];
    TrackerServer::bind(ServerConfig::default(), &local, &local).await.unwrap()
}

fn hasty() -> TrackerClient {
    let mut config = ClientConfig::default();
    config.udp_first_timeout(Duration::from_millis(100));
    TrackerClient::new(config)
}

fn attempt(url: TrackerUrl, addresses: &[SocketAddr]) -> Attempt {
    let route = Route::over(Family::V4, addresses).unwrap();
    let local = LocalAccess::Under(AnnounceRequest::LOCAL_PATHS);
    Attempt { url, route, local, host: None, deadline: after(Duration::from_secs(60)) }
}

/// U-37
#[tokio::test]
async fn every_address_of_a_host_is_tried() {
    let (server, client) = (server().await, hasty());
    // A bound socket that never answers; no other program can have its port.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url: TrackerUrl = "udp://several.invalid:1".parse().unwrap();
    let addresses = [silent.local_addr().unwrap(), server.udp_addresses()[0]];
    let request = request(AnnounceEvent::Started);
    let answer = client.ask_over(attempt(url, &addresses), &request).await;
    assert_eq!(answer.unwrap().leechers, Some(1));

    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let url: TrackerUrl = "http://several.invalid/announce".parse().unwrap();
    let addresses = [closed, server.http_addresses()[0]];
    let answer = client.ask_over(attempt(url, &addresses), &request).await;
    assert_eq!(answer.unwrap().leechers, Some(1));
}

/// U-41
#[tokio::test]
async fn stopped_asks_no_resolver_if_the_address_is_known() {
    let (server, client) = (server().await, hasty());
    for (text, address) in [
        ("udp://gone.invalid:1/announce", server.udp_addresses()[0]),
        ("http://gone.invalid:1/announce", server.http_addresses()[0]),
    ] {
        let url: TrackerUrl = text.parse().unwrap();
        let error = client.announce(&url, &request(AnnounceEvent::Stopped)).await.unwrap_err();
        assert_eq!(error.phase(), Phase::Resolve);
        client.shared.resolved.put(&url, &[address]);
        client.announce(&url, &request(AnnounceEvent::Stopped)).await.unwrap();
        let error = client.announce(&url, &request(AnnounceEvent::None)).await.unwrap_err();
        assert_eq!(error.phase(), Phase::Resolve);
        client.shared.resolved.forget();
    }
}

/// H-29
#[tokio::test]
async fn redirects_lead_neither_from_tls_to_plain_nor_from_public_to_private() {
    let url = |text: &str| text.parse::<TrackerUrl>().unwrap();
    let (http, https) = (url("http://a.example/"), url("https://a.example/"));
    let public: SocketAddr = "8.8.8.8:80".parse().unwrap();
    let private: SocketAddr = "192.168.1.1:80".parse().unwrap();
    let allowed = |client: &TrackerClient, from: &TrackerUrl, peer, to: &TrackerUrl, address| {
        client.check_redirect(from, Some(peer), to, &[address]).is_ok()
    };
    let strict = hasty();
    assert!(allowed(&strict, &http, public, &https, public));
    assert!(allowed(&strict, &http, private, &http, private));
    assert!(!allowed(&strict, &https, public, &http, public));
    assert!(!allowed(&strict, &http, public, &http, private));
    assert!(!allowed(&strict, &http, public, &http, "[::1]:80".parse().unwrap()));
    assert!(!allowed(&strict, &http, public, &url("udp://a.example:1"), public));
    let through_proxy =
        |from: &TrackerUrl, to: &TrackerUrl| strict.check_redirect(from, None, to, &[]).is_ok();
    assert!(through_proxy(&http, &https));
    assert!(!through_proxy(&http, &url("http://127.0.0.1/")));
    assert!(!through_proxy(&http, &url("http://[fd00::1]/")));
    assert!(through_proxy(&url("http://10.0.0.1/"), &url("http://10.0.0.2/")));
    let mut config = ClientConfig::default();
    config.allow_downgrade(true).allow_local(true);
    let lax = TrackerClient::new(config);
    assert!(allowed(&lax, &https, public, &http, private));
}

/// A tracker that sends the key of each announce to a channel.
fn report_keys(socket: UdpSocket, keys: tokio::sync::mpsc::UnboundedSender<u32>) {
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let request = crate::udp::Request::read(&buffer[..length]).unwrap();
            let body = match request.body {
                RequestBody::Announce { announce, .. } => {
                    let _ = keys.send(announce.key);
                    ResponseBody::Announce { interval: 9, leechers: 0, seeders: 0, peers: &[] }
                }
                _ => ResponseBody::Connect { connection_id: 7 },
            };
            let mut reply = Vec::new();
            Response { transaction_id: request.transaction_id, body }.write(&mut reply);
            let _ = socket.send_to(&reply, from).await;
        }
    });
}

/// P-14
#[tokio::test]
async fn a_socket_that_others_use_and_read_serves_as_well() {
    let tracker = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("udp://{}/announce", tracker.local_addr().unwrap()).parse().unwrap();
    let (sender, mut keys) = tokio::sync::mpsc::unbounded_channel();
    report_keys(tracker, sender);
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let (inlet, datagrams) = tokio::sync::mpsc::channel(9);
    let mut config = ClientConfig::default();
    config.allow_local(true);
    let client = TrackerClient::new(config);
    client.share_udp(Arc::clone(&socket), datagrams).unwrap();
    let reader = tokio::spawn(async move {
        let mut buffer = [0; 2048];
        for _ in 0..2 {
            // The tracker answers to where it was asked from, so that this is the socket that asked.
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            inlet.send((from, buffer[..length].into())).await.unwrap();
        }
    });
    let peer = PeerId::generate(*b"abcdefghijkl");
    let request = AnnounceRequest::new(WireInfoHash::from_bytes([1; 20]), peer, 6881, 7);
    let response = client.announce(&url, &request).await.unwrap();
    assert_eq!(response.interval, Some(Duration::from_secs(9)));
    assert_eq!(keys.recv().await, Some(7));
    reader.await.unwrap();
    // Nobody reads it any more.
    client.announce(&url, &request).await.unwrap();
}

/// U-17, U-38, BEP 7: whatever the resolver of this machine thinks of localhost
#[tokio::test]
async fn both_families_of_a_host_hear_the_same_key() {
    let (sender, mut keys) = tokio::sync::mpsc::unbounded_channel();
    let mut addresses = Vec::new();
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let socket = UdpSocket::bind(local).await.unwrap();
        addresses.push(socket.local_addr().unwrap());
        report_keys(socket, sender.clone());
    }
    let client = hasty();
    let url: TrackerUrl = "udp://both.invalid:1".parse().unwrap();
    client.shared.resolved.put(&url, &addresses);
    // Only this one asks no resolver.
    let mut stopped = request(AnnounceEvent::Stopped);
    stopped.key = 0x1234_5678;
    client.announce(&url, &stopped).await.unwrap();
    assert_eq!(keys.recv().await, Some(0x1234_5678));
    assert_eq!(keys.recv().await, Some(0x1234_5678));
}

/// A client may have thousands of them in flight.
#[tokio::test]
async fn an_announce_that_waits_takes_little_room() {
    let (client, url) = (hasty(), "udp://h.invalid:1".parse().unwrap());
    let request = request(AnnounceEvent::Started);
    let (v1, v2) = (InfoHashV1::from_bytes([1; 20]), InfoHashV2::from_bytes([2; 32]));
    let hashes = InfoHashes::from_both(v1, v2);
    let one = size_of_val(&client.announce(&url, &request));
    let both = size_of_val(&client.announce_all_hashes(&url, &hashes, &request));
    assert!(one < 16 * 1024 && both < 4 * 1024, "{one} {both}");
}
