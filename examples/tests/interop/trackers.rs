//! Announces of `download` and `seed`, and the answers of trackers.

use crate::support::content::Content;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::net::free_port;
use crate::support::opentracker::Opentracker;
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::tracker::RecordingTracker;
use crate::support::wire_seeder::{Manner, WireSeeder};
use crate::support::{COMPLETE, START};

tests![
    peers_of_opentracker_are_found_over_udp,
    peers_of_opentracker_are_found_over_http,
    started_completed_and_stopped_are_told_once_over_http,
    started_completed_and_stopped_are_told_once_over_udp,
    http_tracker_is_reached_over_ipv6,
    udp_tracker_is_reached_over_ipv6,
    next_tier_is_asked_when_the_first_is_dead,
    the_failure_of_a_tracker_is_told,
    tracker_of_the_command_line_is_asked,
    no_tracker_is_asked_when_they_are_left_out,
    seed_tells_started_and_stopped_and_never_completed,
];

const DOWNLOAD: Need = Need::Example("download");
const SEED: Need = Need::Example("seed");
const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// Downloads with nothing but the trackers to find peers by.
fn download(scene: &Scene, source: Source, words: &[&str]) {
    let dir = scene.room("download");
    Ours::download(scene, source, &dir, words).finish();
    scene.assert_complete(&dir);
}

fn peers_of_opentracker_are_found_over_udp() {
    need!(DOWNLOAD, Need::Libtorrent, Need::Opentracker);
    let mut scene = Scene::new(Content::small_single());
    let tracker = Opentracker::start(&scene);
    scene.announce_to(&[&tracker.udp()]);
    let _seeder = Libtorrent::seed(&scene, "127.0.0.1");
    download(&scene, Source::Torrent, &LISTEN);
}

fn peers_of_opentracker_are_found_over_http() {
    need!(DOWNLOAD, Need::Libtorrent, Need::Opentracker);
    let mut scene = Scene::new(Content::small_multi());
    let tracker = Opentracker::start(&scene);
    scene.announce_to(&[&tracker.http()]);
    let _seeder = Libtorrent::seed(&scene, "127.0.0.1");
    download(&scene, Source::Magnet, &LISTEN);
}

/// One announce for each event, with the counters that belong to it (BEP 3).
fn check_events(host: &str, url: impl Fn(&RecordingTracker) -> String) {
    let mut scene = Scene::new(Content::small_single());
    let size = scene.content.size();
    let seeder = WireSeeder::start(&scene, host, Manner::Honest);
    let tracker = RecordingTracker::start(host, &[seeder.address]);
    scene.announce_to(&[&url(&tracker)]);
    let listen = if host == "::1" { "[::1]:0" } else { "127.0.0.1:0" };
    download(&scene, Source::Torrent, &["--listen", listen]);
    tracker.wait_for("stopped", START);
    assert_eq!(tracker.events(), ["started", "completed", "stopped"]);
    let announces = tracker.announces();
    assert!(announces.iter().all(|announce| announce.info_hash == scene.content.info_hash()));
    assert!(announces.iter().all(|announce| announce.port != 0));
    let with = |event| announces.iter().find(|announce| announce.event == event).unwrap();
    assert_eq!((with("started").left, with("started").downloaded), (size, 0));
    assert_eq!((with("completed").left, with("stopped").left), (0, 0));
    assert!(with("completed").downloaded >= size);
}

// H-21, H-22, H-23
fn started_completed_and_stopped_are_told_once_over_http() {
    need!(DOWNLOAD, Need::Python);
    check_events("127.0.0.1", RecordingTracker::http);
}

fn started_completed_and_stopped_are_told_once_over_udp() {
    need!(DOWNLOAD, Need::Python);
    check_events("127.0.0.1", RecordingTracker::udp);
}

fn http_tracker_is_reached_over_ipv6() {
    need!(DOWNLOAD, Need::Python);
    check_events("::1", RecordingTracker::http);
}

fn udp_tracker_is_reached_over_ipv6() {
    need!(DOWNLOAD, Need::Python);
    check_events("::1", RecordingTracker::udp);
}

fn next_tier_is_asked_when_the_first_is_dead() {
    need!(DOWNLOAD, Need::Python);
    let mut scene = Scene::new(Content::small_single());
    let seeder = WireSeeder::start(&scene, "127.0.0.1", Manner::Honest);
    let tracker = RecordingTracker::start("127.0.0.1", &[seeder.address]);
    let dead = format!("http://127.0.0.1:{}/announce", free_port());
    scene.announce_to(&[&dead, &tracker.http()]);
    download(&scene, Source::Torrent, &LISTEN);
}

fn the_failure_of_a_tracker_is_told() {
    need!(DOWNLOAD);
    let mut scene = Scene::new(Content::small_single());
    let dead = format!("http://127.0.0.1:{}/announce", free_port());
    scene.announce_to(&[&dead]);
    let dir = scene.room("download");
    let words = ["--timeout", "2", "--listen", "127.0.0.1:0"];
    let mut download = Ours::download(&scene, Source::Torrent, &dir, &words);
    assert_eq!(download.wait(START).code(), Some(1));
    let events = download.events();
    let told = events.iter().find(|event| event["event"] == "tracker_failed").expect("told");
    assert_eq!(told["url"], dead.as_str());
    assert!(download.stderr().contains(&dead), "{}", download.stderr());
}

fn tracker_of_the_command_line_is_asked() {
    need!(DOWNLOAD, Need::Python);
    let scene = Scene::new(Content::small_single());
    let seeder = WireSeeder::start(&scene, "127.0.0.1", Manner::Honest);
    let tracker = RecordingTracker::start("127.0.0.1", &[seeder.address]);
    let url = tracker.http();
    download(&scene, Source::Torrent, &["--tracker", &url, "--listen", "127.0.0.1:0"]);
}

fn no_tracker_is_asked_when_they_are_left_out() {
    need!(DOWNLOAD, Need::Python);
    let mut scene = Scene::new(Content::small_single());
    let seeder = WireSeeder::start(&scene, "127.0.0.1", Manner::Honest);
    let tracker = RecordingTracker::start("127.0.0.1", &[]);
    scene.announce_to(&[&tracker.http(), &tracker.udp()]);
    let peer = seeder.address.to_string();
    let words = ["--peer", &peer, "--no-trackers", "--listen", "127.0.0.1:0"];
    download(&scene, Source::Torrent, &words);
    assert_eq!(tracker.announces(), []);
}

// H-23: completed is not told by who was complete at the start.
fn seed_tells_started_and_stopped_and_never_completed() {
    need!(SEED);
    let mut scene = Scene::new(Content::small_single());
    let tracker = RecordingTracker::start("127.0.0.1", &[]);
    scene.announce_to(&[&tracker.http()]);
    let (mut seed, address) = Ours::seed(&scene, "127.0.0.1", &[]);
    tracker.wait_for("started", COMPLETE);
    seed.signal("INT");
    assert_eq!(seed.wait(START).code(), Some(130));
    assert_eq!(tracker.events(), ["started", "stopped"]);
    for announce in tracker.announces() {
        assert_eq!((announce.left, announce.port), (0, address.port()));
    }
}
