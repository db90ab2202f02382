//! Downloads that are cut short and go on.

use crate::support::content::{Content, Version};
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::tracker::RecordingTracker;
use crate::support::wire_seeder::{Manner, WireSeeder};
use crate::support::{COMPLETE, START};

tests![
    killed_magnet_goes_on_without_a_peer_that_has_its_metadata,
    killed_download_goes_on_and_fetches_hardly_anything_twice,
    killed_download_of_v2_goes_on_and_fetches_hardly_anything_twice,
    interrupted_download_says_goodbye_and_goes_on,
    complete_download_fetches_nothing_when_started_again,
    damage_between_two_runs_is_mended_without_resume_data,
];

const DOWNLOAD: Need = Need::Example("download");

/// Large beside what is under way at any moment, so that two in a hundred is a fair bound.
fn content() -> Content {
    let mut content = Content::multi("cut short", &[("a", 40_000_000), ("b/c", 27_108_864)]);
    content.piece_length = 256 << 10;
    content
}

/// Waits until `download` tells of half of the bytes.
fn wait_half(download: &mut Ours, size: u64) {
    download.wait_for("half of the content", COMPLETE, |event| {
        event["event"] == "progress" && event["bytes"].as_u64().is_some_and(|n| n >= size / 2)
    });
}

// S-18
fn killed_download_goes_on_and_fetches_hardly_anything_twice() {
    need!(DOWNLOAD, Need::Python);
    kill_and_go_on(content());
}

fn killed_download_of_v2_goes_on_and_fetches_hardly_anything_twice() {
    need!(DOWNLOAD, Need::Python);
    kill_and_go_on(content().of_version(Version::V2));
}

fn kill_and_go_on(content: Content) {
    let scene = Scene::new(content);
    let size = scene.content.size();
    // The seeder sets the pace, so that next to nothing waits in the kernel when the kill comes.
    let mut seeder = WireSeeder::with_rate(&scene, "127.0.0.1", Manner::Honest, 16 << 20);
    let dir = scene.room("download");
    let mut first = Ours::download_from(&scene, Source::Torrent, &dir, &[seeder.address]);
    wait_half(&mut first, size);
    first.kill();
    let fetched_before = seeder.served();
    assert!(fetched_before < size, "it was killed too late to show anything");
    let mut second = Ours::download_from(&scene, Source::Torrent, &dir, &[seeder.address]);
    second.finish();
    scene.assert_complete(&dir);
    let twice = seeder.served() - size;
    assert!(twice < size / 50, "{twice} bytes of {size} were fetched twice");
}

// S-18: webtorrent#361.
fn killed_magnet_goes_on_without_a_peer_that_has_its_metadata() {
    need!(DOWNLOAD, Need::Example("seed"), Need::Python);
    let scene = Scene::new(content());
    let (mut seed, address) = Ours::seed(&scene, "127.0.0.1", &[]);
    let dir = scene.room("download");
    let mut first = Ours::download_from(&scene, Source::Magnet, &dir, &[address]);
    first.wait_for_event("metadata", START);
    first.kill();
    seed.kill();
    // This one has the content and nothing else.
    let wire = WireSeeder::start(&scene, "127.0.0.1", Manner::Honest);
    Ours::download_from(&scene, Source::Magnet, &dir, &[wire.address]).finish();
    scene.assert_complete(&dir);
}

fn interrupted_download_says_goodbye_and_goes_on() {
    need!(DOWNLOAD, Need::Python);
    for signal in ["INT", "TERM"] {
        let mut scene = Scene::new(content());
        let size = scene.content.size();
        let mut seeder = WireSeeder::with_rate(&scene, "127.0.0.1", Manner::Honest, 16 << 20);
        let tracker = RecordingTracker::start("127.0.0.1", &[seeder.address]);
        scene.announce_to(&[&tracker.udp()]);
        let dir = scene.room("download");
        let words = ["--listen", "127.0.0.1:0"];
        let mut first = Ours::download(&scene, Source::Torrent, &dir, &words);
        wait_half(&mut first, size);
        first.signal(signal);
        assert_eq!(first.wait(START).code(), Some(130), "after SIG{signal}");
        assert_eq!(tracker.events(), ["started", "stopped"]);
        let mut second = Ours::download(&scene, Source::Torrent, &dir, &words);
        second.finish();
        scene.assert_complete(&dir);
        let twice = seeder.served() - size;
        assert!(twice < size / 50, "{twice} bytes of {size} were fetched twice");
    }
}

fn complete_download_fetches_nothing_when_started_again() {
    need!(DOWNLOAD, Need::Python);
    let scene = Scene::new(Content::small_multi());
    let mut seeder = WireSeeder::start(&scene, "127.0.0.1", Manner::Honest);
    let dir = scene.room("download");
    Ours::download_from(&scene, Source::Torrent, &dir, &[seeder.address]).finish();
    let once = seeder.served();
    let again = Ours::download_from(&scene, Source::Torrent, &dir, &[seeder.address]).finish();
    assert_eq!(again["downloaded"], 0);
    assert_eq!(seeder.served(), once);
}

fn damage_between_two_runs_is_mended_without_resume_data() {
    need!(DOWNLOAD, Need::Python);
    let scene = Scene::new(Content::small_single());
    let mut seeder = WireSeeder::start(&scene, "127.0.0.1", Manner::Honest);
    let peer = seeder.address.to_string();
    let words = ["--peer", &peer, "--no-resume", "--listen", "127.0.0.1:0"];
    let dir = scene.room("download");
    Ours::download(&scene, Source::Torrent, &dir, &words).finish();
    let file = dir.join(&scene.content.name);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[1_000_000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let once = seeder.served();
    Ours::download(&scene, Source::Torrent, &dir, &words).finish();
    scene.assert_complete(&dir);
    let again = seeder.served() - once;
    assert!(again >= scene.content.piece_length as u64, "the wrong piece is fetched again");
}
