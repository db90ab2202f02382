//! Torrents of v2, whose pieces end with their files, and hybrids.

use std::net::SocketAddr;

use crate::support::content::{Content, Version};
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};

tests![
    download_fetches_files_of_v2_from_libtorrent,
    download_fetches_files_of_v2_from_libtorrent_over_ipv6,
    download_fetches_a_single_file_of_v2_from_libtorrent,
    libtorrent_fetches_files_of_v2_from_seed,
    libtorrent_fetches_files_of_v2_from_seed_over_ipv6,
    libtorrent_fetches_a_single_file_of_v2_from_seed,
    download_fetches_v2_from_seed,
    download_fetches_v2_by_magnet_from_libtorrent,
    libtorrent_fetches_v2_by_magnet_from_seed,
    download_fetches_v2_by_magnet_from_seed,
    download_fetches_a_hybrid_from_libtorrent,
    download_that_knows_one_hash_of_a_hybrid_fetches_it_from_libtorrent,
    libtorrent_that_knows_one_hash_of_a_hybrid_fetches_it_from_seed,
    libtorrent_fetches_a_hybrid_from_seed,
    download_fetches_a_hybrid_from_seed,
];

const DOWNLOAD: Need = Need::Example("download");
const SEED: Need = Need::Example("seed");

/// Downloads from one peer and checks the content and what is told of it.
fn download(scene: &Scene, source: Source, peer: SocketAddr) {
    let dir = scene.room("download");
    let finished = Ours::download_from(scene, source, &dir, &[peer]).finish();
    scene.assert_complete(&dir);
    let [v1, v2] = scene.content.info_hashes_hex();
    assert_eq!(finished["info_hash_v1"], serde_json::json!(v1));
    assert_eq!(finished["info_hash_v2"], serde_json::json!(v2));
    assert_eq!((&finished["wasted"], &finished["hash_failures"]), (&0.into(), &0.into()));
    if v1.is_none() {
        assert_eq!(finished["downloaded"], scene.content.size(), "gaps are not fetched");
    }
}

fn download_from_libtorrent(content: Content, source: Source, host: &str) {
    let scene = Scene::new(content);
    let seeder = Libtorrent::seed(&scene, host);
    download(&scene, source, seeder.address);
}

fn libtorrent_fetches_from_seed(content: Content, source: Source, host: &str) {
    let scene = Scene::new(content);
    let (_seed, address) = Ours::seed(&scene, host, &[]);
    let dir = scene.room("leech");
    let mut leecher = Libtorrent::leech(&scene, source, &dir, host, &[address]);
    leecher.wait_complete();
    scene.assert_complete(&dir);
    assert!(!leecher.alerts().contains("hash_failed"), "seed sent something wrong");
}

fn single() -> Content {
    Content::small_single().of_version(Version::V2)
}

fn short_pieces() -> Content {
    Content::short_pieces(Version::V2)
}

/// More piece hashes than one message has, and a piece for each block.
fn many_pieces() -> Content {
    let mut content = Content::single("many pieces", (12 << 20) + 1).of_version(Version::V2);
    content.piece_length = 16 << 10;
    content
}

fn hybrid() -> Content {
    Content::short_pieces(Version::Hybrid)
}

fn download_fetches_files_of_v2_from_libtorrent() {
    need!(DOWNLOAD, Need::Libtorrent);
    download_from_libtorrent(short_pieces(), Source::Torrent, "127.0.0.1");
}

fn download_fetches_files_of_v2_from_libtorrent_over_ipv6() {
    need!(DOWNLOAD, Need::Libtorrent);
    download_from_libtorrent(short_pieces(), Source::Torrent, "::1");
}

fn download_fetches_a_single_file_of_v2_from_libtorrent() {
    need!(DOWNLOAD, Need::Libtorrent);
    download_from_libtorrent(single(), Source::Torrent, "127.0.0.1");
}

// libtorrent 2.0.8 asks for the gaps behind files, and gives up on those who refuse.
fn libtorrent_fetches_files_of_v2_from_seed() {
    need!(SEED, Need::Libtorrent);
    libtorrent_fetches_from_seed(short_pieces(), Source::Torrent, "127.0.0.1");
}

fn libtorrent_fetches_files_of_v2_from_seed_over_ipv6() {
    need!(SEED, Need::Libtorrent);
    libtorrent_fetches_from_seed(short_pieces(), Source::Torrent, "::1");
}

fn libtorrent_fetches_a_single_file_of_v2_from_seed() {
    need!(SEED, Need::Libtorrent);
    libtorrent_fetches_from_seed(single(), Source::Torrent, "127.0.0.1");
}

fn download_fetches_v2_from_seed() {
    need!(SEED, DOWNLOAD);
    for content in [short_pieces(), single()] {
        let scene = Scene::new(content);
        let (_seed, address) = Ours::seed(&scene, "127.0.0.1", &[]);
        download(&scene, Source::Torrent, address);
    }
}

// The piece layers of a magnet link come from peers.
fn download_fetches_v2_by_magnet_from_libtorrent() {
    need!(DOWNLOAD, Need::Libtorrent);
    for (content, host) in [(short_pieces(), "127.0.0.1"), (many_pieces(), "::1")] {
        download_from_libtorrent(content, Source::Magnet, host);
    }
}

fn libtorrent_fetches_v2_by_magnet_from_seed() {
    need!(SEED, Need::Libtorrent);
    for (content, host) in [(short_pieces(), "127.0.0.1"), (many_pieces(), "::1")] {
        libtorrent_fetches_from_seed(content, Source::Magnet, host);
    }
}

fn download_fetches_v2_by_magnet_from_seed() {
    need!(SEED, DOWNLOAD);
    for content in [short_pieces(), many_pieces()] {
        let scene = Scene::new(content);
        let (_seed, address) = Ours::seed(&scene, "127.0.0.1", &[]);
        download(&scene, Source::Magnet, address);
    }
}

fn download_fetches_a_hybrid_from_libtorrent() {
    need!(DOWNLOAD, Need::Libtorrent);
    for source in [Source::Torrent, Source::Magnet] {
        download_from_libtorrent(hybrid(), source, "127.0.0.1");
    }
}

fn libtorrent_fetches_a_hybrid_from_seed() {
    need!(SEED, Need::Libtorrent);
    for source in [Source::Torrent, Source::Magnet] {
        libtorrent_fetches_from_seed(hybrid(), source, "127.0.0.1");
    }
}

// Each is in one of the two swarms of a hybrid only (BEP 52, "Upgrade Path").
const BY_ONE_HASH: [Source; 2] = [Source::MagnetOf(Version::V1), Source::MagnetOf(Version::V2)];

fn download_that_knows_one_hash_of_a_hybrid_fetches_it_from_libtorrent() {
    need!(DOWNLOAD, Need::Libtorrent);
    for source in BY_ONE_HASH {
        let scene = Scene::new(hybrid());
        let seeder = Libtorrent::seed(&scene, "127.0.0.1");
        let dir = scene.room("download");
        Ours::download_from(&scene, source, &dir, &[seeder.address]).finish();
        scene.assert_complete(&dir);
    }
}

fn libtorrent_that_knows_one_hash_of_a_hybrid_fetches_it_from_seed() {
    need!(SEED, Need::Libtorrent);
    for source in BY_ONE_HASH {
        libtorrent_fetches_from_seed(hybrid(), source, "127.0.0.1");
    }
}

fn download_fetches_a_hybrid_from_seed() {
    need!(SEED, DOWNLOAD);
    let scene = Scene::new(hybrid());
    let (_seed, address) = Ours::seed(&scene, "127.0.0.1", &[]);
    download(&scene, Source::Torrent, address);
}
