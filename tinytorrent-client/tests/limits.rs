//! Limits over all torrents, changed while they run.

mod support;

use std::time::Duration;

use support::{Scene, client, in_time};
use tinytorrent_client::{Client, ClientOptions, Torrent, TorrentOptions};

/// Waits until it is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    in_time(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Clients that have begun to download, and receive next to nothing.
fn slow_leechers(scene: &Scene, seeder: &Client, count: usize) -> Vec<(Client, Torrent)> {
    let leech = |number| {
        let leecher = client("127.0.0.1:0");
        let mut options = TorrentOptions::new(scene.leech_dir().join(format!("{number}")));
        options.peer(support::address(seeder)).download_limit(Some(1));
        let torrent = leecher.add(&scene.metainfo, options).unwrap();
        (leecher, torrent)
    };
    (0..count).map(leech).collect()
}

#[tokio::test]
async fn connections_beyond_a_lower_limit_are_closed_and_come_back_with_a_higher_one() {
    let scene = Scene::single(400_000);
    let seeder = client("127.0.0.1:0");
    let seed = scene.seed(&seeder).await;
    seeder.set_max_connections(Some(100));
    let _leechers = slow_leechers(&scene, &seeder, 8);
    until(|| seed.stats().peers == 8).await;
    seeder.set_max_connections(Some(4));
    assert_eq!(seeder.limits().max_connections, Some(4));
    until(|| seed.stats().peers <= 4).await;
    seeder.set_max_connections(None);
    until(|| seed.stats().peers > 4).await;
}

#[tokio::test]
async fn memory_can_be_taken_away_and_given_while_a_download_runs() {
    let scene = Scene::single(20_000_000);
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let mut options = ClientOptions::default();
    options.memory(64 << 20).listen("127.0.0.1:0".parse().unwrap());
    let leecher = Client::start(options).unwrap();
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    until(|| torrent.stats().have_bytes > 0).await;
    for bytes in [8 << 20, 64 << 20, 0] {
        leecher.set_memory(bytes);
        assert_eq!(leecher.memory().budget, u64::max(bytes, 8 << 20), "the least is 8 MiB");
        assert_eq!(leecher.limits().memory, leecher.memory().budget);
    }
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
    let memory = leecher.memory();
    assert!(memory.receive + memory.send + memory.read <= memory.budget, "{memory:?}");
}
