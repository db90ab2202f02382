//! Other people's programs among themselves: what fails here is the harness, not our programs.

use std::path::Path;

use crate::support::aria2::Aria2;
use crate::support::content::{Content, Version};
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::opentracker::Opentracker;
use crate::support::runner::{Words, tests};
use crate::support::scene::{Scene, Source};
use crate::support::tracker::RecordingTracker;
use crate::support::transmission::Transmission;
use crate::support::wire_seeder::{Manner, WireSeeder};

tests![
    what_tests_need_is_installed_by_ci_and_named_to_contributors,
    words_of_the_command_line_choose_tests,
    aria2_fetches_from_libtorrent,
    transmission_fetches_from_libtorrent,
    libtorrent_fetches_from_transmission_over_ipv6,
    libtorrent_fetches_from_aria2_that_a_recording_tracker_tells_of,
    libtorrent_fetches_from_the_honest_wire_seeder,
    corrupting_wire_seeder_is_told_by_failed_hashes,
];

fn aria2_fetches_from_libtorrent() {
    need!(Need::Aria2, Need::Libtorrent, Need::Opentracker);
    let mut scene = Scene::new(Content::small_multi());
    let tracker = Opentracker::start(&scene);
    scene.announce_to(&[&tracker.http()]);
    let _seeder = Libtorrent::seed(&scene, "127.0.0.1");
    let dir = scene.room("leech");
    Aria2::leech(&scene, Source::Magnet, &dir, "127.0.0.1").wait_complete();
    scene.assert_complete(&dir);
}

fn transmission_fetches_from_libtorrent() {
    need!(Need::Transmission, Need::Libtorrent, Need::Opentracker);
    let mut scene = Scene::new(Content::small_single());
    let tracker = Opentracker::start(&scene);
    scene.announce_to(&[&tracker.udp()]);
    let dir = scene.room("leech");
    let mut leecher = Transmission::leech(&scene, Source::Torrent, &dir, "127.0.0.1");
    let _seeder = Libtorrent::seed(&scene, "127.0.0.1");
    leecher.wait_complete();
    scene.assert_complete(&dir);
}

fn libtorrent_fetches_from_transmission_over_ipv6() {
    need!(Need::Transmission, Need::Libtorrent);
    let scene = Scene::new(Content::small_multi());
    let seeder = Transmission::seed(&scene, "::1");
    let dir = scene.room("leech");
    Libtorrent::leech(&scene, Source::Magnet, &dir, "::1", &[seeder.address]).wait_complete();
    scene.assert_complete(&dir);
}

fn libtorrent_fetches_from_aria2_that_a_recording_tracker_tells_of() {
    need!(Need::Aria2, Need::Libtorrent);
    for host in ["127.0.0.1", "::1"] {
        let mut scene = Scene::new(Content::small_single());
        let seeder = Aria2::seed(&scene, host);
        let tracker = RecordingTracker::start(host, &[seeder.address]);
        scene.announce_to(&[&tracker.udp(), &tracker.http()]);
        let dir = scene.room("leech");
        Libtorrent::leech(&scene, Source::Torrent, &dir, host, &[]).wait_complete();
        scene.assert_complete(&dir);
        let announce = &tracker.announces()[0];
        assert_eq!(announce.event, "started");
        assert_eq!(announce.info_hash, scene.content.info_hash());
        assert_eq!(announce.left, scene.content.size());
    }
}

fn libtorrent_fetches_from_the_honest_wire_seeder() {
    need!(Need::Python, Need::Libtorrent);
    for content in [Content::small_multi(), Content::short_pieces(Version::V2)] {
        let scene = Scene::new(content);
        let mut seeder = WireSeeder::start(&scene, "127.0.0.1", Manner::Honest);
        let dir = scene.room("leech");
        let peers = [seeder.address];
        Libtorrent::leech(&scene, Source::Torrent, &dir, "127.0.0.1", &peers).wait_complete();
        scene.assert_complete(&dir);
        assert!(seeder.served() >= scene.content.size());
    }
}

// Alone: next to an honest seeder, libtorrent may blame and ban that one too.
fn corrupting_wire_seeder_is_told_by_failed_hashes() {
    need!(Need::Python, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let corrupt = WireSeeder::start(&scene, "127.0.0.1", Manner::Corrupt);
    let dir = scene.room("leech");
    let peers = [corrupt.address];
    let mut leecher = Libtorrent::leech(&scene, Source::Torrent, &dir, "127.0.0.1", &peers);
    leecher.wait_for_alert("hash_failed_alert");
}

fn words_of_the_command_line_choose_tests() {
    let chosen = |words: &[&str], name: &str| {
        let words = Words::parse(words.iter().map(|word| (*word).to_owned()));
        words.expect("the words are known").choose(name)
    };
    assert!(chosen(&[], "a::b"));
    assert!(chosen(&["x", "::b", "--nocapture"], "a::b"));
    assert!(!chosen(&["x"], "a::b"));
    assert!(!chosen(&["b", "--exact"], "a::b"));
    assert!(!chosen(&["--skip=b", "--test-threads", "1"], "a::b"));
    assert!(!chosen(&["--ignored"], "a::b"), "no test is always left out");
    for wrong in ["--skip", "--no-such-option", "--test-threads=0"] {
        assert!(Words::parse(std::iter::once(wrong.to_owned())).is_err(), "{wrong}");
    }
}

fn what_tests_need_is_installed_by_ci_and_named_to_contributors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace is around it");
    for file in [".ci/run", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        for package in Need::REQUIRED.map(Need::package) {
            assert!(text.contains(package), "{file} lacks {package}");
        }
    }
}
