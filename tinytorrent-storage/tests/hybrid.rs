//! Content of hybrid torrents: a piece is right by both of its hashes, or not at all (BEP 52).

mod common;

use std::ops::ControlFlow;

use common::{World, assert_verified, disk, noise};
use tinytorrent_metainfo::{CreateOptions, Version};
use tinytorrent_storage::{
    Completion, Fault, PieceHashes, PieceVerifyOptions, RecoverOptions, Recovered, StorageError,
    recover, verify,
};
use tinytorrent_types::Bitfield;

const PIECE: u32 = 65_536;

/// Files below a block, a piece, and of many pieces, with and without a rest.
fn files(seed: u64) -> Vec<(&'static str, Vec<u8>)> {
    let lengths =
        [("a", 5), ("b", 100_001), ("c", 0), ("d", 65_536), ("e/f", 16_385), ("e/g", 300_000)];
    (seed..).zip(lengths).map(|(seed, (name, length))| (name, noise(seed, length))).collect()
}

fn world() -> World {
    World::hybrid(PIECE, &files(1))
}

// V-17
#[test]
fn a_piece_that_is_right_by_both_hashes_is_verified() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(world.geometry().piece_count()));
    session.torrent.storage().prepare().unwrap();
    for piece in world.geometry().pieces() {
        session.store_piece(piece.get());
        assert_verified(session.verify(piece.get()), piece.get());
    }
    disk.shutdown();
    world.assert_on_disk();
    assert!(world.recover().have.is_full());
    let ignoring = RecoverOptions::default().ignore_record(true).clone();
    assert!(world.recover_with(&ignoring).have.is_full());
}

// V-17: wrong by both hashes is the fault of a peer, and of nobody else.
#[test]
fn a_piece_that_is_wrong_by_both_hashes_has_failed() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(world.geometry().piece_count()));
    for piece in [0, 1, 2] {
        let blocks = world.blocks(world.piece(piece));
        let (last, others) = blocks.split_last().unwrap();
        others.iter().for_each(|&block| session.store(block));
        session.store_wrong(*last);
        assert!(matches!(session.verify(piece), Completion::PieceFailed { .. }));
        session.store_piece(piece);
        assert_verified(session.verify(piece), piece);
    }
    disk.shutdown();
}

// V-17, BEP 47: the tree leaves padding out and the SHA-1 does not, so that a peer could make the
// hashes disagree.
#[test]
fn a_peer_cannot_make_the_hashes_disagree_by_what_it_sends_as_padding() {
    let world = world();
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(world.geometry().piece_count()));
    let block = world.blocks(world.piece(0))[0];
    let mut data = world.block_data(block).to_vec();
    assert_eq!(data.len(), 16_384, "a block with padding");
    data[5..].fill(7);
    session.torrent.store_last(block, data.into(), PieceVerifyOptions::default()).unwrap();
    assert_verified(session.next(), 0);
    disk.shutdown();
}

/// A torrent with the trees of one content and the SHA-1 hashes of another, on either content.
fn inconsistent(is_right_by_v1: bool) -> World {
    let (by_v2, by_v1) = (files(1), files(100));
    let mut world = World::inconsistent(PIECE, &by_v2, &by_v1);
    if is_right_by_v1 {
        world.content = World::hybrid(PIECE, &by_v1).content;
    }
    world
}

// V-17, BEP 52 "upgrade path"
#[test]
fn content_that_satisfies_one_hash_only_shows_that_the_torrent_is_inconsistent() {
    for is_right_by_v1 in [false, true] {
        let world = inconsistent(is_right_by_v1);
        let disk = disk();
        let session = world.join(&disk, Recovered::nothing(world.geometry().piece_count()));
        for piece in world.geometry().pieces() {
            session.store_piece(piece.get());
            let completion = session.verify(piece.get());
            let Completion::PieceInconsistent { piece: found } = completion else {
                panic!("{completion:?}")
            };
            assert_eq!(found, piece);
        }
        assert_eq!(session.torrent.unstored_bytes(), 0);
        disk.shutdown();
    }
}

// V-17: what is on disk already shows it too, before anything is downloaded.
#[test]
fn recovery_refuses_a_torrent_that_is_inconsistent() {
    for is_right_by_v1 in [false, true] {
        let world = inconsistent(is_right_by_v1);
        for file in world.layout.files().filter(|file| !file.is_pad()) {
            let path = file.path.below(world.path());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let range = file.offset as usize..(file.offset + file.length) as usize;
            std::fs::write(path, &world.content[range]).unwrap();
        }
        let go_on = |_| ControlFlow::Continue(());
        let options = RecoverOptions::default();
        let error = recover(&world.storage(), &world.hashes, &options, go_on).unwrap_err();
        assert!(matches!(error, StorageError::Inconsistent { .. }), "{error}");
        assert_eq!(error.fault(), Fault::Torrent);

        let all = Bitfield::full(world.geometry().piece_count());
        let found = verify(&world.storage(), &world.hashes, &all, 1, go_on);
        assert!(found.inconsistent.is_some() && !found.is_cancelled && found.have.is_empty());
    }
}

// V-17: other content is wrong by both hashes, and shows nothing.
#[test]
fn recovery_takes_other_content_for_wrong() {
    let world = inconsistent(false);
    let path = world.path().join("torrent/d");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, noise(7, 65_536)).unwrap();
    assert!(world.recover().have.is_empty());
}

// V-21: a link gives no piece layers, and peers of v1 have none.
#[test]
fn without_piece_layers_a_hybrid_is_verified_by_the_hashes_that_are_known() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), noise(1, 100_000)).unwrap();
    let mut options = CreateOptions::new();
    options.version(Version::Hybrid).piece_length(PIECE.into()).unwrap();
    let path = folder.path().join("file");
    let metainfo = options.create(&path, &|_| ControlFlow::Continue(())).unwrap();
    let hashes = PieceHashes::from_info(metainfo.info()).unwrap();
    assert_eq!(hashes.piece_count(), 2);
    let mut world = World::new(PIECE, &[("file", 100_000, false)]);
    (world.content, world.hashes) = (noise(1, 100_000), hashes);
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(2));
    session.store_piece(1);
    assert_verified(session.verify(1), 1);
    disk.shutdown();
}

/// A torrent that contradicts itself where nearly all is padding: the tree decides, as hashing the padding
/// would let a byte cost as much as 32 MiB.
// V-17
#[test]
fn a_piece_of_padding_with_a_few_bytes_is_right_by_its_tree() {
    const LARGE: u32 = 32 << 20;
    let files = |seed| [("a", noise(seed, 5)), ("b", noise(seed + 1, 5 << 20))];
    let world = World::inconsistent(LARGE, &files(1), &files(9));
    let disk = disk();
    let session = world.join(&disk, Recovered::nothing(2));
    session.store_piece(0);
    assert_verified(session.verify(0), 0);
    session.store_piece(1);
    assert!(matches!(session.verify(1), Completion::PieceInconsistent { .. }));
    disk.shutdown();
    let mut first = Bitfield::new(2);
    first.insert(world.piece(0));
    let go_on = |_| ControlFlow::Continue(());
    assert!(verify(&world.storage(), &world.hashes, &first, 1, go_on).have.get(0));
}
