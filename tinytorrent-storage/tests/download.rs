//! Blocks in any order become the files of the torrent.

mod common;

use bytes::Bytes;
use common::{World, assert_verified, disk};
use proptest::prelude::*;
use tinytorrent_storage::{
    Completion, Disk, DiskOptions, NotStored, PieceVerifyOptions, Recovered, StorageError,
};

const ALBUM: &[common::FileSpec] = &[
    ("album/a", 20_000, false),
    ("album/empty", 0, false),
    ("album/b", 7, false),
    ("", 45_529, true),
    ("album/c/d", 70_000, false),
];

fn small_disk() -> Disk {
    // The least there is: all that waits is written early.
    Disk::new(DiskOptions::default().memory(1).receive_buffer(1 << 18)).unwrap()
}

// S-01, S-02, S-03: pieces across files, padding and empty files, a short last piece.
#[test]
fn a_multi_file_torrent_is_written_and_read_back() {
    let world = World::new(32_768, ALBUM);
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(world.geometry().piece_count()));
    session.torrent.storage().prepare().unwrap();
    for piece in world.geometry().pieces() {
        session.store_piece(piece.get());
        assert_verified(session.verify(piece.get()), piece.get());
    }
    for piece in world.geometry().pieces() {
        for block in world.blocks(piece) {
            session.torrent.read(block, 9);
            let Completion::BlockRead { tag: 9, block: read, data } = session.next() else {
                panic!("the block is there")
            };
            assert_eq!((read, data), (block, world.block_data(block)));
        }
    }
    disk.shutdown();
    world.assert_on_disk();
    assert_eq!(world.file("album/empty"), b"");
}

// BEP 47: padding is zeros and nobody has to send it, so that what a peer sends there is no fault.
#[test]
fn bytes_that_a_peer_sends_as_padding_change_nothing() {
    let world = World::new(65_536, &[("a", 20_000, false), ("", 45_536, true), ("b", 9, false)]);
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(2));
    let blocks = world.blocks(world.piece(0));
    session.store(blocks[0]);
    let mut data = world.block_data(blocks[1]).to_vec();
    data[20_000 - 16_384..].fill(7);
    session.torrent.store_last(blocks[1], data.into(), PieceVerifyOptions::default()).unwrap();
    assert_verified(session.next(), 0);
    session.torrent.read(blocks[1], 1);
    let Completion::BlockRead { data, .. } = session.next() else { panic!("it is there") };
    assert_eq!(data, world.block_data(blocks[1]));
    disk.shutdown();
}

// S-04: only right pieces are told of.
#[test]
fn a_wrong_piece_is_told_with_the_digest_of_each_block_and_can_come_again() {
    let world = World::new(65_536, &[("file", 100_000, false)]);
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(2));
    let blocks = world.blocks(world.piece(0));
    session.store_wrong(blocks[2]);
    for at in [0, 1, 3] {
        session.store(blocks[at]);
    }
    let Completion::PieceFailed { piece, digests: bad, is_recovered } = session.verify(0) else {
        panic!("a wrong block")
    };
    assert_eq!((piece, bad.len(), is_recovered), (world.piece(0), 4, false));

    session.store_piece(0);
    session.torrent.verify(world.piece(0), PieceVerifyOptions::with_digests());
    let Completion::PieceVerified { digests: good, .. } = session.next() else { panic!("right") };
    let differing: Vec<_> = (0..4).filter(|&at| bad[at] != good[at]).collect();
    assert_eq!(differing, [2], "S-05: the digests tell the bad block");
    disk.shutdown();
}

#[test]
fn what_is_no_missing_block_is_refused() {
    let world = World::new(65_536, &[("file", 100_000, false)]);
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(2));
    let store = |begin, length, data: usize| {
        let block = world.geometry().block(0, begin, length).unwrap();
        session.torrent.store(block, Bytes::from(vec![0; data]))
    };
    assert_eq!(store(1, 16_384, 16_384), Err(NotStored::NotABlock));
    assert_eq!(store(0, 16_383, 16_383), Err(NotStored::NotABlock));
    assert_eq!(store(0, 16_384, 16_383), Err(NotStored::NotABlock));
    assert_eq!(store(0, 16_384, 16_384), Ok(()));
    assert_eq!(store(0, 16_384, 16_384), Err(NotStored::Duplicate));
    assert_eq!(session.torrent.unstored_bytes(), 16_384);
    let Completion::PieceUnstored { piece, .. } = session.verify(0) else {
        panic!("three blocks never came")
    };
    assert_eq!(piece.get(), 0);
    disk.shutdown();
    assert_eq!(store(16_384, 16_384, 16_384), Err(NotStored::Stopped));
}

#[test]
fn the_last_block_is_stored_with_the_wish_to_verify_its_piece() {
    let world = World::new(65_536, &[("file", 100_000, false)]);
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(2));
    let store_last =
        |block, options| session.torrent.store_last(block, world.block_data(block), options);
    let blocks = world.blocks(world.piece(0));
    let (last, others) = blocks.split_last().unwrap();
    others.iter().for_each(|&block| session.store(block));
    assert_eq!(store_last(others[0], PieceVerifyOptions::default()), Err(NotStored::Duplicate));
    assert_eq!(store_last(*last, PieceVerifyOptions::with_digests()), Ok(()));
    let Completion::PieceVerified { piece, digests } = session.next() else { panic!("right") };
    assert_eq!((piece.get(), digests.len()), (0, 4), "a refused block asks for nothing");

    let blocks = world.blocks(world.piece(1));
    assert_eq!(store_last(blocks[2], PieceVerifyOptions::default()), Ok(()));
    let Completion::PieceUnstored { error, .. } = session.next() else { panic!("two are missing") };
    assert!(matches!(error, StorageError::IncompletePiece { missing: 2 }), "{error}");
    session.store(blocks[0]);
    assert_eq!(store_last(blocks[1], PieceVerifyOptions::default()), Ok(()));
    assert_verified(session.next(), 1);
    disk.shutdown();
    world.assert_on_disk();
}

#[test]
fn bytes_that_wait_are_counted_until_they_are_written() {
    let world = World::new(65_536, &[("file", 200_000, false)]);
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(4));
    session.store(world.blocks(world.piece(2))[1]);
    assert_eq!(session.torrent.unstored_bytes(), 16_384);
    assert_eq!(disk.unstored_bytes(), 16_384);
    assert!(disk.held_bytes() >= 16_384);
    session.checkpoint();
    assert_eq!(session.torrent.unstored_bytes(), 0);
    disk.shutdown();
}

#[test]
fn pieces_larger_than_the_memory_budget_come_side_by_side() {
    let world = World::new(4 << 20, &[("file", 20 << 20, false)]);
    let disk = small_disk();
    let session = world.join(&disk, Recovered::nothing(5));
    let pieces: Vec<_> = world.geometry().pieces().collect();
    for number in 0..world.geometry().block_count(pieces[0]) {
        for (at, &piece) in pieces.iter().enumerate() {
            // Every second piece comes from its end.
            let count = world.geometry().block_count(piece);
            let number = if at % 2 == 0 { number } else { count - 1 - number };
            session.store(world.geometry().nth_block(piece, number).unwrap());
        }
    }
    pieces.iter().for_each(|&piece| session.torrent.verify(piece, PieceVerifyOptions::default()));
    for _ in &pieces {
        assert!(matches!(session.next(), Completion::PieceVerified { .. }));
    }
    assert_eq!(disk.held_bytes(), 0);
    disk.shutdown();
    world.assert_on_disk();
}

#[test]
fn many_torrents_share_one_disk() {
    let worlds: Vec<_> =
        (0..20).map(|_| World::new(16_384, &[("a", 30_000, false), ("b", 9, false)])).collect();
    let disk = disk();
    let sessions: Vec<_> =
        worlds.iter().map(|world| world.join(&disk, Recovered::nothing(2))).collect();
    for session in &sessions {
        session.store_piece(0);
        session.store_piece(1);
        for index in 0..2 {
            session.torrent.verify(session.world.piece(index), PieceVerifyOptions::default());
        }
    }
    for session in &sessions {
        for _ in 0..2 {
            assert!(matches!(session.next(), Completion::PieceVerified { .. }));
        }
        session.world.assert_on_disk();
    }
    disk.shutdown();
}

#[test]
fn a_torrent_that_leaves_is_written_first() {
    let world = World::new(65_536, &[("file", 65_536, false)]);
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(1));
    let blocks = world.blocks(world.piece(0));
    session.store(blocks[1]);
    drop(session);
    disk.shutdown();
    assert_eq!(world.file("file")[16_384..], world.content[16_384..32_768]);
}

fn any_files() -> impl Strategy<Value = Vec<(String, u64, bool)>> {
    let length = prop_oneof![Just(0_u64), 1..40_u64, 10_000..60_000_u64];
    let file = (length, prop::bool::weighted(0.2));
    prop::collection::vec(file, 1..12).prop_map(|files| {
        let numbered = files.into_iter().enumerate();
        numbered.map(|(at, (length, is_pad))| (format!("t/{at}"), length, is_pad)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    // S-01, S-02, S-03.
    #[test]
    fn any_order_of_blocks_in_any_layout_gives_the_content(
        files in any_files(),
        piece_length in prop_oneof![Just(16_384_u32), Just(32_768), Just(65_536), Just(20_000)],
        order in any::<u64>(),
        is_small in any::<bool>(),
    ) {
        let world = World::with_files(piece_length, &files);
        let disk = if is_small { small_disk() } else { disk() };
        let piece_count = world.geometry().piece_count();
        let session = world.join(&disk, Recovered::nothing(piece_count));
        let mut blocks: Vec<_> =
            world.geometry().pieces().flat_map(|piece| world.blocks(piece)).collect();
        let keys = common::noise(order, blocks.len());
        let mut keys = keys.iter();
        blocks.sort_by_cached_key(|_| *keys.next().unwrap());
        let stored: u64 = blocks.iter().map(|block| u64::from(block.length())).sum();
        let mut left: Vec<_> = world
            .geometry()
            .pieces()
            .map(|piece| world.geometry().block_count(piece))
            .collect();
        for block in blocks {
            let left = &mut left[block.piece().as_usize()];
            *left -= 1;
            if *left == 0 {
                let options = PieceVerifyOptions::default();
                session.torrent.store_last(block, world.block_data(block), options).unwrap();
            } else {
                session.store(block);
            }
        }
        // Two workers may tell of a piece and of bytes written before it in either order.
        let mut verified = std::collections::BTreeSet::new();
        let mut written = 0;
        while verified.len() < piece_count as usize || written < stored {
            match session.completion() {
                Completion::BlocksWritten { bytes } => written += bytes,
                Completion::PieceVerified { piece, .. } => prop_assert!(verified.insert(piece)),
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!(written, stored);
        prop_assert_eq!(session.torrent.unstored_bytes(), 0);
        world.assert_on_disk();
        prop_assert_eq!(world.recover().have.count(), piece_count);
        disk.shutdown();
    }
}
