//! Torrent files: no panic, the info-hash is stable, and what was saved reads as the same torrent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_metainfo::Metainfo;

fuzz_target!(|input: &[u8]| {
    let Ok(torrent) = Metainfo::from_bytes_lenient(input) else {
        assert!(Metainfo::from_bytes(input).is_err());
        return;
    };
    let saved = Metainfo::from_bytes_lenient(&torrent.to_bytes()).expect("what we save, we read");
    assert_eq!(saved.hashes(), torrent.hashes());
    let geometry = torrent.info().geometry();
    assert_eq!(geometry.total_length(), torrent.layout().total_length());
});
