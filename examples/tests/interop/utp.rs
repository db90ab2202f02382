//! Peers over uTP (BEP 29), with libtorrent and transmission at the other end.
//!
//! `--no-tcp` leaves the programs nothing but uTP, and so does the like in libtorrent. transmission has TCP
//! as well, whatever it is told.

use std::net::SocketAddr;

use crate::support::START;
use crate::support::content::Content;
use crate::support::libtorrent::{ENCRYPTED, Libtorrent, OVER_BOTH, OVER_UTP};
use crate::support::need::{Need, need};
use crate::support::opentracker::Opentracker;
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::transmission::{Manner, Transmission};

tests![
    download_fetches_from_libtorrent_that_has_no_tcp,
    download_fetches_encrypted_from_libtorrent_that_has_no_tcp,
    download_fetches_over_ipv6_from_libtorrent_that_has_no_tcp,
    download_fetches_from_transmission,
    download_fetches_encrypted_from_transmission,
    libtorrent_that_has_no_tcp_fetches_from_seed,
    libtorrent_that_has_no_tcp_fetches_encrypted_from_seed,
    libtorrent_that_has_no_tcp_fetches_over_ipv6_from_seed,
    transmission_fetches_from_seed,
    transmission_fetches_encrypted_from_seed,
    download_goes_by_tcp_where_both_ends_have_both,
    download_finds_utp_where_the_other_end_has_no_tcp,
    libtorrent_finds_utp_where_seed_has_no_tcp,
    download_learns_of_a_seeder_that_has_no_tcp_from_libtorrent,
    libtorrent_learns_of_a_seeder_that_has_no_tcp_from_download,
];

const DOWNLOAD: Need = Need::Example("download");
const SEED: Need = Need::Example("seed");
const HOST: &str = "127.0.0.1";
const UTP: Manner = Manner { is_encrypted: false, exchanges: false, has_utp: true };
const NO_TCP: &str = "--no-tcp";

/// Downloads from this peer alone, with more words.
fn fetch(scene: &Scene, source: Source, peer: SocketAddr, words: &[&str]) {
    let dir = scene.room("download");
    let (peer, listen) = (peer.to_string(), SocketAddr::new(peer.ip(), 0).to_string());
    let words = [&["--peer", &peer, "--listen", &listen], words].concat();
    let finished = Ours::download(scene, source, &dir, &words).finish();
    assert_eq!(finished["hash_failures"], 0);
    scene.assert_complete(&dir);
}

fn fetch_from_libtorrent(source: Source, host: &str, theirs: &[&str], ours: &[&str]) {
    need!(DOWNLOAD, Need::Libtorrent);
    let scene = Scene::new(Content::small_multi());
    let seeder = Libtorrent::seed_with(&scene, host, &[OVER_UTP, theirs].concat());
    fetch(&scene, source, seeder.address, &[&[NO_TCP], ours].concat());
}

fn download_fetches_from_libtorrent_that_has_no_tcp() {
    fetch_from_libtorrent(Source::Torrent, HOST, &[], &[]);
    fetch_from_libtorrent(Source::Magnet, HOST, &[], &[]);
}

fn download_fetches_encrypted_from_libtorrent_that_has_no_tcp() {
    fetch_from_libtorrent(Source::Torrent, HOST, ENCRYPTED, &["--encryption", "require"]);
    fetch_from_libtorrent(Source::Magnet, HOST, ENCRYPTED, &[]);
}

fn download_fetches_over_ipv6_from_libtorrent_that_has_no_tcp() {
    fetch_from_libtorrent(Source::Magnet, "::1", &[], &[]);
    fetch_from_libtorrent(Source::Torrent, "::1", ENCRYPTED, &["--encryption", "require"]);
}

fn fetch_from_transmission(source: Source, manner: Manner, ours: &[&str]) {
    need!(DOWNLOAD, Need::Transmission);
    let scene = Scene::new(Content::small_multi().without_empty_files());
    let seeder = Transmission::seed_in(manner, &scene, HOST);
    fetch(&scene, source, seeder.address, &[&[NO_TCP], ours].concat());
}

fn download_fetches_from_transmission() {
    fetch_from_transmission(Source::Torrent, UTP, &[]);
    fetch_from_transmission(Source::Magnet, UTP, &[]);
}

fn download_fetches_encrypted_from_transmission() {
    let encrypted = Manner { is_encrypted: true, ..UTP };
    fetch_from_transmission(Source::Torrent, encrypted, &["--encryption", "require"]);
    fetch_from_transmission(Source::Magnet, encrypted, &[]);
}

fn libtorrent_fetches(source: Source, host: &str, theirs: &[&str], ours: &[&str]) {
    need!(SEED, Need::Libtorrent);
    let scene = Scene::new(Content::small_multi());
    let (_seed, address) = Ours::seed(&scene, host, &[&[NO_TCP], ours].concat());
    let (dir, words) = (scene.room("leech"), [OVER_UTP, theirs].concat());
    let peers = [address];
    Libtorrent::leech_with(&scene, source, &dir, host, &peers, &words).wait_complete();
    scene.assert_complete(&dir);
}

fn libtorrent_that_has_no_tcp_fetches_from_seed() {
    libtorrent_fetches(Source::Torrent, HOST, &[], &[]);
    libtorrent_fetches(Source::Magnet, HOST, &[], &[]);
}

fn libtorrent_that_has_no_tcp_fetches_encrypted_from_seed() {
    libtorrent_fetches(Source::Torrent, HOST, ENCRYPTED, &["--encryption", "require"]);
    libtorrent_fetches(Source::Magnet, HOST, ENCRYPTED, &[]);
}

fn libtorrent_that_has_no_tcp_fetches_over_ipv6_from_seed() {
    libtorrent_fetches(Source::Magnet, "::1", &[], &[]);
    libtorrent_fetches(Source::Torrent, "::1", ENCRYPTED, &["--encryption", "require"]);
}

/// transmission does not dial loopback: the tracker tells `seed` of it, and `seed` dials.
fn transmission_fetches(source: Source, manner: Manner, ours: &[&str]) {
    need!(SEED, Need::Transmission, Need::Opentracker);
    let mut scene = Scene::new(Content::small_multi().without_empty_files());
    let tracker = Opentracker::start(&scene);
    scene.announce_to(&[&tracker.udp()]);
    let dir = scene.room("leech");
    let mut leecher = Transmission::leech_in(manner, &scene, source, &dir, HOST);
    let (_seed, _) = Ours::seed(&scene, HOST, &[&[NO_TCP], ours].concat());
    leecher.wait_complete();
    scene.assert_complete(&dir);
}

fn transmission_fetches_from_seed() {
    transmission_fetches(Source::Torrent, UTP, &[]);
}

fn transmission_fetches_encrypted_from_seed() {
    let encrypted = Manner { is_encrypted: true, ..UTP };
    transmission_fetches(Source::Magnet, encrypted, &["--encryption", "require"]);
}

// P-41
fn download_goes_by_tcp_where_both_ends_have_both() {
    need!(DOWNLOAD, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let seeder = Libtorrent::seed_with(&scene, HOST, OVER_BOTH);
    fetch(&scene, Source::Magnet, seeder.address, &[]);
    let alerts = seeder.alerts();
    assert!(alerts.contains("(TCP)") && !alerts.contains("(uTP)"), "{alerts}");
}

/// libtorrent without TCP accepts connections of TCP, and closes them.
// P-41
fn download_finds_utp_where_the_other_end_has_no_tcp() {
    need!(DOWNLOAD, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let seeder = Libtorrent::seed_with(&scene, HOST, OVER_UTP);
    fetch(&scene, Source::Magnet, seeder.address, &[]);
}

// P-41
fn libtorrent_finds_utp_where_seed_has_no_tcp() {
    need!(SEED, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let (_seed, address) = Ours::seed(&scene, HOST, &[NO_TCP]);
    let dir = scene.room("leech");
    let (source, peers) = (Source::Magnet, [address]);
    Libtorrent::leech_with(&scene, source, &dir, HOST, &peers, OVER_BOTH).wait_complete();
    scene.assert_complete(&dir);
}

//
fn download_learns_of_a_seeder_that_has_no_tcp_from_libtorrent() {
    need!(DOWNLOAD, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let seeder = Libtorrent::seed_with(&scene, HOST, OVER_UTP);
    let dir = scene.room("idle");
    let mut idle = Libtorrent::idle(&scene, &dir, HOST, seeder.address, OVER_BOTH);
    idle.wait_for_alert("peer_connect_alert");
    fetch(&scene, Source::Torrent, idle.address, &[]);
}

//
fn libtorrent_learns_of_a_seeder_that_has_no_tcp_from_download() {
    need!(DOWNLOAD, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let seeder = Libtorrent::seed_with(&scene, HOST, OVER_UTP);
    // It has nothing to give for as long as this takes, but the address of the seeder.
    let peer = seeder.address.to_string();
    let words = ["--peer", &peer, "--listen", "127.0.0.1:0", "--limit-down", "1", NO_TCP];
    let mut slow = Ours::download(&scene, Source::Torrent, &scene.room("slow"), &words);
    let address = slow.address();
    slow.wait_for("peer", START, |event| event["peers"] == 1);
    let (dir, peers) = (scene.room("leech"), [address]);
    let mut leecher =
        Libtorrent::leech_with(&scene, Source::Torrent, &dir, HOST, &peers, OVER_BOTH);
    leecher.wait_complete();
    scene.assert_complete(&dir);
}
