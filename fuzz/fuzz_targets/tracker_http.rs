//! Answers of HTTP trackers: no panic, no more peers than bytes can hold, and memory in proportion to the answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_tracker::http;

fuzz_target!(|body: &[u8]| {
    // A compact peer is six bytes, and an address 32.
    let announced = within(body.len(), 64, 16 << 10, || http::read_announce(body));
    if let Ok(response) = announced {
        assert!(response.peers.len() * 6 <= body.len());
    }
    let _ = within(body.len(), 64, 16 << 10, || http::read_scrape(body));
});
