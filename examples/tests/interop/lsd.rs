//! Peers of the local network (BEP 14), on hosts with a cable between them, with libtorrent and transmission at the
//! other end.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::content::Content;
use crate::support::hosts::Host;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::process::Process;
use crate::support::runner::tests;
use crate::support::scene::Scene;
use crate::support::transmission::Transmission;
use crate::support::{COMPLETE, START};

tests![
    download_finds_seed_in_each_family,
    download_and_seed_find_each_other_by_link_local_addresses,
    download_and_libtorrent_find_each_other,
    libtorrent_and_seed_find_each_other_over_ipv6,
    download_and_transmission_find_each_other,
    transmission_and_seed_find_each_other,
    a_private_torrent_is_not_announced,
    a_network_that_comes_later_is_used,
];

const DOWNLOAD: Need = Need::Example("download");
const SEED: Need = Need::Example("seed");

/// Addresses of two neighbours.
const V4: [&str; 2] = ["10.99.0.1/24", "10.99.0.2/24"];
const V6: [&str; 2] = ["fd99::1/64", "fd99::2/64"];

/// Written to the log for each neighbour that has the torrent.
const NEIGHBOUR: &str = "a neighbour has the torrent";

fn seed_on(host: &Host, scene: &Scene, listen: &str, words: &[&str]) -> Ours {
    let (torrent, dir) = (scene.torrent(), scene.seed_dir());
    let words = [&[text(&torrent), text(&dir), "--listen", listen, "--no-dht"], words].concat();
    let mut seed = Ours::run_on(host, "seed", scene, &words);
    seed.address();
    seed
}

fn download_on(host: &Host, scene: &Scene, listen: &str, words: &[&str]) -> Ours {
    let (torrent, dir) = (scene.torrent(), scene.room("download"));
    let fixed = ["--output", text(&dir), "--listen", listen, "--no-dht"];
    let words = [&[text(&torrent)], &fixed[..], words].concat();
    Ours::run_on(host, "download", scene, &words)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

fn download_finds_seed_in_each_family() {
    need!(DOWNLOAD, SEED, Need::Hosts);
    for (addresses, listen) in [(V4, "0.0.0.0:0"), (V6, "[::]:0"), (V4, "[::]:0")] {
        let scene = Scene::new(Content::small_multi());
        let (one, two) = Host::pair(&addresses[..1], &addresses[1..]);
        let _seed = seed_on(&one, &scene, listen, &[]);
        download_on(&two, &scene, listen, &[]).finish();
        scene.assert_complete(&scene.room("download"));
    }
}

fn download_and_seed_find_each_other_by_link_local_addresses() {
    need!(DOWNLOAD, SEED, Need::Hosts);
    let scene = Scene::new(Content::small_multi());
    let (one, two) = Host::pair(&[], &[]);
    let mut seed = seed_on(&one, &scene, "[::]:0", &[]);
    let mut download = download_on(&two, &scene, "[::]:0", &["--seed"]);
    wait_for_all(&mut download);
    seed.wait_for_log(NEIGHBOUR, START);
    scene.assert_complete(&scene.room("download"));
}

fn download_and_libtorrent_find_each_other() {
    need!(DOWNLOAD, Need::Hosts, Need::Libtorrent);
    let scene = Scene::new(Content::small_multi());
    let (one, two) = Host::pair(&V4[..1], &V4[1..]);
    let mut seeder = Libtorrent::lsd_on(&one, "seed", 6881, &scene.seed_dir(), &scene);
    let mut download = download_on(&two, &scene, "0.0.0.0:6882", &["--seed"]);
    seeder.wait_for_alert("10.99.0.2:6882 client: Unknown ]: received peer from local service");
    wait_for_all(&mut download);
    // Its announcement of the start was over before we were there; this is one of its next.
    drop(seeder);
    let _seeder = Libtorrent::lsd_on(&one, "seed", 6883, &scene.seed_dir(), &scene);
    download.wait_for_log("a neighbour has the torrent address=10.99.0.1:6883", START);
    scene.assert_complete(&scene.room("download"));
}

fn libtorrent_and_seed_find_each_other_over_ipv6() {
    need!(SEED, Need::Hosts, Need::Libtorrent);
    let scene = Scene::new(Content::small_multi());
    let (one, two) = Host::pair(&V6[..1], &V6[1..]);
    let mut seed = seed_on(&one, &scene, "[::]:6881", &[]);
    let dir = scene.room("leech");
    let mut leecher = Libtorrent::lsd_on(&two, "leech", 6882, &dir, &scene);
    seed.wait_for_log(NEIGHBOUR, START);
    leecher.wait_complete();
    scene.assert_complete(&dir);
}

fn download_and_transmission_find_each_other() {
    need!(DOWNLOAD, Need::Hosts, Need::Transmission);
    let scene = Scene::new(Content::small_multi().without_empty_files());
    let (one, two) = Host::pair(&V4[..1], &V4[1..]);
    let mut seeder = Transmission::lsd_on(&one, &scene.seed_dir(), &scene);
    let mut download = download_on(&two, &scene, "0.0.0.0:6882", &["--seed"]);
    download.wait_for_log("a neighbour has the torrent address=10.99.0.1:51413", COMPLETE);
    wait_for_all(&mut download);
    wait_for_learned(&mut seeder);
    scene.assert_complete(&scene.room("download"));
}

fn transmission_and_seed_find_each_other() {
    need!(SEED, Need::Hosts, Need::Transmission);
    let scene = Scene::new(Content::small_multi().without_empty_files());
    let (one, two) = Host::pair(&V4[..1], &V4[1..]);
    let mut seed = seed_on(&one, &scene, "0.0.0.0:6881", &[]);
    let dir = scene.room("leech");
    let mut leecher = Transmission::lsd_on(&two, &dir, &scene);
    seed.wait_for_log("a neighbour has the torrent address=10.99.0.2:51413", COMPLETE);
    wait_for_learned(&mut leecher);
    let deadline = Instant::now() + COMPLETE;
    while let Some(difference) = scene.content.difference(&dir) {
        assert!(leecher.is_running() && Instant::now() < deadline, "{difference}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until a download that goes on as a seed has everything.
fn wait_for_all(download: &mut Ours) {
    let has_all = |event: &Value| event["total"].is_u64() && event["bytes"] == event["total"];
    download
        .wait_for("completion", COMPLETE, |event| event["event"] == "progress" && has_all(event));
}

/// Waits until transmission has heard of us.
fn wait_for_learned(transmission: &mut Process) {
    let deadline = Instant::now() + COMPLETE;
    while !transmission.stderr().contains("local peer from LPD") {
        assert!(transmission.is_running() && Instant::now() < deadline, "it has heard nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn a_private_torrent_is_not_announced() {
    need!(DOWNLOAD, SEED, Need::Hosts);
    let (one, two) = Host::pair(&V4[..1], &V4[1..]);
    let private = Scene::new(Content::small_multi().private());
    let _private = seed_on(&one, &private, "0.0.0.0:6881", &[]);
    let mut of_private = download_on(&two, &private, "0.0.0.0:6882", &[]);
    of_private.address();
    // What is announced meanwhile, between the same hosts, arrives.
    let public = Scene::new(Content::small_single());
    let _public = seed_on(&one, &public, "0.0.0.0:6883", &[]);
    download_on(&two, &public, "0.0.0.0:6884", &[]).finish();
    assert!(!of_private.stderr().contains(NEIGHBOUR), "{}", of_private.stderr());
    assert!(of_private.events().iter().all(|event| event["event"] != "finished"));
}

fn a_network_that_comes_later_is_used() {
    need!(DOWNLOAD, SEED, Need::Hosts);
    let scene = Scene::new(Content::small_multi());
    let (one, two) = Host::pair(&V4[..1], &V4[1..]);
    two.run("ip", &["link", "set", "eth0", "down"]);
    let _seed = seed_on(&one, &scene, "0.0.0.0:6881", &[]);
    let mut download = download_on(&two, &scene, "0.0.0.0:6882", &[]);
    download.address();
    // It has looked at the interfaces by now; if it is slow, the test is easier.
    std::thread::sleep(Duration::from_secs(1));
    two.run("ip", &["link", "set", "eth0", "up"]);
    download.finish();
    scene.assert_complete(&scene.room("download"));
}
