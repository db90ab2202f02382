//! Content that moves to another folder while it is in use.

#![cfg(unix)]

mod common;

use std::{
    fs,
    ops::ControlFlow,
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use common::{World, assert_verified, child_folder, disk, in_child};
use tempfile::TempDir;
use tinytorrent_metainfo::{FileAttributes, Layout};
use tinytorrent_storage::{
    Fault, MoveProgress, Moved, Recovered, ResumeRecord, Storage, StorageError, StorageOptions,
    recover,
};
use tinytorrent_types::{InfoHashV1, InfoHashes};

const PIECE: u32 = 32_768;
const HASH: &str = "0707070707070707070707070707070707070707";

fn world() -> World {
    World::new(
        PIECE,
        &[
            ("t/a", 40_000, false),
            ("t/d/b", 70_000, false),
            ("t/d/c", 9, false),
            ("t/e", 0, false),
            ("t/f", 3 << 20, false),
        ],
    )
}

/// Folders to move to: one on the same device, and one on another if there is one.
fn targets() -> Vec<TempDir> {
    let same = tempfile::tempdir().unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    let others = ["/dev/shm", "/var/tmp", "/run"].map(Path::new);
    let other = others
        .into_iter()
        .filter(|other| other.is_dir() && device(other) != device(same.path()))
        .find_map(|other| tempfile::tempdir_in(other).ok());
    if other.is_none() {
        eprintln!("skipped: there is no other device to move to");
    }
    [Some(same), other].into_iter().flatten().collect()
}

fn go_on(_: MoveProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn move_to(storage: &Storage, folder: &Path) -> Moved {
    storage.move_to(folder, go_on).unwrap().unwrap()
}

/// All paths below the folder, but for folders.
fn tree(place: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![place.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match fs::symlink_metadata(&path).unwrap().is_dir() {
                true => folders.push(path),
                false => {
                    found.push(path.strip_prefix(place).unwrap().to_string_lossy().into_owned());
                }
            }
        }
    }
    found.sort();
    found
}

fn have(world: &World, storage: &Storage) -> Vec<u32> {
    let go_on = |_| ControlFlow::Continue(());
    let recovered = recover(storage, &world.hashes, &Default::default(), go_on).unwrap().unwrap();
    recovered.have.iter().collect()
}

// S-21.
#[test]
fn everything_moves_and_stays_known() {
    for target in targets() {
        let world = world();
        let disk = disk();
        let storage = world.storage();
        // `d/b` is in the part file, and `d/c` has another name.
        storage.select(|file| file.get() != 1).unwrap();
        storage.prepare().unwrap();
        storage.rename_file(world.layout.file(2).unwrap().index, Path::new("other/c")).unwrap();
        let session = world.join_storage(&disk, storage, Recovered::nothing(100));
        for index in [0, 1, 3, 50] {
            session.store_piece(index);
            assert_verified(session.verify(index), index);
        }
        session.checkpoint();
        disk.shutdown();
        fs::write(world.path().join("t/mine"), b"the user's").unwrap();
        let before = tree(world.path());

        let storage = world.storage();
        storage.select(|file| file.get() != 1).unwrap();
        let moved = move_to(&storage, target.path());
        assert!(moved.leftover().is_none());
        assert_eq!(storage.root_path(), target.path());
        let note = format!(".{HASH}.tinytorrent-move");
        assert_eq!(tree(world.path()), [note, "t/mine".into()]);
        moved.settle();
        assert_eq!(tree(world.path()), ["t/mine"]);
        assert!(!world.path().join("t/d").exists() && !world.path().join("other").exists());
        let expected: Vec<_> = before.into_iter().filter(|name| name != "t/mine").collect();
        assert_eq!(tree(target.path()), expected);

        // This run and the next one.
        let mut read = vec![0; PIECE as usize];
        storage.read(u64::from(PIECE), &mut read).unwrap();
        assert!(read == world.content[PIECE as usize..2 * PIECE as usize]);
        let world = world.at(target.path());
        let storage = world.storage();
        storage.select(|file| file.get() != 1).unwrap();
        assert_eq!(have(&world, &storage), [0, 1, 3, 50]);
        let record = ResumeRecord::load(&storage).unwrap().unwrap();
        for file in storage.layout().files() {
            assert_eq!(record.stamps[file.index.as_usize()], storage.stamp(file.index).unwrap());
        }
    }
}

#[test]
fn a_copy_has_the_holes_the_permissions_and_the_times_of_the_file() {
    for target in targets() {
        let place = tempfile::tempdir().unwrap();
        let mut builder = Layout::builder(1 << 20);
        builder.root("t").file_with(["run"], 64 << 20, FileAttributes::EXECUTABLE);
        builder.symlink(["d", "l"], ["run"], FileAttributes::NONE);
        let layout = Arc::new(builder.build().unwrap());
        let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let options = StorageOptions::default();
        let storage = Storage::open(layout, identity, place.path(), &options).unwrap();
        storage.prepare().unwrap();
        storage.write(5 << 20, &[b"middle"]).unwrap();
        storage.write((64 << 20) - 3, &[b"end"]).unwrap();
        let path = place.path().join("t/run");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o740)).unwrap();
        let before = fs::metadata(&path).unwrap();
        move_to(&storage, target.path()).settle();
        let after = fs::metadata(target.path().join("t/run")).unwrap();
        assert_eq!((after.len(), after.mode()), (before.len(), before.mode()));
        assert_eq!(after.modified().unwrap(), before.modified().unwrap());
        assert!(after.blocks() <= before.blocks() + 16, "{} blocks", after.blocks());
        assert_eq!(fs::read_link(target.path().join("t/d/l")).unwrap(), Path::new("../run"));
        assert_eq!(tree(place.path()), [""; 0]);
        let mut read = [0; 6];
        storage.read(5 << 20, &mut read).unwrap();
        assert_eq!(&read, b"middle");
    }
}

// S-21: in-flight writes end first, and no later one goes to the old place.
#[test]
fn what_is_written_read_selected_and_renamed_during_a_move_is_not_lost() {
    for target in targets() {
        let world = world();
        let storage = world.storage();
        storage.select(|file| file.get() != 1).unwrap();
        let file = |index| world.layout.file(index).unwrap().index;
        // The second half comes during the move.
        let half = world.content.len() / 2;
        storage.write(0, &[&world.content[..half]]).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (storage, world, is_over) = (&storage, &world, &is_over);
            scope.spawn(move || {
                for (at, part) in world.content[half..].chunks(3000).enumerate() {
                    storage.write((half + at * 3000) as u64, &[part]).unwrap();
                }
            });
            scope.spawn(move || {
                let mut read = vec![0; half];
                while !is_over.load(Ordering::Relaxed) {
                    storage.read(0, &mut read).unwrap();
                    assert!(read == world.content[..half]);
                }
            });
            scope.spawn(move || {
                storage.select(|_| true).unwrap();
                storage.prepare().unwrap();
                for name in ["x/f", "f", "t/f"] {
                    storage.rename_file(file(4), Path::new(name)).unwrap();
                }
            });
            // There and back again, until the others are through.
            for _ in 0..4 {
                move_to(storage, target.path()).settle();
                move_to(storage, world.path()).settle();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        move_to(&storage, target.path()).settle();
        assert_eq!(tree(world.path()), [""; 0]);
        world.at(target.path()).assert_on_disk();
    }
}

// S-13: the move fails, and the torrent lives on.
#[test]
fn a_failed_or_cancelled_move_leaves_the_old_folder_as_it_was() {
    for target in targets() {
        let world = world();
        let storage = world.storage();
        storage.write(0, &[&world.content]).unwrap();
        storage.prepare().unwrap();
        let before = tree(world.path());
        // The last file is in the way.
        fs::create_dir(target.path().join("t")).unwrap();
        fs::write(target.path().join("t/f"), b"the user's").unwrap();
        let error = storage.move_to(target.path(), go_on).unwrap_err();
        assert!(matches!(error, StorageError::Exists { .. }), "{error}");
        assert_eq!(
            (error.fault(), error.path().unwrap()),
            (Fault::Obstructed, &*target.path().join("t/f"))
        );
        assert_eq!(tree(target.path()), ["t/f"]);
        assert_eq!(fs::read(target.path().join("t/f")).unwrap(), b"the user's");
        fs::remove_file(target.path().join("t/f")).unwrap();
        // Something that makes the renaming of a later file fail.
        fs::write(target.path().join("t/d"), b"the user's").unwrap();
        storage.move_to(target.path(), go_on).unwrap_err();
        assert_eq!(tree(target.path()), ["t/d"]);
        fs::remove_file(target.path().join("t/d")).unwrap();

        let mut calls = 0;
        let moved = storage.move_to(target.path(), |progress| {
            calls += 1;
            assert!(progress.bytes_done <= progress.bytes_total);
            match progress.bytes_done > 1 << 20 {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        let is_copied = moved.unwrap().is_none();
        assert_eq!(is_copied, calls > 0, "only a copy can be cancelled");
        if is_copied {
            assert_eq!(tree(target.path()), [""; 0]);
            assert_eq!((tree(world.path()), storage.root_path()), (before, world.path().into()));
            world.assert_on_disk();
            assert_eq!(have(&world, &storage).len(), 100);
        }
    }
}

// S-13: a file that grows beyond the limit of the process is as good as a full disk.
#[test]
fn a_full_disk_leaves_the_old_folder_as_it_was() {
    let name = "a_full_disk_leaves_the_old_folder_as_it_was";
    let Some(target) = targets().into_iter().nth(1) else { return };
    if let Some(folder) = child_folder() {
        let storage = world().at(&folder).storage();
        let error = storage.move_to(target.path(), go_on).unwrap_err();
        assert_eq!(error.fault(), Fault::DiskFull, "{error}");
        assert_eq!(tree(target.path()), [""; 0]);
        return;
    }
    let world = world();
    world.storage().write(0, &[&world.content]).unwrap();
    world.storage().prepare().unwrap();
    let Some(mut child) = in_child(name, "trap '' XFSZ; ulimit -f 1024", world.path()) else {
        return;
    };
    assert!(child.status().unwrap().success());
    world.assert_on_disk();
    assert_eq!(tree(world.path()).len(), 5);
}

#[test]
fn the_same_folder_and_one_below_are_no_trouble() {
    let world = world();
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    storage.prepare().unwrap();
    symlink(world.path(), world.path().join("link")).unwrap();
    move_to(&storage, &world.path().join("link")).settle();
    world.assert_on_disk();
    assert_eq!(storage.root_path(), world.path());
    let below = world.path().join("t/d");
    move_to(&storage, &below).settle();
    assert_eq!(
        tree(world.path()),
        ["link", "t/d/t/a", "t/d/t/d/b", "t/d/t/d/c", "t/d/t/e", "t/d/t/f"]
    );
    move_to(&storage, world.path()).settle();
    world.assert_on_disk();
    assert!(!below.join("t").exists());
}

// S-20.
#[test]
fn no_link_is_followed_into_or_out_of_the_folders() {
    for target in targets() {
        let (world, outside) = (world(), tempfile::tempdir().unwrap());
        let storage = world.storage();
        storage.write(0, &[&world.content]).unwrap();
        storage.prepare().unwrap();
        symlink(outside.path(), target.path().join("t")).unwrap();
        let error = storage.move_to(target.path(), go_on).unwrap_err();
        assert!(matches!(error, StorageError::SymbolicLink { .. }), "{error}");
        fs::remove_file(target.path().join("t")).unwrap();
        // The user's own link in the place of a file is no content, and stays.
        fs::remove_file(world.path().join("t/e")).unwrap();
        fs::write(outside.path().join("e"), b"secret").unwrap();
        symlink(outside.path().join("e"), world.path().join("t/e")).unwrap();
        move_to(&storage, target.path()).settle();
        assert_eq!(tree(world.path()), ["t/e"]);
        assert_eq!(fs::read(outside.path().join("e")).unwrap(), b"secret");
        assert_eq!(tree(outside.path()), ["e"]);
    }
}

#[test]
fn a_storage_that_is_read_only_or_deleted_does_not_move() {
    let (world, target) = (world(), tempfile::tempdir().unwrap());
    world.storage().write(0, &[&world.content]).unwrap();
    let mut options = StorageOptions::default();
    options.read_only(true);
    let error = world.storage_with(&options).move_to(target.path(), go_on).unwrap_err();
    assert!(matches!(error, StorageError::ReadOnly));
    let storage = world.storage();
    storage.remove_files().unwrap();
    let error = storage.move_to(target.path(), go_on).unwrap_err();
    assert!(matches!(error, StorageError::Removed));
    assert_eq!(tree(target.path()), [""; 0]);
}

// A note is a hint of a run that was killed, and nothing else: others may write to the folder.
#[test]
fn a_note_decides_nothing_unless_the_program_knows_of_the_move() {
    let (world, target, other) =
        (world(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    let moved = move_to(&storage, target.path());
    let note = format!(".{HASH}.tinytorrent-move");
    let bytes = fs::read(world.path().join(&note)).unwrap();
    moved.settle();
    move_to(&storage, world.path()).settle();
    fs::write(world.path().join(&note), bytes).unwrap();
    // Not asked for, or another one.
    assert_eq!(world.storage().root_path(), world.path());
    let mut options = StorageOptions::default();
    options.move_target(Some(other.path().into()));
    let storage = world.storage_with(&options);
    assert_eq!(storage.root_path(), world.path());
    assert!(storage.finished_move().is_none());
    world.storage().prepare().unwrap();
    world.assert_on_disk();
}

/// What a program would save: the folder, and the one that it moves to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Saved {
    folder: PathBuf,
    moving_to: Option<PathBuf>,
}

impl Saved {
    fn save(&self, at: &Path) {
        let moving_to = self.moving_to.clone().unwrap_or_default();
        let text = format!("{}\n{}", self.folder.display(), moving_to.display());
        fs::write(at.with_extension("new"), text).unwrap();
        fs::rename(at.with_extension("new"), at).unwrap();
    }

    fn load(at: &Path) -> Self {
        let text = fs::read_to_string(at).unwrap();
        let (folder, moving_to) = text.split_once('\n').unwrap();
        let moving_to = Some(moving_to).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { folder: folder.into(), moving_to }
    }
}

/// Moves between two folders for ever, as a program does that can be killed.
fn move_until_killed(world: &World, saved_at: &Path, [one, other]: [PathBuf; 2]) -> ! {
    let storage = world.storage();
    loop {
        let saved = Saved::load(saved_at);
        let target = if saved.folder == one { &other } else { &one };
        Saved { moving_to: Some(target.clone()), ..saved }.save(saved_at);
        let moved = move_to(&storage, target);
        Saved { folder: target.clone(), moving_to: None }.save(saved_at);
        moved.settle();
    }
}

fn kill_while_it_moves(test: &str, which: usize) {
    let files = [("t/a", 300_000, false), ("t/b", 5, false), ("t/d/c", 2 << 20, false)];
    if let Some(folder) = child_folder() {
        let at = |name: &str| fs::read_link(folder.join(name)).unwrap();
        let saved = Saved::load(&folder.join("saved"));
        let world = World::new(PIECE, &files).at(&saved.folder);
        move_until_killed(&world, &folder.join("saved"), [at("one"), at("other")]);
    }
    let Some(target) = targets().into_iter().nth(which) else { return };
    let (home, control) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(home.path(), control.path().join("one")).unwrap();
    symlink(target.path(), control.path().join("other")).unwrap();
    let saved_at = control.path().join("saved");
    Saved { folder: home.path().into(), moving_to: None }.save(&saved_at);
    let world = World::new(PIECE, &files).at(home.path());
    world.storage().write(0, &[&world.content]).unwrap();
    for round in 0..12_u64 {
        let Some(mut child) = in_child(test, ":", control.path()) else { return };
        let mut child = child.stdin(Stdio::null()).spawn().unwrap();
        // Once it moves, it may be killed at any moment.
        let before = fs::metadata(&saved_at).unwrap().ino();
        while fs::metadata(&saved_at).unwrap().ino() == before {
            assert!(child.try_wait().unwrap().is_none(), "it waits to be killed");
            std::thread::sleep(Duration::from_micros(100));
        }
        std::thread::sleep(Duration::from_micros(round * 1_700));
        child.kill().unwrap();
        child.wait().unwrap();

        let saved = Saved::load(&saved_at);
        let mut options = StorageOptions::default();
        options.move_target(saved.moving_to.clone());
        let storage = World::new(PIECE, &files).at(&saved.folder).storage_with(&options);
        let folder = storage.root_path();
        Saved { folder: folder.clone(), moving_to: None }.save(&saved_at);
        storage.finished_move().into_iter().for_each(Moved::settle);
        let all = world.geometry().piece_count() as usize;
        assert_eq!(have(&world, &storage).len(), all, "all of it is found, in round {round}");
        let found = World::new(PIECE, &files).at(&folder);
        found.assert_on_disk();
        for place in [home.path(), target.path()] {
            let expected = if place == folder { 3 } else { 0 };
            let mut found = tree(place);
            // A kill between the last two steps leaves the note, which no run reads.
            found.retain(|name| !name.ends_with(".tinytorrent-move"));
            assert_eq!(found.len(), expected, "{found:?} in round {round}");
        }
    }
}

// S-18, S-21.
#[test]
fn a_kill_during_a_move_on_one_device_loses_nothing() {
    kill_while_it_moves("a_kill_during_a_move_on_one_device_loses_nothing", 0);
}

// S-18, S-21.
#[test]
fn a_kill_during_a_move_to_another_device_loses_nothing() {
    kill_while_it_moves("a_kill_during_a_move_to_another_device_loses_nothing", 1);
}

/// A write that a copy has passed already is in the copy.
#[test]
fn a_file_that_is_cut_during_a_copy_is_cut_in_the_copy() {
    let Some(target) = targets().into_iter().nth(1) else { return };
    let world = world();
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    storage.prepare().unwrap();
    let long = fs::File::options().write(true).open(world.path().join("t/a")).unwrap();
    long.write_at(b"longer", 50_000).unwrap();
    let mut is_cut = false;
    let moved = storage.move_to(target.path(), |progress| {
        if !is_cut && progress.bytes_done > 1 << 20 {
            is_cut = true;
            storage.cut(world.layout.file(0).unwrap().index).unwrap();
        }
        ControlFlow::Continue(())
    });
    assert!(is_cut);
    moved.unwrap().unwrap().settle();
    world.at(target.path()).assert_on_disk();
}
