//! The names of content on a disk: those that it has already, and those that the disk can hold.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make files")]

mod common;

use std::path::Path;

use common::exfat::Exfat;
use proptest::prelude::*;
use tinytorrent_folder::Folder;
use tinytorrent_metainfo::{DiskPaths, Layout, PathPolicy, Trying};

fn layout(policy: PathPolicy, root: &str, files: &[&str]) -> Layout {
    let mut builder = Layout::builder(1);
    builder.policy(policy);
    // Some layouts have no folder for their files.
    if root != "-" {
        builder.root(root);
    }
    files.iter().for_each(|path| _ = builder.file(path.split('/'), 1));
    builder.build().unwrap()
}

fn put(folder: &Path, path: &str) {
    try_put(folder, path).unwrap();
}

fn try_put(folder: &Path, path: &str) -> std::io::Result<()> {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap())?;
    std::fs::write(path, b"x")
}

/// The paths in a folder that has these files.
fn found(layout: &Layout, there: &[&str], trying: Trying) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    there.iter().for_each(|path| put(place.path(), path));
    found_in(layout, place.path(), trying)
}

fn found_in(layout: &Layout, place: &Path, trying: Trying) -> Vec<String> {
    let before = std::fs::read_dir(place).unwrap().count();
    let paths = DiskPaths::find(layout, &Folder::open(place).unwrap(), trying).unwrap();
    assert_eq!(std::fs::read_dir(place).unwrap().count(), before, "a trial leaves nothing behind");
    layout.files().map(|file| paths.path(&file).to_string()).collect()
}

const ODD: [&str; 3] = ["what?.txt", "Foo", "foo"];

#[test]
fn on_a_disk_that_holds_them_names_are_those_of_the_torrent() {
    let layout = layout(PathPolicy::System, "a: b", &ODD);
    for trying in [Trying::Never, Trying::IfMissing] {
        assert_eq!(found(&layout, &[], trying), ["a: b/what?.txt", "a: b/Foo", "a: b/foo"]);
    }
}

#[test]
fn changes_tell_of_what_is_on_disk() {
    let place = tempfile::tempdir().unwrap();
    let changes = |policy, there: &[&str]| -> Vec<(String, String)> {
        there.iter().for_each(|path| put(place.path(), path));
        let layout = layout(policy, "a: b", &["what?", "..", "Foo", "foo"]);
        let folder = Folder::open(place.path()).unwrap();
        let paths = DiskPaths::find(&layout, &folder, Trying::Never).unwrap();
        paths.changes(&layout).map(|change| (change.original, change.written)).collect()
    };
    let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    assert_eq!(changes(PathPolicy::System, &[]), [pair("a: b/..", "a: b/_")]);
    let portable = [
        pair("a: b/what?", "a_ b/what_"),
        pair("a: b/..", "a_ b/_"),
        pair("a: b/Foo", "a_ b/Foo"),
        pair("a: b/foo", "a_ b/foo.1"),
    ];
    assert_eq!(changes(PathPolicy::Portable, &[]), portable);
    assert_eq!(changes(PathPolicy::System, &["a_ b/what_"]), portable);
    assert_eq!(changes(PathPolicy::Portable, &["a: b/what?"]), [pair("a: b/..", "a: b/_")]);
}

#[test]
fn content_under_portable_names_is_used() {
    let layout = layout(PathPolicy::System, "a: b", &ODD);
    let portable = ["a_ b/what_.txt", "a_ b/Foo", "a_ b/foo.1"];
    for there in portable {
        assert_eq!(found(&layout, &[there], Trying::IfMissing), portable);
    }
}

#[test]
fn a_file_that_happens_to_have_a_portable_name_is_not_written_over() {
    let layout = layout(PathPolicy::System, "-", &["what?", "empty?"]);
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("what_"), b"the user's").unwrap();
    std::fs::write(place.path().join("empty_"), b"").unwrap();
    let own = ["what?", "empty?"];
    assert_eq!(found_in(&layout, place.path(), Trying::IfMissing), own);
    // If nothing will be written, a file of another length may be damaged content.
    assert_eq!(found_in(&layout, place.path(), Trying::Never), ["what_", "empty_"]);
}

#[test]
fn content_under_its_own_names_is_used_whatever_the_policy() {
    let own = ["a: b/what?.txt", "a: b/Foo", "a: b/foo"];
    let portable = ["a_ b/what_.txt", "a_ b/Foo", "a_ b/foo.1"];
    let layout = layout(PathPolicy::Portable, "a: b", &ODD);
    assert_eq!(found(&layout, &[], Trying::IfMissing), portable);
    for there in own {
        let both = [there, "a_ b/what_.txt"];
        assert_eq!(found(&layout, &both, Trying::Never)[0], own[0]);
    }
    assert_eq!(found(&layout, &own, Trying::Never), own);
}

#[test]
fn exact_names_are_never_others() {
    let layout = layout(PathPolicy::Exact, "a: b", &ODD);
    let there = ["a_ b/what_.txt", "a_ b/foo.1"];
    let own = ["a: b/what?.txt", "a: b/Foo", "a: b/foo"];
    assert_eq!(found(&layout, &there, Trying::IfMissing), own);
}

#[test]
fn files_that_are_alike_keep_their_names_where_both_are_there() {
    let layout = layout(PathPolicy::System, "top", &["Foo/a", "foo/a", "é", "e\u{301}"]);
    let own = ["top/Foo/a", "top/foo/a", "top/é", "top/e\u{301}"];
    assert_eq!(found(&layout, &own, Trying::Never), own);
    assert_eq!(found(&layout, &["top/Foo/a"], Trying::IfMissing), own);
}

#[test]
fn a_disk_that_takes_names_for_equal_is_found_out() {
    let Some(disk) = Exfat::mount() else { return };
    let layout = layout(PathPolicy::System, "top", &["Foo/a", "foo/a", "foo/b", "c"]);
    let numbered = ["top/Foo/a", "top/foo/a.1", "top/foo/b", "top/c"];
    assert_eq!(found_in(&layout, disk.path(), Trying::IfMissing), numbered);
    // The first of two files exists, and is found under the name of the other.
    put(disk.path(), "top/Foo/a");
    assert_eq!(found_in(&layout, disk.path(), Trying::IfMissing), numbered);
    put(disk.path(), "top/foo/a.1");
    assert_eq!(found_in(&layout, disk.path(), Trying::Never), numbered);
}

#[test]
fn a_disk_that_refuses_names_is_found_out() {
    let Some(disk) = Exfat::mount() else { return };
    for policy in [PathPolicy::System, PathPolicy::Portable] {
        let layout = layout(policy, "Vol. 1: why?", &["a", "what?.txt", "a:b", "A"]);
        let portable =
            ["Vol. 1_ why_/a", "Vol. 1_ why_/what_.txt", "Vol. 1_ why_/a_b", "Vol. 1_ why_/A.1"];
        assert_eq!(found_in(&layout, disk.path(), Trying::IfMissing), portable);
    }
    let exact = layout(PathPolicy::Exact, "top", &["a", "what?.txt"]);
    let folder = Folder::open(disk.path()).unwrap();
    let paths = DiskPaths::find(&exact, &folder, Trying::IfMissing).unwrap();
    assert_eq!(paths.renamed().len(), 1, "it is one that the disk cannot hold");
}

// With one descriptor left, the folder of the trial can be opened, and no file in it.
#[test]
fn a_process_without_descriptors_takes_no_name_for_refused() {
    let name = "a_process_without_descriptors_takes_no_name_for_refused";
    let Some(place) = std::env::var_os("TINYTORRENT_TEST_CHILD") else {
        let place = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("/bin/sh");
        child.arg("-c").arg(format!("ulimit -n 64; exec \"$0\" --exact {name}"));
        child.arg(std::env::current_exe().unwrap()).env("TINYTORRENT_TEST_CHILD", place.path());
        assert!(child.status().unwrap().success());
        return;
    };
    let folder = Folder::open(Path::new(&place)).unwrap();
    let layout = layout(PathPolicy::System, "a: b", &ODD);
    let find = || DiskPaths::find(&layout, &folder, Trying::IfMissing);
    let mut taken: Vec<_> =
        std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).take(1_000).collect();
    for _ in 0..2 {
        assert!(find().unwrap_err().is_out_of_descriptors());
        taken.pop();
    }
    assert!(find().unwrap().renamed().is_empty(), "two are enough");
}

fn names() -> impl Strategy<Value = Vec<String>> {
    let element = prop::sample::select(vec![
        "a",
        "A",
        "a?",
        "b.",
        "é",
        "e\u{301}",
        "con",
        "\u{202e}x",
        "a_",
        "a.1",
    ]);
    let path = prop::collection::vec(element, 1..4).prop_map(|elements| elements.join("/"));
    prop::collection::vec(path, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn another_policy_and_back_gives_the_same_paths(files in names(), root in "[a?. ]{0,3}|-") {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        for (policy, other) in [(PathPolicy::System, PathPolicy::Portable), (PathPolicy::Portable, PathPolicy::System)] {
            let from_names = [policy, other].map(|policy| layout(policy, &root, &files));
            let there = from_names[0].with_policy(other).unwrap();
            prop_assert_eq!(&there, &from_names[1]);
            prop_assert_eq!(&there.with_policy(policy).unwrap(), &from_names[0]);
        }
    }

    #[test]
    fn no_two_files_share_a_path(files in names(), there in prop::collection::vec(any::<prop::sample::Index>(), 0..3)) {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let layouts = [PathPolicy::System, PathPolicy::Portable].map(|policy| layout(policy, "top", &files));
        let place = tempfile::tempdir().unwrap();
        for (at, index) in there.iter().enumerate() {
            let path = layouts[at % 2].file(index.index(files.len()) as u32).unwrap().path;
            // The paths are from different layouts, so one may be a folder of another.
            let _ = try_put(place.path(), &path.to_string());
        }
        for layout in &layouts {
            let mut paths = found_in(layout, place.path(), Trying::IfMissing);
            paths.sort_unstable();
            paths.dedup();
            prop_assert_eq!(paths.len(), files.len());
        }
    }
}
