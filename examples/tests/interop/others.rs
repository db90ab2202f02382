//! `download` and `seed` with clients that are found in the field and need more than a word to start.

use std::net::SocketAddr;
use std::path::Path;

use crate::support::client::OtherClient;
use crate::support::content::{Content, Version};
use crate::support::lftp::Lftp;
use crate::support::libtorrent::Libtorrent;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::qbittorrent::Qbittorrent;
use crate::support::rtorrent::Rtorrent;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::tracker::RecordingTracker;
use crate::support::webtorrent::Webtorrent;
use crate::support::{COMPLETE, START};

tests![
    download_fetches_a_file_of_v1_from_rtorrent,
    download_fetches_many_files_of_v1_from_rtorrent,
    download_fetches_a_hybrid_file_from_rtorrent,
    download_fetches_hybrid_files_from_rtorrent,
    rtorrent_lacks_the_pieces_whose_padding_is_not_on_its_disk,
    rtorrent_fetches_from_seed,
    rtorrent_fetches_hybrids_from_seed,
    download_fetches_a_file_of_v1_from_lftp,
    download_fetches_many_files_of_v1_from_lftp,
    download_fetches_a_hybrid_file_from_lftp,
    download_fetches_hybrid_files_from_lftp,
    lftp_lacks_the_pieces_whose_padding_is_not_on_its_disk,
    lftp_fetches_all_but_empty_files_from_seed,
    lftp_fetches_all_but_empty_files_of_hybrids_from_seed,
    download_fetches_a_file_of_v1_from_webtorrent,
    download_fetches_many_files_of_v1_from_webtorrent,
    download_fetches_a_hybrid_file_from_webtorrent,
    download_fetches_hybrid_files_from_webtorrent,
    webtorrent_lacks_the_pieces_whose_padding_is_not_on_its_disk,
    webtorrent_fetches_from_seed,
    webtorrent_fetches_all_but_empty_files_of_hybrids_from_seed,
    download_fetches_from_qbittorrent,
    download_fetches_hybrids_from_qbittorrent,
    qbittorrent_fetches_from_seed,
    qbittorrent_fetches_hybrids_from_seed,
];

const DOWNLOAD: Need = Need::Example("download");
const SEED: Need = Need::Example("seed");
const HOST: &str = "127.0.0.1";

/// `download` completes from this seeder alone.
fn download_fetches_from<Other: OtherClient>(content: Content) {
    need!(DOWNLOAD, Other::NEED);
    let (scene, _tracker) = scene(content);
    // Without BEP 47 padding is content: whoever fetched a hybrid has it on the disk.
    scene.content.write_padding_to(&scene.seed_dir());
    let seeder = Other::seed(&scene);
    fetch(&scene, &scene.room("download"), seeder.address());
}

/// This seeder does not serve padding that is not on its disk. Pieces with padding have to come from
/// others.
fn pieces_with_padding_are_lacking_at<Other: OtherClient>() {
    need!(DOWNLOAD, Other::NEED, Need::Libtorrent);
    let (scene, _tracker) = scene(hybrid_files());
    let seeder = Other::seed(&scene);
    let dir = scene.room("download");
    let peers = [seeder.address()];
    let mut download = Ours::download_from(&scene, Source::Torrent, &dir, &peers);
    let had = scene.content.size() - scene.content.bytes_beside_padding();
    download.wait_for("the pieces without padding", COMPLETE, |event| event["bytes"] == had);
    download.signal("INT");
    download.wait(START);
    fetch(&scene, &dir, Libtorrent::seed(&scene, HOST).address);
}

/// A scene whose torrent names a tracker that knows nobody: rtorrent takes no torrent without one.
fn scene(content: Content) -> (Scene, RecordingTracker) {
    let mut scene = Scene::new(content);
    let tracker = RecordingTracker::start(HOST, &[]);
    scene.announce_to(&[&tracker.http()]);
    (scene, tracker)
}

fn fetch(scene: &Scene, dir: &Path, peer: SocketAddr) {
    let finished = Ours::download_from(scene, Source::Torrent, dir, &[peer]).finish();
    scene.assert_complete(dir);
    assert_eq!(finished["hash_failures"], 0);
}

/// This leecher completes from `seed` alone, of which a tracker tells it.
fn fetches_from_seed<Other: OtherClient>(contents: [Content; 2]) {
    need!(SEED, Other::NEED);
    for content in contents {
        let mut scene = Scene::new(content);
        let (_seed, address) = Ours::seed(&scene, HOST, &["--no-trackers"]);
        let tracker = RecordingTracker::start(HOST, &[address]);
        scene.announce_to(&[&tracker.http()]);
        let dir = scene.room("leech");
        Other::leech(&scene, Source::Torrent, &dir).wait_complete();
        scene.assert_complete(&dir);
    }
}

fn file() -> Content {
    Content::small_single()
}

fn files() -> Content {
    Content::small_multi()
}

fn hybrid_file() -> Content {
    Content::small_single().of_version(Version::Hybrid)
}

fn hybrid_files() -> Content {
    Content::short_pieces(Version::Hybrid)
}

fn download_fetches_a_file_of_v1_from_rtorrent() {
    download_fetches_from::<Rtorrent>(file());
}

fn download_fetches_many_files_of_v1_from_rtorrent() {
    download_fetches_from::<Rtorrent>(files());
}

fn download_fetches_a_hybrid_file_from_rtorrent() {
    download_fetches_from::<Rtorrent>(hybrid_file());
}

fn download_fetches_hybrid_files_from_rtorrent() {
    download_fetches_from::<Rtorrent>(hybrid_files());
}

fn rtorrent_lacks_the_pieces_whose_padding_is_not_on_its_disk() {
    pieces_with_padding_are_lacking_at::<Rtorrent>();
}

fn rtorrent_fetches_from_seed() {
    fetches_from_seed::<Rtorrent>([file(), files()]);
}

fn rtorrent_fetches_hybrids_from_seed() {
    fetches_from_seed::<Rtorrent>([hybrid_file(), hybrid_files()]);
}

fn download_fetches_a_file_of_v1_from_lftp() {
    download_fetches_from::<Lftp>(file());
}

fn download_fetches_many_files_of_v1_from_lftp() {
    download_fetches_from::<Lftp>(files());
}

fn download_fetches_a_hybrid_file_from_lftp() {
    download_fetches_from::<Lftp>(hybrid_file());
}

fn download_fetches_hybrid_files_from_lftp() {
    download_fetches_from::<Lftp>(hybrid_files());
}

fn lftp_lacks_the_pieces_whose_padding_is_not_on_its_disk() {
    pieces_with_padding_are_lacking_at::<Lftp>();
}

// It writes no empty files.
fn lftp_fetches_all_but_empty_files_from_seed() {
    fetches_from_seed::<Lftp>([file(), files().without_empty_files()]);
}

fn lftp_fetches_all_but_empty_files_of_hybrids_from_seed() {
    fetches_from_seed::<Lftp>([hybrid_file(), hybrid_files().without_empty_files()]);
}

fn download_fetches_a_file_of_v1_from_webtorrent() {
    download_fetches_from::<Webtorrent>(file());
}

fn download_fetches_many_files_of_v1_from_webtorrent() {
    download_fetches_from::<Webtorrent>(files());
}

fn download_fetches_a_hybrid_file_from_webtorrent() {
    download_fetches_from::<Webtorrent>(hybrid_file());
}

fn download_fetches_hybrid_files_from_webtorrent() {
    download_fetches_from::<Webtorrent>(hybrid_files());
}

fn webtorrent_lacks_the_pieces_whose_padding_is_not_on_its_disk() {
    pieces_with_padding_are_lacking_at::<Webtorrent>();
}

fn webtorrent_fetches_from_seed() {
    fetches_from_seed::<Webtorrent>([file(), files()]);
}

// It writes an empty file only where a piece reaches over it, and padding leaves none that does.
fn webtorrent_fetches_all_but_empty_files_of_hybrids_from_seed() {
    fetches_from_seed::<Webtorrent>([hybrid_file(), hybrid_files().without_empty_files()]);
}

fn download_fetches_from_qbittorrent() {
    download_fetches_from::<Qbittorrent>(file());
    download_fetches_from::<Qbittorrent>(files());
}

fn download_fetches_hybrids_from_qbittorrent() {
    download_fetches_from::<Qbittorrent>(hybrid_file());
    download_fetches_from::<Qbittorrent>(hybrid_files());
}

fn qbittorrent_fetches_from_seed() {
    fetches_from_seed::<Qbittorrent>([file(), files()]);
}

fn qbittorrent_fetches_hybrids_from_seed() {
    fetches_from_seed::<Qbittorrent>([hybrid_file(), hybrid_files()]);
}
