//! Torrents that were added by a magnet link, and go on later without peers that have the metadata.

mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use support::{Scene, address, client, in_time};
use tinytorrent_client::{
    Client, ClientOptions, Event, Events, Source, State, SwarmEvent, TorrentOptions,
};
use tinytorrent_metainfo::{Magnet, Metainfo, ReadOptions, Version};
use tinytorrent_storage::MetadataFile;

fn magnet(scene: &Scene) -> Source {
    Source::from(&Magnet::from(&scene.metainfo))
}

/// Options without peers, for the content in the folder.
fn alone(scene: &Scene) -> TorrentOptions {
    TorrentOptions::new(scene.leech_dir())
}

/// Downloads this source from a seeder, and stops.
async fn download(scene: &Scene, source: Source) {
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let torrent = leecher.add(source, scene.leech(&seeder)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    in_time(torrent.stop()).await;
    scene.assert_complete();
}

fn kept(scene: &Scene) -> MetadataFile {
    MetadataFile::new(scene.leech_dir(), scene.metainfo.hashes())
}

fn load(scene: &Scene) -> Option<Metainfo> {
    kept(scene).load(&ReadOptions::lenient()).unwrap()
}

async fn wait_for(events: &mut Events, is_it: impl Fn(&Event) -> bool) {
    while !is_it(&in_time(events.next()).await.expect("it comes before the end")) {}
}

fn hidden_files(folder: PathBuf) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

// S-16: aria2#909.
#[tokio::test]
async fn what_was_completed_by_a_link_is_seeded_by_it_without_peers() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let scene = Scene::short_pieces(version);
        for source in [magnet(&scene), Source::from(scene.metainfo.hashes())] {
            download(&scene, source.clone()).await;
            let again = client("127.0.0.1:0");
            let torrent = again.add(source, alone(&scene)).unwrap();
            in_time(torrent.finished()).await.unwrap();
            assert_eq!(torrent.info().unwrap().bytes(), scene.metainfo.info().bytes());
            assert_is_seeded_by(&again, &scene).await;
            fs::remove_dir_all(scene.leech_dir()).unwrap();
        }
    }
}

/// Downloads the content from this client by its magnet link.
async fn assert_is_seeded_by(seeder: &Client, scene: &Scene) {
    let other = tempfile::tempdir().unwrap();
    let mut options = TorrentOptions::new(other.path());
    options.peer(address(seeder));
    let torrent = client("127.0.0.1:0").add(magnet(scene), options).unwrap();
    in_time(torrent.finished()).await.unwrap();
}

// S-16: webtorrent#361.
#[tokio::test]
async fn link_that_was_interrupted_goes_on_before_any_peer_is_there() {
    let scene = Scene::single(2_000_000);
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let mut options = scene.leech(&seeder);
    options.download_limit(Some(200_000));
    let torrent = leecher.add(magnet(&scene), options).unwrap();
    let mut events = torrent.events();
    let is_piece = |event: &Event| matches!(event, Event::Swarm(SwarmEvent::PieceCompleted { .. }));
    wait_for(&mut events, is_piece).await;
    let first = in_time(torrent.stop()).await;
    assert!(first.left > 0, "it was stopped in the middle");

    let torrent = client("127.0.0.1:0").add(magnet(&scene), alone(&scene)).unwrap();
    let mut events = torrent.events();
    wait_for(&mut events, |event| matches!(event, Event::MetadataReceived(_))).await;
    wait_for(&mut events, |event| matches!(event, Event::Checked { .. })).await;
    assert_eq!(torrent.state(), State::Downloading);
    assert!(torrent.stats().have_bytes >= first.have_bytes);
    torrent.add_peers([address(&seeder).into()]);
    in_time(torrent.finished()).await.unwrap();
    in_time(torrent.stop()).await;
    scene.assert_complete();
}

// S-18: the program may be killed right after the event.
#[tokio::test]
async fn metadata_is_on_the_disk_before_anybody_is_told_of_it() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let torrent = leecher.add(magnet(&scene), scene.leech(&seeder)).unwrap();
    let mut events = torrent.events();
    wait_for(&mut events, |event| matches!(event, Event::MetadataReceived(_))).await;
    let kept = load(&scene).expect("it is there already");
    assert_eq!(kept.info(), scene.metainfo.info());
}

// V-21: a torrent file may lack them, too.
#[tokio::test]
async fn piece_layers_are_fetched_once() {
    let scene = Scene::short_pieces(Version::V2);
    let bare = Metainfo::from_info(Arc::clone(scene.metainfo.info()));
    download(&scene, Source::from(&bare)).await;
    assert!(load(&scene).unwrap().has_all_piece_layers());
    let torrent = client("127.0.0.1:0").add(&bare, alone(&scene)).unwrap();
    in_time(torrent.finished()).await.unwrap();
    assert!(torrent.metainfo().unwrap().has_all_piece_layers());
}

// V-21: a kill between the two.
#[tokio::test]
async fn metadata_without_its_piece_layers_is_completed_by_peers() {
    let scene = Scene::short_pieces(Version::V2);
    kept(&scene).save(&Metainfo::from_info(Arc::clone(scene.metainfo.info()))).unwrap();
    download(&scene, magnet(&scene)).await;
    assert!(load(&scene).unwrap().has_all_piece_layers());
}

#[tokio::test]
async fn metadata_that_was_tampered_with_comes_from_peers_again() {
    let scene = Scene::multi();
    download(&scene, magnet(&scene)).await;
    let mut bytes = fs::read(kept(&scene).path()).unwrap();
    let name = bytes.windows(5).position(|window| window == b"4:man").unwrap();
    bytes[name + 2..name + 6].copy_from_slice(b"evil");
    fs::write(kept(&scene).path(), bytes).unwrap();
    download(&scene, magnet(&scene)).await;
    assert_eq!(load(&scene).unwrap().info(), scene.metainfo.info());
    assert!(!scene.leech_dir().join("evil").exists());
}

#[tokio::test]
async fn without_resume_data_no_metadata_is_kept_or_used() {
    let scene = Scene::multi();
    let (seeder, leecher) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let _seed = scene.seed(&seeder).await;
    let mut options = scene.leech(&seeder);
    options.resume(false);
    let torrent = leecher.add(magnet(&scene), options.clone()).unwrap();
    in_time(torrent.finished()).await.unwrap();
    in_time(torrent.stop()).await;
    assert_eq!(hidden_files(scene.leech_dir()), [""; 0]);

    kept(&scene).save(&scene.metainfo).unwrap();
    let torrent = leecher.add(magnet(&scene), options).unwrap();
    let mut events = torrent.events();
    // Metadata that comes from a peer comes after the peer.
    let is_either = |event: &Event| {
        let is_joining = matches!(event, Event::Swarm(SwarmEvent::PeerJoined { .. }));
        assert!(is_joining || !matches!(event, Event::MetadataReceived(_)));
        is_joining
    };
    wait_for(&mut events, is_either).await;
    in_time(torrent.finished()).await.unwrap();
}

#[tokio::test]
async fn a_torrent_file_needs_no_copy_of_its_metadata() {
    let scene = Scene::multi();
    download(&scene, Source::from(&scene.metainfo)).await;
    assert_eq!(load(&scene), None);
}

// S-29, BEP 27: known to be private from the start.
#[tokio::test]
async fn peers_of_the_link_are_left_out_where_a_private_torrent_is_known() {
    let scene = Scene::private();
    kept(&scene).save(&scene.metainfo).unwrap();
    let seeder = client("127.0.0.1:0");
    // That it is on loopback is no reason to leave the peer out here.
    let mut options = ClientOptions::default();
    options.accept_peers(false).dht(false).allow_local_addresses(true);
    let leecher = Client::start(options).unwrap();
    let _seed = scene.seed(&seeder).await;
    let mut magnet = Magnet::from(&scene.metainfo);
    magnet.peers.push(address(&seeder).to_string().parse().unwrap());
    let torrent = leecher.add(&magnet, alone(&scene)).unwrap();
    let mut events = torrent.events();
    wait_for(&mut events, |event| matches!(event, Event::Checked { .. })).await;
    assert_eq!(torrent.stats().known_peers, 0);
}
