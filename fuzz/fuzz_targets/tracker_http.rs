//! Answers of HTTP trackers: no panic, and no more peers than bytes can hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_tracker::http;

fuzz_target!(|body: &[u8]| {
    if let Ok(response) = http::read_announce(body) {
        assert!(response.peers.len() * 6 <= body.len());
    }
    let _ = http::read_scrape(body);
});
