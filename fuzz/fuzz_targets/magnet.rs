//! Magnet links: no panic, and what is written reads as the same link.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_metainfo::Magnet;

fuzz_target!(|input: &str| {
    let hash = "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c&";
    // Most inputs get no further without a hash.
    for text in [input, &format!("{hash}{input}")] {
        let Ok(magnet) = text.parse::<Magnet>() else { continue };
        let written = magnet.to_string();
        // Escapes may make a link longer than the limit.
        if written.len() <= Magnet::MAX_LENGTH {
            assert_eq!(written.parse::<Magnet>().expect("what we write, we read"), magnet);
        }
    }
});
