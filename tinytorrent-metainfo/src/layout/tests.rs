use proptest::prelude::*;

use super::*;

fn layout(piece_length: u32, lengths: &[u64]) -> Layout {
    let mut builder = Layout::builder(piece_length);
    for (number, &length) in lengths.iter().enumerate() {
        builder.file(["t".to_owned(), format!("f{number}")], length);
    }
    builder.build().unwrap()
}

fn parts(spans: Spans<'_>) -> Vec<(u32, u64, u64)> {
    spans.map(|span| (span.file.get(), span.offset, span.length)).collect()
}

// M-17, M-19, BEP 3
#[test]
fn empty_files_have_no_part_and_hide_no_neighbour() {
    let layout = layout(10, &[0, 0, 7, 0, 0, 5, 0]);
    assert_eq!(parts(layout.spans(0, 12)), [(2, 0, 7), (5, 0, 5)]);
    assert_eq!(parts(layout.spans(6, 2)), [(2, 6, 1), (5, 0, 1)]);
    assert_eq!(parts(layout.spans(7, 1)), [(5, 0, 1)]);
    let pieces = |file: u32| layout.file_pieces(layout.file(file).unwrap().index).count();
    assert_eq!([0, 2, 3, 5, 6].map(pieces), [0, 1, 0, 2, 0]);
}

#[test]
fn pieces_within_a_file_are_those_that_no_other_byte_is_in() {
    let within = |layout: &Layout, file: u32, bytes: Range<u64>| {
        layout.pieces_within(layout.file(file).unwrap().index, bytes)
    };
    let joined = layout(10, &[25, 0, 35, 7]);
    assert_eq!(within(&joined, 0, 0..25), 0..2);
    assert_eq!(within(&joined, 0, 1..19), 0..0);
    assert_eq!(within(&joined, 1, 0..9), 0..0);
    assert_eq!(within(&joined, 2, 0..u64::MAX), 3..6);
    assert_eq!(within(&joined, 2, 5..15), 3..4);
    assert_eq!(within(&joined, 3, 0..7), 6..7, "the content ends");
    assert_eq!(joined.pieces_within(FileIndex::new(4), 0..9), 0..0);
    let mut builder = Layout::builder(10);
    builder.aligned().file(["a"], 25).file(["b"], 5);
    let aligned = builder.build().unwrap();
    // Padding is a file of its own here: 1 and 3.
    assert_eq!([within(&aligned, 0, 0..25), within(&aligned, 2, 0..5)], [0..3, 3..4]);
    assert_eq!(within(&aligned, 0, 0..24), 0..2);
}

// M-18
#[test]
fn content_of_no_bytes_has_files_but_no_pieces() {
    let layout = layout(16_384, &[0, 0]);
    assert_eq!((layout.file_count(), layout.geometry().piece_count()), (2, 0));
    assert_eq!(parts(layout.spans(0, 1)), []);
    assert_eq!(parts(Layout::builder(1).build().unwrap().spans(0, u64::MAX)), []);
}

#[test]
fn ranges_beyond_the_content_are_clipped() {
    let layout = layout(10, &[7, 5]);
    assert_eq!(parts(layout.spans(11, u64::MAX)), [(1, 4, 1)]);
    assert_eq!(parts(layout.spans(12, 1)), []);
    assert_eq!(parts(layout.spans(u64::MAX, u64::MAX)), []);
    assert_eq!(parts(layout.spans(3, 0)), []);
}

// M-14, BEP 3
#[test]
fn a_full_last_piece_is_not_followed_by_an_empty_one() {
    let layout = layout(10, &[20]);
    let pieces: Vec<u32> =
        layout.file_pieces(layout.file(0).unwrap().index).map(PieceIndex::get).collect();
    assert_eq!(pieces, [0, 1]);
}

// M-40, BEP 47
#[test]
fn padding_at_the_end_of_a_piece_is_no_payload() {
    let mut builder = Layout::builder(10);
    builder.file(["t", "a"], 13).pad(7).file(["t", "b"], 0).file(["t", "c"], 4).pad(20);
    let layout = builder.build().unwrap();
    let payload = |piece: u32| layout.payload_length(layout.geometry().piece(piece).unwrap());
    // A piece of padding alone is asked for like any other.
    assert_eq!([0, 1, 2, 3, 4].map(payload), [10, 3, 4, 10, 4]);
    let pads: Vec<bool> = layout.spans(12, 10).map(|span| span.is_pad).collect();
    assert_eq!(pads, [false, true, false]);
}

// M-40: what ends with padding is asked for up to there, and a piece of padding alone as any other.
#[test]
fn padding_is_not_asked_for() {
    let mut builder = Layout::builder(65_536);
    builder.file(["t", "a"], 5).pad(65_531).file(["t", "b"], 70_000).pad(1_000).file(["t", "e"], 0);
    builder.pad(60_072).file(["t", "c"], 9).pad(70_000);
    let layout = builder.build().unwrap();
    let geometry = layout.geometry();
    let blocks = |piece: u32| geometry.block_count(geometry.piece(piece).unwrap());
    assert_eq!([0, 1, 2, 3, 4].map(blocks), [1, 4, 1, 1, 1]);
    assert_eq!(geometry.total_length(), layout.total_length());
    assert_eq!(geometry.total_payload(), 5 + 70_000 + 9 + 4_473);
}

// M-16
#[test]
fn lengths_that_overflow_are_refused() {
    let mut builder = Layout::builder(1 << 30);
    builder.file(["t", "a"], i64::MAX as u64).file(["t", "b"], 1);
    assert_eq!(builder.build(), Err(LayoutError::TotalLength { file: 1 }));
    let mut builder = Layout::builder(1 << 30);
    builder.file(["t"], u64::MAX);
    assert_eq!(builder.build(), Err(LayoutError::TotalLength { file: 0 }));
}

// M-20, M-28, M-41
#[test]
fn only_padding_may_do_without_a_path() {
    let mut builder = Layout::builder(1);
    builder.file::<[&str; 0]>([], 1);
    assert_eq!(builder.build(), Err(LayoutError::EmptyPath { file: 0 }));
    let mut builder = Layout::builder(1);
    builder.file(vec!["a"; MAX_DEPTH as usize], 1).file(vec!["b"; MAX_DEPTH as usize + 1], 1);
    assert_eq!(builder.build(), Err(LayoutError::TooDeep { file: 1 }));
    let mut builder = Layout::builder(1);
    builder.pad(3);
    assert_eq!(builder.build().unwrap().file(0).unwrap().path.to_string(), ".pad/3");
}

#[test]
fn a_hundred_thousand_files_are_found_by_search() {
    let lengths: Vec<u64> = (0..100_000).map(|number| number % 7).collect();
    let layout = layout(16_384, &lengths);
    let mut offset = 0;
    for (number, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
        assert_eq!(parts(layout.spans(offset, length)), [(number as u32, 0, length)]);
        offset += length;
    }
}

// BEP 52: where files are aligned there is no other padding, which would move the files behind it.
#[test]
fn each_file_of_an_aligned_layout_begins_with_a_piece() {
    let mut builder = Layout::builder(65_536);
    builder.aligned().pad(7).file(["a"], 5).file_with(["pad"], 70_000, FileAttributes::PAD);
    builder.file(["b"], 65_536).file(["c"], 0).pad(0).file(["d"], 1);
    let layout = builder.build().unwrap();
    let geometry = layout.geometry();
    for (piece, name, length) in [(0, "a", 5), (1, "b", 65_536), (2, "d", 1)] {
        let spans: Vec<_> = layout.piece_spans(geometry.piece(piece).unwrap()).collect();
        let [span] = spans[..] else { panic!("{spans:?}") };
        assert_eq!(layout.file(span.file.get()).unwrap().path.to_string(), name);
        assert_eq!((span.offset, span.length), (0, length));
    }
}

// BEP 52: the gap behind a file is in no piece. In a hybrid torrent padding is content (BEP 47).
#[test]
fn padding_of_an_aligned_layout_belongs_to_no_piece() {
    let pieces = |layout: &Layout| -> Vec<Vec<u32>> {
        let of = |file: File<'_>| layout.file_pieces(file.index).map(PieceIndex::get).collect();
        layout.files().map(of).collect()
    };
    let mut builder = Layout::builder(10);
    builder.aligned().file(["a"], 25).file(["b"], 10).file(["c"], 1);
    let aligned = builder.build().unwrap();
    assert_eq!(pieces(&aligned), [vec![0, 1, 2], vec![], vec![3], vec![4], vec![]]);
    for file in aligned.files().filter(File::is_pad) {
        assert!(aligned.pieces_within(file.index, 0..u64::MAX).is_empty());
    }
    let mut builder = Layout::builder(10);
    builder.file(["a"], 25).pad(5).file(["b"], 10).file(["c"], 1).pad(9);
    let padded = builder.build().unwrap();
    assert_eq!(pieces(&padded), [vec![0, 1, 2], vec![2], vec![3], vec![4], vec![4]]);
}

proptest! {
    // M-40
    #[test]
    fn geometry_knows_where_padding_begins(
        files in prop::collection::vec((prop_oneof![Just(0_u64), 0..40_u64], any::<bool>()), 0..20),
        piece_length in 1..50_u32,
    ) {
        let mut builder = Layout::builder(piece_length);
        let mut are_pads = Vec::new();
        for (number, (length, is_pad)) in files.into_iter().enumerate() {
            if is_pad { builder.pad(length) } else { builder.file([format!("f{number}")], length) };
            are_pads.resize(are_pads.len() + length as usize, is_pad);
        }
        let layout = builder.build().unwrap();
        let geometry = layout.geometry();
        for (piece, are_pads) in geometry.pieces().zip(are_pads.chunks(piece_length as usize)) {
            let last = are_pads.iter().rposition(|is_pad| !is_pad);
            let payload = last.map_or(geometry.piece_length(piece), |last| last as u32 + 1);
            prop_assert_eq!(geometry.payload_length(piece), payload);
            prop_assert_eq!(layout.payload_length(piece), payload);
        }
    }

    #[test]
    fn spans_are_what_a_walk_over_all_bytes_finds(
        lengths in prop::collection::vec(prop_oneof![Just(0_u64), 0..40_u64], 0..20),
        offset in 0..400_u64,
        length in 0..400_u64,
        piece_length in 1..50_u32,
    ) {
        let layout = layout(piece_length, &lengths);
        let bytes: Vec<(u32, u64)> = lengths
            .iter()
            .enumerate()
            .flat_map(|(file, &length)| (0..length).map(move |at| (file as u32, at)))
            .collect();
        let walked: Vec<(u32, u64)> = layout
            .spans(offset, length)
            .flat_map(|span| (0..span.length).map(move |at| (span.file.get(), span.offset + at)))
            .collect();
        let expected: Vec<(u32, u64)> =
            bytes.iter().copied().skip(offset as usize).take(length as usize).collect();
        prop_assert_eq!(walked, expected);
        for file in layout.files() {
            let holding: Vec<u32> = layout.geometry().pieces().filter(|&piece| {
                layout.piece_spans(piece).any(|span| span.file == file.index)
            }).map(PieceIndex::get).collect();
            let pieces: Vec<u32> = layout.file_pieces(file.index).map(PieceIndex::get).collect();
            prop_assert_eq!(pieces, holding);
        }
    }
}
