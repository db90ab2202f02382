//! UDP trackers through a SOCKS5 proxy (RFC 1928, `UDP ASSOCIATE`).
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use support::socks5::{Behaviour, Socks5};
use support::{PEER, Tracker, client, hasty, honest, other_request, request};
use tinytorrent_tracker::client::{ErrorKind, Phase, TrackerClient};
use tinytorrent_tracker::server::{ServerConfig, TrackerServer};
use tinytorrent_tracker::{AnnounceRequest, TrackerUrl};
use tinytorrent_types::WireInfoHash;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn through(scheme: &str, proxy: SocketAddr) -> TrackerClient {
    let mut config = hasty();
    config.network(support::through(&format!("{scheme}://{proxy}")));
    client(config)
}

async fn server(ip: IpAddr) -> TrackerServer {
    TrackerServer::bind(ServerConfig::default(), &[(ip, 0).into()], &[]).await.unwrap()
}

/// U-42: by address and by name, over either family, whatever the family of the proxy
#[tokio::test]
async fn udp_trackers_are_reached_through_the_relay_of_a_socks5_proxy() {
    for proxy_ip in [V4, V6] {
        for (tracker_ip, hides_address) in [(V4, false), (V6, true)] {
            let server = server(tracker_ip).await;
            let address = server.udp_addresses()[0];
            let behaviour = Behaviour { hides_address, names: address, ..Behaviour::default() };
            let proxy = Socks5::start(proxy_ip, behaviour).await;
            let client = through("socks5", proxy.address);
            let by_name = format!("udp://tracker.invalid:{}/announce", address.port());
            for url in [server.announce_urls()[0].clone(), by_name] {
                let url: TrackerUrl = url.parse().unwrap();
                let response = client.announce(&url, &request()).await.unwrap();
                assert_eq!(response.reached_at, None, "only the proxy knows");
                let other = other_request();
                let found = client.announce(&url, &other).await.unwrap().peers;
                let expected = SocketAddr::new(tracker_ip, 6881);
                assert!(found.iter().any(|peer| peer.address == expected), "{url}: {found:?}");
                let hashes = [request().info_hash, WireInfoHash::from_bytes([1; 20])];
                let scrape = client.scrape(&url, &hashes).await.unwrap();
                assert_eq!(scrape.get(hashes[0]).unwrap().leechers, Some(2), "{url}");
            }
            assert_eq!(proxy.opened(), 1, "one association serves all");
        }
    }
}

/// U-39, U-42: at once, and over one association
#[tokio::test]
async fn many_trackers_share_the_relay() {
    let names = server(V4).await;
    let behaviour = Behaviour { names: names.udp_addresses()[0], ..Behaviour::default() };
    let proxy = Socks5::start(V4, behaviour).await;
    let client = through("socks5", proxy.address);
    let port = names.udp_addresses()[0].port();
    let mut announces = tokio::task::JoinSet::new();
    for number in 0..20u8 {
        let url = format!("udp://tracker{number}.invalid:{port}").parse().unwrap();
        let info_hash = WireInfoHash::from_bytes([number; 20]);
        let (client, request) = (client.clone(), AnnounceRequest { info_hash, ..request() });
        announces.spawn(async move { client.announce(&url, &request).await });
    }
    while let Some(outcome) = announces.join_next().await {
        assert_eq!(outcome.unwrap().unwrap().leechers, Some(1));
    }
    assert_eq!(names.tracker().figures().totals.torrents, 20);
    assert_eq!(proxy.opened(), 1);
}

/// U-42
#[tokio::test]
async fn a_proxy_that_does_not_relay_is_an_error_that_says_so_and_nothing_goes_past_it() {
    let tracker = Tracker::udp_with(|_, _, _, _| async { panic!("a datagram") }).await;
    let refusing = Behaviour { reply: 7, ..Behaviour::default() };
    let refusing = Socks5::start(V4, refusing).await;
    let gone = Socks5::start(V4, Behaviour::default()).await.address;
    let not_there = format!("asking the proxy: {gone}");
    for (scheme, proxy, expected) in [
        ("socks5", refusing.address, "does not relay datagrams: command not supported"),
        ("socks5", gone, not_there.as_str()),
        ("http", refusing.address, "cannot be reached through an http proxy"),
    ] {
        let client = through(scheme, proxy);
        let announce = client.announce(&tracker.udp(), &request()).await.unwrap_err();
        let scrape = client.scrape(&tracker.udp(), &[request().info_hash]).await.unwrap_err();
        for error in [announce, scrape] {
            assert_eq!(error.phase(), Phase::Proxy, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(matches!(error.kind(), ErrorKind::NotThroughProxy), scheme == "http");
        }
    }
    assert_eq!(refusing.opened(), 2, "asked again each time");
}

/// U-11: what is no datagram of the relay, a fragment or from elsewhere is no answer
#[tokio::test]
async fn the_relay_is_heard_with_care() {
    for by_name in [false, true] {
        let tracker = Tracker::udp_with(|_, datagram, from, socket| async move {
            socket.send_to(&honest(&datagram, &PEER), from).await.unwrap();
        })
        .await;
        let noise = vec![vec![], vec![0, 0, 0], vec![0, 0, 0, 9], vec![0, 0, 0, 3, 200, 1]];
        let behaviour = Behaviour { names: tracker.address, noise, ..Behaviour::default() };
        let proxy = Socks5::start(V4, behaviour).await;
        let port = tracker.address.port();
        let by_name = by_name.then(|| format!("udp://tracker.invalid:{port}").parse().unwrap());
        let url = by_name.unwrap_or_else(|| tracker.udp());
        let peers =
            through("socks5", proxy.address).announce(&url, &request()).await.unwrap().peers;
        assert_eq!(peers.len(), 1, "{url}");
        assert_eq!(peers[0].address, "203.0.113.5:6881".parse().unwrap(), "{url}");
    }
}

#[tokio::test]
async fn a_relay_that_was_ended_is_asked_for_again() {
    let server = server(V4).await;
    let url = server.announce_urls()[0].parse().unwrap();
    // Connect and announce, and the third datagram ends it.
    let proxy = Socks5::start(V4, Behaviour { datagrams: 2, ..Behaviour::default() }).await;
    let client = through("socks5", proxy.address);
    for associations in 1..4 {
        client.announce(&url, &request()).await.unwrap();
        assert_eq!(proxy.opened(), associations);
    }
    let hopeless = Socks5::start(V4, Behaviour { datagrams: 0, ..Behaviour::default() }).await;
    let error = through("socks5", hopeless.address).announce(&url, &request()).await.unwrap_err();
    assert_eq!((error.phase(), hopeless.opened()), (Phase::Proxy, 2), "{error}");
}

#[tokio::test]
async fn a_relay_that_nobody_needs_is_closed() {
    // Refused at the first word: no connection id that could be used again.
    let tracker = Tracker::udp_with(|_, datagram, from, socket| async move {
        let refusal = [&[0, 0, 0, 3], &datagram[12..16], b"no"].concat();
        socket.send_to(&refusal, from).await.unwrap();
    })
    .await;
    let proxy = Socks5::start(V4, Behaviour::default()).await;
    let client = through("socks5", proxy.address);
    let error = client.announce(&tracker.udp(), &request()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{error}");
    proxy.all_closed().await;
    assert_eq!(proxy.opened(), 1);
}
