//! Content that the user wants to be deleted.

#![cfg(unix)]

mod common;

use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc};

use common::{World, assert_verified, disk};
use tinytorrent_metainfo::{FileAttributes, Layout};
use tinytorrent_storage::{Fault, Recovered, Storage, StorageError, StorageOptions};
use tinytorrent_types::{InfoHashV1, InfoHashes};

const PIECE: u32 = 32_768;

fn world() -> World {
    World::new(
        PIECE,
        &[
            ("t/a", 40_000, false),
            ("t/d/b", 70_000, false),
            ("t/d/e/c", 9, false),
            ("t/f", 0, false),
        ],
    )
}

/// All paths below the folder.
fn tree(place: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![place.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(place).unwrap().to_string_lossy().into_owned());
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_deleted_torrent_leaves_nothing() {
    let world = world();
    let disk = disk();
    let storage = world.storage();
    storage.select(|file| file.get() != 1).unwrap();
    storage.prepare().unwrap();
    storage.rename_file(world.layout.file(0).unwrap().index, Path::new("other/a")).unwrap();
    let session = world.join_storage(&disk, storage, Recovered::nothing(4));
    session.store_piece(1);
    assert_verified(session.verify(1), 1);
    session.checkpoint();
    session.store(world.blocks(world.piece(3))[0]);
    disk.shutdown();
    // What a move that was cut short has left.
    let at = |name: &str| {
        let hash = "0707070707070707070707070707070707070707";
        world.path().join(format!(".{hash}.tinytorrent-{name}"))
    };
    fs::create_dir(at("drafts")).unwrap();
    fs::write(at("drafts").join("0"), b"draft").unwrap();
    fs::write(at("move"), b"note").unwrap();
    let kinds = ["parts", "names", "resume", "journal"];
    let before = tree(world.path());
    assert!(kinds.iter().all(|kind| before.iter().any(|name| name.ends_with(kind))), "{before:?}");
    let removed = world.storage().remove_files().unwrap();
    assert_eq!((removed.removed, removed.left_count), (3, 0));
    assert!(removed.first_error.is_none() && removed.left.is_empty());
    assert_eq!(tree(world.path()), [""; 0]);
    let again = world.storage().remove_files().unwrap();
    assert_eq!((again.removed, again.left_count), (0, 0));
}

#[test]
fn nothing_else_is_deleted() {
    let world = world();
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    fs::write(world.path().join("t/d/mine"), b"the user's").unwrap();
    fs::create_dir(world.path().join("t/empty")).unwrap();
    fs::write(world.path().join("beside"), b"the user's").unwrap();
    // Another's by its content, and the torrent's by its path.
    fs::write(world.path().join("t/a"), [1; 50_000]).unwrap();
    let removed = storage.remove_files().unwrap();
    assert_eq!((removed.removed, removed.left_count), (3, 0));
    assert_eq!(tree(world.path()), ["beside", "t", "t/d", "t/d/mine", "t/empty"]);
}

/// Nothing of the torrent was ever there.
#[test]
fn a_folder_that_was_empty_before_stays() {
    let world = world();
    fs::create_dir_all(world.path().join("t/d/e")).unwrap();
    world.storage().remove_files().unwrap();
    assert_eq!(tree(world.path()), ["t", "t/d", "t/d/e"]);
}

// S-20.
#[test]
fn no_link_is_followed_and_what_is_no_file_is_left() {
    let (world, outside) = (world(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("b"), b"secret").unwrap();
    fs::create_dir(world.path().join("t")).unwrap();
    symlink(outside.path(), world.path().join("t/d")).unwrap();
    symlink(outside.path().join("b"), world.path().join("t/a")).unwrap();
    fs::create_dir(world.path().join("t/f")).unwrap();
    let removed = world.storage().remove_files().unwrap();
    assert_eq!(fs::read(outside.path().join("b")).unwrap(), b"secret");
    assert_eq!(tree(world.path()), ["t", "t/a", "t/d", "t/f"]);
    let at = |path: &str| world.path().join(path);
    assert_eq!((removed.removed, removed.left_count), (0, 4));
    assert_eq!(removed.left, [at("t/a"), at("t/d"), at("t/d"), at("t/f")]);
    assert_eq!(removed.first_error.unwrap().fault(), Fault::Obstructed);
}

// BEP 47.
#[test]
fn links_of_the_torrent_are_deleted_and_others_are_not() {
    let place = tempfile::tempdir().unwrap();
    let mut builder = Layout::builder(16_384);
    builder.root("t").file(["a"], 10).symlink(["d", "l"], ["a"], FileAttributes::NONE);
    builder.symlink(["other"], ["a"], FileAttributes::NONE);
    fs::create_dir(place.path().join("t")).unwrap();
    symlink("elsewhere", place.path().join("t/other")).unwrap();
    let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
    let layout = Arc::new(builder.build().unwrap());
    let options = StorageOptions::default();
    let storage = Storage::open(layout, identity, place.path(), &options).unwrap();
    storage.write(0, &[b"0123456789"]).unwrap();
    storage.prepare().unwrap();
    let removed = storage.remove_files().unwrap();
    assert_eq!((removed.removed, removed.left_count), (2, 1));
    assert_eq!(tree(place.path()), ["t", "t/other"]);
}

#[test]
fn an_error_does_not_keep_the_other_files() {
    let (world, outside) = (world(), tempfile::tempdir().unwrap());
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    storage.prepare().unwrap();
    let (folder, away) = (world.path().join("t/d"), outside.path().join("d"));
    fs::rename(&folder, &away).unwrap();
    symlink(&away, &folder).unwrap();
    let removed = storage.remove_files().unwrap();
    assert_eq!((removed.removed, removed.left_count), (2, 2));
    assert_eq!(removed.left, [folder.clone(), folder.clone()]);
    assert_eq!(removed.first_error.unwrap().fault(), Fault::Obstructed);
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    assert_eq!(tree(world.path()), ["t", "t/d", "t/d/b", "t/d/e", "t/d/e/c"]);
    let again = storage.remove_files().unwrap();
    assert_eq!((again.removed, tree(world.path()).len()), (2, 0));
}

#[test]
fn what_is_deleted_is_not_created_again() {
    let world = world();
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            loop {
                match storage.write(0, &[&world.content]) {
                    Ok(()) => {}
                    Err(StorageError::Removed) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        storage.remove_files().unwrap();
        writer.join().unwrap();
    });
    assert!(matches!(storage.prepare(), Err(StorageError::Removed)));
    assert!(matches!(storage.select(|_| true), Err(StorageError::Removed)));
    storage.sync().unwrap();
    assert_eq!(tree(world.path()), [""; 0]);
    // Not for ever: the user may want it again.
    world.storage().write(0, &[&world.content]).unwrap();
    world.storage().prepare().unwrap();
    world.assert_on_disk();
}

#[test]
fn a_storage_that_is_read_only_deletes_nothing() {
    let world = world();
    world.storage().write(0, &[&world.content]).unwrap();
    let mut options = StorageOptions::default();
    options.read_only(true);
    let error = world.storage_with(&options).remove_files().unwrap_err();
    assert!(matches!(error, StorageError::ReadOnly));
    world.storage().prepare().unwrap();
    world.assert_on_disk();
}
