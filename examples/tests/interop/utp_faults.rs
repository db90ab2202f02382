//! Peers over uTP that go in the middle of a transfer, and paths that lose, double and delay datagrams.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use crate::support::content::Content;
use crate::support::libtorrent::{Libtorrent, OVER_A_BAD_PATH, OVER_UTP};
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::relay::Relay;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::transmission::{Manner, Transmission};
use crate::support::{COMPLETE, START};

tests![
    download_goes_on_from_another_when_libtorrent_goes,
    download_goes_on_when_libtorrent_is_back,
    download_goes_on_from_another_when_transmission_is_killed,
    download_that_was_killed_goes_on,
    libtorrent_goes_on_when_seed_is_back,
    download_fetches_from_seed_over_a_bad_path,
    download_fetches_from_libtorrent_over_a_bad_path,
    libtorrent_fetches_from_seed_over_a_bad_path,
];

const DOWNLOAD: Need = Need::Example("download");
const SEED: Need = Need::Example("seed");
const HOST: &str = "127.0.0.1";

/// Words for a peer that stays with the first that it meets, by uTP.
const ONLY_THIS_WAY: &[&str] = &["--no-tcp", "--no-pex", "--max-peers", "1"];

/// Some seconds at this rate.
const RATE: &str = "3MiB";

fn content() -> Content {
    Content::single("cut short", 12 << 20)
}

/// Starts a download by uTP alone that takes a while.
fn slow_download(scene: &Scene, dir: &Path, peers: &[SocketAddr]) -> Ours {
    let peers: Vec<String> = peers.iter().map(SocketAddr::to_string).collect();
    let mut words = vec!["--listen", "127.0.0.1:0", "--no-tcp", "--limit-down", RATE];
    words.extend(peers.iter().flat_map(|peer| ["--peer", peer.as_str()]));
    Ours::download(scene, Source::Torrent, dir, &words)
}

/// Waits until a download has a quarter of the content.
fn wait_quarter(download: &mut Ours, scene: &Scene) {
    let quarter = scene.content.size() / 4;
    let has_quarter = |event: &Value| event["bytes"].as_u64().is_some_and(|have| have >= quarter);
    download.wait_for("a quarter of the content", COMPLETE, has_quarter);
}

fn finish(download: &mut Ours, scene: &Scene, dir: &Path) {
    let finished = download.finish();
    assert_eq!(finished["hash_failures"], 0);
    scene.assert_complete(dir);
}

fn download_goes_on_from_another_when_libtorrent_goes() {
    need!(DOWNLOAD, Need::Libtorrent);
    // Silence is what a network that is gone leaves; a process that is gone has the system say so.
    for signal in ["KILL", "STOP", "TERM"] {
        let scene = Scene::new(content());
        let [going, staying] = [(); 2].map(|()| Libtorrent::seed_with(&scene, HOST, OVER_UTP));
        let dir = scene.room("download");
        let mut download = slow_download(&scene, &dir, &[going.address, staying.address]);
        wait_quarter(&mut download, &scene);
        going.signal(signal);
        finish(&mut download, &scene, &dir);
    }
}

fn download_goes_on_when_libtorrent_is_back() {
    need!(DOWNLOAD, Need::Libtorrent);
    for is_killed in [true, false] {
        let scene = Scene::new(content());
        let mut seeder = Libtorrent::seed_with(&scene, HOST, OVER_UTP);
        let dir = scene.room("download");
        let mut download = slow_download(&scene, &dir, &[seeder.address]);
        wait_quarter(&mut download, &scene);
        if is_killed {
            seeder.kill();
        } else {
            seeder.signal("TERM");
            seeder.wait_closed();
        }
        seeder.restart();
        finish(&mut download, &scene, &dir);
    }
}

fn download_goes_on_from_another_when_transmission_is_killed() {
    need!(DOWNLOAD, SEED, Need::Transmission);
    let scene = Scene::new(content());
    let manner = Manner { has_utp: true, ..Manner::default() };
    let mut going = Transmission::seed_in(manner, &scene, HOST);
    let (_staying, address) = Ours::seed(&scene, HOST, &["--no-tcp"]);
    let dir = scene.room("download");
    let mut download = slow_download(&scene, &dir, &[going.address, address]);
    wait_quarter(&mut download, &scene);
    going.kill();
    finish(&mut download, &scene, &dir);
}

fn download_that_was_killed_goes_on() {
    need!(DOWNLOAD, Need::Libtorrent);
    for signal in ["KILL", "INT"] {
        let scene = Scene::new(content());
        let seeder = Libtorrent::seed_with(&scene, HOST, OVER_UTP);
        let dir = scene.room("download");
        let mut first = slow_download(&scene, &dir, &[seeder.address]);
        wait_quarter(&mut first, &scene);
        first.signal(signal);
        assert!(!first.wait(START).success());
        let mut second = slow_download(&scene, &dir, &[seeder.address]);
        finish(&mut second, &scene, &dir);
    }
}

fn libtorrent_goes_on_when_seed_is_back() {
    need!(SEED, Need::Libtorrent);
    for signal in ["KILL", "INT"] {
        let scene = Scene::new(content());
        let words = ["--no-tcp", "--limit-up", RATE];
        let (mut seed, address) = Ours::seed(&scene, HOST, &words);
        let (dir, peers) = (scene.room("leech"), [address]);
        let source = Source::Torrent;
        let mut leecher = Libtorrent::leech_with(&scene, source, &dir, HOST, &peers, OVER_UTP);
        let is_under_way =
            |event: &Value| event["up_rate"].as_u64().is_some_and(|rate| rate > 1 << 20);
        seed.wait_for("transfer", COMPLETE, is_under_way);
        seed.signal(signal);
        assert!(!seed.wait(START).success());
        assert!(!leecher.alerts().contains("torrent_finished_alert"), "it ended too late");
        let _seed = Ours::seed_at(&scene, address, &["--no-tcp"]);
        leecher.wait_complete();
        assert!(!leecher.alerts().contains("hash_failed_alert"));
        scene.assert_complete(&dir);
    }
}

// P-42
fn download_fetches_from_seed_over_a_bad_path() {
    need!(DOWNLOAD, SEED, Need::Example("create"));
    let size = match std::env::var("TINYTORRENT_UTP_MIB") {
        Ok(mebibytes) => mebibytes.parse::<u64>().expect("a number of MiB") << 20,
        Err(_) => 64 << 20,
    };
    let scene = Scene::new(Content::single("a block", (1 << 20) | 7));
    let large = scene.seed_dir().join("large");
    write_large(&large, size, &scene);
    let (_seed, address) = Ours::seed(&scene, HOST, ONLY_THIS_WAY);
    let relay = Relay::start(address, 1);
    let dir = scene.room("download");
    let peer = relay.address.to_string();
    let words = [&["--peer", &peer, "--listen", "127.0.0.1:0"], ONLY_THIS_WAY].concat();
    let finished = Ours::download(&scene, Source::Torrent, &dir, &words).finish();
    assert_eq!((&finished["bytes"], &finished["hash_failures"]), (&size.into(), &0.into()));
    assert_lost(&relay, size);
    assert!(is_same(&large, &dir.join("large")));
}

/// Fails the test unless so many bytes have come by the relay.
fn assert_lost(relay: &Relay, size: u64) {
    // Of a hundred packets of up to 1,500 bytes it loses two.
    let (lost, least) = (relay.lost(), size / 1_500 / 70);
    assert!(lost >= least, "the relay has lost {lost} datagrams, not {least}");
}

/// Writes a file of this size, of blocks of the scene's content, and has its torrent in place of the scene's.
fn write_large(path: &Path, size: u64, scene: &Scene) {
    let block = &scene.content.files[0].1;
    let mut file = File::create(path).unwrap();
    let mut left = size;
    while left > 0 {
        let part = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
        file.write_all(&block[..part]).unwrap();
        left -= part as u64;
    }
    fs::remove_file(scene.torrent()).unwrap();
    let [path, torrent] = [path, &scene.torrent()].map(|path| path.to_str().unwrap().to_owned());
    let mut create = Ours::run("create", scene, &[&path, "--output", &torrent]);
    assert!(create.wait(START).success(), "{}", create.stderr());
}

fn is_same(left: &Path, right: &Path) -> bool {
    let [mut left, mut right] = [left, right].map(|path| File::open(path).unwrap());
    let [mut ours, mut theirs] = [(); 2].map(|()| vec![0; 1 << 20]);
    if left.metadata().unwrap().len() != right.metadata().unwrap().len() {
        return false;
    }
    loop {
        let read = left.read(&mut ours).unwrap();
        right.read_exact(&mut theirs[..read]).unwrap();
        if ours[..read] != theirs[..read] || read == 0 {
            return read == 0;
        }
    }
}

// P-42
fn download_fetches_from_libtorrent_over_a_bad_path() {
    need!(DOWNLOAD, Need::Libtorrent);
    let scene = Scene::new(content());
    let seeder = Libtorrent::seed_with(&scene, HOST, OVER_A_BAD_PATH);
    let relay = Relay::start(seeder.address, 2);
    let dir = scene.room("download");
    let peer = relay.address.to_string();
    let words = [&["--peer", &peer, "--listen", "127.0.0.1:0"], ONLY_THIS_WAY].concat();
    let mut download = Ours::download(&scene, Source::Magnet, &dir, &words);
    finish(&mut download, &scene, &dir);
    assert_lost(&relay, scene.content.size());
}

// P-42
fn libtorrent_fetches_from_seed_over_a_bad_path() {
    need!(SEED, Need::Libtorrent);
    let scene = Scene::new(content());
    let (_seed, address) = Ours::seed(&scene, HOST, ONLY_THIS_WAY);
    let relay = Relay::start(address, 3);
    let (dir, peers) = (scene.room("leech"), [relay.address]);
    let mut leecher =
        Libtorrent::leech_with(&scene, Source::Torrent, &dir, HOST, &peers, OVER_A_BAD_PATH);
    leecher.wait_complete();
    assert!(!leecher.alerts().contains("hash_failed_alert"));
    scene.assert_complete(&dir);
    assert_lost(&relay, scene.content.size());
}
