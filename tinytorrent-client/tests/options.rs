//! Settings of a client and of a torrent, and what they change.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::{Scene, client, in_time};
use tinytorrent_client::{Client, ClientOptions, Event, Magnet, SwarmEvent, TorrentOptions};
use tokio::net::TcpListener;

fn start(tune: impl FnOnce(&mut ClientOptions)) -> Client {
    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().unwrap());
    tune(&mut options);
    Client::start(options).unwrap()
}

async fn until(mut is_so: impl FnMut() -> bool) {
    in_time(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_download_with_other_settings_is_as_right() {
    let scene = Scene::multi();
    let seeder = start(|options| _ = options.client_name("a seeder 7"));
    let _seed = scene.seed(&seeder).await;
    let leecher = start(|options| _ = options.sync_before_have(true).check_threads(1));
    let mut options = scene.leech(&seeder);
    options.preallocate(true).max_requests(2).max_connecting(1).sample_bytes(0);
    options.download_limit(Some(100_000));
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    until(|| torrent.stats().have_bytes > 0).await;
    let peers = torrent.peers();
    assert_eq!(peers[0].peer.client.as_deref(), Some("a seeder 7"));
    assert!(peers[0].peer.flow.our_requests <= 2);
    torrent.set_download_limit(None);
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
}

#[cfg(unix)]
#[tokio::test]
async fn room_is_reserved_if_that_is_wanted() {
    use std::os::unix::fs::MetadataExt;

    let scene = Scene::single(3_000_000);
    let leecher = start(|_| {});
    let mut reserved = Vec::new();
    for preallocates in [false, true] {
        let mut options = TorrentOptions::new(scene.leech_dir());
        options.preallocate(preallocates).resume(false);
        let torrent = leecher.add(&scene.metainfo, options).unwrap();
        until(|| torrent.content_path().is_some()).await;
        let file = std::fs::metadata(scene.leech_dir().join("one.bin"));
        reserved.push(file.map_or(0, |file| 512 * file.blocks()));
        in_time(torrent.stop()).await;
    }
    assert_eq!(reserved[0], 0);
    // Some file systems cannot reserve room.
    assert!(reserved[1] == 0 || reserved[1] >= 3_000_000, "{reserved:?}");
}

#[tokio::test]
async fn no_more_connections_are_made_at_a_time_than_a_torrent_may_make() {
    // Nobody there answers a handshake.
    let silent = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let scene = Scene::single(1);
    let leecher = start(|_| {});
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.max_connecting(2);
    for host in 1..=9 {
        options.peer(SocketAddr::from(([127, 0, 1, host], port)));
    }
    let _torrent = leecher.add(&scene.metainfo, options).unwrap();
    let mut made = vec![in_time(silent.accept()).await.unwrap()];
    made.push(in_time(silent.accept()).await.unwrap());
    // The first is given up after three seconds.
    let third = tokio::time::timeout(Duration::from_secs(1), silent.accept()).await;
    assert!(third.is_err());
}

#[tokio::test]
async fn metadata_beyond_the_limit_is_told_of_and_not_fetched() {
    let scene = Scene::multi();
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let length = scene.metainfo.info().bytes().len();
    let leecher = start(|options| _ = options.max_metadata(length as u32 - 1));
    let torrent = leecher.add(scene.metainfo.hashes(), scene.leech(&seeder)).unwrap();
    let mut events = torrent.events();
    loop {
        if let Event::Swarm(SwarmEvent::MetadataTooLarge { bytes, limit }) =
            in_time(events.next()).await.unwrap()
        {
            assert_eq!((bytes, limit), (length as u64, length as u64 - 1));
            break;
        }
    }
    assert!(torrent.info().is_none());
}

/// U-25
#[tokio::test]
async fn bogons_are_not_dialed_if_that_is_wanted() {
    let scene = Scene::single(1);
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for refuses in [true, false] {
        let leecher =
            start(|options| _ = options.allow_local_addresses(true).refuse_bogons(refuses));
        let mut link = Magnet::from(&scene.metainfo);
        link.peers = vec![peer.local_addr().unwrap().to_string().parse().unwrap()];
        let mut options = TorrentOptions::new(scene.leech_dir());
        // So that no thread looks for saved metadata before the peers of the link are taken in.
        options.resume(false);
        let torrent = leecher.add(&link, &options).unwrap();
        assert_eq!(torrent.stats().known_peers, u32::from(!refuses));
        in_time(torrent.stop()).await;
        // Whom the user names is dialed all the same.
        let torrent =
            leecher.add(&scene.metainfo, options.peer(peer.local_addr().unwrap())).unwrap();
        in_time(peer.accept()).await.unwrap();
        in_time(torrent.stop()).await;
    }
}
