//! Torrent files: no panic, both ways of reading agree, the info-hash is stable, what was saved
//! reads as the same torrent, each byte of the content is in one file, and memory is in proportion to the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_metainfo::{Info, Metainfo, ReadOptions};

/// A file of a torrent is 20 bytes at least, and takes some hundreds while its path is made and compared with
/// others. A node of bencode takes eight bytes, and is one or two long.
const PER_BYTE: usize = 64;

/// Warnings, of which a hundred are kept with their paths.
const FIXED: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let _ = within(input.len(), PER_BYTE, FIXED, || Info::from_bytes(input));
    let strict = within(input.len(), PER_BYTE, FIXED, || Metainfo::from_bytes(input));
    let lenient = within(input.len(), PER_BYTE, FIXED, || Metainfo::from_bytes_lenient(input));
    let Ok(torrent) = lenient else {
        assert!(strict.is_err());
        return;
    };
    if let Ok(strict) = strict {
        assert_eq!(strict, torrent);
    }
    // With a byte behind it, it is read by way of a table of all values.
    let mut followed = input.to_vec();
    followed.push(b'\n');
    let followed = Metainfo::from_bytes_lenient(&followed).expect("that is forgiven");
    assert_eq!(followed.info(), torrent.info());
    let saved = Metainfo::from_bytes_lenient(&torrent.to_bytes()).expect("what we save, we read");
    assert_eq!((saved.hashes(), saved.layout()), (torrent.hashes(), torrent.layout()));
    let bare = ReadOptions::lenient().read_info(torrent.info().bytes()).expect("peers send this");
    assert_eq!((bare.hashes(), bare.layout()), (torrent.hashes(), torrent.layout()));
    let layout = torrent.layout();
    for piece in layout.geometry().pieces().take(64) {
        let spans = layout.piece_spans(piece).map(|span| span.length).sum::<u64>();
        assert_eq!(spans, u64::from(layout.geometry().piece_length(piece)));
        assert!(u64::from(layout.payload_length(piece)) <= spans);
    }
});
