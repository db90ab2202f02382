//! Answers of a SOCKS5 proxy, and datagrams of its relay: what is sent to it is bounded and begins with
//! our offer, a relay is an address that can be sent to, and a datagram is written as it was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_net::fuzzing::{associate, relayed};

fuzz_target!(|bytes: &[u8]| {
    for user in [None, Some("joe:p%40ss")] {
        let talk = || associate(bytes, user).expect("the end of the bytes is an end");
        // Lengths in an answer are one byte.
        let (sent, outcome) = within(bytes.len(), 0, 8 << 10, talk);
        assert!(sent.starts_with(&[5, 1, if user.is_some() { 2 } else { 0 }]));
        assert!(sent.len() <= 3 + 3 + 2 * 255 + 10);
        if let Ok(relay) = outcome {
            assert!(relay.port() != 0 && !relay.ip().is_unspecified());
        }
    }
    if let Some((address, content, written)) = relayed(bytes) {
        assert!(bytes.ends_with(content));
        if address.is_some() {
            assert_eq!(bytes[2..], written[2..]);
        }
    }
});
