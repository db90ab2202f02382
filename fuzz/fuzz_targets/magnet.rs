//! Magnet links: no panic, what is written reads as the same link, and memory is in proportion to the link.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_metainfo::{Magnet, MagnetLink};

fuzz_target!(|input: &str| {
    let hash = "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c&";
    let key =
        "magnet:?xs=urn:btpk:8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e&";
    // Most inputs get no further without a hash or a key.
    for text in [input, &format!("{hash}{input}"), &format!("{key}{input}")] {
        // Each field is a string of its own, and the shortest one has four bytes.
        let parsed = within(text.len(), 32, 16 << 10, || text.parse::<MagnetLink>());
        let Ok(link) = parsed else { continue };
        let written = link.to_string();
        // Escapes may make a link longer than the limit.
        if written.len() <= Magnet::MAX_LENGTH {
            assert_eq!(written.parse::<MagnetLink>().expect("what we write, we read"), link);
        }
    }
});
