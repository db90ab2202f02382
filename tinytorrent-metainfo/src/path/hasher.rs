use std::hash::Hasher;

use tinytorrent_hash::sha1;
use unicode_normalization::UnicodeNormalization;

use super::policy::PathPolicy;
use super::words::{HIGH_BITS, fold_words, to_lowercase};

/// A keyed hash of paths, name by name: the hash of a folder is the start for the names in it.
///
/// Names that a file system may take for equal have the same hash. Without the seed nobody can prepare
/// other names with the same hash.
#[derive(Debug, Clone)]
pub(super) struct PathHasher {
    keys: [u64; 2],
    folds: bool,
    folded: Vec<u8>,
}

impl PathHasher {
    /// The hash of the root.
    pub(super) const ROOT: u64 = 0;

    pub(super) fn new(policy: PathPolicy, seed: &[u8]) -> Self {
        let digest = sha1(seed);
        // Each key has eight of the twenty bytes. It is odd, so that only a zero has a product of zero.
        let key =
            |at: usize| digest[at..at + 8].iter().fold(0, |key, &byte| key << 8 | u64::from(byte));
        Self { keys: [key(0) | 1, key(8) | 1], folds: policy.ignores_case(), folded: Vec::new() }
    }

    /// The hash of a name in the folder with this hash; never 0.
    #[inline]
    pub(super) fn hash(&mut self, folder: u64, name: &[u8]) -> u64 {
        if !self.folds {
            return mix_all(self.keys, folder, name, |word| word).0;
        }
        match mix_all(self.keys, folder, name, to_lowercase) {
            (hash, true) => hash,
            // Case and normalisation beyond ASCII need tables.
            (_, false) => {
                fold(name, &mut self.folded);
                mix_all(self.keys, folder, &self.folded, to_lowercase).0
            }
        }
    }
}

/// The hash of a name by multiplication, eight bytes at a time, and `true` if all bytes are ASCII.
///
/// Only a writer who knows the keys can make names with the same hash. They are random, or derived from
/// an info-hash that covers the names, so that a change of a name changes the keys.
#[inline]
pub(super) fn mix_all(
    keys: [u64; 2],
    folder: u64,
    name: &[u8],
    fold: impl Fn(u64) -> u64,
) -> (u64, bool) {
    let start = mix(folder ^ keys[1], keys[0]);
    let (hash, seen) = fold_words(name, (start, 0), |(hash, seen), word| {
        (mix(hash ^ fold(word), keys[0]), seen | word)
    });
    // Names of different lengths may have the same words. Mixed in last, under the other key, the
    // length cannot cancel a difference between words.
    (mix(hash ^ name.len() as u64, keys[1]).max(1), seen & HIGH_BITS == 0)
}

/// The product of both, its upper half folded into the lower.
fn mix(word: u64, key: u64) -> u64 {
    let product = u128::from(word) * u128::from(key);
    product as u64 ^ (product >> 64) as u64
}

/// Writes the same bytes to `out` for all names that a file system may take for equal.
fn fold(name: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let text = if name.is_ascii() { None } else { std::str::from_utf8(name).ok() };
    match text {
        Some(text) => {
            // Upper case followed by lower case is close to full case folding. Where it differs, it
            // takes more names for equal, which is safe.
            let folded: String = text.nfd().flat_map(char::to_uppercase).collect();
            let folded: String = folded.nfd().flat_map(char::to_lowercase).nfd().collect();
            // A sigma at the end of a word has a lower case of its own.
            out.extend_from_slice(folded.replace('ς', "σ").as_bytes());
        }
        None => {
            out.extend_from_slice(name);
            out.make_ascii_lowercase();
        }
    }
}

/// A hasher for keys that are hashes already.
#[derive(Debug, Clone, Default)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn write(&mut self, _: &[u8]) {
        debug_assert!(false, "only hashes are keys");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_alike_but_for_a_number_have_hashes_of_their_own() {
        for policy in [PathPolicy::Portable, PathPolicy::System] {
            let mut hasher = PathHasher::new(policy, b"seed");
            let numbers = 0..50_000;
            let all = numbers.flat_map(|n| [format!("a.{n}"), format!("{n}"), format!("{n} é")]);
            let hashes: HashSet<u64> =
                all.map(|name| hasher.hash(PathHasher::ROOT, name.as_bytes())).collect();
            assert_eq!(hashes.len(), 150_000);
        }
    }
}
