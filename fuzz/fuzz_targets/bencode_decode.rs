//! Strict reading loses nothing, lenient reading accepts whatever strict reading does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_bencode::{Options, Prefix, decode, decode_lenient};

fuzz_target!(|input: &[u8]| {
    let strict = decode(input);
    let lenient = decode_lenient(input);
    if let Ok(document) = &strict {
        let value = document.root().to_value().expect("a canonical document is a value");
        assert_eq!(value.encode(), input, "B-24");
        let lenient = lenient.as_ref().expect("canonical input is read leniently too");
        assert_eq!(lenient.deviation_count(), 0);
        assert_eq!(document.raw(), input);
    }
    if let Ok(document) = &lenient {
        assert_eq!(document.is_canonical(), strict.is_ok());
    }
    if let Ok(Prefix::Complete(document, taken)) = Options::default().decode_prefix(input) {
        let raw = document.raw();
        assert_eq!(&input[..taken], raw);
        assert!(decode(raw).is_ok());
    }
});
