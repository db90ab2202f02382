//! Lenient decoding differs from strict decoding by what it notes, and by nothing else. Memory is in proportion to
//! the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_bencode::{ErrorKind, Options, decode};
use tinytorrent_fuzz::within;

fuzz_target!(|input: &[u8]| {
    let mut options = Options::lenient();
    options.max_deviations(usize::MAX);
    let strict = decode(input).map(|_| ());
    // A node takes eight bytes and a deviation 24, and both may be two bytes long; their lists grow by doubling.
    match within(input.len(), 64, 16 << 10, || options.decode(input)) {
        Ok(doc) => {
            assert_eq!(doc.is_canonical(), strict.is_ok());
            assert_eq!(doc.deviations().take(1000).count(), doc.deviation_count().min(1000));
            if let Err(error) = strict {
                let ErrorKind::NotCanonical(kind) = *error.kind() else { panic!("{error}") };
                // Strict reading stops at the first; duplicates are noted when a dictionary ends.
                let place = (kind, error.offset());
                assert!(doc.deviations().any(|noted| (noted.kind, noted.offset) == place));
            }
            let canonical = doc.root().to_value().unwrap().encode();
            assert!(decode(&canonical).is_ok());
        }
        Err(error) => {
            // Strict reading fails too: for the same reason, or at a deviation before it.
            let strict = strict.unwrap_err();
            assert!(strict == error || matches!(strict.kind(), ErrorKind::NotCanonical(_)));
        }
    }
});
