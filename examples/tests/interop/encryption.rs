//! Connections that are encrypted (MSE/PE), with libtorrent and transmission at the other end.

use std::net::SocketAddr;

use crate::support::content::Content;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::opentracker::Opentracker;
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::transmission::Transmission;

tests![
    download_that_requires_encryption_fetches_from_libtorrent_that_does,
    download_that_prefers_encryption_fetches_from_libtorrent_that_requires_it,
    download_that_prefers_encryption_fetches_from_libtorrent_that_has_none,
    download_without_encryption_fetches_from_libtorrent_that_has_none,
    libtorrent_that_requires_encryption_fetches_from_seed,
    download_that_requires_encryption_fetches_from_transmission_that_does,
    download_that_prefers_encryption_fetches_from_transmission_that_requires_it,
    download_that_requires_encryption_fetches_from_transmission_that_prefers_none,
    transmission_that_requires_encryption_fetches_from_seed_that_does,
    transmission_that_requires_encryption_fetches_from_seed_that_prefers_it,
];

const DOWNLOAD: Need = Need::Example("download");
const SEED: Need = Need::Example("seed");
const HOST: &str = "127.0.0.1";

/// Downloads from a libtorrent seeder, plain or encrypted, under a policy of ours.
fn fetch(seeder: fn(&Scene, &str) -> Libtorrent, policy: &str) {
    let scene = Scene::new(Content::small_single());
    let seeder = seeder(&scene, HOST);
    fetch_from(&scene, seeder.address, policy);
}

/// The same from a transmission seeder.
fn fetch_from_transmission(seeder: fn(&Scene, &str) -> Transmission, policy: &str) {
    let scene = Scene::new(Content::small_single());
    let seeder = seeder(&scene, HOST);
    fetch_from(&scene, seeder.address, policy);
}

fn fetch_from(scene: &Scene, peer: SocketAddr, policy: &str) {
    let dir = scene.room("download");
    let peer = peer.to_string();
    let words = ["--peer", &peer, "--encryption", policy, "--listen", "127.0.0.1:0"];
    Ours::download(scene, Source::Magnet, &dir, &words).finish();
    scene.assert_complete(&dir);
}

fn download_that_requires_encryption_fetches_from_libtorrent_that_does() {
    need!(DOWNLOAD, Need::Libtorrent);
    fetch(Libtorrent::seed_encrypted, "require");
}

fn download_that_prefers_encryption_fetches_from_libtorrent_that_requires_it() {
    need!(DOWNLOAD, Need::Libtorrent);
    fetch(Libtorrent::seed_encrypted, "prefer");
}

fn download_that_prefers_encryption_fetches_from_libtorrent_that_has_none() {
    need!(DOWNLOAD, Need::Libtorrent);
    fetch(Libtorrent::seed, "prefer");
}

fn download_without_encryption_fetches_from_libtorrent_that_has_none() {
    need!(DOWNLOAD, Need::Libtorrent);
    fetch(Libtorrent::seed, "off");
}

fn libtorrent_that_requires_encryption_fetches_from_seed() {
    need!(SEED, Need::Libtorrent);
    for policy in ["prefer", "require"] {
        let scene = Scene::new(Content::small_multi());
        let (_seed, address) = Ours::seed(&scene, HOST, &["--encryption", policy]);
        let dir = scene.room("leech");
        let mut leecher =
            Libtorrent::leech_encrypted(&scene, Source::Magnet, &dir, HOST, &[address]);
        leecher.wait_complete();
        scene.assert_complete(&dir);
    }
}

fn download_that_requires_encryption_fetches_from_transmission_that_does() {
    need!(DOWNLOAD, Need::Transmission);
    fetch_from_transmission(Transmission::seed_encrypted, "require");
}

fn download_that_prefers_encryption_fetches_from_transmission_that_requires_it() {
    need!(DOWNLOAD, Need::Transmission);
    fetch_from_transmission(Transmission::seed_encrypted, "prefer");
}

fn download_that_requires_encryption_fetches_from_transmission_that_prefers_none() {
    need!(DOWNLOAD, Need::Transmission);
    fetch_from_transmission(Transmission::seed, "require");
}

/// transmission does not dial loopback: the tracker tells `seed` of it, and `seed` dials.
fn transmission_that_requires_encryption_fetches(policy: &str) {
    let mut scene = Scene::new(Content::small_single());
    let tracker = Opentracker::start(&scene);
    scene.announce_to(&[&tracker.udp()]);
    let dir = scene.room("leech");
    let mut leecher = Transmission::leech_encrypted(&scene, Source::Magnet, &dir, HOST);
    let (_seed, _) = Ours::seed(&scene, HOST, &["--encryption", policy]);
    leecher.wait_complete();
    scene.assert_complete(&dir);
}

fn transmission_that_requires_encryption_fetches_from_seed_that_does() {
    need!(SEED, Need::Transmission, Need::Opentracker);
    transmission_that_requires_encryption_fetches("require");
}

fn transmission_that_requires_encryption_fetches_from_seed_that_prefers_it() {
    need!(SEED, Need::Transmission, Need::Opentracker);
    transmission_that_requires_encryption_fetches("prefer");
}
