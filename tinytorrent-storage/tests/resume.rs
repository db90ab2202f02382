//! What a run leaves is found by the next one, however it ended.

mod common;

use std::{ops::ControlFlow, sync::Arc};

use common::{World, assert_verified, disk};
use tinytorrent_storage::{
    Completion, Counters, PieceHashes, PieceVerifyOptions, RecoverOptions, Recovered, ResumeRecord,
    Storage, StorageError, StorageOptions, recover, verify,
};
use tinytorrent_types::Bitfield;

const PIECE: u32 = 65_536;

fn world() -> World {
    World::new(PIECE, &[("t/a", 300_000, false), ("t/b", 100_000, false), ("t/c", 7, false)])
}

fn pieces(have: &Bitfield) -> Vec<u32> {
    have.iter().collect()
}

/// Pieces 0 and 2 whole, three blocks of piece 3, and a checkpoint.
fn half_done(world: &World) {
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(world.geometry().piece_count()));
    for index in [0, 2] {
        session.store_piece(index);
        assert_verified(session.verify(index), index);
    }
    for at in [0, 1, 3] {
        session.store(world.blocks(world.piece(3))[at]);
    }
    session.torrent.checkpoint(Counters { downloaded: 5, uploaded: 6, ..Counters::default() });
    assert!(matches!(session.next(), Completion::Checkpointed));
    disk.shutdown();
}

/// All of the content, and a checkpoint.
fn all_done(world: &World) {
    world.storage().write(0, &[&world.content]).unwrap();
    let disk = disk();
    let all = Bitfield::full(world.geometry().piece_count());
    world.join(&disk, Recovered::with_pieces(all)).checkpoint();
    disk.shutdown();
}

// S-16, S-27.
#[test]
fn a_clean_stop_is_found_without_reading_the_content() {
    let mut world = world();
    half_done(&world);
    // Were they read, all pieces would be found wrong.
    world.hashes = PieceHashes::from_v1([[0; 20]; 7]);
    let recovered = world.recover_with(RecoverOptions::default().sample_bytes(0));
    assert_eq!(pieces(&recovered.have), [0, 2]);
    assert_eq!((recovered.counters.downloaded, recovered.counters.uploaded), (5, 6));
    assert_eq!(recovered.partial.len(), 1);
    assert_eq!(recovered.partial[0].piece.get(), 3);
    assert_eq!(recovered.partial[0].blocks, [0, 1, 3]);
}

// S-16: qBittorrent#13199.
#[test]
fn a_file_that_was_touched_is_checked_and_the_others_are_not() {
    let world = world();
    half_done(&world);
    let mut data = world.file("t/a");
    data[0] ^= 1;
    std::fs::write(world.path().join("t/a"), data).unwrap();
    assert_eq!(pieces(&world.recover().have), [2]);
}

// S-16: a record that is saved after the change does not vouch for it.
#[test]
fn a_file_that_somebody_else_changed_during_a_run_is_checked_by_the_next() {
    let world = world();
    half_done(&world);
    let disk = disk();
    let session = world.join(&disk, world.recover());
    let mut data = world.file("t/a");
    data[0] ^= 1;
    std::fs::write(world.path().join("t/a"), data).unwrap();
    session.checkpoint();
    session.checkpoint();
    disk.shutdown();
    assert_eq!(pieces(&world.recover().have), [2]);
}

/// A file that was written by the run itself is vouched for, and so is one that was checked at its start.
#[test]
fn what_a_run_has_written_or_checked_is_not_checked_again() {
    let world = world();
    half_done(&world);
    let path = world.path().join("t/a");
    std::fs::write(&path, world.file("t/a")).unwrap();
    let disk = disk();
    let storage = world.storage();
    let go_on = |_| ControlFlow::Continue(());
    let recovered =
        tinytorrent_storage::recover(&storage, &world.hashes, &Default::default(), go_on);
    let session = world.join_storage(&disk, storage.clone(), recovered.unwrap().unwrap());
    session.store_piece(1);
    common::assert_verified(session.verify(1), 1);
    session.checkpoint();
    disk.shutdown();
    let record = ResumeRecord::load(&storage).unwrap().unwrap();
    for file in storage.layout().files() {
        assert_eq!(record.stamps[file.index.as_usize()], storage.stamp(file.index).unwrap());
    }
}

/// Damages a file as `cp`, `dd` and `touch -r` would: same size, same time. The system has times in
/// steps of some milliseconds; only a later step tells a write from one that the record knows.
#[cfg(unix)]
fn damage_unseen(world: &World, name: &str) {
    let path = world.path().join(name);
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let mut data = world.file(name);
    data[0] ^= 1;
    let before = stamp(world, name);
    while stamp(world, name).changed == before.changed {
        std::fs::write(&path, &data).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    }
    let after = stamp(world, name);
    assert_eq!((after.size, after.modified), (before.size, before.modified));
}

#[cfg(unix)]
fn stamp(world: &World, name: &str) -> tinytorrent_storage::FileStamp {
    let is_it = |file: &tinytorrent_metainfo::File<'_>| file.path.to_string() == name;
    let file = world.layout.files().find(is_it).unwrap().index;
    world.storage().stamp(file).unwrap().unwrap()
}

// S-16: rqbit#228.
#[cfg(unix)]
#[test]
fn content_that_was_damaged_in_place_is_checked_although_its_time_was_set_back() {
    let world = world();
    half_done(&world);
    damage_unseen(&world, "t/a");
    assert_eq!(pieces(&world.recover().have), [2]);
}

// S-16: `cp -p`, or a backup.
#[cfg(unix)]
#[test]
fn content_that_was_replaced_is_checked_although_size_and_time_are_the_same() {
    let world = world();
    half_done(&world);
    let (path, copy) = (world.path().join("t/a"), world.path().join("copy"));
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let mut data = world.file("t/a");
    data[0] ^= 1;
    std::fs::write(&copy, data).unwrap();
    std::fs::File::options().write(true).open(&copy).unwrap().set_modified(modified).unwrap();
    std::fs::rename(&copy, &path).unwrap();
    assert_eq!(pieces(&world.recover().have), [2]);
}

// S-16: such as a change of rights, or an inode that the file system did not keep.
#[cfg(unix)]
#[test]
fn a_change_that_is_harmless_costs_a_check_of_that_file_and_nothing_else() {
    let world = world();
    all_done(&world);
    let mut record = ResumeRecord::load(&world.storage()).unwrap().unwrap();
    record.stamps[1].as_mut().unwrap().inode = None;
    record.save(&world.storage()).unwrap();
    let mut checked = 0;
    let options = RecoverOptions::default();
    let found = recover(&world.storage(), &world.hashes, &options, |progress| {
        checked = progress.pieces_total;
        ControlFlow::Continue(())
    });
    assert!(found.unwrap().unwrap().have.is_full());
    let of_file = world.layout.file_pieces(world.layout.file(1).unwrap().index);
    assert_eq!(checked, of_file.count() as u32);
}

// S-16: nothing is believed that was recorded by less than is known now.
#[cfg(unix)]
#[test]
fn a_record_of_the_first_version_has_its_content_checked() {
    let world = world();
    half_done(&world);
    let record = std::fs::read(record_path(&world)).unwrap();
    std::fs::write(record_path(&world), as_version_1(&record, 3)).unwrap();
    damage_unseen(&world, "t/a");
    let recovered = world.recover();
    assert_eq!(pieces(&recovered.have), [2]);
    assert_eq!(recovered.counters.downloaded, 5);
    assert_eq!(recovered.partial.len(), 1);
}

/// Three files of 100 pieces, of which these pieces are damaged in a way that no stamp shows.
fn rotten(damaged: impl IntoIterator<Item = usize>) -> World {
    let length = 100 * 16_384;
    let world =
        World::new(16_384, &[("a", length, false), ("b", length, false), ("c", length, false)]);
    let mut content = world.content.clone();
    damaged.into_iter().for_each(|piece| content[piece * 16_384] ^= 1);
    world.storage().write(0, &[&content]).unwrap();
    let disk = disk();
    world.join(&disk, Recovered::with_pieces(Bitfield::full(300))).checkpoint();
    disk.shutdown();
    world
}

// S-16: rqbit#235. A disk fails, or the system has neither inodes nor times that none can set.
#[test]
fn a_file_of_which_a_sample_is_wrong_is_checked_as_a_whole() {
    let world = rotten(100..199);
    let mut checked = 0;
    let options = RecoverOptions::default();
    let found = recover(&world.storage(), &world.hashes, &options, |progress| {
        checked = progress.pieces_total;
        ControlFlow::Continue(())
    });
    let expected: Vec<u32> = (0..100).chain(199..300).collect();
    assert_eq!(pieces(&found.unwrap().unwrap().have), expected);
    assert_eq!(checked, 100, "the other files are believed");
}

// S-16: the sample need not have come to the damage in the third.
#[test]
fn content_of_which_several_files_are_wrong_is_checked_as_a_whole() {
    let world = rotten((0..200).chain([250]));
    for seed in 0..4 {
        let expected: Vec<u32> = (200..250).chain(251..300).collect();
        let recovered = world.recover_with(RecoverOptions::default().seed(seed));
        assert_eq!(pieces(&recovered.have), expected);
    }
}

#[test]
fn a_right_sample_leaves_the_rest_unread() {
    let world = rotten([]);
    let options = RecoverOptions::default();
    let found = recover(&world.storage(), &world.hashes, &options, |progress| {
        assert_eq!(progress.pieces_total, 0);
        ControlFlow::Continue(())
    });
    assert!(found.unwrap().unwrap().have.is_full());
}

/// The record as the first version had it: stamps end after the time of modification.
fn as_version_1(record: &[u8], file_count: usize) -> Vec<u8> {
    let before = 8 + 1 + 20 + 32 + 16 + 5 * 8 + 1;
    let (stamps, rest) = record[before..record.len() - 20].split_at(file_count * 41);
    let mut old = [b"ttresum1", &record[8..before]].concat();
    for stamp in stamps.chunks(41) {
        old.push(stamp[0] & 1);
        old.extend(&stamp[1..21]);
    }
    old.extend(rest);
    let check = tinytorrent_hash::sha1(&old);
    old.extend(check);
    old
}

// S-18: as after a kill, the record knows nothing of what came after it.
#[test]
fn pieces_and_blocks_written_after_the_record_are_found() {
    let world = world();
    half_done(&world);
    let record = record_path(&world);
    let old = std::fs::read(&record).unwrap();

    let disk = disk();
    let session = world.join(&disk, world.recover());
    session.store(world.blocks(world.piece(3))[2]);
    assert_verified(session.verify(3), 3);
    session.store(world.blocks(world.piece(4))[1]);
    drop(session);
    disk.shutdown();
    std::fs::write(&record, old).unwrap();

    let recovered = world.recover();
    assert_eq!(pieces(&recovered.have), [0, 2, 3]);
    let partial: Vec<_> =
        recovered.partial.iter().map(|one| (one.piece.get(), one.blocks.clone())).collect();
    assert_eq!(partial, [(4, vec![1])]);
}

// S-16: a record that a full disk cut is none.
#[test]
fn a_damaged_record_costs_a_check_and_nothing_else() {
    let world = world();
    half_done(&world);
    let record = std::fs::read(record_path(&world)).unwrap();
    for cut in [0, 10, record.len() / 2, record.len() - 1] {
        std::fs::write(record_path(&world), &record[..cut]).unwrap();
        assert_eq!(pieces(&world.recover().have), [0, 2]);
    }
    std::fs::remove_file(record_path(&world)).unwrap();
    assert_eq!(pieces(&world.recover().have), [0, 2]);
}

#[test]
fn a_finished_piece_that_nobody_verified_is_found() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(7));
    session.store_piece(1);
    session.checkpoint();
    disk.shutdown();
    assert_eq!(pieces(&world.recover().have), [1]);
}

// S-05, S-18: the block may never have reached the disk.
#[test]
fn a_piece_that_fails_with_recovered_blocks_blames_nobody() {
    let world = world();
    half_done(&world);
    let disk = disk();
    let session = world.join(&disk, world.recover());
    session.store_wrong(world.blocks(world.piece(3))[2]);
    let Completion::PieceFailed { is_recovered, .. } = session.verify(3) else {
        panic!("a wrong block")
    };
    assert!(is_recovered);
    session.store_piece(3);
    assert_verified(session.verify(3), 3);
    session.store_piece(4);
    assert_verified(session.verify(4), 4);
    disk.shutdown();
}

// S-18: neither by the record, which was made while they were claimed, nor by the journal alone.
#[test]
fn blocks_of_a_piece_that_failed_are_not_found_again() {
    for has_record in [true, false] {
        let world = world();
        let disk = disk();
        let session = world.join(&disk, Recovered::nothing(7));
        session.store_wrong(world.blocks(world.piece(0))[0]);
        session.checkpoint();
        for at in 1..4 {
            session.store(world.blocks(world.piece(0))[at]);
        }
        assert!(matches!(session.verify(0), Completion::PieceFailed { .. }));
        drop(session);
        disk.shutdown();
        if !has_record {
            std::fs::remove_file(record_path(&world)).unwrap();
        }
        let recovered = world.recover();
        assert!(recovered.have.is_empty() && recovered.partial.is_empty());
    }
}

// S-15, S-18: a file that was cut grows again with what is written behind the cut.
#[test]
fn blocks_that_were_cut_off_are_claimed_by_no_later_run() {
    for has_record in [true, false] {
        let world = world();
        let disk = disk();
        let session = world.join(&disk, Recovered::nothing(7));
        session.store(world.blocks(world.piece(0))[1]);
        if has_record {
            session.checkpoint();
        }
        drop(session);
        disk.shutdown();
        let file = std::fs::File::options().write(true).open(world.path().join("t/a")).unwrap();
        file.set_len(5).unwrap();
        let recovered = world.recover();
        assert!(recovered.partial.is_empty());

        let disk = self::disk();
        let session = world.join(&disk, recovered);
        session.store(world.blocks(world.piece(0))[3]);
        drop(session);
        disk.shutdown();
        let partial = world.recover().partial;
        assert_eq!(partial[0].blocks, [3], "with a record: {has_record}");
    }
}

// S-18: it is found although no record tells of it, and its file looks as it did.
#[test]
fn a_piece_that_was_complete_before_a_checkpoint_is_found_by_every_later_run() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(7));
    session.store_piece(0);
    session.checkpoint();
    drop(session);
    disk.shutdown();
    for _ in 0..3 {
        assert_eq!(pieces(&world.recover().have), [0]);
    }
}

// S-18: the blocks that came after are not lost with those that were wrong.
#[test]
fn a_piece_whose_blocks_were_found_wrong_comes_anew() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(7));
    let blocks = world.blocks(world.piece(0));
    session.store_wrong(blocks[0]);
    blocks[1..].iter().for_each(|&block| session.store(block));
    drop(session);
    disk.shutdown();
    let recovered = world.recover();
    assert!(recovered.have.is_empty() && recovered.partial.is_empty());

    let disk = self::disk();
    let session = world.join(&disk, recovered);
    session.store(blocks[2]);
    drop(session);
    disk.shutdown();
    assert_eq!(world.recover().partial[0].blocks, [2]);
}

// S-15: shorter files have missing data; that is no error.
#[test]
fn a_file_that_was_cut_lacks_what_was_cut() {
    let world = world();
    half_done(&world);
    let file = std::fs::File::options().write(true).open(world.path().join("t/a")).unwrap();
    file.set_len(u64::from(PIECE) + 5).unwrap();
    let recovered = world.recover();
    assert_eq!(pieces(&recovered.have), [0]);
    assert!(recovered.partial.is_empty(), "its blocks are gone: {:?}", recovered.partial);
    std::fs::remove_file(world.path().join("t/a")).unwrap();
    assert!(world.recover().have.is_empty());
}

// S-15.
#[test]
fn a_longer_file_is_kept_until_it_is_to_be_cut() {
    let world = world();
    let long = [&world.content[..300_000], b"more"].concat();
    std::fs::create_dir(world.path().join("t")).unwrap();
    std::fs::write(world.path().join("t/a"), &long).unwrap();
    assert_eq!(pieces(&world.recover().have), [0, 1, 2, 3]);
    let storage = world.storage();
    storage.write(0, &[&world.content[..1]]).unwrap();
    assert_eq!(world.file("t/a"), long);
    let longer: Vec<_> = storage.misfits().unwrap();
    let longer = longer.into_iter().find(|misfit| misfit.is_longer()).unwrap();
    assert_eq!((longer.file.get(), longer.size, longer.length), (0, Some(300_004), 300_000));
    storage.cut(longer.file).unwrap();
    assert_eq!(world.file("t/a"), long[..300_000]);
    assert!(!storage.misfits().unwrap().iter().any(|misfit| misfit.is_longer()));
}

// S-19.
#[test]
fn a_check_tells_how_far_it_is_and_can_be_ended() {
    let world = World::new(16_384, &[("file", 100 * 16_384, false)]);
    world.storage().write(0, &[&world.content]).unwrap();
    let all = Bitfield::full(100);
    let mut seen = Vec::new();
    let found = verify(&world.storage(), &world.hashes, &all, 2, |progress| {
        seen.push(progress.pieces_done);
        ControlFlow::Continue(())
    });
    assert!(found.have.is_full() && !found.is_cancelled && found.first_error.is_none());
    assert!(seen.is_sorted() && seen.last() == Some(&100));

    let found = verify(&world.storage(), &world.hashes, &all, 1, |_| ControlFlow::Break(()));
    assert!(found.is_cancelled && !found.have.is_full());
    let options = RecoverOptions::default();
    let ended = recover(&world.storage(), &world.hashes, &options, |_| ControlFlow::Break(()));
    assert_eq!(ended.unwrap(), None);
}

// S-19.
#[test]
fn one_check_at_a_time_runs_on_a_disk() {
    let worlds = [(); 2].map(|()| World::new(16_384, &[("file", 100 * 16_384, false)]));
    for world in &worlds {
        world.storage().write(0, &[&world.content]).unwrap();
    }
    let mut options = RecoverOptions::default();
    options.threads(1).turns(Arc::default());
    let check = |world: &World, progress: &mut (dyn FnMut(u32) -> ControlFlow<()> + Send)| {
        recover(&world.storage(), &world.hashes, &options, |seen| progress(seen.pieces_done))
    };
    let (first, waiting) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut is_first = true;
            let found = check(&worlds[0], &mut |_| {
                // In the midst of it, until the other was seen to wait.
                if std::mem::take(&mut is_first) {
                    first.wait();
                    waiting.wait();
                }
                ControlFlow::Continue(())
            });
            assert!(found.unwrap().unwrap().have.is_full());
        });
        first.wait();
        // One that waits can be ended.
        assert_eq!(check(&worlds[1], &mut |_| ControlFlow::Break(())).unwrap(), None);
        let mut is_waiting = true;
        let found = check(&worlds[1], &mut |done| {
            if std::mem::take(&mut is_waiting) {
                waiting.wait();
                assert_eq!(done, 0);
            }
            ControlFlow::Continue(())
        });
        assert!(found.unwrap().unwrap().have.is_full());
    });
}

#[test]
fn a_check_tells_wrong_from_absent_and_looks_only_where_it_is_told() {
    let world = World::new(16_384, &[("a", 40_000, false), ("b", 40_000, false)]);
    let mut content = world.content.clone();
    content[20_000] ^= 1;
    world.storage().write(0, &[&content[..40_000]]).unwrap();
    let all = Bitfield::full(5);
    let found = verify(&world.storage(), &world.hashes, &all, 1, |_| ControlFlow::Continue(()));
    assert_eq!(pieces(&found.have), [0]);
    assert_eq!(pieces(&found.absent), [2, 3, 4]);
    let none = Bitfield::new(5);
    let found = verify(&world.storage(), &world.hashes, &none, 1, |_| ControlFlow::Continue(()));
    assert!(found.have.is_empty() && found.absent.is_empty());
}

#[cfg(unix)]
#[test]
fn a_check_looks_at_the_file_that_has_the_name_and_not_at_the_open_one() {
    let world = world();
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    let check = || {
        let all = Bitfield::full(world.geometry().piece_count());
        verify(&storage, &world.hashes, &all, 1, |_| ControlFlow::Continue(()))
    };
    assert!(check().have.is_full());
    std::fs::write(world.path().join("other"), vec![7; 300_000]).unwrap();
    std::fs::rename(world.path().join("other"), world.path().join("t/a")).unwrap();
    assert_eq!(pieces(&check().have), [5, 6]);
}

// The data would be lost with the descriptor, and nobody would find it before.
#[cfg(unix)]
#[test]
fn a_file_that_was_replaced_or_moved_while_it_is_open_is_missing() {
    let world = world();
    let storage = world.storage();
    storage.write(0, &[&world.content]).unwrap();
    assert!(storage.misfits().unwrap().is_empty());
    std::fs::write(world.path().join("other"), world.file("t/a")).unwrap();
    std::fs::rename(world.path().join("other"), world.path().join("t/a")).unwrap();
    std::fs::rename(world.path().join("t/b"), world.path().join("away")).unwrap();
    let missing = |storage: &Storage| {
        let misfits = storage.misfits().unwrap().into_iter();
        misfits.map(|misfit| (misfit.file.get(), misfit.size)).collect::<Vec<_>>()
    };
    assert_eq!(missing(&storage), [(0, None), (1, None)]);
    storage.close_files();
    assert_eq!(missing(&storage), [(1, None)], "the new one is as good as any");
}

// The later write would hide it.
#[test]
fn a_file_that_was_cut_and_has_grown_again_by_a_write_is_missing_until_a_check() {
    let world = world();
    let storage = world.storage();
    storage.write(0, &[&world.content[..200_000]]).unwrap();
    std::fs::File::options()
        .write(true)
        .open(world.path().join("t/a"))
        .unwrap()
        .set_len(5)
        .unwrap();
    storage.write(200_000, &[&world.content[200_000..]]).unwrap();
    let misfits = storage.misfits().unwrap();
    assert_eq!(misfits.iter().map(|misfit| misfit.file.get()).collect::<Vec<_>>(), [0]);
    let all = Bitfield::full(world.geometry().piece_count());
    let found = verify(&storage, &world.hashes, &all, 1, |_| ControlFlow::Continue(()));
    assert_eq!(pieces(&found.have), [4, 5, 6]);
    assert!(storage.misfits().unwrap().is_empty());
}

// Whoever reads it would send what nobody has verified.
#[cfg(unix)]
#[test]
fn a_file_that_was_replaced_while_it_is_closed_for_others_is_not_read_before_a_check() {
    let world = world();
    let pool = Arc::new(tinytorrent_storage::FilePool::new(1));
    let storage = world.storage_with(StorageOptions::default().file_pool(pool));
    storage.write(0, &[&world.content]).unwrap();
    let read = |piece| storage.read_block(world.blocks(world.piece(piece))[0], &mut [0; 16_384]);
    std::fs::write(world.path().join("other"), vec![7; 300_000]).unwrap();
    std::fs::rename(world.path().join("other"), world.path().join("t/a")).unwrap();
    let error = read(0).unwrap_err();
    assert!(matches!(&error, StorageError::Replaced { path } if path.ends_with("t/a")), "{error}");
    read(5).unwrap();
    assert!(read(0).is_err(), "it is no better by being opened again");
    assert_eq!(storage.misfits().unwrap().len(), 1);
    let all = Bitfield::full(world.geometry().piece_count());
    verify(&storage, &world.hashes, &all, 1, |_| ControlFlow::Continue(()));
    read(0).unwrap();
}

#[test]
fn a_hole_counts_as_zeros_where_zeros_are_right() {
    let mut world = World::new(PIECE, &[("file", 4 * u64::from(PIECE), false)]);
    world.content[PIECE as usize..3 * PIECE as usize].fill(0);
    let chunks = world.content.chunks(PIECE as usize);
    world.hashes = tinytorrent_storage::PieceHashes::from_v1(chunks.map(tinytorrent_hash::sha1));
    world.storage().write(3 * u64::from(PIECE), &[&world.content[3 * PIECE as usize..]]).unwrap();
    assert_eq!(pieces(&world.recover().have), [1, 2, 3]);
}

#[test]
fn checking_writes_nothing() {
    let world = world();
    let storage = world.storage_with(StorageOptions::default().read_only(true));
    storage.prepare().unwrap();
    let all = Bitfield::full(7);
    verify(&storage, &world.hashes, &all, 2, |_| ControlFlow::Continue(()));
    assert!(storage.write(0, &[b"x"]).is_err());
    assert_eq!(std::fs::read_dir(world.path()).unwrap().count(), 0);
    let absent = world.path().join("absent");
    let options = StorageOptions::default().read_only(true).clone();
    let opened = Storage::open(Arc::clone(&world.layout), world.identity(), &absent, &options);
    assert!(opened.is_err() && !absent.exists());
}

// S-17.
#[test]
fn the_record_of_another_torrent_is_not_used() {
    let world = world();
    half_done(&world);
    let other = World::new(PIECE, &[("t/a", 300_000, false), ("t/b", 100_007, false)]);
    std::fs::copy(record_path(&world), other.path().join(record_name(&world))).unwrap();
    assert!(ResumeRecord::load(&other.storage()).unwrap().is_none());
    assert!(other.recover().have.is_empty());
}

#[test]
fn removing_the_record_leaves_only_the_content() {
    let world = world();
    half_done(&world);
    ResumeRecord::remove(&world.storage()).unwrap();
    let left: Vec<_> = std::fs::read_dir(world.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_checkpoint_during_a_download_claims_what_is_written() {
    let world = World::new(PIECE, &[("file", 40 * u64::from(PIECE), false)]);
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(40));
    for index in 0..40 {
        session.store_piece(index);
        session.torrent.verify(world.piece(index), PieceVerifyOptions::default());
        if index % 10 == 5 {
            session.torrent.checkpoint(Counters::default());
        }
    }
    let mut verified = 0;
    while verified < 40 {
        match session.next() {
            Completion::PieceVerified { .. } => verified += 1,
            Completion::Checkpointed => {
                let record = ResumeRecord::load(&world.storage()).unwrap().unwrap();
                let found = verify(&world.storage(), &world.hashes, &record.have, 1, |_| {
                    ControlFlow::Continue(())
                });
                assert_eq!(found.have, record.have);
            }
            other => panic!("{other:?}"),
        }
    }
    disk.shutdown();
}

fn record_name(world: &World) -> String {
    format!(".{}.tinytorrent-resume", world.identity().to_wire())
}

fn record_path(world: &World) -> std::path::PathBuf {
    world.path().join(record_name(world))
}
