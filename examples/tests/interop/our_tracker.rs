//! Other people's clients find each other through `track`.

use crate::support::START;
use crate::support::aria2::Aria2;
use crate::support::content::Content;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::transmission::Transmission;

tests![
    libtorrent_finds_libtorrent_through_our_udp_tracker,
    libtorrent_finds_libtorrent_through_our_udp_tracker_over_ipv6,
    libtorrent_finds_libtorrent_through_our_http_tracker_over_ipv6,
    aria2_finds_libtorrent_through_our_http_tracker,
    libtorrent_finds_transmission_through_our_udp_tracker,
    libtorrent_finds_transmission_through_our_http_tracker,
];

/// A running `track`, on both families.
struct Track {
    program: Ours,
    urls: Vec<String>,
}

impl Track {
    /// Starts it, for the torrent of the scene alone.
    fn start(scene: &Scene) -> Self {
        let list = scene.path().join("list");
        std::fs::write(&list, scene.content.info_hash_hex()).unwrap();
        let mut words = vec!["--threads", "2", "--allow", list.to_str().expect("it is text")];
        for protocol in ["--udp", "--http"] {
            words.extend([protocol, "127.0.0.1:0", protocol, "[::1]:0"]);
        }
        let mut program = Ours::run("track", scene, &words);
        program.wait_for("the last socket", START, |event| {
            event["url"].as_str().is_some_and(|url| url.starts_with("http://["))
        });
        let urls = program.events().into_iter().filter(|event| event["event"] == "listening");
        let urls = urls.map(|event| event["url"].as_str().expect("a URL").to_owned()).collect();
        Self { program, urls }
    }

    fn udp(&self, family: usize) -> &str {
        &self.urls[family]
    }

    fn http(&self, family: usize) -> &str {
        &self.urls[2 + family]
    }

    /// Ends it, and returns the number of torrents that it knew.
    fn torrents(mut self) -> u64 {
        self.program.signal("INT");
        assert_eq!(self.program.wait(START).code(), Some(130));
        let events = self.program.events();
        let last = events.iter().rfind(|event| event["event"] == "figures").expect("the last");
        last["torrents"].as_u64().expect("a number")
    }
}

const V4: usize = 0;
const V6: usize = 1;

fn libtorrent_to_libtorrent(host: &str, url: impl Fn(&Track) -> &str) {
    let mut scene = Scene::new(Content::small_single());
    let tracker = Track::start(&scene);
    scene.announce_to(&[url(&tracker)]);
    let mut seeder = Libtorrent::seed(&scene, host);
    seeder.wait_announced();
    let dir = scene.room("leech");
    Libtorrent::leech(&scene, Source::Torrent, &dir, host, &[]).wait_complete();
    scene.assert_complete(&dir);
    assert_eq!(tracker.torrents(), 1);
}

fn libtorrent_finds_libtorrent_through_our_udp_tracker() {
    need!(Need::Example("track"), Need::Libtorrent);
    libtorrent_to_libtorrent("127.0.0.1", |tracker| tracker.udp(V4));
}

fn libtorrent_finds_libtorrent_through_our_udp_tracker_over_ipv6() {
    need!(Need::Example("track"), Need::Libtorrent);
    libtorrent_to_libtorrent("::1", |tracker| tracker.udp(V6));
}

fn libtorrent_finds_libtorrent_through_our_http_tracker_over_ipv6() {
    need!(Need::Example("track"), Need::Libtorrent);
    libtorrent_to_libtorrent("::1", |tracker| tracker.http(V6));
}

fn aria2_finds_libtorrent_through_our_http_tracker() {
    need!(Need::Example("track"), Need::Libtorrent, Need::Aria2);
    let mut scene = Scene::new(Content::small_multi());
    let tracker = Track::start(&scene);
    scene.announce_to(&[tracker.http(V4)]);
    let mut seeder = Libtorrent::seed(&scene, "127.0.0.1");
    seeder.wait_announced();
    let dir = scene.room("leech");
    Aria2::leech(&scene, Source::Torrent, &dir, "127.0.0.1").wait_complete();
    scene.assert_complete(&dir);
}

/// transmission dials no loopback address: it has to be found.
fn libtorrent_finds_transmission(url: impl Fn(&Track) -> &str) {
    let mut scene = Scene::new(Content::small_single());
    let tracker = Track::start(&scene);
    scene.announce_to(&[url(&tracker)]);
    let dir = scene.room("leech");
    let mut leecher = Transmission::leech(&scene, Source::Torrent, &dir, "127.0.0.1");
    let _seeder = Libtorrent::seed(&scene, "127.0.0.1");
    leecher.wait_complete();
    scene.assert_complete(&dir);
}

fn libtorrent_finds_transmission_through_our_udp_tracker() {
    need!(Need::Example("track"), Need::Libtorrent, Need::Transmission);
    libtorrent_finds_transmission(|tracker| tracker.udp(V4));
}

fn libtorrent_finds_transmission_through_our_http_tracker() {
    need!(Need::Example("track"), Need::Libtorrent, Need::Transmission);
    libtorrent_finds_transmission(|tracker| tracker.http(V4));
}
