//! Super seeding over real sockets (BEP 16).

mod support;

use std::time::Duration;

use support::{Scene, address, client, in_time};
use tinytorrent_client::{State, TorrentOptions};

/// S-31
#[tokio::test]
async fn the_first_seed_of_two_downloads_sends_little_more_than_one_copy() {
    let size = 1_000_000;
    let scene = Scene::single(size);
    let other_dir = tempfile::tempdir().unwrap();
    let (seeder, one, two) = (client("127.0.0.1:0"), client("127.0.0.1:0"), client("127.0.0.1:0"));
    let mut options = TorrentOptions::new(scene.seed_dir());
    options.read_only(true).resume(false).super_seeding(true);
    let seed = seeder.add(&scene.metainfo, options).unwrap();
    in_time(seed.finished()).await.unwrap();
    assert!(seed.is_super_seeding());
    // So slow that both are there before one is done, as they take their pieces from each other.
    seed.set_upload_limit(Some(400_000));
    let first = one.add(&scene.metainfo, scene.leech(&seeder).peer(address(&two))).unwrap();
    let mut options = TorrentOptions::new(other_dir.path());
    let second =
        two.add(&scene.metainfo, options.peer(address(&seeder)).peer(address(&one))).unwrap();
    in_time(first.finished()).await.unwrap();
    in_time(second.finished()).await.unwrap();
    scene.assert_complete();
    let sent = seed.stats().uploaded;
    assert!(sent as f64 <= 1.1 * size as f64, "{sent}");
    // Both are seeds now, and it has seen one of them.
    while seed.is_super_seeding() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(seed.state(), State::Seeding);
    seed.set_super_seeding(true);
    assert!(seed.is_super_seeding(), "the user wants it again");
    seed.set_super_seeding(false);
    assert!(!seed.is_super_seeding());
    in_time(seed.stop()).await;
    assert!(!seed.is_super_seeding());
}
