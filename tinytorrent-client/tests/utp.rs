//! Clients that reach each other by uTP.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::{Scene, address, in_time};
use tinytorrent_client::{
    Client, ClientOptions, Encryption, FigureDetail, PeerInfo, Torrent, Transport,
};
use tokio::net::UdpSocket;
use tokio::time::sleep;

fn client(change: impl FnOnce(&mut ClientOptions)) -> Client {
    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().unwrap());
    change(&mut options);
    Client::start(options).unwrap()
}

/// Downloads from a client. Returns the connection as both ends show it, while it was there.
async fn download(scene: &Scene, seeder: &Client, leecher: &Client) -> (PeerInfo, PeerInfo) {
    let seed = scene.seed(seeder).await;
    let mut options = scene.leech(seeder);
    // Long enough to be seen.
    options.download_limit(Some(1));
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    let ends = (first_peer(&torrent).await, first_peer(&seed).await);
    if ends.0.peer.transport == Transport::Utp {
        let figures = leecher.figures(FigureDetail::Client);
        let connections = figures.get("tinytorrent_utp_connections").unwrap().samples[0].value;
        assert!(connections >= 1.0);
    }
    torrent.set_download_limit(None);
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
    ends
}

async fn first_peer(torrent: &Torrent) -> PeerInfo {
    let joined = async {
        loop {
            let peer = torrent.peers().into_iter().next();
            if let Some(peer) = peer.filter(|peer| peer.peer.client.is_some()) {
                return peer;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    in_time(joined).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tcp_everything_goes_by_utp_encrypted_or_not() {
    for encryption in [Encryption::Prefer, Encryption::Require] {
        let scene = Scene::single(3_000_000);
        let [seeder, leecher] =
            [(); 2].map(|()| client(|options| _ = options.tcp(false).encryption(encryption)));
        let (ours, theirs) = download(&scene, &seeder, &leecher).await;
        for end in [&ours, &theirs] {
            assert_eq!(end.peer.transport, Transport::Utp);
            assert_eq!(end.is_encrypted, encryption == Encryption::Require);
        }
        assert!(theirs.peer.is_incoming && !ours.peer.is_incoming);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_has_both_is_reached_by_tcp() {
    let scene = Scene::single(300_000);
    let (ours, _) = download(&scene, &client(|_| {}), &client(|_| {})).await;
    assert_eq!(ours.peer.transport, Transport::Tcp);
}

/// P-41
#[tokio::test(flavor = "multi_thread")]
async fn a_transport_that_leads_nowhere_leaves_the_peer_to_the_other() {
    for only_utp in [true, false] {
        let scene = Scene::single(300_000);
        let seeder = client(|options| _ = options.tcp(!only_utp).utp(only_utp));
        let (ours, _) = download(&scene, &seeder, &client(|_| {})).await;
        let expected = if only_utp { Transport::Utp } else { Transport::Tcp };
        assert_eq!(ours.peer.transport, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_utp_answers_nobody_over_udp() {
    let closed = client(|options| _ = options.utp(false));
    let scene = Scene::single(300_000);
    let _seed = scene.seed(&closed).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&first_packet(), address(&closed)).await.unwrap();
    let mut buffer = [0; 100];
    let answered = tokio::time::timeout(Duration::from_millis(300), socket.recv_from(&mut buffer));
    assert!(answered.await.is_err());

    // The same packet has an answer elsewhere.
    let open = client(|_| {});
    socket.send_to(&first_packet(), address(&open)).await.unwrap();
    let (length, from) = in_time(socket.recv_from(&mut buffer)).await.unwrap();
    assert_eq!((length, from, buffer[0]), (20, address(&open), 0x21));
}

/// The first packet of a connection (BEP 29).
fn first_packet() -> [u8; 20] {
    let mut packet = [0; 20];
    (packet[0], packet[3], packet[7], packet[17]) = (0x41, 9, 1, 1);
    packet
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_accepts_no_peers_connects_by_utp_all_the_same() {
    let scene = Scene::single(300_000);
    let seeder = client(|options| _ = options.tcp(false));
    let leecher = client(|options| _ = options.tcp(false).accept_peers(false));
    assert!(leecher.listen_addresses().is_empty());
    assert_eq!(download(&scene, &seeder, &leecher).await.0.peer.transport, Transport::Utp);
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_over_ipv6_are_reached_as_well() {
    let at: SocketAddr = "[::1]:0".parse().unwrap();
    if UdpSocket::bind(at).await.is_err() {
        return eprintln!("left out: the system has no IPv6");
    }
    let scene = Scene::single(300_000);
    let [seeder, leecher] = [(); 2].map(|()| {
        let mut options = ClientOptions::default();
        options.listen(at).tcp(false);
        Client::start(options).unwrap()
    });
    assert_eq!(download(&scene, &seeder, &leecher).await.0.peer.transport, Transport::Utp);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_comes_by_utp_as_well() {
    let scene = Scene::single(2_000_000);
    let [seeder, leecher] = [(); 2].map(|()| client(|options| _ = options.tcp(false)));
    let _seed = scene.seed(&seeder).await;
    let torrent = leecher.add(scene.metainfo.hashes(), scene.leech(&seeder)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
}

/// P-16: the end that did not begin the connection does not begin the encryption either.
#[tokio::test(flavor = "multi_thread")]
async fn two_ends_that_dial_each_other_at_once_agree_who_encrypts_first() {
    for _ in 0..5 {
        let scene = Scene::single(300_000);
        let [seeder, leecher] = [(); 2]
            .map(|()| client(|options| _ = options.tcp(false).encryption(Encryption::Require)));
        let seed = scene.seed(&seeder).await;
        let mut options = scene.leech(&seeder);
        options.download_limit(Some(1));
        let torrent = leecher.add(&scene.metainfo, options).unwrap();
        seed.add_peers([address(&leecher).into()]);
        let peer = first_peer(&torrent).await;
        assert!(peer.is_encrypted);
        torrent.set_download_limit(None);
        in_time(torrent.finished()).await.unwrap();
    }
}
