//! The hashing of one piece, by either version.

use tinytorrent_hash::{Sha1, sha256_many};
use tinytorrent_metainfo::merkle;
use tinytorrent_types::BLOCK_LENGTH;

/// A piece of which some bytes were hashed, from its start on.
#[derive(Debug, Clone)]
pub(crate) enum PieceHasher {
    /// SHA-1 over all bytes (BEP 3).
    Sha1(Sha1),
    /// The SHA-256 of each block so far (BEP 52).
    Leaves(Vec<merkle::Hash>),
}

impl PieceHasher {
    /// Hashes the next bytes of many pieces side by side. Each part is a number of whole blocks, but for
    /// the last one of the piece.
    pub(crate) fn update_many<'a, D: AsRef<[u8]> + 'a>(
        feeds: impl Iterator<Item = (&'a mut PieceHasher, &'a [D])>,
    ) {
        let mut sha1 = Vec::new();
        let mut leaves = Vec::new();
        for (hasher, parts) in feeds {
            match hasher {
                PieceHasher::Sha1(hasher) => sha1.push((hasher, parts)),
                PieceHasher::Leaves(hashes) => leaves.push((hashes, parts)),
            }
        }
        update_sha1(sha1);
        update_leaves(leaves);
    }
}

impl Default for PieceHasher {
    fn default() -> Self {
        PieceHasher::Sha1(Sha1::new())
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
fn update_leaves<D: AsRef<[u8]>>(pieces: Vec<(&mut Vec<merkle::Hash>, &[D])>) {
    let blocks_of = |parts: &'_ [D]| -> usize {
        parts.iter().map(|part| part.as_ref().len().div_ceil(BLOCK_LENGTH as usize)).sum()
    };
    let parts = pieces.iter().flat_map(|(_, parts)| *parts);
    let blocks: Vec<&[u8]> =
        parts.flat_map(|part| part.as_ref().chunks(BLOCK_LENGTH as usize)).collect();
    let mut hashes = vec![[0; 32]; blocks.len()];
    sha256_many(&blocks, &mut hashes);
    let mut hashes = hashes.into_iter();
    for (leaves, parts) in pieces {
        leaves.extend(hashes.by_ref().take(blocks_of(parts)));
    }
}
