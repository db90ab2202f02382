//! What a disk says of its work.

mod common;

use common::{World, assert_verified, disk};
use tinytorrent_storage::{Completion, DiskFigures, Recovered};

#[test]
fn what_a_disk_has_done_is_counted_before_it_is_reported() {
    let world = World::new(32_768, &[("file", 65_536, false)]);
    let disk = disk();
    assert_eq!(disk.figures(), DiskFigures::default());
    let session = world.join(&disk, Recovered::nothing(2));

    session.store_piece(0);
    assert_verified(session.verify(0), 0);
    let blocks = world.blocks(world.piece(1));
    session.store_wrong(blocks[0]);
    session.store(blocks[1]);
    assert!(matches!(session.verify(1), Completion::PieceFailed { .. }));
    let figures = disk.figures();
    assert_eq!((figures.stored_bytes, figures.unstored_bytes), (65_536, 0));
    assert_eq!((figures.right_pieces, figures.wrong_pieces, figures.store_errors), (1, 1, 0));

    for (tag, &block) in world.blocks(world.piece(0)).iter().enumerate() {
        session.torrent.read(block, tag as u64);
        assert!(matches!(session.next(), Completion::BlockRead { .. }));
    }
    let figures = disk.figures();
    assert_eq!((figures.read_blocks, figures.read_bytes), (2, 32_768));
    assert_eq!(figures.cache_hits, 1, "the first block has brought the second");
    assert!(figures.read_memory > 0);

    session.checkpoint();
    assert_eq!((disk.figures().records, disk.figures().record_errors), (1, 0));
}

#[test]
fn errors_are_counted_by_their_kind() {
    let world = World::new(32_768, &[("file", 65_536, false)]);
    // A folder lies where the file should be.
    std::fs::create_dir(world.path().join("file")).unwrap();
    let disk = disk();
    let session = world.join(&disk, Recovered::with_pieces(tinytorrent_types::Bitfield::new(2)));
    session.store_piece(0);
    assert!(matches!(session.verify(0), Completion::PieceUnstored { .. }));
    assert_eq!((disk.figures().store_errors, disk.figures().read_errors), (1, 0));

    let other = World::new(32_768, &[("gone", 32_768, false)]);
    let reader = other.join(&disk, Recovered::with_pieces(tinytorrent_types::Bitfield::full(1)));
    reader.torrent.read(other.blocks(other.piece(0))[0], 7);
    assert!(matches!(reader.next(), Completion::BlockUnread { .. }));
    let figures = disk.figures();
    assert_eq!((figures.store_errors, figures.read_errors, figures.read_blocks), (1, 1, 0));
}
