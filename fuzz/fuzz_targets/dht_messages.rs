//! Datagrams of the DHT: no panic, bounded memory, and what is read is written and read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_dht::message::{MAX_READ, Message};
use tinytorrent_fuzz::within;

fuzz_target!(|bytes: &[u8]| {
    // Tokens of the decoder, which at times grow to twice what is needed, and addresses of values.
    let message = within(bytes.len().min(MAX_READ), 64, 4 << 10, || Message::decode(bytes));
    match message {
        Ok(message) => {
            let mut written = Vec::new();
            message.encode(&mut written);
            // What was left out is shorter than what was added: flags become integers, and one string of many peers
            // becomes a list, of two bytes more for each.
            assert!(written.len() <= 2 * bytes.len() + 64, "{} of {}", written.len(), bytes.len());
            if written.len() <= MAX_READ {
                assert_eq!(Message::decode(&written).as_ref(), Ok(&message));
            }
        }
        Err(error) => {
            assert!(error.offset() <= bytes.len(), "{error}");
            let answerable =
                error.answerable().is_none_or(|id| bytes.windows(id.len()).any(|part| part == id));
            assert!(answerable, "{error}");
        }
    }
});
