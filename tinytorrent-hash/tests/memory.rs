//! Every kernel reads its messages and no other memory. Small enough for Miri, which checks that:
//!
//! ```text
//! RUSTFLAGS="-C target-feature=+avx2,+movbe" \
//!     cargo +nightly miri test -p tinytorrent-hash --test memory
//! RUSTFLAGS="-C target-feature=+sha,+sse4.1,+ssse3" \
//!     cargo +nightly miri test -p tinytorrent-hash --test memory sha256
//! ```
//!
//! Miri supports SHA-NI's instructions for SHA-256 only, and did not finish AVX-512 within fifteen
//! minutes.

use sha1::Digest;
use tinytorrent_hash::{Kernel, Lanes, Sha1, Sha256};

/// More messages than lanes, each in an allocation of its exact size.
fn messages() -> Vec<Box<[u8]>> {
    let lengths = [0, 1, 55, 56, 64, 65, 119, 120, 128, 129, 191, 192, 200, 256, 64, 64, 64, 130];
    let bytes = |length| (0..length).map(|i: usize| (i * 167 + length) as u8).collect();
    lengths.into_iter().map(bytes).collect()
}

fn all_kernels() -> impl Iterator<Item = Lanes> {
    Kernel::ALL.iter().filter_map(|kernel| Lanes::with_kernel(*kernel))
}

#[test]
fn sha1_of_many_small_messages_by_every_kernel() {
    let messages = messages();
    let expected: Vec<[u8; 20]> =
        messages.iter().map(|message| sha1::Sha1::digest(message).into()).collect();
    for lanes in all_kernels() {
        let mut hashes = vec![[0; 20]; messages.len()];
        lanes.sha1_many(&messages, &mut hashes);
        assert_eq!(hashes, expected, "{lanes:?}");

        let mut hashers = vec![Sha1::new(); messages.len()];
        lanes.sha1_update(hashers.iter_mut().zip(messages.iter().map(Box::as_ref)));
        assert_eq!(lanes.sha1_finalize(hashers), expected, "{lanes:?}");
    }
}

#[test]
fn sha256_of_many_small_messages_by_every_kernel() {
    let messages = messages();
    let expected: Vec<[u8; 32]> =
        messages.iter().map(|message| sha2::Sha256::digest(message).into()).collect();
    for lanes in all_kernels() {
        let mut hashes = vec![[0; 32]; messages.len()];
        lanes.sha256_many(&messages, &mut hashes);
        assert_eq!(hashes, expected, "{lanes:?}");

        let mut hashers = vec![Sha256::new(); messages.len()];
        lanes.sha256_update(hashers.iter_mut().zip(messages.iter().map(Box::as_ref)));
        assert_eq!(lanes.sha256_finalize(hashers), expected, "{lanes:?}");
    }
}

#[test]
#[should_panic(expected = "one hash for each message")]
fn too_few_places_for_hashes_are_refused() {
    tinytorrent_hash::sha1_many(&["one", "two"], &mut [[0; 20]]);
}

#[test]
#[should_panic(expected = "one parent for each two children")]
fn an_odd_child_is_refused() {
    tinytorrent_hash::sha256_pairs(&[[0; 32]; 3], &mut [[0; 32]]);
}
