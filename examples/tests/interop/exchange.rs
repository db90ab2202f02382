//! Peers that are learned of from other peers (BEP 11), and from nobody else.
//!
//! A seeder never unchokes the first peer that it meets. That one has nothing to give, therefore,
//! but the address of the seeder; whoever comes to it completes by that alone.

use crate::support::content::Content;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::transmission::Transmission;
use crate::support::wire_seeder::{Manner, WireSeeder};

tests![
    download_learns_of_a_seeder_from_libtorrent,
    libtorrent_learns_of_a_seeder_from_download,
    download_learns_of_a_seeder_from_transmission,
];

const DOWNLOAD: Need = Need::Example("download");
const HOST: &str = "127.0.0.1";

fn download_learns_of_a_seeder_from_libtorrent() {
    need!(DOWNLOAD, Need::Python, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let mut seeder = WireSeeder::start(&scene, HOST, Manner::Aloof);
    let relay_dir = scene.room("relay");
    let relay = Libtorrent::leech(&scene, Source::Torrent, &relay_dir, HOST, &[seeder.address]);
    seeder.wait_interested();
    let dir = scene.room("download");
    Ours::download_from(&scene, Source::Magnet, &dir, &[relay.address]).finish();
    scene.assert_complete(&dir);
}

fn libtorrent_learns_of_a_seeder_from_download() {
    need!(DOWNLOAD, Need::Python, Need::Libtorrent);
    let scene = Scene::new(Content::small_single());
    let mut seeder = WireSeeder::start(&scene, HOST, Manner::Aloof);
    let relay_dir = scene.room("relay");
    let mut relay = Ours::download_from(&scene, Source::Torrent, &relay_dir, &[seeder.address]);
    let address = relay.address();
    seeder.wait_interested();
    let dir = scene.room("leech");
    Libtorrent::leech(&scene, Source::Magnet, &dir, HOST, &[address]).wait_complete();
    scene.assert_complete(&dir);
}

// The other way round cannot be seen on one machine: transmission takes no loopback address from
// a peer. It tells peers of each other by their hosts alone, hence the other host.
fn download_learns_of_a_seeder_from_transmission() {
    need!(DOWNLOAD, Need::Python, Need::Transmission);
    let scene = Scene::new(Content::small_single());
    let relay = Transmission::exchange(&scene, &scene.room("relay"), HOST);
    let mut seeder = WireSeeder::dialing(&scene, "127.0.0.2", Manner::Aloof, relay.address);
    seeder.wait_interested();
    let dir = scene.room("download");
    Ours::download_from(&scene, Source::Magnet, &dir, &[relay.address]).finish();
    scene.assert_complete(&dir);
}
