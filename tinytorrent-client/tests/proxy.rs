//! Clients behind a SOCKS5 proxy, and clients that are bound.

#[path = "../../tinytorrent-net/tests/support/proxy.rs"]
mod proxy;
mod support;

use std::net::{IpAddr, SocketAddr};

use proxy::Proxy;
use support::{Scene, address, in_time};
use tinytorrent_client::{Client, ClientOptions, Encryption};

fn loopback(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 0)
}

fn listening(ip: &str) -> Client {
    let mut options = ClientOptions::default();
    options.listen(loopback(ip)).dht(false).utp(false);
    Client::start(options).unwrap()
}

fn through(proxy: &Proxy, credentials: &str) -> ClientOptions {
    let mut options = ClientOptions::default();
    let url = format!("socks5://{credentials}{}", proxy.address);
    options.proxy(Some(url.parse().unwrap()));
    options
}

/// With user and password, over either family, encrypted or not
#[tokio::test(flavor = "multi_thread")]
async fn peers_are_reached_through_the_proxy_and_nothing_listens() {
    for (ip, encryption) in [("127.0.0.1", Encryption::Off), ("::1", Encryption::Require)] {
        let scene = Scene::single(500_000);
        let seeder = listening(ip);
        let _seed = scene.seed(&seeder).await;
        let proxy = Proxy::start(loopback(ip), Some(("joe", "p@ss!")), false, None).await.unwrap();
        let mut options = through(&proxy, "joe:p%40ss%21@");
        options.encryption(encryption);
        let leecher = Client::start(options).unwrap();
        assert!(leecher.listen_addresses().is_empty());
        let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
        in_time(torrent.finished()).await.unwrap();
        scene.assert_complete();
        assert_eq!(proxy.asked(), [format!("tcp {}", address(&seeder))]);
    }
}

/// D-56: what is bound has that address, and a listening address that is another is an error.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_bound_client_connects_from_its_address_and_listens_there_alone() {
    let scene = Scene::single(500_000);
    let seeder = listening("127.0.0.1");
    let seed = scene.seed(&seeder).await;
    let ours = IpAddr::from([127, 0, 0, 2]);
    let mut options = ClientOptions::default();
    options.bind(ours.into()).dht(false);
    let leecher = Client::start(options).unwrap();
    assert!(leecher.listen_addresses().iter().all(|address| address.ip() == ours));
    let mut slow = scene.leech(&seeder);
    slow.download_limit(Some(1));
    let torrent = leecher.add(&scene.metainfo, slow).unwrap();
    let connected = async {
        while seed.peers().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        seed.peers()
    };
    let peers = in_time(connected).await;
    assert!(peers.iter().all(|peer| peer.peer.address.ip() == ours), "{peers:?}");
    torrent.set_download_limit(None);
    in_time(torrent.finished()).await.unwrap();
    let mut elsewhere = ClientOptions::default();
    elsewhere.bind(ours.into()).listen(loopback("127.0.0.1"));
    assert!(Client::start(elsewhere).is_err());
}
