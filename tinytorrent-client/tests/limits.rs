//! Limits over all torrents, changed while they run.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::{Scene, address, client, in_time};
use tinytorrent_client::{
    Client, ClientOptions, Encryption, InfoHashV1, InfoHashes, State, Torrent, TorrentOptions,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

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
        options.peer(address(seeder)).download_limit(Some(1));
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

/// A host that takes connections at all of its addresses, and says nothing. Counts those that are open, and
/// all that ever were.
async fn silent_host() -> (u16, Arc<[AtomicUsize; 2]>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let counts = Arc::<[AtomicUsize; 2]>::default();
    let all = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            all.iter().for_each(|count| _ = count.fetch_add(1, Ordering::SeqCst));
            let counts = Arc::clone(&all);
            tokio::spawn(async move {
                let mut bytes = [0; 1024];
                while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
                counts[0].fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (port, counts)
}

fn torrents_with_peers(client: &Client, port: u16) -> Vec<Torrent> {
    let torrents = (1..=3_u8).map(|number| {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([number; 20]));
        let mut options = TorrentOptions::new("unused");
        options.resume(false);
        for host in 1..=20 {
            options.peer(SocketAddr::from(([127, 0, number, host], port)));
        }
        client.add(hashes, options).unwrap()
    });
    torrents.collect()
}

/// S-28
#[tokio::test]
async fn no_more_connections_are_made_at_a_time_than_the_limit() {
    let (port, counts) = silent_host().await;
    let mut options = ClientOptions::default();
    options.accept_peers(false).dht(false).encryption(Encryption::Off).half_open(Some(4));
    let client = Client::start(options).unwrap();
    let _torrents = torrents_with_peers(&client, port);
    until(|| counts[0].load(Ordering::SeqCst) == 4).await;
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        assert!(counts[0].load(Ordering::SeqCst) <= 4);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.set_half_open(Some(9));
    until(|| counts[0].load(Ordering::SeqCst) == 9).await;
    client.set_half_open(None);
    until(|| counts[0].load(Ordering::SeqCst) > 9).await;
}

/// S-28
#[tokio::test]
async fn no_more_connections_are_begun_in_a_second_than_the_limit() {
    let (port, counts) = silent_host().await;
    let mut options = ClientOptions::default();
    options.accept_peers(false).dht(false).encryption(Encryption::Off).dials_per_second(Some(5));
    let client = Client::start(options).unwrap();
    let start = Instant::now();
    let _torrents = torrents_with_peers(&client, port);
    until(|| {
        let begun = counts[1].load(Ordering::SeqCst) as f64;
        // A second's worth may have been saved up.
        assert!(begun <= 5.0 * (start.elapsed().as_secs_f64() + 1.0) + 1.0, "{begun}");
        begun >= 12.0
    })
    .await;
}

#[tokio::test]
async fn the_slots_of_all_torrents_are_dealt_among_those_with_a_use_for_them() {
    let scenes = [Scene::single(1_000_000), Scene::single(1_000_001)];
    let seeder = client("127.0.0.1:0");
    let seeds = [scenes[0].seed(&seeder).await, scenes[1].seed(&seeder).await];
    seeder.set_upload_slots(Some(3));
    seeder.set_upload_limit(Some(1_000_000));
    let mut leechers = Vec::new();
    for scene in &scenes {
        for number in 0..3 {
            let leecher = client("127.0.0.1:0");
            let mut options = TorrentOptions::new(scene.leech_dir().join(format!("{number}")));
            options.peer(address(&seeder)).exchange(false);
            let torrent = leecher.add(&scene.metainfo, options).unwrap();
            leechers.push((leecher, torrent));
        }
    }
    let served = || {
        let peers = seeds.iter().flat_map(Torrent::peers);
        peers.filter(|peer| peer.peer.flow.we_choke.is_none()).count()
    };
    let mut most = 0;
    for (_, torrent) in &leechers {
        while torrent.state() != State::Seeding {
            most = most.max(served());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(most, 3);
}
