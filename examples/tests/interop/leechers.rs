//! `seed` to other people's leechers, and to ours.

use crate::support::aria2::Aria2;
use crate::support::content::Content;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::opentracker::Opentracker;
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::tracker::RecordingTracker;
use crate::support::transmission::Transmission;
use crate::support::{COMPLETE, START};

tests![
    libtorrent_fetches_a_single_file_from_seed,
    libtorrent_fetches_many_files_by_magnet_from_seed_over_ipv6,
    aria2_fetches_many_files_by_magnet_from_seed,
    aria2_fetches_a_single_file_from_seed_over_ipv6,
    transmission_fetches_many_files_from_seed,
    transmission_fetches_a_single_file_by_magnet_from_seed,
    transmission_fetches_many_files_from_seed_over_ipv6,
    leechers_of_three_clients_complete_from_one_seed,
    download_fetches_from_a_download_that_goes_on_seeding,
    seed_refuses_content_that_is_not_the_torrents,
];

const DOWNLOAD: Need = Need::Example("download");
const SEED: Need = Need::Example("seed");

fn libtorrent_fetches_a_single_file_from_seed() {
    need!(SEED, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let (_seed, address) = Ours::seed(&scene, "127.0.0.1", &[]);
    let dir = scene.room("leech");
    let mut leecher = Libtorrent::leech(&scene, Source::Torrent, &dir, "127.0.0.1", &[address]);
    leecher.wait_complete();
    scene.assert_complete(&dir);
    assert!(!leecher.alerts().contains("hash_failed"), "seed sent something wrong");
}

fn libtorrent_fetches_many_files_by_magnet_from_seed_over_ipv6() {
    need!(SEED, Need::Libtorrent);
    let scene = Scene::new(Content::small_multi());
    let (_seed, address) = Ours::seed(&scene, "::1", &[]);
    let dir = scene.room("leech");
    Libtorrent::leech(&scene, Source::Magnet, &dir, "::1", &[address]).wait_complete();
    scene.assert_complete(&dir);
}

fn aria2_fetches_many_files_by_magnet_from_seed() {
    need!(SEED, Need::Aria2, Need::Opentracker);
    let mut scene = Scene::new(Content::small_multi());
    let tracker = Opentracker::start(&scene);
    scene.announce_to(&[&tracker.http()]);
    let (_seed, _) = Ours::seed(&scene, "127.0.0.1", &[]);
    let dir = scene.room("leech");
    Aria2::leech(&scene, Source::Magnet, &dir, "127.0.0.1").wait_complete();
    scene.assert_complete(&dir);
}

fn aria2_fetches_a_single_file_from_seed_over_ipv6() {
    need!(SEED, Need::Aria2);
    let mut scene = Scene::new(Content::small_single());
    let (_seed, address) = Ours::seed(&scene, "::1", &["--no-trackers"]);
    let tracker = RecordingTracker::start("::1", &[address]);
    scene.announce_to(&[&tracker.http()]);
    let dir = scene.room("leech");
    Aria2::leech(&scene, Source::Torrent, &dir, "::1").wait_complete();
    scene.assert_complete(&dir);
}

/// transmission does not dial loopback: the tracker tells `seed` of it, and `seed` dials.
fn transmission_fetches(content: Content, source: Source) {
    let mut scene = Scene::new(content);
    let tracker = Opentracker::start(&scene);
    scene.announce_to(&[&tracker.udp()]);
    let dir = scene.room("leech");
    let mut leecher = Transmission::leech(&scene, source, &dir, "127.0.0.1");
    let (_seed, _) = Ours::seed(&scene, "127.0.0.1", &[]);
    leecher.wait_complete();
    scene.assert_complete(&dir);
}

fn transmission_fetches_many_files_from_seed() {
    need!(SEED, Need::Transmission, Need::Opentracker);
    transmission_fetches(Content::small_multi().without_empty_files(), Source::Torrent);
}

fn transmission_fetches_a_single_file_by_magnet_from_seed() {
    need!(SEED, Need::Transmission, Need::Opentracker);
    transmission_fetches(Content::small_single(), Source::Magnet);
}

fn transmission_fetches_many_files_from_seed_over_ipv6() {
    need!(SEED, Need::Transmission);
    let mut scene = Scene::new(Content::small_multi().without_empty_files());
    let for_leecher = RecordingTracker::start("127.0.0.1", &[]);
    scene.announce_to(&[&for_leecher.http()]);
    let dir = scene.room("leech");
    let mut leecher = Transmission::leech(&scene, Source::Torrent, &dir, "::1");
    let for_seed = RecordingTracker::start("::1", &[leecher.address]);
    scene.announce_to(&[&for_seed.http()]);
    let (_seed, _) = Ours::seed(&scene, "::1", &[]);
    leecher.wait_complete();
    scene.assert_complete(&dir);
}

fn leechers_of_three_clients_complete_from_one_seed() {
    need!(SEED, DOWNLOAD, Need::Aria2, Need::Libtorrent, Need::Opentracker);
    let mut scene = Scene::new(Content::small_multi());
    let tracker = Opentracker::start(&scene);
    scene.announce_to(&[&tracker.udp(), &tracker.http()]);
    let (_seed, _) = Ours::seed(&scene, "127.0.0.1", &[]);
    let rooms = ["aria2", "libtorrent", "ours"].map(|name| scene.room(name));
    let host = "127.0.0.1";
    let mut aria2 = Aria2::leech(&scene, Source::Torrent, &rooms[0], host);
    let mut libtorrent = Libtorrent::leech(&scene, Source::Magnet, &rooms[1], host, &[]);
    let words = ["--listen", "127.0.0.1:0"];
    let mut ours = Ours::download(&scene, Source::Magnet, &rooms[2], &words);
    aria2.wait_complete();
    libtorrent.wait_complete();
    ours.finish();
    rooms.iter().for_each(|room| scene.assert_complete(room));
}

fn download_fetches_from_a_download_that_goes_on_seeding() {
    need!(SEED, DOWNLOAD);
    let scene = Scene::new(Content::small_multi());
    let (mut seed, address) = Ours::seed(&scene, "127.0.0.1", &[]);
    let peer = address.to_string();
    let first = scene.room("first");
    let words = ["--peer", &peer, "--seed", "--listen", "127.0.0.1:0"];
    let mut relay = Ours::download(&scene, Source::Magnet, &first, &words);
    let relay_address = relay.address();
    relay.wait_for("all bytes", COMPLETE, |event| {
        event["event"] == "finished" || event["bytes"] == scene.content.size()
    });
    seed.kill();
    let second = scene.room("second");
    Ours::download_from(&scene, Source::Magnet, &second, &[relay_address]).finish();
    scene.assert_complete(&second);
}

fn seed_refuses_content_that_is_not_the_torrents() {
    need!(SEED);
    let scene = Scene::new(Content::small_single());
    let file = scene.seed_dir().join(&scene.content.name);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let torrent = scene.source(Source::Torrent);
    let dir = scene.seed_dir();
    let words = [&torrent, dir.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let mut seed = Ours::run("seed", &scene, &words);
    assert_eq!(seed.wait(START).code(), Some(1));
    assert!(!seed.stderr().trim().is_empty(), "it says why");
}
