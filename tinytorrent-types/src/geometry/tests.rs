use std::vec::Vec;

use super::*;

#[test]
fn an_even_division_has_a_full_last_piece() {
    let geometry = Geometry::new(4 * 32_768, 32_768).unwrap();
    assert_eq!(geometry.piece_count(), 4);
    assert_eq!(geometry.piece_length(geometry.piece(3).unwrap()), 32_768);
}

#[test]
fn pieces_and_blocks_cover_the_content_exactly() {
    for (total, length) in [(0, 1), (1, 1), (100_000, 30_000), (100_000, 16_384), (99, 100)] {
        let geometry = Geometry::new(total, length).unwrap();
        let mut at = 0;
        for piece in geometry.pieces() {
            for block in geometry.blocks(piece) {
                assert_eq!(geometry.block_offset(block), at);
                assert!(block.length() > 0 && block.length() <= BLOCK_LENGTH);
                at += u64::from(block.length());
            }
        }
        assert_eq!(at, total);
    }
}

#[test]
fn aligned_files_have_pieces_of_their_own() {
    for files in
        [&[5, 0, 100_000, 32_768, 1][..], &[1, 65_536], &[65_536, 1], &[3, 0, 0], &[0], &[]]
    {
        let geometry = Geometry::aligned(files.iter().copied(), 32_768).unwrap();
        let lengths: Vec<u32> = geometry.pieces().map(|p| geometry.piece_length(p)).collect();
        let expected: Vec<u32> = files
            .iter()
            .flat_map(|&file| {
                (0..file).step_by(32_768).map(move |at| (file - at).min(32_768) as u32)
            })
            .collect();
        assert_eq!(lengths, expected);
        assert_eq!(geometry.total_length(), files.iter().sum::<u64>());
        for piece in geometry.pieces() {
            let blocks: Vec<BlockInfo> = geometry.blocks(piece).collect();
            assert!(blocks.iter().copied().eq((0..).map_while(|n| geometry.nth_block(piece, n))));
            assert_eq!(blocks.len(), geometry.block_count(piece) as usize);
            assert_eq!(blocks.last().unwrap().end(), geometry.piece_length(piece));
            assert_eq!(geometry.blocks_length(piece), geometry.piece_length(piece));
            assert_eq!(geometry.piece_at(geometry.piece_offset(piece)), Some(piece));
        }
    }
    let whole = Geometry::aligned([65_536, 32_768], 32_768).unwrap();
    assert_eq!(whole, Geometry::new(98_304, 32_768).unwrap());
}

#[test]
fn padding_is_part_of_its_piece_and_no_block_of_it() {
    let whole = Geometry::new(4 * 65_536 - 1000, 65_536).unwrap();
    let padding = [(0, 65_531), (1, 30_000), (3, 64_000), (2, 70_000), (9, 1)];
    let padded = whole.clone().padded(padding);
    let piece = |index| padded.piece(index).unwrap();
    assert_eq!([0, 1, 2, 3].map(|n| padded.payload_length(piece(n))), [5, 35_536, 65_536, 536]);
    assert_eq!([0, 1, 2, 3].map(|n| padded.block_count(piece(n))), [1, 3, 4, 1]);
    assert_eq!(padded.total_length(), whole.total_length());
    assert_eq!(padded.total_payload(), 5 + 35_536 + 65_536 + 536);
    for piece in whole.pieces() {
        assert_eq!(padded.piece_length(piece), whole.piece_length(piece));
        assert!(
            padded.blocks(piece).eq(whole.blocks(piece).take(padded.block_count(piece) as usize))
        );
        assert!(padded.blocks(piece).eq((0..).map_while(|n| padded.nth_block(piece, n))));
        assert_eq!(padded.blocks(piece).last().unwrap().end(), padded.blocks_length(piece));
    }
    // It is served as what it is.
    assert!(padded.block(0, 49_152, 16_384).is_some());
    assert_eq!(whole.clone().padded([]), whole);
}

#[test]
fn a_gap_may_be_asked_for_with_its_piece() {
    let geometry = Geometry::aligned([5, 5], 32_768).unwrap();
    assert_eq!(geometry.nth_block(geometry.piece(0).unwrap(), 0).unwrap().length(), 5);
    assert!(geometry.block(0, 0, 16_384).is_some());
    assert!(geometry.block(0, 32_767, 2).is_none());
    assert!(geometry.block(1, 16_384, 16_384).is_some());
    assert!(geometry.block(2, 0, 1).is_none());
}

#[test]
fn a_block_must_lie_inside_its_own_piece() {
    let geometry = Geometry::new(40_000, 32_768).unwrap();
    assert!(geometry.block(0, 32_767, 1).is_some());
    assert!(geometry.block(0, 32_767, 2).is_none());
    assert!(geometry.block(1, 0, 7_232).is_some());
    assert!(geometry.block(1, 0, 7_233).is_none());
    assert!(geometry.block(0, 0, 0).is_none());
    assert!(geometry.block(2, 0, 1).is_none());
    assert!(geometry.block(0, u32::MAX, u32::MAX).is_none());
}

#[test]
fn hostile_lengths_are_refused() {
    assert_eq!(Geometry::new(1, 0), Err(GeometryError::PieceLengthZero));
    assert!(Geometry::new(1 << 31, 1).is_ok());
    assert_eq!(
        Geometry::new((1 << 31) + 1, 1),
        Err(GeometryError::TooManyPieces { count: (1 << 31) + 1 })
    );
    assert!(Geometry::new(u64::MAX, 1).is_err());
    assert!(Geometry::aligned([u64::MAX, u64::MAX], 1 << 30).is_err());
    assert!(Geometry::aligned([1 << 31, 1], 1).is_err());
    assert!(Geometry::aligned([1], 0).is_err());
}

#[test]
fn every_byte_is_in_one_piece() {
    let geometry = Geometry::new(100, 30).unwrap();
    assert_eq!(geometry.piece_at(29).unwrap().get(), 0);
    assert_eq!(geometry.piece_at(30).unwrap().get(), 1);
    assert_eq!(geometry.piece_at(99).unwrap().get(), 3);
    assert_eq!(geometry.piece_at(100), None);
}

#[test]
fn index_of_a_piece_converts_to_the_number_in_messages() {
    let geometry = Geometry::new(100, 10).unwrap();
    let numbers: Vec<u32> = geometry.pieces().map(u32::from).collect();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
}
