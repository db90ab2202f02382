//! Torrent files: no panic, both ways of reading agree, the info-hash is stable, what was saved
//! reads as the same torrent, and each byte of the content is in one file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_metainfo::{Info, Metainfo, ReadOptions};

fuzz_target!(|input: &[u8]| {
    let _ = Info::from_bytes(input);
    let strict = Metainfo::from_bytes(input);
    let Ok(torrent) = Metainfo::from_bytes_lenient(input) else {
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
