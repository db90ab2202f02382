//! Every kernel gives the hashes of the `sha1` and `sha2` crates.
//!
//! These tests are too slow for Miri, which has `memory.rs`.
#![cfg(not(miri))]

use proptest::{collection::vec, prelude::*};
use sha1::Digest;
use tinytorrent_hash::{Kernel, Lanes, Sha1, Sha256};

fn reference_sha1(message: &[u8]) -> [u8; 20] {
    sha1::Sha1::digest(message).into()
}

fn reference_sha256(message: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(message).into()
}

/// The automatic choice, and each kernel this processor can run.
fn all_lanes() -> Vec<Lanes> {
    let forced = Kernel::ALL.iter().filter_map(|kernel| Lanes::with_kernel(*kernel));
    std::iter::once(Lanes::new()).chain(forced).collect()
}

/// Lengths around the borders of blocks and padding, and some longer ones.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![0..200usize, 0..5_000usize, Just(55), Just(56), Just(63), Just(64), Just(119)]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    (any::<u64>(), length()).prop_map(|(seed, length)| bytes(seed, length))
}

/// Bytes without a pattern, so that swapped words or lanes change the hash.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn many_messages_hash_as_one_by_one(messages in vec(message(), 0..40)) {
        let sha1: Vec<_> = messages.iter().map(|message| reference_sha1(message)).collect();
        let sha256: Vec<_> = messages.iter().map(|message| reference_sha256(message)).collect();
        for lanes in all_lanes() {
            let mut hashes = vec![[0; 20]; messages.len()];
            lanes.sha1_many(&messages, &mut hashes);
            prop_assert_eq!(&hashes, &sha1, "{:?}", lanes);
            let mut hashes = vec![[0; 32]; messages.len()];
            lanes.sha256_many(&messages, &mut hashes);
            prop_assert_eq!(&hashes, &sha256, "{:?}", lanes);
        }
    }

    #[test]
    fn scattered_messages_hash_as_their_concatenation(
        messages in vec(vec(message(), 0..5), 0..20),
    ) {
        let whole: Vec<Vec<u8>> = messages.iter().map(|slices| slices.concat()).collect();
        let sha1: Vec<_> = whole.iter().map(|message| reference_sha1(message)).collect();
        let sha256: Vec<_> = whole.iter().map(|message| reference_sha256(message)).collect();
        for lanes in all_lanes() {
            let mut hashes = vec![[0; 20]; messages.len()];
            lanes.sha1_scattered(&messages, &mut hashes);
            prop_assert_eq!(&hashes, &sha1, "{:?}", lanes);
            let mut hashes = vec![[0; 32]; messages.len()];
            lanes.sha256_scattered(&messages, &mut hashes);
            prop_assert_eq!(&hashes, &sha256, "{:?}", lanes);
        }
    }

    #[test]
    fn any_split_into_updates_gives_the_same_hash(
        rounds in vec(vec(message(), 1..20), 0..5),
    ) {
        let width = rounds.iter().map(Vec::len).max().unwrap_or(0);
        let whole: Vec<Vec<u8>> = (0..width)
            .map(|i| rounds.iter().filter_map(|round| round.get(i)).flatten().copied().collect())
            .collect();
        for lanes in all_lanes() {
            let mut sha1 = vec![Sha1::new(); width];
            let mut sha256 = vec![Sha256::new(); width];
            for round in &rounds {
                let slices = || round.iter().map(Vec::as_slice);
                lanes.sha1_update(sha1.iter_mut().zip(slices()));
                lanes.sha256_update(sha256.iter_mut().zip(slices()));
            }
            let expected: Vec<_> = whole.iter().map(|message| reference_sha1(message)).collect();
            prop_assert_eq!(lanes.sha1_finalize(sha1), expected, "{:?}", lanes);
            let expected: Vec<_> = whole.iter().map(|message| reference_sha256(message)).collect();
            prop_assert_eq!(lanes.sha256_finalize(sha256), expected, "{:?}", lanes);
        }
    }

    #[test]
    fn one_message_in_any_split_gives_the_same_hash(slices in vec(message(), 0..6)) {
        let (mut sha1, mut sha256) = (Sha1::new(), Sha256::new());
        let (mut sha1_writer, mut sha256_writer) = (Sha1::new(), Sha256::new());
        for slice in &slices {
            sha1.update(slice);
            sha256.update(slice);
            std::io::copy(&mut slice.as_slice(), &mut sha1_writer)?;
            std::io::Write::write_all(&mut sha256_writer, slice)?;
        }
        let whole = slices.concat();
        prop_assert_eq!(sha1_writer.finalize(), reference_sha1(&whole));
        prop_assert_eq!(sha256_writer.finalize(), reference_sha256(&whole));
        prop_assert_eq!(sha1.finalize(), reference_sha1(&whole));
        prop_assert_eq!(sha256.finalize(), reference_sha256(&whole));
        prop_assert_eq!(tinytorrent_hash::sha1(&whole), reference_sha1(&whole));
        prop_assert_eq!(tinytorrent_hash::sha256(&whole), reference_sha256(&whole));
    }

    #[test]
    fn parents_are_the_hashes_of_their_children(children in vec(any::<[u8; 32]>(), 0..80)) {
        let children = &children[..children.len() & !1];
        let expected: Vec<_> =
            children.chunks(2).map(|pair| reference_sha256(pair.as_flattened())).collect();
        for lanes in all_lanes() {
            let mut parents = vec![[0; 32]; expected.len()];
            lanes.sha256_pairs(children, &mut parents);
            prop_assert_eq!(&parents, &expected, "{:?}", lanes);
        }
    }
}
