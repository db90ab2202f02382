//! Peers that lie, stall or vanish, and input that is wrong.

use crate::support::START;
use crate::support::content::{Content, Version};
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::wire_seeder::{Manner, WireSeeder};

tests![
    corrupting_seeders_are_banned_by_name_and_the_honest_one_is_not,
    corrupting_seeders_of_v2_are_banned_by_name_and_the_honest_one_is_not,
    download_survives_peers_that_stall,
    download_survives_peers_that_vanish,
    download_gives_up_when_its_time_is_over,
    invalid_input_is_told_by_exit_code_2_and_missing_input_by_1,
];

const DOWNLOAD: Need = Need::Example("download");

// S-05
fn corrupting_seeders_are_banned_by_name_and_the_honest_one_is_not() {
    need!(DOWNLOAD, Need::Python);
    download_despite_corruption(Content::single("corrupted", 16 << 20));
}

fn corrupting_seeders_of_v2_are_banned_by_name_and_the_honest_one_is_not() {
    need!(DOWNLOAD, Need::Python);
    let files = [("a", 6_000_001), ("b", 1), ("c", 5_000_000), ("d", 5_000_003)];
    download_despite_corruption(Content::multi("corrupted", &files).of_version(Version::V2));
}

fn download_despite_corruption(content: Content) {
    let scene = Scene::new(content);
    let honest = WireSeeder::with_rate(&scene, "127.0.0.1", Manner::Honest, 4 << 20);
    let first = WireSeeder::start(&scene, "127.0.0.2", Manner::Corrupt);
    let second = WireSeeder::start(&scene, "127.0.0.3", Manner::Corrupt);
    let dir = scene.room("download");
    let peers = [first.address, second.address, honest.address];
    let mut download = Ours::download_from(&scene, Source::Torrent, &dir, &peers);
    let finished = download.finish();
    scene.assert_complete(&dir);
    assert_ne!(finished["hash_failures"], 0);
    let told: Vec<String> = download.events().iter().map(ToString::to_string).collect();
    let all = told.join("\n") + "\n" + &download.stderr();
    let banned = |peer: std::net::SocketAddr| {
        let ip = peer.ip().to_string();
        all.lines().any(|line| line.contains("ban") && line.contains(&ip))
    };
    assert!(banned(first.address) && banned(second.address), "no bans told in:\n{all}");
    assert!(!banned(honest.address), "the honest seeder was banned:\n{all}");
}

fn download_survives_peers_that_stall() {
    need!(DOWNLOAD, Need::Python);
    let scene = Scene::new(Content::single("stalled", 8 << 20));
    let honest = WireSeeder::with_rate(&scene, "127.0.0.1", Manner::Honest, 4 << 20);
    let stalling = WireSeeder::start(&scene, "127.0.0.2", Manner::Stall(20));
    let mute = WireSeeder::start(&scene, "127.0.0.3", Manner::Mute);
    let dir = scene.room("download");
    let peers = [mute.address, stalling.address, honest.address];
    Ours::download_from(&scene, Source::Torrent, &dir, &peers).finish();
    scene.assert_complete(&dir);
}

fn download_survives_peers_that_vanish() {
    need!(DOWNLOAD, Need::Python);
    let scene = Scene::new(Content::single("vanished", 8 << 20));
    let honest = WireSeeder::with_rate(&scene, "127.0.0.1", Manner::Honest, 4 << 20);
    let mut vanishing = WireSeeder::start(&scene, "127.0.0.2", Manner::Vanish(50));
    let dir = scene.room("download");
    let peers = [vanishing.address, honest.address];
    let mut download = Ours::download_from(&scene, Source::Torrent, &dir, &peers);
    vanishing.wait_vanished();
    download.finish();
    scene.assert_complete(&dir);
}

fn download_gives_up_when_its_time_is_over() {
    need!(DOWNLOAD);
    let scene = Scene::new(Content::small_single());
    let dir = scene.room("download");
    let words = ["--timeout", "1", "--listen", "127.0.0.1:0"];
    let mut download = Ours::download(&scene, Source::Magnet, &dir, &words);
    assert_eq!(download.wait(START).code(), Some(1));
    let last = download.events().pop().expect("a failure is an event");
    assert_eq!(last["event"], "failed");
    assert!(last["error"].as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(download.stderr().lines().count(), 1, "{}", download.stderr());
}

fn invalid_input_is_told_by_exit_code_2_and_missing_input_by_1() {
    need!(DOWNLOAD);
    let scene = Scene::new(Content::small_single());
    let broken = scene.path().join("broken.torrent");
    std::fs::write(&broken, b"d4:infod6:lengthi5e").unwrap();
    let missing = scene.path().join("missing.torrent");
    for (source, code) in [
        (broken.to_str().unwrap(), 2),
        (missing.to_str().unwrap(), 1),
        ("magnet:?xt=urn:btih:tooshort", 2),
    ] {
        let mut download = Ours::run("download", &scene, &[source]);
        assert_eq!(download.wait(START).code(), Some(code), "{source}: {}", download.stderr());
        assert!(!download.stderr().trim().is_empty(), "it says why");
    }
    let mut download = Ours::run("download", &scene, &["--no-such-option"]);
    assert_eq!(download.wait(START).code(), Some(2));
}
