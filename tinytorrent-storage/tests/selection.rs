//! Files that nobody wants.

mod common;

use common::{World, assert_verified};
use tinytorrent_storage::{Disk, DiskOptions, Recovered, Storage, StorageOptions};

const PIECE: u32 = 32_768;
const PARTS: &str = ".0707070707070707070707070707070707070707.tinytorrent-parts";

/// Piece 1 ends `a` and begins `b`, piece 3 ends `b` and has all of `c` and the beginning of `d`.
fn world() -> World {
    World::new(
        PIECE,
        &[
            ("t/a", 40_000, false),
            ("t/b", 70_000, false),
            ("t/c", 9, false),
            ("t/d", 50_000, false),
        ],
    )
}

fn select(storage: &Storage, wanted: &[u32]) {
    storage.select(|file| wanted.contains(&file.get())).unwrap();
}

fn names(world: &World) -> Vec<String> {
    let entries = std::fs::read_dir(world.path().join("t")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// All pieces of file `b`.
fn download_b(world: &World) {
    let disk = Disk::new(&DiskOptions::default()).unwrap();
    let storage = world.storage();
    select(&storage, &[1]);
    storage.prepare().unwrap();
    let session = world.join_storage(&disk, storage, Recovered::nothing(5));
    for index in [1, 2, 3] {
        session.store_piece(index);
        assert_verified(session.verify(index), index);
    }
    session.checkpoint();
    disk.shutdown();
}

// S-09.
#[test]
fn an_unwanted_file_is_not_created_for_its_share_of_a_wanted_piece() {
    let world = world();
    download_b(&world);
    assert_eq!(names(&world), ["b"]);
    assert_eq!(world.file("t/b"), world.content[40_000..110_000]);
    assert!(world.path().join(PARTS).exists());
}

// S-04, S-09.
#[test]
fn pieces_that_reach_into_unwanted_files_are_served_and_found_again() {
    let world = world();
    download_b(&world);
    let storage = world.storage();
    select(&storage, &[1]);
    let begin = PIECE as usize;
    let mut piece = vec![0; begin];
    storage.read(u64::from(PIECE), &mut piece).unwrap();
    assert_eq!(piece, world.content[begin..2 * begin]);
    let go_on = |_| std::ops::ControlFlow::Continue(());
    let recovered =
        tinytorrent_storage::recover(&storage, &world.hashes, &Default::default(), go_on);
    assert_eq!(recovered.unwrap().unwrap().have.iter().collect::<Vec<_>>(), [1, 2, 3]);
}

// S-10.
#[test]
fn data_moves_out_of_the_part_file_when_its_file_becomes_wanted() {
    let world = world();
    download_b(&world);
    let storage = world.storage();
    select(&storage, &[1]);
    select(&storage, &[0, 1]);
    assert_eq!(names(&world), ["a", "b"]);
    assert_eq!(world.file("t/a")[PIECE as usize..], world.content[PIECE as usize..40_000]);
    assert!(world.path().join(PARTS).exists(), "c and d have data there");

    select(&storage, &[0, 1, 2, 3]);
    assert_eq!(world.file("t/c"), world.content[110_000..110_009]);
    assert!(!world.path().join(PARTS).exists());
    assert_eq!(world.recover().have.iter().collect::<Vec<_>>(), [1, 2, 3]);
}

// S-10: the choice may change between two runs.
#[test]
fn a_run_that_wants_more_than_the_one_before_finds_its_data() {
    let world = world();
    download_b(&world);
    let storage = world.storage();
    select(&storage, &[0, 1, 2, 3]);
    assert_eq!(world.recover().have.iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_file_that_exists_stays_in_use_when_it_is_wanted_no_more() {
    let world = world();
    download_b(&world);
    let storage = world.storage();
    select(&storage, &[0]);
    storage.write(40_000, &[b"new"]).unwrap();
    assert_eq!(&world.file("t/b")[..3], b"new");
}

// S-09: nor is an empty file that nobody wants created.
#[test]
fn only_wanted_empty_files_are_created() {
    let world = World::new(PIECE, &[("t/a", 0, false), ("t/b", 0, false), ("t/c", 5, false)]);
    let storage = world.storage();
    select(&storage, &[1]);
    storage.prepare().unwrap();
    assert_eq!(names(&world), ["b"]);
}

// S-10, S-21.
#[test]
fn a_choice_that_changes_during_writes_loses_none() {
    let world = world();
    let storage = world.storage();
    select(&storage, &[1]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for (at, part) in world.content.chunks(300).enumerate() {
                storage.write(at as u64 * 300, &[part]).unwrap();
            }
        });
        select(&storage, &[0, 1]);
        select(&storage, &[0, 1, 2, 3]);
        writer.join().unwrap();
    });
    world.assert_on_disk();
    assert!(!world.path().join(PARTS).exists());
}

// S-10: a kill, a full disk or another error may cut a move short. The limit on the size of files takes the
// beginning of `b` and refuses its end.
#[cfg(unix)]
#[test]
fn data_whose_move_was_cut_short_is_not_lost() {
    let name = "data_whose_move_was_cut_short_is_not_lost";
    let world =
        || World::new(PIECE, &[("t/a", 40_000, false), ("t/b", 2 << 20, false), ("t/c", 9, false)]);
    if let Some(folder) = common::child_folder() {
        let storage = world().at(&folder).storage();
        select(&storage, &[0, 2]);
        let error = storage.select(|_| true).unwrap_err();
        assert_eq!(error.fault(), tinytorrent_storage::Fault::DiskFull, "{error}");
        return;
    }
    let world = world();
    let storage = world.storage();
    select(&storage, &[0, 2]);
    let last = world.geometry().piece_count() - 1;
    for piece in [0, 1, last] {
        let range = world.geometry().piece_offset(world.piece(piece));
        let end = range + u64::from(world.geometry().piece_length(world.piece(piece)));
        storage.write(range, &[&world.content[range as usize..end as usize]]).unwrap();
    }
    let commands = "trap '' XFSZ; ulimit -f 1024";
    let Some(mut child) = common::in_child(name, commands, world.path()) else { return };
    assert!(child.status().unwrap().success());
    let storage = world.storage();
    select(&storage, &[0, 1, 2]);
    assert_eq!(names(&world), ["a", "b", "c"]);
    assert_eq!(world.recover().have.iter().collect::<Vec<_>>(), [0, 1, last]);
    assert!(!world.path().join(PARTS).exists());
}

// S-10: pieces within a file may be on their way when it becomes unwanted. They may be zeros.
#[test]
fn whole_pieces_move_out_of_the_part_file_as_well() {
    let world = World::new(PIECE, &[("t/a", 5 * u64::from(PIECE), false), ("t/b", 9, false)]);
    let storage = world.storage();
    select(&storage, &[1]);
    let piece = PIECE as usize;
    storage.write(u64::from(PIECE), &[&world.content[piece..2 * piece]]).unwrap();
    storage.write(3 * u64::from(PIECE), &[vec![0; piece]]).unwrap();
    assert!(!world.path().join("t").exists());
    select(&storage, &[0, 1]);
    let mut read = vec![1; 2 * piece];
    storage.read(u64::from(PIECE), &mut read[..piece]).unwrap();
    assert!(read[..piece] == world.content[piece..2 * piece]);
    storage.read(3 * u64::from(PIECE), &mut read[piece..]).unwrap();
    assert!(read[piece..].iter().all(|&byte| byte == 0));
}

// S-10.
#[cfg(target_os = "linux")]
#[test]
fn the_part_file_gives_back_the_room_of_what_has_moved() {
    let world =
        World::new(1 << 20, &[("a", 1 << 19, false), ("b", 1 << 20, false), ("c", 9, false)]);
    let storage = world.storage();
    select(&storage, &[0]);
    storage.write(0, &[&world.content[..1 << 20]]).unwrap();
    assert!(world.path().join(PARTS).exists());
    // Nobody wants `c` still, but no data of it came.
    select(&storage, &[0, 1]);
    assert!(!world.path().join(PARTS).exists());
    storage.write(1 << 20, &[&world.content[1 << 20..]]).unwrap();
    assert!(world.path().join(PARTS).exists());
    select(&storage, &[0, 1, 2]);
    world.assert_on_disk();
}

// S-12.
#[cfg(target_os = "linux")]
#[test]
fn files_are_sparse_unless_room_is_reserved() {
    use std::os::unix::fs::MetadataExt;
    for preallocate in [false, true] {
        let world = World::new(PIECE, &[("t/a", 8 << 20, false), ("t/b", 1 << 20, false)]);
        let options = StorageOptions::default().preallocate(preallocate).clone();
        let storage = world.storage_with(&options);
        select(&storage, &[0]);
        storage.prepare().unwrap();
        storage.write((8 << 20) - 5, &[b"tail!"]).unwrap();
        let file = std::fs::metadata(world.path().join("t/a")).unwrap();
        assert_eq!(file.len(), 8 << 20);
        let reserved = file.blocks() * 512;
        assert_eq!(reserved >= 8 << 20, preallocate, "{reserved} bytes");
        assert!(!world.path().join("t/b").exists());
    }
}
