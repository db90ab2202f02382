//! Torrents that the owner of a key names in the DHT (BEP 46), on loopback.

mod support;

use std::net::SocketAddr;

use support::{Scene, in_time};
use tinytorrent_client::{Client, ClientOptions, DhtConfig, DhtNode, KeyMagnet, TorrentOptions};
use tinytorrent_dht::{Event, Item};
use tinytorrent_metainfo::TorrentKey;

const OWNER: [u8; 32] = [9; 32];

async fn node(seed: u8) -> DhtNode {
    let mut config = DhtConfig::new([seed; 32]);
    config.queries_per_host(10_000);
    DhtNode::bind(&["127.0.0.1:0".parse().unwrap()], config).await.unwrap()
}

/// A client that enters by this node.
fn entering(node: SocketAddr) -> Client {
    let mut options = ClientOptions::default();
    Client::start(options.listen("127.0.0.1:0".parse().unwrap()).dht_node(node)).unwrap()
}

/// Names the torrent of a scene as the owner of the key.
async fn name(owner: &DhtNode, seq: i64, scene: &Scene) -> Item {
    let torrent = scene.metainfo.hashes().to_wire();
    let item = Item::sign_torrent(&OWNER, b"n", seq, torrent).unwrap();
    let mut put = owner.put(item.clone(), None);
    loop {
        if let Event::SearchEnded { report, .. } = in_time(put.next()).await.unwrap() {
            assert!(report.stored > 0, "{report:?}");
            return item;
        }
    }
}

async fn is_announced(node: &DhtNode, scene: &Scene) -> bool {
    let mut lookup = node.find_peers(scene.metainfo.hashes().to_wire());
    while let Some(event) = lookup.next().await {
        if matches!(event, Event::PeersFound { .. }) {
            return true;
        }
    }
    false
}

// D-72
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_torrent_of_a_key_is_found_downloaded_and_followed() {
    let (hub, owner) = (node(1).await, node(2).await);
    let entry = hub.local_addresses()[0];
    owner.add_node(entry);
    in_time(owner.is_in_network()).await;
    let (old, new) = (Scene::single(100_000), Scene::multi());
    let item = name(&owner, 1, &old).await;

    let key = item.mutable_part().unwrap().key;
    let mut link = KeyMagnet::new(TorrentKey::new(key, *b"n").unwrap());
    let leecher = entering(entry);
    let mut updates = leecher.follow(&link, None).unwrap();
    let update = in_time(updates.next()).await.unwrap();
    assert_eq!((update.magnet.hashes, update.seq), (old.metainfo.hashes(), 1));
    assert_eq!(update.magnet.key.as_ref(), Some(link.key()), "it can be followed again");
    // The DHT tells both who has it and what it is.
    let seeder = entering(entry);
    let _seed = old.seed(&seeder).await;
    in_time(async { while !is_announced(&owner, &old).await {} }).await;
    let torrent = leecher.add(update.magnet, TorrentOptions::new(old.leech_dir())).unwrap();
    in_time(torrent.finished()).await.unwrap();
    old.assert_complete();

    // One who knows the first number is told the second alone.
    name(&owner, 2, &new).await;
    link = link.to_string().parse().unwrap();
    let mut updates = leecher.follow(&link, Some(1)).unwrap();
    let update = in_time(updates.next()).await.unwrap();
    assert_eq!((update.magnet.hashes, update.seq), (new.metainfo.hashes(), 2));

    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().unwrap()).dht(false);
    assert!(Client::start(options).unwrap().follow(&link, None).is_none());
}
