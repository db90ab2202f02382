//! Content of v2 torrents: pieces end with their file, and their hash is a tree's (BEP 52).

mod common;

use std::ops::ControlFlow;

use common::{World, assert_verified, disk, noise};
use tinytorrent_storage::{Completion, PieceVerifyOptions, Recovered, verify};
use tinytorrent_types::Bitfield;

const PIECE: u32 = 65_536;

/// Files below a block, a piece, and of many pieces, with and without a rest.
fn world() -> World {
    let lengths =
        [("a", 5), ("b", 100_001), ("c", 0), ("d", 65_536), ("e/f", 16_385), ("e/g", 400_000)];
    let files = (1..).zip(lengths).map(|(seed, (name, length))| (name, noise(seed, length)));
    World::v2(PIECE, &files.collect::<Vec<_>>())
}

#[test]
fn each_file_ends_with_a_piece_and_padding_is_nowhere() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(world.geometry().piece_count()));
    session.torrent.storage().prepare().unwrap();
    let mut stored = 0;
    for piece in world.geometry().pieces() {
        session.store_piece(piece.get());
        stored += u64::from(world.geometry().piece_length(piece));
        assert_verified(session.verify(piece.get()), piece.get());
    }
    assert_eq!(stored, 5 + 100_001 + 65_536 + 16_385 + 400_000);
    disk.shutdown();
    world.assert_on_disk();
}

// libtorrent before 2.0.13 takes the gap behind a file for a part of its last piece.
#[test]
fn the_gap_behind_a_file_is_read_as_zeros() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(world.geometry().piece_count()));
    world.geometry().pieces().for_each(|piece| session.store_piece(piece.get()));
    world
        .geometry()
        .pieces()
        .for_each(|piece| assert_verified(session.verify(piece.get()), piece.get()));
    // First what there is, whose run is kept; then in any order.
    for piece in [0, 2] {
        let blocks = world.blocks(world.piece(piece));
        let begins = [49_152, 32_768, 0, 16_384].map(|begin| (begin, 16_384));
        for (begin, length) in [(0, blocks[0].length())].into_iter().chain(begins) {
            let block = world.geometry().block(piece, begin, length).unwrap();
            session.torrent.read(block, 1);
            let Completion::BlockRead { data, .. } = session.next() else { panic!("{block}") };
            assert!(data == world.block_data(block), "{block}");
        }
    }
    disk.shutdown();
}

// S-04, S-05
#[test]
fn a_wrong_block_fails_its_piece_and_is_told() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(world.geometry().piece_count()));
    for piece in [0, 1, 2] {
        let blocks = world.blocks(world.piece(piece));
        let (last, others) = blocks.split_last().unwrap();
        others.iter().for_each(|&block| session.store(block));
        session.store_wrong(*last);
        let Completion::PieceFailed { digests: bad, .. } = session.verify(piece) else {
            panic!("a wrong block")
        };
        session.store_piece(piece);
        session.torrent.verify(world.piece(piece), PieceVerifyOptions::with_digests());
        let Completion::PieceVerified { digests: good, .. } = session.next() else {
            panic!("all is right")
        };
        let differing: Vec<_> = (0..blocks.len()).filter(|&at| bad[at] != good[at]).collect();
        assert_eq!(differing, [blocks.len() - 1]);
    }
    disk.shutdown();
}

// S-18: what an earlier run wrote is read back, and hashed in its place.
#[test]
fn a_piece_is_completed_by_a_later_run() {
    let world = world();
    let last = world.geometry().piece_count() - 1;
    let first = disk();
    let session = world.join(&first, Recovered::nothing(world.geometry().piece_count()));
    session.store(world.blocks(world.piece(1))[2]);
    session.store(world.blocks(world.piece(last))[0]);
    session.store_piece(0);
    assert_verified(session.verify(0), 0);
    session.checkpoint();
    first.shutdown();

    let recovered = world.recover();
    // The last piece has one block, which completed it.
    assert_eq!(recovered.have.iter().collect::<Vec<_>>(), [0, last]);
    assert_eq!(recovered.partial.len(), 1);
    let second = disk();
    let session = world.join(&second, recovered);
    for at in [0, 1, 3] {
        session.store(world.blocks(world.piece(1))[at]);
    }
    assert_verified(session.verify(1), 1);
    second.shutdown();
}

// S-19
#[test]
fn a_check_tells_right_from_wrong_and_absent() {
    let mut files = vec![("a", noise(1, 70_000)), ("b", vec![0; 200_000]), ("c", noise(2, 9))];
    files.push(("d", vec![0; 3 * PIECE as usize]));
    let world = World::v2(PIECE, &files);
    let storage = world.storage();
    storage.prepare().unwrap();
    std::fs::create_dir(world.path().join("torrent")).unwrap();
    // Nothing but zeros, which no disk needs to hold.
    for name in ["b", "d"] {
        let file = std::fs::File::create(world.path().join("torrent").join(name)).unwrap();
        file.set_len(files.iter().find(|(known, _)| *known == name).unwrap().1.len() as u64)
            .unwrap();
    }
    std::fs::write(world.path().join("torrent/a"), &files[0].1).unwrap();
    std::fs::write(world.path().join("torrent/c"), [7; 9]).unwrap();
    let all = Bitfield::full(world.geometry().piece_count());
    let found = verify(&storage, &world.hashes, &all, 2, |_| ControlFlow::Continue(()));
    let have: Vec<u32> = found.have.iter().collect();
    assert_eq!(have, [0, 1, 2, 3, 4, 5, 7, 8, 9]);
    std::fs::remove_file(world.path().join("torrent/a")).unwrap();
    let found = verify(&world.storage(), &world.hashes, &all, 1, |_| ControlFlow::Continue(()));
    assert_eq!(found.absent.iter().collect::<Vec<_>>(), [0, 1]);
}
