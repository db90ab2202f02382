//! Clients whose uTP and DHT go through the relay of a SOCKS5 proxy.

#[path = "../../tinytorrent-net/tests/support/proxy.rs"]
mod proxy;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use proxy::Proxy;
use support::{Scene, address, in_time};
use tinytorrent_client::{Client, ClientOptions, PeerAddress, TorrentOptions};
use tinytorrent_dht::{DhtNode, Event, NodeConfig};
use tokio::time::sleep;

fn loopback(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 0)
}

/// A proxy that takes each name for this machine.
async fn proxy() -> Proxy {
    let at = loopback("127.0.0.1");
    Proxy::start(at, Some(("joe", "secret")), true, Some(at)).await.unwrap()
}

/// A client with uTP alone.
fn client(ip: &str, change: impl FnOnce(&mut ClientOptions)) -> Client {
    let mut options = ClientOptions::default();
    options.listen(loopback(ip)).tcp(false).dht(false);
    change(&mut options);
    Client::start(options).unwrap()
}

/// A client behind the proxy, with uTP alone.
fn relayed(proxy: &Proxy, change: impl FnOnce(&mut ClientOptions)) -> Client {
    let url = format!("socks5://joe:secret@{}", proxy.address);
    let mut options = ClientOptions::default();
    options.proxy(Some(url.parse().unwrap())).relay_datagrams(true).tcp(false).dht(false);
    change(&mut options);
    Client::start(options).unwrap()
}

async fn until(mut holds: impl FnMut() -> bool) {
    in_time(async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn associations(proxy: &Proxy) -> usize {
    proxy.asked().iter().filter(|asked| *asked == "associate").count()
}

/// U-42: over either family, by one association
#[tokio::test(flavor = "multi_thread")]
async fn content_comes_by_utp_through_the_relay() {
    for ip in ["127.0.0.1", "::1"] {
        let scene = Scene::single(3_000_000);
        let seeder = client(ip, |_| {});
        let seed = scene.seed(&seeder).await;
        let proxy = proxy().await;
        let leecher = relayed(&proxy, |_| {});
        assert!(leecher.listen_addresses().is_empty());
        let mut options = scene.leech(&seeder);
        options.download_limit(Some(1));
        let torrent = leecher.add(&scene.metainfo, options).unwrap();
        until(|| !seed.peers().is_empty()).await;
        torrent.set_download_limit(None);
        in_time(torrent.finished()).await.unwrap();
        scene.assert_complete();
        assert_eq!(proxy.asked(), ["associate".to_owned(), format!("udp {}", address(&seeder))]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_when_the_relay_was_ended() {
    let scene = Scene::single(3_000_000);
    let seeder = client("127.0.0.1", |_| {});
    let seed = scene.seed(&seeder).await;
    let proxy = proxy().await;
    let leecher = relayed(&proxy, |_| {});
    let mut options = scene.leech(&seeder);
    options.download_limit(Some(1));
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    until(|| !seed.peers().is_empty()).await;
    proxy.end_associations();
    until(|| associations(&proxy) == 2).await;
    torrent.set_download_limit(None);
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
}

/// The peers that a node of the DHT knows.
async fn known(node: &DhtNode, scene: &Scene) -> Vec<SocketAddr> {
    let mut lookup = node.find_peers(scene.metainfo.hashes().to_wire());
    let mut known = Vec::new();
    while let Some(event) = in_time(lookup.next()).await {
        match event {
            Event::PeersFound { peers, .. } => known.extend(peers),
            Event::SearchEnded { .. } => break,
            _ => {}
        }
    }
    known
}

/// By its address, or by a name that the proxy alone knows; D-15: it announces nothing, as nobody can connect to it
#[tokio::test(flavor = "multi_thread")]
async fn peers_are_found_in_the_dht_through_the_relay_and_nothing_is_announced() {
    let scene = Scene::single(500_000);
    let entry = DhtNode::bind(&[loopback("127.0.0.1")], NodeConfig::new([7; 32])).await.unwrap();
    let node = entry.local_addresses()[0];
    let seeder = client("127.0.0.1", |options| _ = options.dht(true).dht_node(node));
    let _seed = scene.seed(&seeder).await;
    let asker = DhtNode::bind(&[loopback("127.0.0.1")], NodeConfig::new([8; 32])).await.unwrap();
    asker.add_node(node);
    while known(&asker, &scene).await.is_empty() {
        sleep(Duration::from_millis(50)).await;
    }

    for name in [node.to_string(), format!("node.test:{}", node.port())] {
        let proxy = proxy().await;
        let way_in: PeerAddress = name.parse().unwrap();
        let leecher = relayed(&proxy, |options| _ = options.dht(true).dht_node(way_in));
        let options = TorrentOptions::new(scene.leech_dir());
        let torrent = leecher.add(scene.metainfo.hashes(), options).unwrap();
        in_time(torrent.finished()).await.unwrap();
        scene.assert_complete();
        assert!(proxy.asked().contains(&format!("udp {name}")), "{name}: {:?}", proxy.asked());
        assert!(leecher.dht().unwrap().stats().is_read_only);
        leecher.shutdown(Duration::from_secs(5)).await;
        drop(torrent);
        std::fs::remove_dir_all(scene.leech_dir()).unwrap();
    }
    let known = known(&asker, &scene).await;
    assert!(!known.is_empty() && known.iter().all(|peer| *peer == address(&seeder)), "{known:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_word_of_the_user_no_datagram_is_relayed() {
    let scene = Scene::single(500_000);
    let seeder = client("127.0.0.1", |options| _ = options.tcp(true));
    let _seed = scene.seed(&seeder).await;
    let proxy = proxy().await;
    let leecher = relayed(&proxy, |options| _ = options.relay_datagrams(false).dht(true).tcp(true));
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    assert!(leecher.dht().is_none());
    assert_eq!(proxy.asked(), [format!("tcp {}", address(&seeder))]);
}
