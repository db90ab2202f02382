//! Clients that connect to each other over loopback.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use support::{Scene, address, client, in_time};
use tinytorrent_client::{
    AddError, Event, Source, State, SwarmEvent, TorrentError, TorrentEvent, TorrentOptions,
};
use tinytorrent_metainfo::{FileSelection, Magnet, Metainfo, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn is_downloaded_over(listen: &str, scene: Scene) {
    let (seeder, leecher) = (client(listen), client(listen));
    let _seed = scene.seed(&seeder).await;
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    assert_eq!(torrent.state(), State::Seeding);
    let stats = in_time(torrent.stop()).await;
    let geometry = scene.metainfo.info().geometry();
    let blocks = geometry.pieces().flat_map(|piece| geometry.blocks(piece));
    let asked_for: u64 = blocks.map(|block| u64::from(block.length())).sum();
    assert_eq!(stats.downloaded, asked_for);
    assert_eq!(stats.have_bytes, scene.metainfo.layout().payload_length_total());
    assert_eq!((stats.left, stats.wasted, stats.hash_failures), (0, 0, 0));
    scene.assert_complete();
}

#[tokio::test]
async fn single_file_is_downloaded_over_ipv4() {
    is_downloaded_over("127.0.0.1:0", Scene::single(500_001)).await;
}

#[tokio::test]
async fn single_file_is_downloaded_over_ipv6() {
    is_downloaded_over("[::1]:0", Scene::single(500_001)).await;
}

#[tokio::test]
async fn files_that_share_pieces_are_downloaded() {
    is_downloaded_over("127.0.0.1:0", Scene::multi()).await;
}

// V-15: the gaps between the files of v2 torrents are not downloaded.
#[tokio::test]
async fn pieces_that_end_with_their_file_are_downloaded() {
    for version in [Version::V2, Version::Hybrid] {
        is_downloaded_over("127.0.0.1:0", Scene::short_pieces(version)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_of_the_runtime_make_no_difference() {
    is_downloaded_over("127.0.0.1:0", Scene::single(3_000_000)).await;
}

// BEP 9: the metadata comes from the peer, and the peer is kept for the content.
#[tokio::test]
async fn magnet_link_is_enough() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let magnet = Magnet::from(&scene.metainfo);
    let torrent = leecher.add(&magnet, scene.leech(&seeder)).unwrap();
    assert_eq!(torrent.state(), State::FetchingMetadata);
    let mut events = torrent.events();
    in_time(torrent.finished()).await.unwrap();
    assert_eq!(torrent.info().unwrap().bytes(), scene.metainfo.info().bytes());
    in_time(torrent.stop()).await;
    scene.assert_complete();
    let (mut joined, mut metadata) = (0, 0);
    while let Some(event) = in_time(events.next()).await {
        match event {
            Event::Swarm(SwarmEvent::PeerJoined { .. }) => joined += 1,
            Event::MetadataReceived(_) => metadata += 1,
            _ => {}
        }
    }
    assert_eq!((joined, metadata), (1, 1), "the peer was not dropped in between");
}

// V-21: the piece layers come from the peer as well.
#[tokio::test]
async fn magnet_link_of_v2_is_enough() {
    let scene = Scene::short_pieces(Version::V2);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let magnet = Magnet::from(&scene.metainfo);
    let torrent = leecher.add(&magnet, scene.leech(&seeder)).unwrap();
    assert!(torrent.metainfo().is_none());
    in_time(torrent.finished()).await.unwrap();
    // A saved torrent file needs no peer for the metadata.
    let saved = torrent.metainfo().unwrap().to_bytes();
    let saved = Metainfo::from_bytes(&saved).unwrap();
    assert!(saved.info() == scene.metainfo.info() && saved.has_all_piece_layers());
    let stats = in_time(torrent.stop()).await;
    assert_eq!((stats.left, stats.hash_failures), (0, 0));
    scene.assert_complete();
}

#[tokio::test]
async fn seeder_can_come_to_the_leecher() {
    let scene = Scene::single(200_000);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let torrent = leecher.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    let seed = scene.seed(&seeder).await;
    seed.add_peers([address(&leecher).into()]);
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
}

// S-16: pieces that are on disk and right are not downloaded again.
#[tokio::test]
async fn download_goes_on_where_it_was_stopped() {
    let scene = Scene::single(4_000_000);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let mut options = scene.leech(&seeder);
    options.download_limit(Some(500_000));
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    let mut events = torrent.events();
    let is_piece = |event: &Event| matches!(event, Event::Swarm(SwarmEvent::PieceCompleted { .. }));
    while !is_piece(&in_time(events.next()).await.expect("pieces come before the end")) {}
    let first = in_time(torrent.stop()).await;
    assert!(first.left > 0, "it was stopped in the middle");

    let again = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    in_time(again.finished()).await.unwrap();
    let second = in_time(again.stop()).await;
    let total = scene.metainfo.layout().total_length();
    assert!(second.downloaded + first.have_bytes <= total, "{first:?} {second:?}");
    scene.assert_complete();
}

#[tokio::test]
async fn only_selected_files_are_wanted() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let mut options = scene.leech(&seeder);
    options.files(FileSelection::new([0..=0]));
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    in_time(torrent.finished()).await.unwrap();
    let stats = in_time(torrent.stop()).await;
    assert!(stats.downloaded < scene.metainfo.layout().total_length());
    let read = |folder: std::path::PathBuf| std::fs::read(folder.join("many/a")).unwrap();
    assert!(read(scene.seed_dir()) == read(scene.leech_dir()));
}

#[tokio::test]
async fn selection_beyond_the_files_is_an_error() {
    let scene = Scene::multi();
    let leecher = client("127.0.0.1:0");
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.files(FileSelection::new([3..=9]));
    let torrent = leecher.add(&scene.metainfo, options).unwrap();
    let error = in_time(torrent.finished()).await.unwrap_err();
    assert!(matches!(error, TorrentError::NoSuchFile { index: 9, count: 5 }), "{error}");
    assert_eq!(torrent.state(), State::Failed);
    assert!(!scene.leech_dir().exists(), "it is an error before anything is opened or checked");
}

#[tokio::test]
async fn a_torrent_is_added_once_until_it_is_stopped() {
    let scene = Scene::single(1);
    let one = client("127.0.0.1:0");
    let options = TorrentOptions::new(scene.leech_dir());
    let torrent = one.add(&scene.metainfo, options.clone()).unwrap();
    let again = one.add(&scene.metainfo, options.clone());
    assert!(matches!(again, Err(AddError::Duplicate(_))));
    in_time(torrent.stop()).await;
    assert!(one.add(&scene.metainfo, options).is_ok());
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_silent_tracker() {
    let scene = Scene::single(1);
    // Accepts connections, and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/announce", silent.local_addr().unwrap());
    let one = client("127.0.0.1:0");
    let mut options = TorrentOptions::new(scene.leech_dir());
    options.tracker(url);
    let torrent = one.add(&scene.metainfo, options).unwrap();
    let _connection = in_time(silent.accept()).await.unwrap();
    let begun = Instant::now();
    in_time(torrent.stop()).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(matches!(torrent.finished().await, Err(TorrentError::Stopped)));
}

#[tokio::test]
async fn a_torrent_goes_on_without_a_handle_and_ends_with_its_client() {
    let scene = Scene::single(1);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    scene.seed(&seeder).await;
    let mut events = leecher.events();
    drop(leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap());
    let is_finished =
        |event: &TorrentEvent| matches!(event.event, Event::Swarm(SwarmEvent::Finished));
    while !is_finished(&in_time(events.next()).await.unwrap().unwrap()) {}
    let torrent = leecher.get(scene.metainfo.hashes()).unwrap();
    assert_eq!(torrent.state(), State::Seeding);
    let mut events = torrent.events();
    drop(leecher);
    assert_eq!(torrent.state(), State::Seeding, "a handle keeps the client");
    drop(torrent);
    let mut last = None;
    while let Some(event) = in_time(events.next()).await {
        last = Some(event);
    }
    assert!(matches!(last, Some(Event::Stopped)), "{last:?}");
}

// S-28: the number of connections without a handshake is limited, and others are not refused for them.
#[tokio::test]
async fn garbage_shuts_nobody_out() {
    let scene = Scene::single(300_000);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let mut garbage = Vec::new();
    for at in 0..200 {
        let mut stream = TcpStream::connect(address(&seeder)).await.unwrap();
        if at % 2 == 0 {
            // Fails if the client has closed the connection already.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
        }
        garbage.push(stream);
    }
    let torrent = leecher.add(&scene.metainfo, scene.leech(&seeder)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
}

#[tokio::test]
async fn oversized_message_ends_the_connection() {
    let scene = Scene::single(300_000);
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    let mut stream = TcpStream::connect(address(&seeder)).await.unwrap();
    let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
    hello.extend(scene.metainfo.hashes().to_wire().as_bytes());
    hello.extend(b"-XX0000-abcdefghijkl");
    hello.extend(u32::MAX.to_be_bytes());
    stream.write_all(&hello).await.unwrap();
    let mut received = Vec::new();
    // The connection is reset or closed, and either is right.
    let _ = in_time(stream.read_to_end(&mut received)).await;
    assert_eq!(&received[..20], b"\x13BitTorrent protocol");
}

#[tokio::test]
async fn bare_info_hash_is_a_source() {
    let scene = Scene::single(100_000);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let source = Source::from(scene.metainfo.hashes());
    let torrent = leecher.add(source, scene.leech(&seeder)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    scene.assert_complete();
}

#[tokio::test]
async fn a_torrent_that_is_paused_while_it_is_looked_at_stays_paused() {
    let scene = Scene::multi();
    let leecher = client("127.0.0.1:0");
    let torrent = leecher.add(&scene.metainfo, TorrentOptions::new(scene.leech_dir())).unwrap();
    let mut events = torrent.events();
    torrent.pause();
    while !matches!(in_time(events.next()).await, Some(Event::Checked { .. })) {}
    assert_eq!(torrent.state(), State::Paused);
    torrent.resume();
    let seeder = client("127.0.0.1:0");
    let _seed = scene.seed(&seeder).await;
    torrent.add_peers([address(&seeder).into()]);
    in_time(torrent.finished()).await.unwrap();
}

// V-21: a torrent file may lack them as well.
#[tokio::test]
async fn piece_layers_are_waited_for_through_a_pause_and_a_stop() {
    let scene = Scene::short_pieces(Version::V2);
    let bare = Metainfo::from_info(Arc::clone(scene.metainfo.info()));
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let alone = || TorrentOptions::new(scene.leech_dir());
    let torrent = leecher.add(&bare, alone()).unwrap();
    torrent.pause();
    torrent.resume();
    assert_eq!(torrent.state(), State::FetchingMetadata);
    in_time(torrent.stop()).await;
    let torrent = leecher.add(&bare, alone()).unwrap();
    torrent.add_peers([address(&seeder).into()]);
    in_time(torrent.finished()).await.unwrap();
    in_time(torrent.stop()).await;
    scene.assert_complete();
}
