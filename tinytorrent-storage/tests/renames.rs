//! Files that the user gives other names.

mod common;

use std::path::{Path, PathBuf};

use common::{World, disk};
use tinytorrent_metainfo::{FileIndex, PathChangeKind, RenameError};
use tinytorrent_storage::{Fault, Recovered, ResumeRecord, Storage, StorageError, StorageOptions};

const PIECE: u32 = 32_768;

fn world() -> World {
    World::new(
        PIECE,
        &[("t/a", 40_000, false), ("t/d/b", 70_000, false), ("t/d/c", 9, false), ("t/e", 0, false)],
    )
}

fn file(storage: &Storage, index: u32) -> FileIndex {
    storage.layout().file(index).unwrap().index
}

fn rename(storage: &Storage, index: u32, path: &str) -> Result<(), StorageError> {
    storage.rename_file(file(storage, index), Path::new(path))
}

/// A whole download with its record.
fn download(world: &World) {
    let disk = disk();
    let count = world.geometry().piece_count();
    let session = world.join(&disk, Recovered::nothing(count));
    for index in 0..count {
        session.store_piece(index);
        common::assert_verified(session.verify(index), index);
    }
    session.checkpoint();
    disk.shutdown();
}

fn entries(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_renamed_file_is_moved_used_and_found_by_later_runs() {
    let world = world();
    let storage = world.storage();
    storage.write(0, &[&world.content[..50_000]]).unwrap();
    rename(&storage, 1, "new/place/b.bin").unwrap();
    storage.write(50_000, &[&world.content[50_000..]]).unwrap();
    let mut read = vec![0; world.content.len()];
    storage.read(0, &mut read).unwrap();
    assert!(read == world.content);
    assert_eq!(world.file("new/place/b.bin"), world.content[40_000..110_000]);
    assert!(!world.path().join("t/d/b").exists());
    assert_eq!(storage.file_path(file(&storage, 1)), Some(world.path().join("new/place/b.bin")));

    let storage = world.storage();
    let changes: Vec<_> = storage.path_changes().collect();
    assert_eq!(changes.len(), 1);
    assert_eq!((&*changes[0].original, &*changes[0].written), ("t/d/b", "new/place/b.bin"));
    assert_eq!(changes[0].kinds, [PathChangeKind::Renamed]);
    assert!(world.recover().have.is_full());

    rename(&storage, 1, "t/d/b").unwrap();
    assert_eq!(storage.path_changes().count(), 0);
    world.assert_on_disk();
    assert_eq!(entries(world.path()), ["t"], "no name is kept, and no empty folder");
}

// S-16.
#[cfg(unix)]
#[test]
fn a_renamed_file_is_not_checked_for_that() {
    let world = world();
    download(&world);
    let storage = world.storage();
    storage.rename_files(&all_below(&storage, "other")).unwrap();
    let record = ResumeRecord::load(&storage).unwrap().unwrap();
    for file in storage.layout().files() {
        assert_eq!(record.stamps[file.index.as_usize()], storage.stamp(file.index).unwrap());
    }
    assert!(world.recover().have.is_full());
    assert!(!world.path().join("t").exists());
}

/// A file that was damaged before is to be checked nevertheless.
#[test]
fn a_renamed_file_that_had_changed_is_checked() {
    let world = world();
    download(&world);
    let path = world.path().join("t/d/b");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    rename(&world.storage(), 1, "b").unwrap();
    assert_eq!(world.recover().have.iter().collect::<Vec<_>>(), [0, 1, 3]);
}

fn all_below(storage: &Storage, folder: &str) -> Vec<(FileIndex, PathBuf)> {
    let files = storage.layout().files();
    files
        .map(|file| {
            let path = file.path.to_path_buf();
            (file.index, Path::new(folder).join(path.strip_prefix("t").unwrap()))
        })
        .collect()
}

#[test]
fn a_folder_is_renamed_as_a_whole_or_not_at_all() {
    let world = world();
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    storage.prepare().unwrap();
    // The last but one is in the way.
    std::fs::create_dir_all(world.path().join("other/d")).unwrap();
    std::fs::write(world.path().join("other/d/c"), b"the user's").unwrap();
    let error = storage.rename_files(&all_below(&storage, "other")).unwrap_err();
    assert_eq!(error.fault(), Fault::Obstructed);
    assert_eq!(error.path(), Some(&*world.path().join("other/d/c")));
    world.assert_on_disk();
    assert_eq!((storage.path_changes().count(), world.storage().path_changes().count()), (0, 0));
    assert_eq!(world.file("other/d/c"), b"the user's");

    std::fs::remove_file(world.path().join("other/d/c")).unwrap();
    storage.rename_files(&all_below(&storage, "other")).unwrap();
    assert_eq!(entries(&world.path().join("other")), ["a", "d", "e"]);
    assert_eq!(world.file("other/d/b"), world.content[40_000..110_000]);
    assert!(!world.path().join("t").exists());
}

// S-20.
#[test]
fn a_file_is_not_renamed_to_another_place_or_name() {
    let world = world();
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    std::fs::create_dir(world.path().join("folder")).unwrap();
    let absolute = world.path().join("x").to_string_lossy().into_owned();
    for path in ["../x", "t/../../x", &*absolute, "", ".", "t/a", "t/d", "t/a/x", "T/A", "t/e"] {
        let error = rename(&storage, 2, path).unwrap_err();
        assert!(matches!(error, StorageError::NotRenamed(_)), "{path}: {error}");
        assert_eq!(error.fault(), Fault::Caller);
    }
    for path in [".ab.tinytorrent-resume", ".ab.tinytorrent-move/x"] {
        let error = rename(&storage, 2, path).unwrap_err();
        let StorageError::NotRenamed(RenameError::Refused { kind, .. }) = error else {
            panic!("{path}: {error}")
        };
        assert_eq!(kind, PathChangeKind::Collision);
    }
    let error = rename(&storage, 2, "folder").unwrap_err();
    assert!(matches!(error, StorageError::Exists { .. }), "{error}");
    world.assert_on_disk();
    let mut options = StorageOptions::default();
    options.read_only(true);
    let read_only = world.storage_with(&options);
    assert!(matches!(rename(&read_only, 2, "x"), Err(StorageError::ReadOnly)));
}

#[cfg(unix)]
#[test]
fn no_link_is_followed() {
    let (world, outside) = (world(), tempfile::tempdir().unwrap());
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    std::os::unix::fs::symlink(outside.path(), world.path().join("away")).unwrap();
    let error = rename(&storage, 2, "away/c").unwrap_err();
    assert!(matches!(error, StorageError::SymbolicLink { .. }), "{error}");
    assert_eq!(entries(outside.path()).len(), 0);
    world.assert_on_disk();
}

// S-09: a file that nobody wants is not on disk, and gets its name when it is.
#[test]
fn a_file_that_does_not_exist_is_created_under_its_new_name() {
    let world = world();
    let storage = world.storage();
    storage.select(|file| file.get() == 0).unwrap();
    storage.write(0, &[&world.content[..2 * PIECE as usize]]).unwrap();
    rename(&storage, 1, "t/b").unwrap();
    assert!(!world.path().join("t/b").exists());
    let storage = world.storage();
    storage.select(|_| true).unwrap();
    storage.write(0, &[&world.content]).unwrap();
    assert_eq!(world.file("t/b"), world.content[40_000..110_000]);
    assert_eq!(entries(&world.path().join("t/d")), ["c"]);
}

/// What a kill leaves, by a name file from before the file was renamed.
#[test]
fn a_renaming_that_was_cut_short_is_finished_by_the_next_run() {
    let world = world();
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    let blocked = world.path().join("x");
    std::fs::create_dir(&blocked).unwrap();
    let names = world.path().join(".0707070707070707070707070707070707070707.tinytorrent-names");
    // A child would have to be killed at the right moment, so the file is written as it is then.
    std::fs::write(&names, names_before_the_rename()).unwrap();
    std::fs::remove_dir(&blocked).unwrap();
    let storage = world.storage();
    assert_eq!(world.file("x"), world.content[110_000..110_009]);
    assert!(!world.path().join("t/d/c").exists());
    assert_eq!(storage.path_changes().count(), 1);
    // It does not happen again: the user may use the old name for something else.
    std::fs::write(world.path().join("t/d/c"), b"the user's").unwrap();
    std::fs::remove_file(world.path().join("x")).unwrap();
    drop(world.storage());
    assert_eq!(world.file("t/d/c"), b"the user's");
}

// S-20: others may write to the folder.
#[test]
fn forged_names_move_nothing_from_elsewhere() {
    let (place, outside) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let world = world().at(&place.path().join("root"));
    world.storage().write(0, &[&world.content]).unwrap();
    let names = world.path().join(".0707070707070707070707070707070707070707.tinytorrent-names");
    std::fs::write(place.path().join("mine"), b"the user's").unwrap();
    let outside = outside.path().to_string_lossy().into_owned();
    for old in ["../mine", "t/../../mine", &outside, "", "t//c"] {
        std::fs::write(&names, names_with(old)).unwrap();
        drop(world.storage());
        assert!(!world.path().join("x").exists(), "{old}");
    }
    assert_eq!(entries(place.path()), ["mine", "root"]);
}

fn names_before_the_rename() -> Vec<u8> {
    names_with("t/d/c")
}

/// A name for file 2, which has this path still.
fn names_with(old: &str) -> Vec<u8> {
    let mut bytes = [
        &b"ttnames1"[..],
        &[0, 0, 0, 4],
        &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1],
        b"x",
        &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, old.len() as u8],
        old.as_bytes(),
    ]
    .concat();
    let check = tinytorrent_hash::sha1(&bytes);
    bytes.extend(check);
    bytes
}

// S-21: each write finds its file, before and after.
#[test]
fn files_are_renamed_during_writes_and_none_is_lost() {
    let world = world();
    let storage = world.storage();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for (at, part) in world.content.chunks(300).enumerate() {
                storage.write(at as u64 * 300, &[part]).unwrap();
            }
        });
        while !writer.is_finished() {
            for path in ["x/y/b", "b", "t/d/b"] {
                rename(&storage, 1, path).unwrap();
            }
        }
        writer.join().unwrap();
    });
    storage.prepare().unwrap();
    world.assert_on_disk();
    assert_eq!(entries(world.path()), ["t"]);
}
