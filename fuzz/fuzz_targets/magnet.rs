//! Magnet links: no panic, what is written reads as the same link, and memory is in proportion to the link.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_metainfo::Magnet;

fuzz_target!(|input: &str| {
    let hash = "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c&";
    // Most inputs get no further without a hash.
    for text in [input, &format!("{hash}{input}")] {
        // Each field is a string of its own, and the shortest one has four bytes.
        let parsed = within(text.len(), 32, 16 << 10, || text.parse::<Magnet>());
        let Ok(magnet) = parsed else { continue };
        let written = magnet.to_string();
        // Escapes may make a link longer than the limit.
        if written.len() <= Magnet::MAX_LENGTH {
            assert_eq!(written.parse::<Magnet>().expect("what we write, we read"), magnet);
        }
    }
});
