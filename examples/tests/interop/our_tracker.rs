//! Other people's clients find each other through our tracker.

use std::net::SocketAddr;

use tinytorrent_tracker::server::{ServerConfig, TrackerServer};
use tokio::runtime::Runtime;

use crate::support::aria2::Aria2;
use crate::support::content::Content;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
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

/// Our tracker with a runtime of its own, on both families.
struct OurTracker {
    server: TrackerServer,
    _runtime: Runtime,
}

impl OurTracker {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let loopback: Vec<SocketAddr> =
            ["127.0.0.1:0", "[::1]:0"].iter().map(|address| address.parse().unwrap()).collect();
        let bind = TrackerServer::bind(ServerConfig::default(), &loopback, &loopback);
        let server = runtime.block_on(bind).unwrap();
        Self { server, _runtime: runtime }
    }

    fn udp(&self, family: usize) -> String {
        format!("udp://{}/announce", self.server.udp_addresses()[family])
    }

    fn http(&self, family: usize) -> String {
        format!("http://{}/announce", self.server.http_addresses()[family])
    }

    fn torrents(&self) -> u64 {
        self.server.tracker().figures().totals.torrents
    }
}

const V4: usize = 0;
const V6: usize = 1;

fn libtorrent_to_libtorrent(host: &str, url: impl Fn(&OurTracker) -> String) {
    let tracker = OurTracker::start();
    let mut scene = Scene::new(Content::small_single());
    scene.announce_to(&[&url(&tracker)]);
    let mut seeder = Libtorrent::seed(&scene, host);
    seeder.wait_announced();
    let dir = scene.room("leech");
    Libtorrent::leech(&scene, Source::Torrent, &dir, host, &[]).wait_complete();
    scene.assert_complete(&dir);
    assert_eq!(tracker.torrents(), 1);
}

fn libtorrent_finds_libtorrent_through_our_udp_tracker() {
    need!(Need::Libtorrent);
    libtorrent_to_libtorrent("127.0.0.1", |tracker| tracker.udp(V4));
}

fn libtorrent_finds_libtorrent_through_our_udp_tracker_over_ipv6() {
    need!(Need::Libtorrent);
    libtorrent_to_libtorrent("::1", |tracker| tracker.udp(V6));
}

fn libtorrent_finds_libtorrent_through_our_http_tracker_over_ipv6() {
    need!(Need::Libtorrent);
    libtorrent_to_libtorrent("::1", |tracker| tracker.http(V6));
}

fn aria2_finds_libtorrent_through_our_http_tracker() {
    need!(Need::Libtorrent, Need::Aria2);
    let tracker = OurTracker::start();
    let mut scene = Scene::new(Content::small_multi());
    scene.announce_to(&[&tracker.http(V4)]);
    let mut seeder = Libtorrent::seed(&scene, "127.0.0.1");
    seeder.wait_announced();
    let dir = scene.room("leech");
    Aria2::leech(&scene, Source::Torrent, &dir, "127.0.0.1").wait_complete();
    scene.assert_complete(&dir);
}

/// transmission dials no loopback address: it has to be found.
fn libtorrent_finds_transmission(url: impl Fn(&OurTracker) -> String) {
    let tracker = OurTracker::start();
    let mut scene = Scene::new(Content::small_single());
    scene.announce_to(&[&url(&tracker)]);
    let dir = scene.room("leech");
    let mut leecher = Transmission::leech(&scene, Source::Torrent, &dir, "127.0.0.1");
    let _seeder = Libtorrent::seed(&scene, "127.0.0.1");
    leecher.wait_complete();
    scene.assert_complete(&dir);
}

fn libtorrent_finds_transmission_through_our_udp_tracker() {
    need!(Need::Libtorrent, Need::Transmission);
    libtorrent_finds_transmission(|tracker| tracker.udp(V4));
}

fn libtorrent_finds_transmission_through_our_http_tracker() {
    need!(Need::Libtorrent, Need::Transmission);
    libtorrent_finds_transmission(|tracker| tracker.http(V4));
}
