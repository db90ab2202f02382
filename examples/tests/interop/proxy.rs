//! Everything through danted, a SOCKS5 proxy that asks for user and password and relays datagrams.

use std::net::SocketAddr;

use crate::support::content::Content;
use crate::support::dante::Dante;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::tracker::RecordingTracker;
use crate::support::{START, net};

tests![
    a_download_goes_through_danted_by_tcp,
    a_download_goes_through_danted_by_utp,
    a_udp_tracker_is_reached_through_danted,
    peers_are_found_in_the_dht_through_danted,
    a_wrong_password_leads_nowhere,
];

const HOST: &str = "127.0.0.1";
const DOWNLOAD: Need = Need::Example("download");
const SEED: Need = Need::Example("seed");

/// A download through the proxy with nothing else on.
fn words<'a>(proxy: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--proxy", proxy, "--no-pex", "--no-web-seeds"], more].concat()
}

/// The proxy's line about a connection to an address.
fn connection(to: SocketAddr) -> String {
    format!("{}.{}", to.ip(), to.port())
}

fn a_download_goes_through_danted_by_tcp() {
    need!(DOWNLOAD, SEED, Need::Dante, Need::Namespace);
    let scene = Scene::new(Content::small_multi());
    let proxy = Dante::start(&scene);
    let (_seed, address) = Ours::seed(&scene, HOST, &["--no-dht"]);
    let (url, peer) = (proxy.url("secret"), address.to_string());
    let dir = scene.room("download");
    Ours::download(&scene, Source::Magnet, &dir, &words(&url, &["--peer", &peer])).finish();
    scene.assert_complete(&dir);
    let log = proxy.log();
    let is_it = |line: &str| line.contains("tcp/connect") && line.contains(&connection(address));
    assert!(log.lines().any(is_it), "{log}");
    assert!(!log.contains("udp/"), "nothing was said of datagrams: {log}");
}

fn a_download_goes_through_danted_by_utp() {
    need!(DOWNLOAD, SEED, Need::Dante, Need::Namespace);
    let scene = Scene::new(Content::small_multi());
    let proxy = Dante::start(&scene);
    let (_seed, address) = Ours::seed(&scene, HOST, &["--no-dht", "--no-tcp"]);
    let (url, peer) = (proxy.url("secret"), address.to_string());
    let dir = scene.room("download");
    let more = ["--proxy-udp", "--no-tcp", "--peer", &peer];
    Ours::download(&scene, Source::Magnet, &dir, &words(&url, &more)).finish();
    scene.assert_complete(&dir);
    let log = proxy.log();
    assert!(log.contains("udp/udpassociate") && !log.contains("tcp/connect"), "{log}");
}

fn a_udp_tracker_is_reached_through_danted() {
    need!(DOWNLOAD, SEED, Need::Dante, Need::Namespace);
    let scene = Scene::new(Content::small_multi());
    let proxy = Dante::start(&scene);
    let (_seed, address) = Ours::seed(&scene, HOST, &["--no-dht"]);
    let tracker = RecordingTracker::start(HOST, &[address]);
    let (url, tracker_url) = (proxy.url("secret"), tracker.udp());
    let dir = scene.room("download");
    // Behind a proxy nobody knows where a tracker is, so that it may name no peers at local addresses.
    let more = ["--tracker", &tracker_url, "--allow-local-trackers"];
    Ours::download(&scene, Source::Torrent, &dir, &words(&url, &more)).finish();
    scene.assert_complete(&dir);
    assert!(tracker.events().starts_with(&["started".to_owned()]), "{:?}", tracker.events());
    assert!(proxy.log().contains("udp/udpassociate"), "{}", proxy.log());
}

fn peers_are_found_in_the_dht_through_danted() {
    need!(DOWNLOAD, SEED, Need::Example("dht"), Need::Dante, Need::Namespace);
    let scene = Scene::new(Content::small_multi());
    let proxy = Dante::start(&scene);
    let node = net::free_address(HOST).to_string();
    let _node = Ours::run("dht", &scene, &["node", "--listen", &node]);
    let (_seed, _) = Ours::seed(&scene, HOST, &["--dht-node", &node]);
    let url = proxy.url("secret");
    let dir = scene.room("download");
    let more = ["--proxy-udp", "--no-tcp", "--dht-node", &node];
    Ours::download(&scene, Source::Magnet, &dir, &words(&url, &more)).finish();
    scene.assert_complete(&dir);
    let log = proxy.log();
    assert!(log.contains("udp/udpassociate") && !log.contains("tcp/connect"), "{log}");
}

fn a_wrong_password_leads_nowhere() {
    need!(DOWNLOAD, SEED, Need::Dante, Need::Namespace);
    let scene = Scene::new(Content::small_multi());
    let proxy = Dante::start(&scene);
    let (_seed, address) = Ours::seed(&scene, HOST, &["--no-dht"]);
    let (url, peer) = (proxy.url("wrong"), address.to_string());
    let dir = scene.room("download");
    let more = ["--proxy-udp", "--peer", &peer, "--timeout", "5"];
    let mut download = Ours::download(&scene, Source::Torrent, &dir, &words(&url, &more));
    download.wait_for_log("does not accept our user and password", START);
    assert_eq!(download.wait(START).code(), Some(1));
    assert!(proxy.log().contains("authentication failed"), "{}", proxy.log());
}
