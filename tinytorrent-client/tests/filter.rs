//! Addresses that the user avoids. All of 127.0.0.0/8 is this machine on Linux.
#![cfg(target_os = "linux")]

mod support;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use support::{Scene, address, in_time};
use tinytorrent_client::{
    Client, ClientOptions, Event, InfoHashV1, InfoHashes, IpRanges, LeaveReason, SwarmEvent,
    Torrent, TorrentOptions,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

const OURS: Ipv4Addr = Ipv4Addr::LOCALHOST;
const AVOIDED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// The addresses of 127.0.0.2.
fn avoided() -> Option<Arc<IpRanges>> {
    let mut ranges = IpRanges::builder();
    ranges.add(AVOIDED.into(), AVOIDED.into()).unwrap();
    Some(Arc::new(ranges.build()))
}

fn client_at(host: Ipv4Addr, change: impl FnOnce(&mut ClientOptions)) -> Client {
    let mut options = ClientOptions::default();
    options.listen((host, 0).into()).dht(false);
    change(&mut options);
    Client::start(options).unwrap()
}

async fn connect_from(host: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((host, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

fn magnet() -> InfoHashes {
    InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]))
}

/// A handshake about it.
fn handshake() -> Vec<u8> {
    [&b"\x13BitTorrent protocol"[..], &[0; 8], &[7; 20], &[9; 20]].concat()
}

/// True if the client answers a handshake from this address.
async fn is_answered(host: Ipv4Addr, client: &Client) -> bool {
    let mut stream = connect_from(host, address(client)).await;
    // It may be closed by now.
    let _ = stream.write_all(&handshake()).await;
    match in_time(stream.read(&mut [0; 68])).await {
        Ok(length) => length > 0,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_from_there_until_the_filter_is_changed() {
    let client = client_at(OURS, |options| _ = options.filter(avoided()));
    let folder = tempfile::tempdir().unwrap();
    client.add(magnet(), TorrentOptions::new(folder.path())).unwrap();
    assert!(!is_answered(AVOIDED, &client).await);
    assert!(is_answered(OTHER, &client).await);
    client.set_filter(None);
    assert!(is_answered(AVOIDED, &client).await);
    client.set_filter(avoided());
    assert!(!is_answered(AVOIDED, &client).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_from_there_is_closed_before_it_says_anything() {
    let client = client_at(OURS, |options| _ = options.filter(avoided()));
    let mut silent = connect_from(AVOIDED, address(&client)).await;
    // Others have a minute to shake hands.
    assert_eq!(in_time(silent.read(&mut [0; 1])).await.unwrap(), 0);
}

/// A SYN of uTP (BEP 29), and a ping of the DHT (BEP 5).
const DATAGRAMS: [&[u8]; 2] = [
    &[0x41, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0],
    b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
];

// D-56
#[tokio::test(flavor = "multi_thread")]
async fn no_datagram_from_there_is_answered() {
    let client = client_at(OURS, |options| _ = options.dht(true).filter(avoided()));
    let mut received = [0; 1_500];
    for datagram in DATAGRAMS {
        let [there, other] = [AVOIDED, OTHER].map(|host| UdpSocket::bind((host, 0)));
        let (there, other) = (there.await.unwrap(), other.await.unwrap());
        for socket in [&there, &other] {
            socket.send_to(datagram, address(&client)).await.unwrap();
        }
        // Whoever was first has his answer by then.
        in_time(other.recv(&mut received)).await.unwrap();
        let nothing = there.try_recv(&mut received).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }
    let node = client.dht().unwrap();
    assert!(node.ping((AVOIDED, 6881).into()).await.is_none());
    client.set_filter(None);
    let there = UdpSocket::bind((AVOIDED, 0)).await.unwrap();
    for datagram in DATAGRAMS {
        there.send_to(datagram, address(&client)).await.unwrap();
        in_time(there.recv(&mut received)).await.unwrap();
    }
}

/// Waits until somebody connects.
async fn is_reached(listener: &TcpListener) {
    in_time(listener.accept()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_connected_to_there_whoever_told() {
    let there = TcpListener::bind((AVOIDED, 0)).await.unwrap();
    let other = TcpListener::bind((OTHER, 0)).await.unwrap();
    let [peer, friend] = [&there, &other].map(|listener| listener.local_addr().unwrap());
    let client = client_at(OURS, |options| _ = options.utp(false).filter(avoided()));
    let folder = tempfile::tempdir().unwrap();
    let mut options = TorrentOptions::new(folder.path());
    options.peer(peer).peer(friend);
    let torrent = client.add(magnet(), options).unwrap();
    is_reached(&other).await;
    assert_eq!(torrent.stats().known_peers, 1);
    torrent.add_peers([peer.into()]);
    assert_eq!(torrent.stats().known_peers, 1);
    client.set_filter(None);
    torrent.add_peers([peer.into()]);
    is_reached(&there).await;
}

/// Waits until so many peers have joined.
async fn joined(torrent: &Torrent, count: usize) {
    let mut events = torrent.events();
    while torrent.peers().len() < count {
        in_time(events.next()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_there_are_left_when_a_filter_comes() {
    for has_tcp in [true, false] {
        let scene = Scene::single(300_000);
        let ways = |options: &mut ClientOptions| _ = options.tcp(has_tcp).utp(!has_tcp);
        let seeder = client_at(OURS, ways);
        let torrent = scene.seed(&seeder).await;
        let leechers = [AVOIDED, OTHER].map(|host| client_at(host, ways));
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for (leecher, folder) in leechers.iter().zip(&folders) {
            let mut options = TorrentOptions::new(folder.path());
            options.download_limit(Some(1));
            leecher.add(&scene.metainfo, options).unwrap();
            torrent.add_peers([address(leecher).into()]);
        }
        joined(&torrent, 2).await;
        let mut events = torrent.events();
        seeder.set_filter(avoided());
        let (left, reason) = loop {
            let event = in_time(events.next()).await.unwrap();
            if let Event::Swarm(SwarmEvent::PeerLeft { address, reason, .. }) = event {
                break (address, reason);
            }
        };
        assert_eq!((left, reason), (address(&leechers[0]), LeaveReason::Blocked));
        assert_eq!(torrent.peers().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tracker_there_is_asked() {
    let there = TcpListener::bind((AVOIDED, 0)).await.unwrap();
    let port = there.local_addr().unwrap().port();
    let client = client_at(OURS, |options| _ = options.filter(avoided()));
    let folder = tempfile::tempdir().unwrap();
    let mut options = TorrentOptions::new(folder.path());
    options.tracker(format!("http://{AVOIDED}:{port}/announce"));
    let torrent = client.add(magnet(), options).unwrap();
    let mut events = torrent.events();
    let failure = loop {
        if let Event::Swarm(SwarmEvent::TrackerFailed { failure, .. }) =
            in_time(events.next()).await.unwrap()
        {
            break failure;
        }
    };
    assert!(failure.to_string().contains("blocked"), "{failure}");
    client.set_filter(None);
    torrent.reannounce();
    is_reached(&there).await;
}
