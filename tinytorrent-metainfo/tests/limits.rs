//! Excessive claims are errors, and take neither the time nor the memory that they claim. A test in
//! which they did would not end.

mod common;

use common::{d, file, i, info, info_of_files, l, refused, refused_kind, s, torrent};
use tinytorrent_metainfo::{ErrorKind, Info, LayoutError, Metainfo, ReadOptions, VerifyOptions};

// B-20
#[test]
fn a_megabyte_of_lists_is_too_deep() {
    let lists = vec![b'l'; 1 << 20];
    let error = refused(&lists);
    assert!(error.to_string().contains("nested"), "{error}");
    assert!(Info::from_bytes(&lists).is_err());
    let within = torrent(info(&[("x", Some(lists))]), &[]);
    refused(&within);
}

// B-09, M-16
#[test]
fn lengths_of_2_to_63_are_refused() {
    for length in [1 << 63, (1 << 63) - 1, 1 << 64] {
        let error = refused(&torrent(info(&[("length", Some(i(length)))]), &[]));
        assert_eq!(error.path().to_string(), "info.length");
    }
    let string = b"d4:info9223372036854775808:".to_vec();
    refused(&string);
}

// M-47
#[test]
fn pieces_of_2_to_31_are_refused() {
    let changes = |length: i128| {
        [("length", Some(i(length))), ("piece length", Some(i(1))), ("pieces", Some(s("")))]
    };
    let kind = refused_kind(&torrent(info(&changes(1 << 31)), &[]));
    assert_eq!(kind, ErrorKind::TooManyPieces { count: 1 << 31, limit: 1 << 21 });
    let kind = refused_kind(&torrent(info(&changes((1 << 31) + 1)), &[]));
    assert!(matches!(kind, ErrorKind::Layout(LayoutError::Geometry(_))), "{kind}");
    // With a higher limit the memory does not grow with the claim either.
    let bytes = torrent(info(&changes(1 << 31)), &[]);
    let error = ReadOptions::strict().max_pieces(u32::MAX).read(&bytes).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Pieces { expected: 20 << 31, found: 0 });
}

/// Pieces of a v1 torrent with one byte each, and padding behind it.
fn mostly_padding(pieces: usize, piece_length: i128) -> Vec<u8> {
    let pad = || d([("attr", s("p")), ("length", i(piece_length - 1)), ("path", l([s("p")]))]);
    let files = (0..pieces).flat_map(|number| [file(1, &[&format!("{number}")]), pad()]);
    let files = l(files.collect::<Vec<_>>());
    torrent(
        info(&[
            ("length", None),
            ("files", Some(files)),
            ("piece length", Some(i(piece_length))),
            ("pieces", Some(s(vec![7; 20 * pieces]))),
        ]),
        &[],
    )
}

// M-40, BEP 47: nobody sends padding, and SHA-1 covers it.
#[test]
fn padding_that_would_have_to_be_hashed_is_limited() {
    let bytes = mostly_padding(40_000, 256 << 20);
    let kind = refused_kind(&bytes);
    let (padding, limit) = (40_000 * ((256 << 20) - 1), (4 << 30) + 64 * 40_000);
    assert_eq!(kind, ErrorKind::TooMuchPadding { padding, limit });
    // As it comes from peers, too.
    let error = Info::from_bytes(&bytes[b"d4:info".len()..bytes.len() - 1]).unwrap_err();
    assert_eq!(error.kind(), &kind);
    // As many tiny files with usual pieces, and a few with large ones.
    for (pieces, length) in [(4_000, 1 << 20), (60_000, 65_536), (16, 256 << 20)] {
        Metainfo::from_bytes_lenient(&mostly_padding(pieces, length)).unwrap();
    }
    let bytes = mostly_padding(20, 16_384);
    let mut options = ReadOptions::lenient();
    let kind = options.max_padding(1_000).read(&bytes).unwrap_err().kind().clone();
    assert!(matches!(kind, ErrorKind::TooMuchPadding { limit: 2_280, .. }), "{kind}");
    options.max_padding(1 << 20).read(&bytes).unwrap();
}

// B-21, M-47
#[test]
fn a_billion_files_are_refused_by_the_count_of_values() {
    // Each file is an empty dictionary of two bytes, in a list as long as the limits allow.
    let files = [b"l".to_vec(), b"de".repeat(4_000_000), b"e".to_vec()].concat();
    let bytes = torrent(info(&[("length", None), ("files", Some(files))]), &[]);
    let error = refused(&bytes);
    assert!(error.to_string().contains("3000000 keys and values"), "{error}");
    let mut tree = d([("", d([("length", i(0))]))]);
    for _ in 0..14 {
        tree = d([("a", tree.clone()), ("b", tree)]);
    }
    let claims = torrent(d([("file tree", tree), ("meta version", i(2))]), &[]);
    refused(&claims);
}

#[test]
fn a_hundred_thousand_files_are_read() {
    let files: Vec<Vec<u8>> =
        (0..100_000).map(|number| file(1, &["dir", &format!("f{number}")])).collect();
    let bytes = torrent(info_of_files(&files, 100_000), &[]);
    let read = Metainfo::from_bytes(&bytes).unwrap();
    assert_eq!(read.layout().file_count(), 100_000);
}

#[test]
fn wrong_values_without_end_cost_no_more_than_reading() {
    // Each entry would be a warning, and its key path takes long to find.
    let files: Vec<Vec<u8>> = (0..50_000)
        .map(|number: u32| {
            d([
                ("attr", i(1)),
                ("length", i(1)),
                ("path", l([s(format!("con{number}\u{202e}")), s("..")])),
            ])
        })
        .collect();
    let bytes = torrent(info_of_files(&files, 50_000), &[]);
    let read = Metainfo::from_bytes_lenient(&bytes).unwrap();
    assert_eq!(read.warning_count(), 100_000);
}

/// A file tree has each folder once: a torrent of half a megabyte, whose paths together take 240.
#[test]
fn a_report_takes_no_memory_for_the_paths_of_its_files() {
    let leaf = |length, root: Option<Vec<u8>>| {
        let root = root.map(|root| ("pieces root", root));
        d([("", d([("length", i(length))].into_iter().chain(root)))])
    };
    let empty = (0..10_000).map(|number| (format!("{number}"), leaf(0, None)));
    let files = d(empty.chain([("x".to_owned(), leaf(5, Some(s([7; 32]))))]));
    let tree = (0..95).fold(files, |inner, _| d([("y".repeat(250), inner)]));
    let bytes = torrent(
        d([
            ("file tree", tree),
            ("meta version", i(2)),
            ("name", s("t")),
            ("piece length", i(16_384)),
        ]),
        &[],
    );
    let metainfo = Metainfo::from_bytes(&bytes).unwrap();
    let place = tempfile::tempdir().unwrap();
    let report = VerifyOptions::new().verify_unobserved(&metainfo, place.path()).unwrap();
    assert_eq!(report.faults().len(), 10_001);
    let path = report.path(&metainfo, &report.faults()[10_000]);
    assert_eq!(path.as_os_str().len(), "t/".len() + 95 * 251 + "x".len());
}
