//! Excessive claims are errors, and take neither the time nor the memory that they claim. A test in
//! which they did would not end.

mod common;

use common::{d, file, i, info, info_of_files, l, refused, refused_kind, s, torrent};
use tinytorrent_metainfo::{ErrorKind, Info, LayoutError, Metainfo, ReadOptions};

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
