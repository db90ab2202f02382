//! Places of the bytes of a torrent on the disk.

use crate::support::content::Content;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::runner::tests;
use crate::support::scene::{Scene, Source};
use crate::support::wire_seeder::{Manner, WireSeeder};

tests![
    single_file_named_files_is_a_file,
    file_list_below_a_folder_named_files_is_a_folder,
    file_list_of_one_is_a_file_in_a_folder,
    empty_files_and_files_that_share_a_piece_are_written,
    selected_files_are_written_and_the_others_are_not,
];

const DOWNLOAD: Need = Need::Example("download");

/// Downloads by torrent and by magnet, which learn of the layout in different ways.
fn check(content: fn() -> Content) {
    let scene = Scene::new(content());
    let wire = WireSeeder::start(&scene, "127.0.0.1", Manner::Honest);
    let dir = scene.room("download");
    Ours::download_from(&scene, Source::Torrent, &dir, &[wire.address]).finish();
    scene.assert_complete(&dir);
    let written = std::fs::read_dir(&dir).unwrap().count();
    let visible = std::fs::read_dir(&dir)
        .unwrap()
        .filter(|entry| !entry.as_ref().unwrap().file_name().as_encoded_bytes().starts_with(b"."));
    assert_eq!(visible.count(), 1, "only the torrent's name shows, of {written} entries");
}

// M-04, M-05
fn single_file_named_files_is_a_file() {
    need!(DOWNLOAD, Need::Python);
    check(|| Content::single("files", 100_000));
}

fn file_list_below_a_folder_named_files_is_a_folder() {
    need!(DOWNLOAD, Need::Python);
    check(|| Content::multi("files", &[("files", 100_000), ("length", 50_000)]));
}

// M-06
fn file_list_of_one_is_a_file_in_a_folder() {
    need!(DOWNLOAD, Need::Python);
    check(|| Content::multi("name", &[("name", 100_000)]));
}

// M-17, M-19, S-01
fn empty_files_and_files_that_share_a_piece_are_written() {
    need!(DOWNLOAD, Need::Python);
    check(|| {
        let files = [("0", 0), ("a", 1), ("b", 2), ("c", 65_533), ("d", 0), ("e", 200_000)];
        Content::multi("shared pieces", &files)
    });
}

fn selected_files_are_written_and_the_others_are_not() {
    need!(DOWNLOAD, Need::Python);
    let scene = Scene::new(Content::multi(
        "some files",
        &[("0", 100_000), ("1", 300_000), ("2", 100_000), ("3", 1), ("4", 400_000)],
    ));
    let seeder = WireSeeder::start(&scene, "127.0.0.1", Manner::Honest);
    let dir = scene.room("download");
    let peer = seeder.address.to_string();
    let words = ["--peer", &peer, "--select", "0,2-3", "--listen", "127.0.0.1:0"];
    let mut download = Ours::download(&scene, Source::Torrent, &dir, &words);
    download.finish();
    let events = download.events();
    let told = events.iter().rfind(|event| event["event"] == "progress").expect("progress");
    assert_eq!(told["bytes"], told["total"], "the total is of what was asked for");
    assert!(told["total"].as_u64().is_some_and(|total| total < scene.content.size()));
    for (path, bytes) in &scene.content.files {
        let chosen = ["0", "2", "3"].iter().any(|name| path.ends_with(name));
        if chosen {
            assert_eq!(std::fs::read(dir.join(path)).unwrap(), *bytes, "{}", path.display());
        } else {
            assert!(!dir.join(path).exists(), "{} was not asked for", path.display());
        }
    }
}
