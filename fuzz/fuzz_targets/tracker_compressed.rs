//! Compressed bodies of HTTP trackers: no body gets larger than the limit, and a body that is not
//! compressed is read as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_tracker::client::fuzzing::decode_body;

fuzz_target!(|bytes: &[u8]| {
    const LIMIT: usize = 64 << 10;
    for encodings in ["", "gzip", "deflate", "deflate, gzip", "gzip, gzip, gzip, gzip, gzip"] {
        // Each encoding has its output, which the next one reads, and the window of its decoder.
        let decode = || decode_body(bytes, encodings, LIMIT);
        match within(bytes.len(), 2, 4 * LIMIT, decode) {
            Some(body) if body == bytes => {}
            Some(body) => assert!(body.len() <= LIMIT),
            None => assert!(!encodings.is_empty() || bytes.starts_with(&[0x1f, 0x8b])),
        }
    }
});
