//! `download` from other people's seeders.

use std::net::SocketAddr;

use crate::support::aria2::Aria2;
use crate::support::content::Content;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::transmission::Transmission;

tests![
    download_fetches_a_single_file_from_libtorrent,
    download_fetches_many_files_by_magnet_from_libtorrent_over_ipv6,
    download_fetches_many_files_from_transmission,
    download_fetches_a_single_file_by_magnet_from_transmission_over_ipv6,
    download_fetches_many_files_from_aria2_over_ipv6,
    download_fetches_a_single_file_by_magnet_from_aria2,
    download_fetches_from_three_clients_at_once,
];

const DOWNLOAD: Need = Need::Example("download");

/// Downloads from one peer and checks the content and what is told of it.
fn fetch(scene: &Scene, source: Source, peer: SocketAddr) {
    let dir = scene.room("download");
    let finished = Ours::download_from(scene, source, &dir, &[peer]).finish();
    scene.assert_complete(&dir);
    assert_eq!(finished["info_hash_v1"], scene.content.info_hash_hex().as_str());
    assert_eq!(finished["bytes"], scene.content.size());
    assert_eq!(finished["hash_failures"], 0);
}

fn download_fetches_a_single_file_from_libtorrent() {
    need!(DOWNLOAD, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let seeder = Libtorrent::seed(&scene, "127.0.0.1");
    fetch(&scene, Source::Torrent, seeder.address);
}

fn download_fetches_many_files_by_magnet_from_libtorrent_over_ipv6() {
    need!(DOWNLOAD, Need::Libtorrent);
    let scene = Scene::new(Content::small_multi());
    let seeder = Libtorrent::seed(&scene, "::1");
    fetch(&scene, Source::Magnet, seeder.address);
}

fn download_fetches_many_files_from_transmission() {
    need!(DOWNLOAD, Need::Transmission);
    let scene = Scene::new(Content::small_multi());
    let seeder = Transmission::seed(&scene, "127.0.0.1");
    fetch(&scene, Source::Torrent, seeder.address);
}

fn download_fetches_a_single_file_by_magnet_from_transmission_over_ipv6() {
    need!(DOWNLOAD, Need::Transmission);
    let scene = Scene::new(Content::small_single());
    let seeder = Transmission::seed(&scene, "::1");
    fetch(&scene, Source::Magnet, seeder.address);
}

fn download_fetches_many_files_from_aria2_over_ipv6() {
    need!(DOWNLOAD, Need::Aria2);
    let scene = Scene::new(Content::small_multi());
    let seeder = Aria2::seed(&scene, "::1");
    fetch(&scene, Source::Torrent, seeder.address);
}

fn download_fetches_a_single_file_by_magnet_from_aria2() {
    need!(DOWNLOAD, Need::Aria2);
    let scene = Scene::new(Content::small_single());
    let seeder = Aria2::seed(&scene, "127.0.0.1");
    fetch(&scene, Source::Magnet, seeder.address);
}

fn download_fetches_from_three_clients_at_once() {
    need!(DOWNLOAD, Need::Aria2, Need::Libtorrent, Need::Transmission);
    let mut content = Content::single("from three", 48 << 20);
    content.piece_length = 256 << 10;
    let scene = Scene::new(content);
    let aria2 = Aria2::seed(&scene, "127.0.0.1");
    let libtorrent = Libtorrent::seed(&scene, "127.0.0.1");
    let transmission = Transmission::seed(&scene, "127.0.0.1");
    let peers = [aria2.address, libtorrent.address, transmission.address];
    let dir = scene.room("download");
    let finished = Ours::download_from(&scene, Source::Magnet, &dir, &peers).finish();
    scene.assert_complete(&dir);
    assert_eq!(finished["hash_failures"], 0);
}
