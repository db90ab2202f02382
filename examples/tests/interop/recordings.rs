//! `download --record` from other people's seeders, replayed.

use std::fs::{self, File};
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tinytorrent_swarm::record::{Replayed, replay};

use crate::support::COMPLETE;
use crate::support::content::{Content, Version};
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::transmission::Transmission;

tests![
    recorded_download_from_transmission_replays_equal,
    recorded_download_of_v2_by_magnet_from_libtorrent_replays_equal,
    recording_of_an_interrupted_download_is_whole,
    recording_of_a_killed_download_is_good_up_to_its_last_whole_entry,
    download_records_over_no_file,
];

const DOWNLOAD: Need = Need::Example("download");

/// Starts to download with a recording.
fn download(scene: &Scene, source: Source, peer: SocketAddr, words: &[&str]) -> (Ours, PathBuf) {
    let recording = scene.path().join("recording");
    let (peer, path) = (peer.to_string(), recording.to_str().expect("text").to_owned());
    let all = ["--listen", "127.0.0.1:0", "--no-dht", "--peer", &peer, "--record", &path];
    let words = [&all, words].concat();
    (Ours::download(scene, source, &scene.room("download"), &words), recording)
}

/// Replays a recording, which has to be equal to the last action.
fn replayed(recording: &Path) -> Replayed {
    let file = BufReader::new(File::open(recording).expect("it is there"));
    let replayed = replay(Instant::now(), file, &[tinytorrent_hash::sha1]);
    let replayed = replayed.expect("it can be read");
    assert!(replayed.parting.is_none(), "{:#?}", replayed.parting);
    replayed
}

/// Downloads with a recording that replays equal.
fn fetch(scene: &Scene, source: Source, peer: SocketAddr) {
    let (mut download, recording) = download(scene, source, peer, &[]);
    download.finish();
    scene.assert_complete(&scene.room("download"));
    let replayed = replayed(&recording);
    assert!(!replayed.is_cut);
    // Each block was requested, and each piece told of.
    assert!(replayed.actions >= scene.content.size() / (16 << 10));
    assert!(replayed.events > 0);
}

fn recorded_download_from_transmission_replays_equal() {
    need!(DOWNLOAD, Need::Transmission);
    let scene = Scene::new(Content::small_multi());
    let seeder = Transmission::seed(&scene, "127.0.0.1");
    fetch(&scene, Source::Torrent, seeder.address);
}

fn recorded_download_of_v2_by_magnet_from_libtorrent_replays_equal() {
    need!(DOWNLOAD, Need::Libtorrent);
    let scene = Scene::new(Content::short_pieces(Version::V2));
    let seeder = Libtorrent::seed(&scene, "127.0.0.1");
    fetch(&scene, Source::Magnet, seeder.address);
}

/// Begins to download a large content slowly, until some of it is there.
fn half_way(scene: &Scene, peer: SocketAddr) -> (Ours, PathBuf) {
    let (mut download, recording) =
        download(scene, Source::Torrent, peer, &["--limit-down", "4MiB"]);
    download.wait_for("some of the content", COMPLETE, |event| {
        event["event"] == "progress" && event["bytes"].as_u64().is_some_and(|n| n > 4 << 20)
    });
    (download, recording)
}

fn recording_of_an_interrupted_download_is_whole() {
    need!(DOWNLOAD, Need::Libtorrent);
    let scene = Scene::new(Content::single("interrupted", 48 << 20));
    let seeder = Libtorrent::seed(&scene, "127.0.0.1");
    let (mut download, recording) = half_way(&scene, seeder.address);
    download.signal("INT");
    assert_eq!(download.wait(COMPLETE).code(), Some(130));
    let replayed = replayed(&recording);
    assert!(!replayed.is_cut);
    assert!(replayed.actions > (4 << 20) / (16 << 10));
}

fn recording_of_a_killed_download_is_good_up_to_its_last_whole_entry() {
    need!(DOWNLOAD, Need::Libtorrent);
    let scene = Scene::new(Content::single("killed", 48 << 20));
    let seeder = Libtorrent::seed(&scene, "127.0.0.1");
    let (mut download, recording) = half_way(&scene, seeder.address);
    // It can be read while it grows.
    let before = replayed(&recording);
    download.kill();
    let after = replayed(&recording);
    assert!(before.actions > 0 && after.calls >= before.calls);
    assert!(after.actions > (4 << 20) / (16 << 10) / 2, "little is lost");
}

fn download_records_over_no_file() {
    need!(DOWNLOAD);
    let scene = Scene::new(Content::small_single());
    fs::write(scene.path().join("recording"), "mine").expect("it can be written");
    let nobody = "127.0.0.1:1".parse().expect("an address");
    let (mut download, recording) = download(&scene, Source::Torrent, nobody, &[]);
    assert_eq!(download.wait(COMPLETE).code(), Some(1));
    assert!(download.stderr().contains("--force replaces it"), "{}", download.stderr());
    assert_eq!(fs::read(recording).expect("it is there"), b"mine");
}
