//! Disks that are full, in the way, or suddenly without their process.

#![cfg(unix)]

mod common;

use std::{os::unix::fs::FileExt, process::Stdio, sync::atomic::Ordering, time::Duration};

use common::{World, assert_verified, child_folder, disk, in_child};
use tinytorrent_storage::{
    Completion, Counters, Fault, FilePool, PieceVerifyOptions, Recovered, ResumeRecord,
    StorageOptions,
};
use tinytorrent_types::Bitfield;

const PIECE: u32 = 65_536;

// S-13: what a full disk does, by a limit on the size of files: the file of the first torrent may
// not grow beyond half of it.
#[test]
fn a_full_disk_is_told_once_and_other_torrents_go_on() {
    let name = "a_full_disk_is_told_once_and_other_torrents_go_on";
    if child_folder().is_none() {
        let folder = tempfile::tempdir().unwrap();
        // 512 or 1024 bytes each; the signal is off so that `write` fails instead.
        let Some(mut child) = in_child(name, "trap '' XFSZ; ulimit -f 512", folder.path()) else {
            return;
        };
        assert!(child.status().unwrap().success());
        return;
    }
    let large = World::new(PIECE, &[("file", 32 * u64::from(PIECE), false)]);
    let small = World::new(PIECE, &[("file", 3 * u64::from(PIECE), false)]);
    let disk = disk();
    let full = large.join(&disk, Recovered::nothing(32));
    let other = small.join(&disk, Recovered::nothing(3));
    full.store_piece(0);
    assert_verified(full.verify(0), 0);
    for _ in 0..2 {
        full.store_piece(31);
        let Completion::PieceUnstored { piece, error } = full.verify(31) else {
            panic!("the disk is full")
        };
        assert_eq!((piece.get(), error.fault()), (31, Fault::DiskFull), "{error}");
        assert_eq!(full.torrent.unstored_bytes(), 0, "nothing is tried again");
    }
    other.store_piece(2);
    assert_verified(other.verify(2), 2);
    full.checkpoint();
    assert!(full.completions.try_recv().is_err(), "it is told once");
    disk.shutdown();
    assert_eq!(large.recover().have.iter().collect::<Vec<_>>(), [0], "S-04: it stays missing");
}

// S-16: the record before stands when there is no room for the new one.
#[test]
fn a_record_that_does_not_fit_leaves_the_old_one() {
    let name = "a_record_that_does_not_fit_leaves_the_old_one";
    let pieces = 40_000;
    let world = || World::new(16, &[("file", 16 * u64::from(pieces), false)]);
    let save = |world: &World, downloaded| {
        let disk = disk();
        let session = world.join(&disk, Recovered::nothing(pieces));
        session.torrent.checkpoint(Counters { downloaded, ..Counters::default() });
        let completion = session.next();
        disk.shutdown();
        completion
    };
    if let Some(folder) = child_folder() {
        let Completion::NotCheckpointed { error } = save(&world().at(&folder), 2) else {
            panic!("there is no room")
        };
        assert_eq!(error.fault(), Fault::DiskFull);
        return;
    }
    let world = world();
    assert!(matches!(save(&world, 1), Completion::Checkpointed));
    let Some(mut child) = in_child(name, "trap '' XFSZ; ulimit -f 1", world.path()) else {
        return;
    };
    assert!(child.status().unwrap().success());
    assert_eq!(ResumeRecord::load(&world.storage()).unwrap().unwrap().counters.downloaded, 1);
    assert_eq!(std::fs::read_dir(world.path()).unwrap().count(), 1, "no draft is left");
}

// S-13, S-20.
#[test]
fn what_stands_in_the_way_is_told_and_may_go_away() {
    let world = World::new(PIECE, &[("t/file", 100_000, false)]);
    std::fs::create_dir_all(world.path().join("t/file")).unwrap();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(2));
    session.store_piece(0);
    let Completion::PieceUnstored { error, .. } = session.verify(0) else {
        panic!("a folder is in the way")
    };
    assert_eq!(error.fault(), Fault::Obstructed, "{error}");
    assert!(error.path().unwrap().ends_with("t/file"));

    std::fs::remove_dir(world.path().join("t/file")).unwrap();
    session.store_piece(0);
    assert_verified(session.verify(0), 0);
    std::fs::remove_file(world.path().join("t/file")).unwrap();
    world.storage().close_files();
    session.torrent.storage().close_files();
    session.torrent.read(world.blocks(world.piece(0))[0], 1);
    let Completion::BlockUnread { tag: 1, error, .. } = session.next() else {
        panic!("the file is gone")
    };
    assert_eq!(error.fault(), Fault::Missing);
    disk.shutdown();
}

// S-11: rqbit#63.
#[test]
fn many_files_need_few_descriptors() {
    let name = "many_files_need_few_descriptors";
    let count = 10_000;
    if child_folder().is_none() {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut child) = in_child(name, "ulimit -n 64", folder.path()) else { return };
        assert!(child.status().unwrap().success());
        return;
    }
    let files: Vec<_> =
        (0..count).map(|at| (format!("t/{}/{at}", at / 100), 11 + at % 3, false)).collect();
    let world = World::with_files(PIECE, &files);
    let pool = std::sync::Arc::new(FilePool::new(16));
    let storage = world.storage_with(StorageOptions::default().file_pool(pool.clone()));
    let disk = disk();
    let piece_count = world.geometry().piece_count();
    let session = world.join_storage(&disk, storage, Recovered::nothing(piece_count));
    for index in 0..piece_count {
        session.store_piece(index);
        assert_verified(session.verify(index), index);
    }
    session.checkpoint();
    assert!(pool.open_files() <= 16);
    assert!(world.recover().have.is_full());
    world.assert_on_disk();
    disk.shutdown();
}

/// Opens files until there is no descriptor for another one.
fn take_all_descriptors() -> Vec<std::fs::File> {
    std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).take(1_000).collect()
}

// S-11.
#[test]
fn without_descriptors_writes_reads_and_checkpoints_wait() {
    let name = "without_descriptors_writes_reads_and_checkpoints_wait";
    if child_folder().is_none() {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut child) = in_child(name, "ulimit -n 64", folder.path()) else { return };
        assert!(child.status().unwrap().success());
        return;
    }
    let piece = u64::from(PIECE);
    let world = World::new(PIECE, &[("t/a", piece, false), ("t/b", piece, false)]);
    let pool = std::sync::Arc::new(FilePool::new(16));
    let calls = std::sync::Arc::<std::sync::atomic::AtomicU32>::default();
    let counted = calls.clone();
    pool.on_shortage(move || _ = counted.fetch_add(1, Ordering::Relaxed));
    let storage = world.storage_with(StorageOptions::default().file_pool(pool.clone()));
    let disk = disk();
    let session = world.join_storage(&disk, storage, Recovered::nothing(2));

    let taken = take_all_descriptors();
    session.store(world.blocks(world.piece(1))[0]);
    session.store_piece(0);
    session.torrent.verify(world.piece(0), PieceVerifyOptions::default());
    session.torrent.checkpoint(Counters::default());
    let pause = Duration::from_millis(400);
    let told = session.completions.recv_timeout(pause);
    assert!(told.is_err(), "{told:?}");
    assert_eq!(session.torrent.unstored_bytes(), piece + 16_384);
    assert!(calls.load(Ordering::Relaxed) > 1, "it was tried again");
    drop(taken);
    // Two threads may tell of them.
    let told = [session.next(), session.next()];
    let (saved, verified): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|told| matches!(told, Completion::Checkpointed));
    assert_eq!(saved.len(), 1);
    verified.into_iter().for_each(|verified| assert_verified(verified, 0));
    assert_eq!(session.torrent.unstored_bytes(), 0);

    session.torrent.storage().close_files();
    let taken = take_all_descriptors();
    let blocks = world.blocks(world.piece(0));
    blocks.iter().for_each(|&block| session.torrent.read(block, 7));
    let told = session.completions.recv_timeout(pause);
    assert!(told.is_err(), "{told:?}");
    drop(taken);
    for expected in blocks {
        let completion = session.next();
        let Completion::BlockRead { tag: 7, block, data } = completion else {
            panic!("{completion:?}")
        };
        assert_eq!((block, data), (expected, world.block_data(expected)), "in their order");
    }
    disk.shutdown();
    let recovered = world.recover();
    assert_eq!(recovered.have.iter().collect::<Vec<_>>(), [0]);
    assert_eq!(recovered.partial[0].blocks, [0], "the journal has caught up");
}

#[test]
fn a_disk_that_is_shut_down_without_descriptors_gives_up() {
    let name = "a_disk_that_is_shut_down_without_descriptors_gives_up";
    if child_folder().is_none() {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut child) = in_child(name, "ulimit -n 64", folder.path()) else { return };
        assert!(child.status().unwrap().success());
        return;
    }
    let world = World::new(PIECE, &[("t/a", u64::from(PIECE), false)]);
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(1));
    let taken = take_all_descriptors();
    session.store_piece(0);
    session.torrent.verify(world.piece(0), PieceVerifyOptions::default());
    disk.shutdown();
    let Completion::PieceUnstored { error, .. } = session.next() else { panic!("it is lost") };
    assert_eq!(error.fault(), Fault::NoDescriptor, "{error}");
    drop(taken);
    assert!(world.recover().have.is_empty());
}

// S-19: a check that lacks descriptors takes nothing for missing.
#[test]
fn without_descriptors_a_check_waits() {
    let name = "without_descriptors_a_check_waits";
    if child_folder().is_none() {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut child) = in_child(name, "ulimit -n 64", folder.path()) else { return };
        assert!(child.status().unwrap().success());
        return;
    }
    let world = World::new(PIECE, &[("t/a", 5 * u64::from(PIECE), false), ("t/b", 100, false)]);
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    storage.close_files();
    let taken = take_all_descriptors();
    let all = Bitfield::full(6);
    let go_on = |_| std::ops::ControlFlow::Continue(());
    let check = || tinytorrent_storage::verify(&storage, &world.hashes, &all, 2, go_on);
    let checked = std::thread::scope(|scope| {
        let checked = scope.spawn(check);
        std::thread::sleep(Duration::from_millis(400));
        assert!(!checked.is_finished());
        drop(taken);
        checked.join().unwrap()
    });
    assert!(checked.have.is_full() && checked.first_error.is_none(), "{checked:?}");

    // It ends at once if it is cancelled.
    storage.close_files();
    let _taken = take_all_descriptors();
    let cancel = |_| std::ops::ControlFlow::Break(());
    let checked = tinytorrent_storage::verify(&storage, &world.hashes, &all, 2, cancel);
    assert!(checked.is_cancelled && checked.absent.is_empty());
}

/// What a killed process has taken in, as it told us through a file.
struct Killed {
    taken_in: u64,
    found: u64,
    missing: u64,
}

fn total() -> u64 {
    32 << 20
}

fn kill_at_half(test: &str, piece_length: u32) -> Option<Killed> {
    let world = || World::new(piece_length, &[("t/a", 20 << 20, false), ("t/b", 12 << 20, false)]);
    if let Some(folder) = child_folder() {
        download_until_killed(&world().at(&folder));
    }
    let world = world();
    let mut child = in_child(test, ":", world.path())?.stdin(Stdio::null()).spawn().unwrap();
    let taken_in = || -> u64 {
        let told = std::fs::read(world.path().join("taken-in")).unwrap_or_default();
        told.as_slice().try_into().map_or(0, u64::from_le_bytes)
    };
    while taken_in() < total() / 2 {
        assert!(child.try_wait().unwrap().is_none(), "it waits to be killed");
        std::thread::sleep(Duration::from_micros(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let recovered = world.recover();
    let geometry = world.geometry();
    let whole = recovered.have.iter().map(|index| geometry.piece_length(world.piece(index)));
    let blocks = recovered.partial.iter().flat_map(|partial| {
        partial.blocks.iter().map(|&block| geometry.nth_block(partial.piece, block).unwrap())
    });
    let found = whole.map(u64::from).sum::<u64>()
        + blocks.map(|block| u64::from(block.length())).sum::<u64>();
    let missing = finish(&world, recovered);
    Some(Killed { taken_in: taken_in(), found, missing })
}

/// As a fast swarm with four peers would have it, in the child.
fn download_until_killed(world: &World) -> ! {
    let disk = disk();
    let geometry = world.geometry();
    let session = world.join(&disk, Recovered::nothing(geometry.piece_count()));
    let told = std::fs::File::create(world.path().join("taken-in")).unwrap();
    let mut taken_in = 0_u64;
    let pieces: Vec<_> = geometry.pieces().collect();
    for group in pieces.chunks(4) {
        for number in 0..geometry.block_count(group[0]) {
            for &piece in group {
                let Some(block) = geometry.nth_block(piece, number) else { continue };
                // Told first: a kill between the two must not leave more than was told.
                taken_in += u64::from(block.length());
                told.write_all_at(&taken_in.to_le_bytes(), 0).unwrap();
                session.store(block);
            }
            while session.torrent.unstored_bytes() > session.torrent.unstored_limit() {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        group
            .iter()
            .for_each(|&piece| session.torrent.verify(piece, PieceVerifyOptions::default()));
    }
    loop {
        std::thread::park();
    }
}

/// Downloads what is missing; gives how much that was.
fn finish(world: &World, recovered: Recovered) -> u64 {
    let disk = disk();
    let geometry = world.geometry();
    let mut expected = Bitfield::new(geometry.piece_count());
    let (have, partial) = (recovered.have.clone(), recovered.partial.clone());
    let session = world.join(&disk, recovered);
    let mut missing = 0;
    for piece in geometry.pieces().filter(|&piece| !have.contains(piece)) {
        let there = partial.iter().find(|partial| partial.piece == piece);
        for block in world.blocks(piece) {
            if !there.is_some_and(|there| there.blocks.contains(&block.number())) {
                session.store(block);
                missing += u64::from(block.length());
            }
        }
        session.torrent.verify(piece, PieceVerifyOptions::default());
        expected.insert(piece);
    }
    for _ in 0..expected.count() {
        let completion = session.next();
        assert!(matches!(completion, Completion::PieceVerified { .. }), "{completion:?}");
    }
    disk.shutdown();
    world.assert_on_disk();
    missing
}

fn assert_little_was_lost(killed: Killed) {
    let lost = killed.taken_in - killed.found;
    eprintln!("of {} bytes taken in, {lost} were lost", killed.taken_in);
    assert!(lost * 50 <= total(), "{lost} bytes are more than 2 % of the content");
    assert_eq!(killed.missing, total() - killed.found);
}

// S-18.
#[test]
fn a_kill_loses_under_two_percent_with_small_pieces() {
    let name = "a_kill_loses_under_two_percent_with_small_pieces";
    if let Some(killed) = kill_at_half(name, 256 << 10) {
        assert_little_was_lost(killed);
    }
}

// S-18.
#[test]
fn a_kill_loses_under_two_percent_with_large_pieces() {
    let name = "a_kill_loses_under_two_percent_with_large_pieces";
    if let Some(killed) = kill_at_half(name, 4 << 20) {
        assert_little_was_lost(killed);
    }
}
