//! Hybrid torrents whose two halves disagree.

mod support;

use support::{Scene, client, in_time};
use tinytorrent_client::{TorrentError, TorrentOptions};
use tinytorrent_metainfo::{Metainfo, Version};

const LISTEN: &str = "127.0.0.1:0";

/// A hybrid torrent that has another SHA-1 of its second piece than the content, and the right tree.
fn inconsistent() -> Scene {
    let mut scene = Scene::of_version(Version::Hybrid, "both", &[("a", 100_001), ("b", 33)]);
    let hash = scene.metainfo.info().piece_hashes().unwrap()[1];
    let mut bytes = scene.metainfo.to_bytes();
    let at = bytes.windows(20).position(|window| window == hash).unwrap();
    bytes[at] ^= 1;
    scene.metainfo = Metainfo::from_bytes(&bytes).unwrap();
    scene
}

fn assert_inconsistent(finished: Result<(), TorrentError>) {
    let error = finished.unwrap_err();
    assert!(matches!(error, TorrentError::Inconsistent { piece: 1 }), "{error}");
}

// V-17, BEP 52 "upgrade path"
#[tokio::test]
async fn content_on_disk_shows_that_a_torrent_is_inconsistent() {
    let (scene, client) = (inconsistent(), client(LISTEN));
    let mut options = TorrentOptions::new(scene.seed_dir());
    options.read_only(true).resume(false);
    let torrent = client.add(&scene.metainfo, options).unwrap();
    assert_inconsistent(in_time(torrent.finished()).await);
}

// V-17: no peer is at fault, and none could help.
#[tokio::test]
async fn content_of_peers_shows_that_a_torrent_is_inconsistent() {
    let (scene, seeder, leecher) = (inconsistent(), client(LISTEN), client(LISTEN));
    let mut options = TorrentOptions::new(scene.seed_dir());
    options.read_only(true).resume(false).assume_complete(true);
    let seed = seeder.add(&scene.metainfo, options).unwrap();
    in_time(seed.finished()).await.unwrap();
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    assert_inconsistent(in_time(torrent.finished()).await);
}
