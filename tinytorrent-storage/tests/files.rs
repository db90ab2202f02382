//! Files as they lie on disk: names, links, permissions, and what is never written to.

#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use common::World;
use tinytorrent_metainfo::{FileAttributes, Layout, PathPolicy};
use tinytorrent_storage::{Fault, Misfit, Storage, StorageError, StorageOptions};
use tinytorrent_types::{InfoHashV1, InfoHashes};

fn open(layout: Layout, place: &Path) -> Result<Storage, StorageError> {
    open_with(layout, place, &StorageOptions::default())
}

fn open_with(
    layout: Layout,
    place: &Path,
    options: &StorageOptions,
) -> Result<Storage, StorageError> {
    let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
    Storage::open(Arc::new(layout), identity, place, options)
}

fn layout(policy: PathPolicy, files: &[(&str, u64)]) -> Layout {
    let mut builder = Layout::builder(16_384);
    builder.policy(policy);
    files.iter().for_each(|(path, length)| _ = builder.file(path.split('/'), *length));
    builder.build().unwrap()
}

/// Whatever lies below the folder, with all that the system knows of it.
fn snapshot(place: &Path) -> Vec<(String, u64, i64, i64, i64)> {
    let mut found = Vec::new();
    let mut folders = vec![place.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let data = fs::symlink_metadata(&path).unwrap();
            let name = path.to_string_lossy().into_owned();
            found.push((name, data.size(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()));
            if data.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn content_is_read_and_written_under_the_names_it_has() {
    let files = [("a: b/what?", 10), ("a: b/Foo", 5), ("a: b/foo", 5)];
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("a: b")).unwrap();
    fs::write(place.path().join("a: b/what?"), b"0123456789").unwrap();
    for policy in [PathPolicy::System, PathPolicy::Portable, PathPolicy::Exact] {
        let storage = open(layout(policy, &files), place.path()).unwrap();
        let mut data = [0; 10];
        storage.read(0, &mut data).unwrap();
        assert_eq!(&data, b"0123456789");
        storage.write(10, &[b"12345"]).unwrap();
        assert_eq!(fs::read(place.path().join("a: b/Foo")).unwrap(), b"12345");
        assert_eq!(storage.path_changes().count(), 0);
        let first = storage.layout().file(0).unwrap().index;
        assert_eq!(storage.file_path(first).unwrap(), place.path().join("a: b/what?"));
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

// S-20
#[test]
fn links_are_followed_only_to_read_and_only_on_request() {
    let place = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("a"), b"0123456789").unwrap();
    symlink(elsewhere.path(), place.path().join("top")).unwrap();
    let content = || layout(PathPolicy::System, &[("top/a", 10)]);
    let mut data = [0; 10];
    let mut options = StorageOptions::default();
    options.read_only(true);
    let refused = open_with(content(), place.path(), &options).unwrap().read(0, &mut data);
    assert!(matches!(refused, Err(StorageError::SymbolicLink { .. })));
    options.follow_links(true);
    open_with(content(), place.path(), &options).unwrap().read(0, &mut data).unwrap();
    assert_eq!(&data, b"0123456789");
    options.read_only(false);
    let refused = open_with(content(), place.path(), &options).unwrap().read(0, &mut data);
    assert!(matches!(refused, Err(StorageError::SymbolicLink { .. })));
}

// S-17, S-20: a stranger's file would be read as the record of another torrent.
#[test]
fn a_torrent_that_has_the_names_of_records_is_not_written() {
    let place = tempfile::tempdir().unwrap();
    let hash = "0707070707070707070707070707070707070707";
    for name in ["names", "drafts/0", "resume", "NAMES"] {
        let path = format!(".{hash}.tinytorrent-{name}");
        let refused = open(layout(PathPolicy::System, &[(&path, 10)]), place.path()).unwrap_err();
        assert!(matches!(refused, StorageError::ReservedName { .. }), "{refused}");
        assert_eq!(refused.fault(), Fault::Torrent);
        let mut options = StorageOptions::default();
        options.read_only(true);
        open_with(layout(PathPolicy::System, &[(&path, 10)]), place.path(), &options).unwrap();
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    let below = format!("t/.{hash}.tinytorrent-names");
    open(layout(PathPolicy::System, &[(&below, 10)]), place.path()).unwrap();
}

// BEP 47
#[test]
fn links_of_the_torrent_are_made_and_replace_nothing() {
    let place = tempfile::tempdir().unwrap();
    let mut builder = Layout::builder(16_384);
    builder
        .root("top")
        .file(["d", "a"], 10)
        .symlink(["l"], ["d", "a"], FileAttributes::NONE)
        .symlink(["e", "l"], ["d"], FileAttributes::NONE)
        .symlink(["there"], ["d", "a"], FileAttributes::NONE);
    fs::create_dir(place.path().join("top")).unwrap();
    fs::write(place.path().join("top/there"), b"the user's").unwrap();
    let layout = builder.build().unwrap();
    for _ in 0..2 {
        let storage = open(layout.clone(), place.path()).unwrap();
        storage.prepare().unwrap();
        storage.write(0, &[b"0123456789"]).unwrap();
        let top = place.path().join("top");
        assert_eq!(fs::read_link(top.join("l")).unwrap(), Path::new("d/a"));
        assert_eq!(fs::read_link(top.join("e/l")).unwrap(), Path::new("../d"));
        assert_eq!(fs::read(top.join("e/l/a")).unwrap(), b"0123456789");
        assert_eq!(fs::read(top.join("there")).unwrap(), b"the user's");
    }
}

// BEP 47
#[test]
fn a_file_that_may_be_run_is_created_so() {
    let place = tempfile::tempdir().unwrap();
    let mut builder = Layout::builder(16_384);
    builder.file_with(["run"], 1, FileAttributes::EXECUTABLE).file(["data"], 1);
    builder.file_with(["empty"], 0, FileAttributes::EXECUTABLE);
    let storage = open(builder.build().unwrap(), place.path()).unwrap();
    storage.prepare().unwrap();
    storage.write(0, &[b"12"]).unwrap();
    for (name, is_executable) in [("run", true), ("data", false), ("empty", true)] {
        let mode = fs::metadata(place.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o100 != 0, is_executable, "{name}: {mode:o}");
    }
}

#[test]
fn content_that_is_complete_is_not_written_to() {
    let world = World::new(16_384, &[("t/a", 40_000, false), ("t/empty", 0, false)]);
    world.storage().write(0, &[&world.content]).unwrap();
    world.storage().prepare().unwrap();
    let before = snapshot(world.path());
    let storage = world.storage();
    storage.select(|_| true).unwrap();
    storage.prepare().unwrap();
    assert!(world.recover().have.is_full());
    assert!(storage.misfits().unwrap().is_empty());
    storage.sync().unwrap();
    assert_eq!(snapshot(world.path()), before);
}

#[test]
fn misfits_are_found_without_reading() {
    let place = tempfile::tempdir().unwrap();
    let files = [("a", 3), ("b", 3), ("c", 3), ("d", 0), ("pipe", 3)];
    for (name, size) in [("a", 3), ("b", 4), ("d", 1)] {
        fs::write(place.path().join(name), vec![0; size]).unwrap();
    }
    let pipe = std::process::Command::new("mkfifo").arg(place.path().join("pipe")).status();
    assert!(pipe.unwrap().success());
    let storage = open(layout(PathPolicy::System, &files), place.path()).unwrap();
    let misfits = storage.misfits().unwrap();
    let found: Vec<_> = misfits.iter().map(|found| (found.file.get(), found.size)).collect();
    assert_eq!(found, [(1, Some(4)), (2, None), (3, Some(1)), (4, None)]);
    let longer: Vec<_> = misfits.iter().map(Misfit::is_longer).collect();
    assert_eq!(longer, [true, false, true, false]);
}

#[test]
fn a_storage_that_is_read_only_cuts_nothing() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a"), b"0123").unwrap();
    let mut options = StorageOptions::default();
    options.read_only(true);
    let content = layout(PathPolicy::System, &[("a", 3)]);
    let storage = open_with(content, place.path(), &options).unwrap();
    let file = storage.misfits().unwrap()[0].file;
    assert!(matches!(storage.cut(file), Err(StorageError::ReadOnly)));
    assert_eq!(fs::read(place.path().join("a")).unwrap(), b"0123");
}
