//! Our client and our server, over real sockets on loopback.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

use std::net::SocketAddr;

use tinytorrent_net::{Network, NetworkConfig};
use tinytorrent_tracker::client::{ClientConfig, TrackerClient};
use tinytorrent_tracker::server::{ServerConfig, TrackerServer};
use tinytorrent_tracker::{AnnounceEvent, AnnounceRequest, TrackerUrl};
use tinytorrent_types::{InfoHashV1, InfoHashV2, InfoHashes, PeerId, WireInfoHash};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn server() -> TrackerServer {
    let loopback: Vec<SocketAddr> =
        ["127.0.0.1:0", "[::1]:0"].iter().map(|address| address.parse().unwrap()).collect();
    TrackerServer::bind(ServerConfig::default(), &loopback, &loopback).await.unwrap()
}

fn client() -> TrackerClient {
    TrackerClient::new(ClientConfig::default())
}

fn hash(byte: u8) -> WireInfoHash {
    WireInfoHash::from_bytes([byte; 20])
}

fn peer(number: u8, event: AnnounceEvent, left: u64) -> AnnounceRequest {
    let port = 6880 + u16::from(number);
    let mut request =
        AnnounceRequest::new(hash(1), PeerId::from_bytes([number; 20]), port, u32::from(number));
    (request.event, request.left) = (event, Some(left));
    request
}

fn urls(server: &TrackerServer) -> Vec<TrackerUrl> {
    server.announce_urls().iter().map(|url| url.parse().unwrap()).collect()
}

/// U-19, U-21, U-39, H-06: over UDP and HTTP, IPv4 and IPv6
#[tokio::test]
async fn peers_find_each_other_over_every_transport_and_family() {
    let (server, client) = (server().await, client());
    for url in urls(&server) {
        client.announce(&url, &peer(1, AnnounceEvent::Started, 0)).await.unwrap();
        let response = client.announce(&url, &peer(2, AnnounceEvent::Started, 5)).await.unwrap();
        let found: Vec<_> = response.peers.iter().map(|peer| peer.address).collect();
        let expected = if url.host() == "[::1]" { "[::1]:6881" } else { "127.0.0.1:6881" };
        assert!(found.contains(&expected.parse().unwrap()), "{url}: {found:?}");
        assert!(
            !found.iter().any(|address| address.port() == 6882 && address.to_string() == expected)
        );
        assert!(response.seeders >= Some(1) && response.leechers >= Some(1), "{url}");
        assert_eq!(response.interval.unwrap().as_secs(), 1800);
    }
    server.shutdown().await;
}

/// U-25: what it may tell depends on it
#[tokio::test]
async fn a_response_says_at_which_address_the_tracker_was_reached() {
    let (server, client) = (server().await, client());
    for url in urls(&server) {
        let response = client.announce(&url, &peer(1, AnnounceEvent::Started, 0)).await.unwrap();
        let host = url.host_to_resolve().parse().unwrap();
        assert_eq!(response.reached_at, Some(host), "{url}");
    }
    let hybrid =
        InfoHashes::from_both(InfoHashV1::from_bytes([1; 20]), InfoHashV2::from_bytes([2; 32]));
    let request = peer(1, AnnounceEvent::None, 0);
    let response = client.announce_all_hashes(&urls(&server)[0], &hybrid, &request).await.unwrap();
    assert!(response.reached_at.is_some_and(|address| address.is_loopback()));
    server.shutdown().await;
}

/// U-15, H-23, T-07: the life of a peer as the tracker counts it
#[tokio::test]
async fn started_completed_and_stopped_move_the_counts() {
    let (server, client) = (server().await, client());
    for (number, url) in urls(&server).into_iter().enumerate() {
        let of_torrent = |event, left| {
            let info_hash = hash(100 + number as u8);
            AnnounceRequest { info_hash, ..peer(7, event, left) }
        };
        let info_hash = of_torrent(AnnounceEvent::None, 0).info_hash;
        for (event, left, counts) in [
            (AnnounceEvent::Started, 9, Some((0, 1, 0))),
            (AnnounceEvent::None, 5, Some((0, 1, 0))),
            (AnnounceEvent::Completed, 0, Some((1, 0, 1))),
            (AnnounceEvent::Stopped, 0, Some((0, 0, 1))),
        ] {
            client.announce(&url, &of_torrent(event, left)).await.unwrap();
            let scrape = client.scrape(&url, &[info_hash]).await.unwrap();
            let found = scrape.get(info_hash).map(|counts| {
                (counts.seeders.unwrap(), counts.leechers.unwrap(), counts.completed.unwrap())
            });
            assert_eq!(found, counts, "{url} after {event:?}");
        }
    }
    server.shutdown().await;
}

/// BEP 7: over UDP and HTTP, IPv4 and IPv6
#[tokio::test]
async fn a_peer_is_one_peer_over_every_transport_and_family() {
    let (server, client) = (server().await, client());
    for _ in 0..2 {
        for url in urls(&server) {
            let response = client.announce(&url, &peer(7, AnnounceEvent::None, 5)).await.unwrap();
            assert_eq!((response.peers.len(), response.leechers), (0, Some(1)), "{url}");
            let scrape = client.scrape(&url, &[hash(1)]).await.unwrap();
            assert_eq!(scrape.get(hash(1)).unwrap().leechers, Some(1), "{url}");
        }
    }
    server.shutdown().await;
}

/// BEP 48
#[tokio::test]
async fn an_unknown_torrent_is_scraped_as_empty() {
    let (server, client) = (server().await, client());
    for url in urls(&server) {
        let scrape = client.scrape(&url, &[hash(200), hash(100)]).await.unwrap();
        for torrent in [hash(100), hash(200)] {
            let counts = scrape.get(torrent).unwrap();
            assert_eq!((counts.seeders, counts.leechers), (Some(0), Some(0)), "{url}");
            assert_eq!(counts.completed, Some(0), "{url}");
        }
    }
    server.shutdown().await;
}

#[tokio::test]
async fn nonsense_is_refused_with_a_reason() {
    let server = server().await;
    let (one, two) = ("a".repeat(20), "b".repeat(20));
    let good = format!("/announce?info_hash={one}&peer_id={two}&port=6881&left=5");
    for (more, reason) in [
        (format!("&info_hash={two}"), "14:failure reason33:info_hash is given more than once"),
        ("&compact=maybe".to_owned(), "14:failure reason18:compact is invalid"),
        ("&numwant=many".to_owned(), "14:failure reason18:numwant is invalid"),
        ("&event=arrived".to_owned(), "14:failure reason16:event is invalid"),
        ("&event=&numwant=-1&compact=0".to_owned(), "8:interval"),
    ] {
        let mut stream = TcpStream::connect(server.http_addresses()[0]).await.unwrap();
        let request = format!("GET {good}{more} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{more}: {answer}");
        assert!(answer.contains(reason), "{more}: {answer}");
    }
    server.shutdown().await;
}

/// U-29, U-30, H-37
#[tokio::test]
async fn two_hundred_hashes_are_scraped_in_batches() {
    let (server, client) = (server().await, client());
    let hashes: Vec<WireInfoHash> = (0..200).map(hash).collect();
    let url: TrackerUrl = server.announce_urls()[0].parse().unwrap();
    let seed = AnnounceRequest { info_hash: hash(150), ..peer(1, AnnounceEvent::Started, 0) };
    client.announce(&url, &seed).await.unwrap();
    let response = client.scrape(&url, &hashes).await.unwrap();
    assert_eq!(response.files.len(), 200);
    assert_eq!(response.get(hash(150)).unwrap().seeders, Some(1));
    assert_eq!(response.get(hash(151)).unwrap().seeders, Some(0));
    server.shutdown().await;
}

/// H-41, BEP 52
#[tokio::test]
async fn a_hybrid_is_announced_under_both_hashes() {
    let (server, client) = (server().await, client());
    let v2 = InfoHashV2::from_bytes([9; 32]);
    let hashes = InfoHashes::from_both(InfoHashV1::from_bytes([8; 20]), v2);
    let url: TrackerUrl = server.announce_urls()[0].parse().unwrap();
    for (number, info_hash) in [(1, hash(8)), (2, hash(9))] {
        let other = AnnounceRequest { info_hash, ..peer(number, AnnounceEvent::Started, 0) };
        client.announce(&url, &other).await.unwrap();
    }
    let ours = AnnounceRequest { info_hash: hash(8), ..peer(3, AnnounceEvent::Started, 5) };
    let response = client.announce_all_hashes(&url, &hashes, &ours).await.unwrap();
    let mut ports: Vec<_> = response.peers.iter().map(|peer| peer.address.port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [6881, 6882]);
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_that_is_dropped_has_given_its_port_back() {
    let server = server().await;
    let address = server.udp_addresses()[0];
    assert!(std::net::UdpSocket::bind(address).is_err());
    drop(server);
    assert!(std::net::UdpSocket::bind(address).is_ok());
}

/// Several sockets have one port and one tracker, whichever of them a client reaches.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn sockets_that_share_a_port_are_one_tracker() {
    let mut config = ServerConfig::default();
    config.sockets(4);
    let local = ["127.0.0.1:0".parse().unwrap()];
    let server = TrackerServer::bind(config, &local, &[]).await.unwrap();
    for number in 1..=20 {
        let seen = peer(number, AnnounceEvent::Started, 5);
        // Each client has a socket of its own.
        let response = client().announce(&urls(&server)[0], &seen).await.unwrap();
        assert_eq!(response.leechers, Some(u32::from(number)));
    }
    server.shutdown().await;
}

/// True if the other side has neither sent anything nor closed the connection.
fn is_open(stream: &TcpStream) -> bool {
    let error = stream.try_read(&mut [0]).err();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// From the same host and from another one of the network, while none of the silent ones has timed
/// out.
#[tokio::test]
async fn silent_connections_delay_nobody() {
    let server = server().await;
    let url = urls(&server).into_iter().find(|url| url.to_string().starts_with("http://127"));
    let url = url.unwrap();
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(server.http_addresses()[0]).await.unwrap());
    }
    let mut other = ClientConfig::default();
    let mut network = NetworkConfig::default();
    network.bind("127.0.0.2".parse().unwrap());
    other.network(Network::new(network));
    for client in [client(), TrackerClient::new(other)] {
        let announce = peer(1, AnnounceEvent::Started, 5);
        assert!(client.announce(&url, &announce).await.is_ok());
    }
    // Readiness is known once the runtime has looked at the sockets.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(is_open(&silent[299]), "the last of them waits for its turn to be the oldest");
    assert!(silent.iter().filter(|stream| is_open(stream)).count() <= 256);
    server.shutdown().await;
}
