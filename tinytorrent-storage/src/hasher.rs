//! The hashing of one piece, by either version.

use tinytorrent_hash::{Sha1, sha256_many};
use tinytorrent_metainfo::merkle;
use tinytorrent_types::BLOCK_LENGTH;

/// A piece of which some bytes were hashed, from its start on.
#[derive(Debug, Clone)]
pub(crate) enum PieceHasher {
    /// SHA-1 over all bytes (BEP 3).
    Sha1(Sha1),
    /// The leaves of a merkle tree (BEP 52).
    Leaves(Leaves),
    /// Both, for a piece of a hybrid. In a box, so that the others stay small.
    Both(Box<(Sha1, Leaves)>),
}

/// The SHA-256 of each block so far (BEP 52). Padding behind the file is not hashed.
#[derive(Debug, Clone)]
pub(crate) struct Leaves {
    hashes: Vec<merkle::Hash>,
    /// Bytes to come before the padding.
    payload: u32,
}

impl PieceHasher {
    /// A hasher by SHA-1.
    pub(crate) fn sha1() -> Self {
        PieceHasher::Sha1(Sha1::new())
    }

    /// A hasher by a tree over the first `payload` bytes.
    pub(crate) fn leaves(payload: u32) -> Self {
        PieceHasher::Leaves(Leaves::new(payload))
    }

    /// A hasher by SHA-1 and by a tree over the first `payload` bytes.
    pub(crate) fn both(payload: u32) -> Self {
        PieceHasher::Both(Box::new((Sha1::new(), Leaves::new(payload))))
    }

    /// Hashes the next bytes of many pieces side by side. Each part is a number of whole blocks, but
    /// for the last one before the padding, and the padding.
    pub(crate) fn update_many<'a, D: AsRef<[u8]> + 'a>(
        feeds: impl Iterator<Item = (&'a mut PieceHasher, &'a [D])>,
    ) {
        // Sorted by algorithm, as lanes compute one at a time.
        let mut sha1 = Vec::new();
        let mut leaves = Vec::new();
        for (hasher, parts) in feeds {
            #[cfg(test)]
            tests::count(hasher, parts);
            match hasher {
                PieceHasher::Sha1(hasher) => sha1.push((hasher, parts)),
                PieceHasher::Leaves(hasher) => leaves.push((hasher, parts)),
                PieceHasher::Both(both) => {
                    sha1.push((&mut both.0, parts));
                    leaves.push((&mut both.1, parts));
                }
            }
        }
        update_sha1(sha1);
        update_leaves(leaves);
    }

    /// Returns `true` if a hash covers the padding at the end of the piece: SHA-1 does, a tree does not.
    pub(crate) fn covers_padding(&self) -> bool {
        !matches!(self, PieceHasher::Leaves(_))
    }

    /// The two halves, of which at least one is there: SHA-1 and the leaves.
    pub(crate) fn into_halves(self) -> (Option<Sha1>, Option<Vec<merkle::Hash>>) {
        match self {
            PieceHasher::Sha1(hasher) => (Some(hasher), None),
            PieceHasher::Leaves(leaves) => (None, Some(leaves.hashes)),
            PieceHasher::Both(both) => (Some(both.0), Some(both.1.hashes)),
        }
    }
}

impl Leaves {
    fn new(payload: u32) -> Self {
        Self { hashes: Vec::new(), payload }
    }

    /// The part without the padding at its end.
    fn take<'a>(&mut self, part: &'a [u8]) -> &'a [u8] {
        let length = part.len().min(self.payload as usize);
        self.payload -= length as u32;
        &part[..length]
    }
}

impl Default for PieceHasher {
    fn default() -> Self {
        PieceHasher::sha1()
    }
}

/// The pieces are the lanes: one part of each at a time.
fn update_sha1<D: AsRef<[u8]>>(mut pieces: Vec<(&mut Sha1, &[D])>) {
    let rounds = pieces.iter().map(|(_, parts)| parts.len()).max().unwrap_or(0);
    for round in 0..rounds {
        Sha1::update_many(pieces.iter_mut().filter_map(|(hasher, parts)| {
            let part = parts.get(round)?;
            Some((&mut **hasher, part.as_ref()))
        }));
    }
}

/// The blocks are the lanes, whatever piece they are of.
fn update_leaves<D: AsRef<[u8]>>(mut pieces: Vec<(&mut Leaves, &[D])>) {
    let mut blocks: Vec<&[u8]> = Vec::new();
    let mut counts = Vec::with_capacity(pieces.len());
    for (leaves, parts) in &mut pieces {
        let before = blocks.len();
        for part in *parts {
            blocks.extend(leaves.take(part.as_ref()).chunks(BLOCK_LENGTH as usize));
        }
        // A part that is all padding gives no block, so that counts differ.
        counts.push(blocks.len() - before);
    }
    let mut hashes = vec![[0; 32]; blocks.len()];
    sha256_many(&blocks, &mut hashes);
    let mut hashes = hashes.into_iter();
    for ((leaves, _), count) in pieces.into_iter().zip(counts) {
        leaves.hashes.extend(hashes.by_ref().take(count));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static HASHED: Cell<u64> = const { Cell::new(0) };
    }

    /// Counts the bytes that each hash of the piece covers.
    pub(super) fn count<D: AsRef<[u8]>>(hasher: &PieceHasher, parts: &[D]) {
        let given: u64 = parts.iter().map(|part| part.as_ref().len() as u64).sum();
        let payload = |leaves: &Leaves| given.min(leaves.payload.into());
        let bytes = match hasher {
            PieceHasher::Sha1(_) => given,
            PieceHasher::Leaves(leaves) => payload(leaves),
            PieceHasher::Both(both) => given + payload(&both.1),
        };
        HASHED.set(HASHED.get() + bytes);
    }

    /// The bytes that this thread has hashed since the last call.
    pub(crate) fn take_hashed() -> u64 {
        HASHED.take()
    }

    fn hash(mut hasher: PieceHasher, parts: &[&[u8]]) -> (Option<[u8; 20]>, Option<Vec<[u8; 32]>>) {
        for part in parts {
            PieceHasher::update_many([(&mut hasher, &[*part][..])].into_iter());
        }
        let (sha1, leaves) = hasher.into_halves();
        (sha1.map(Sha1::finalize), leaves)
    }

    // V-17, BEP 52: padding is a part of the v1 piece, and of no leaf.
    #[test]
    fn both_hashes_of_a_hybrid_are_those_of_each_version() {
        let (payload, padding) = (vec![7; 40_000], vec![0; 25_536]);
        let whole = [&payload[..], &padding].concat();
        let expected = (Some(tinytorrent_hash::sha1(&whole)), Some(merkle::leaves(&payload)));
        let both = || PieceHasher::both(40_000);
        assert_eq!(hash(both(), &[&whole]), expected);
        assert_eq!(hash(both(), &[&whole[..32_768], &whole[32_768..]]), expected);
        let parts =
            [&payload[..16_384], &payload[16_384..], &padding[..16_384], &padding[16_384..]];
        assert_eq!(hash(both(), &parts), expected);
        assert_eq!(hash(PieceHasher::sha1(), &[&whole]).0, expected.0);
        assert_eq!(hash(PieceHasher::leaves(40_000), &[&payload]).1, expected.1);
    }
}
