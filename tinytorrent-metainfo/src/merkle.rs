//! The merkle trees of BEP 52: leaves, layers, roots and proofs.
//!
//! A leaf is the SHA-256 of a block of 16 KiB, or of the shorter last block. An inner node is the
//! SHA-256 of its two children. A tree has a power of two of leaves; those beyond the end of the file
//! are 32 zero bytes, not hashes.
//!
//! ```text
//!              root
//!            /      \
//!         ab          c0          <- a layer of hashes over two leaves each
//!        /  \        /  \
//!       a    b      c    0        <- leaves; the file has three blocks
//! ```
//!
//! ```
//! use tinytorrent_metainfo::merkle;
//!
//! let file = vec![7; 40_000];
//! let leaves = merkle::leaves(&file);
//! let root = merkle::root(&leaves, 4);
//! let proof = merkle::prove(&leaves, 4, 2);
//! assert!(merkle::verify(&root, leaves[2], 2, &proof));
//! ```

use std::sync::LazyLock;

use tinytorrent_hash::{sha256, sha256_many, sha256_pairs};
use tinytorrent_types::BLOCK_LENGTH;

/// A leaf or inner node of a tree.
pub type Hash = [u8; 32];

/// The number of leaves of a file of this many bytes, without padding.
pub const fn leaf_count(length: u64) -> usize {
    length.div_ceil(BLOCK_LENGTH as u64) as usize
}

/// The number of leaves of a full piece of this many bytes; at least 1.
pub const fn leaves_per_piece(piece_length: u32) -> usize {
    let count = leaf_count(piece_length as u64);
    if count == 0 { 1 } else { count }
}

/// The leaves of a file, or of a part of one that begins with a block.
pub fn leaves(content: &[u8]) -> Vec<Hash> {
    let blocks: Vec<&[u8]> = content.chunks(BLOCK_LENGTH as usize).collect();
    let mut leaves = vec![[0; 32]; blocks.len()];
    sha256_many(&blocks, &mut leaves);
    leaves
}

/// The root over `width` leaves. Leaves that are not given are zero (BEP 52 "pieces root"). `width` is
/// rounded up to a power of two that is enough for all leaves given.
pub fn root(leaves: &[Hash], width: usize) -> Hash {
    reduce(leaves, width, 0)
}

/// The root over a layer in which each hash covers `leaves_per_hash` leaves (BEP 52 "piece layers").
/// Hashes that cover only padding are missing from a layer, and are added here.
pub fn root_of_layer(layer: &[Hash], leaves_per_hash: usize) -> Hash {
    reduce(layer, layer.len(), height(leaves_per_hash))
}

/// The root over `width` leaves of content that is `length` bytes of zeros. It takes a few hashes, however
/// long the content is.
pub fn root_of_zeros(length: u64, width: usize) -> Hash {
    let (blocks, rest) =
        (length / u64::from(BLOCK_LENGTH), (length % u64::from(BLOCK_LENGTH)) as usize);
    let runs = [(*ZERO_LEAF, blocks), (sha256(&ZEROS[..rest]), (rest > 0).into())];
    reduce_runs(runs.to_vec(), width, 0)
}

/// The root of a tree of this many leaves, all beyond the end of the file.
pub fn padding(leaves: usize) -> Hash {
    PADDING[height(leaves)]
}

/// The layer whose hashes cover `leaves_per_hash` leaves each, without hashes that cover only padding.
pub fn layer(leaves: &[Hash], leaves_per_hash: usize) -> Vec<Hash> {
    (0..height(leaves_per_hash)).fold(leaves.to_vec(), layer_above)
}

/// The proof of leaf `index` in a tree of `width` leaves: the sibling of each node between the leaf and
/// the root, from the bottom up. Empty if there is no such leaf.
pub fn prove(leaves: &[Hash], width: usize, index: usize) -> Vec<Hash> {
    let width = width.max(leaves.len()).next_power_of_two();
    if index >= width { Vec::new() } else { siblings(&layers(leaves, 0, width), 0, index, 1) }
}

/// A layer of `width` hashes that is `level` layers above the leaves, and the layers above it, without
/// the root. `width` is a power of two.
pub(crate) fn layers(layer: &[Hash], level: usize, width: usize) -> Vec<Vec<Hash>> {
    let mut layers = Vec::with_capacity(height(width));
    let mut layer = layer.to_vec();
    for up in 0..height(width) {
        let next = layer_above(layer.clone(), level + up);
        layers.push(std::mem::replace(&mut layer, next));
    }
    layers
}

/// The proof of the hashes `first..first + count` of the lowest layer, from the bottom up. That layer
/// is `level` layers above the leaves. `count` is a power of two, and `first` a multiple of it.
pub(crate) fn siblings(
    layers: &[Vec<Hash>],
    level: usize,
    first: usize,
    count: usize,
) -> Vec<Hash> {
    // The lowest layers of the proof follow from the hashes themselves.
    let needed = layers.iter().enumerate().skip(height(count));
    needed
        .map(|(up, layer)| layer.get((first >> up) ^ 1).copied().unwrap_or(PADDING[level + up]))
        .collect()
}

/// Returns true if `proof` leads from the hash at `index` of its layer to the root.
pub fn verify(root: &Hash, hash: Hash, index: usize, proof: &[Hash]) -> bool {
    // An index beyond the width of the layer would prove as another one, its low bits alone.
    if proof.len() < usize::BITS as usize && index >> proof.len() != 0 {
        return false;
    }
    let climb = |(hash, index): (Hash, usize), sibling: &Hash| {
        let above = if index & 1 == 0 { parent(&hash, sibling) } else { parent(sibling, &hash) };
        (above, index >> 1)
    };
    proof.iter().fold((hash, index), climb).0 == *root
}

/// The hash of an inner node with these children.
pub fn parent(left: &Hash, right: &Hash) -> Hash {
    sha256([*left, *right].as_flattened())
}

/// The root over `width` hashes that are `level` layers above the leaves. Hashes that are not given
/// cover only padding.
pub(crate) fn reduce(hashes: &[Hash], width: usize, level: usize) -> Hash {
    let top = level + height(width.max(hashes.len()));
    let layer = (level..top).fold(hashes.to_vec(), layer_above);
    layer.first().copied().unwrap_or(PADDING[top])
}

/// [`reduce`] of hashes that are given as runs, each with its count.
pub(crate) fn reduce_runs(runs: Vec<(Hash, u64)>, width: usize, level: usize) -> Hash {
    let count: u64 = runs.iter().map(|(_, count)| count).sum();
    let top = level + height(width.max(usize::try_from(count).unwrap_or(usize::MAX)));
    let layer = (level..top).fold(runs, runs_above);
    layer.iter().find(|(_, count)| *count > 0).map_or(PADDING[top], |(hash, _)| *hash)
}

/// [`layer_above`] in runs.
fn runs_above(runs: Vec<(Hash, u64)>, level: usize) -> Vec<(Hash, u64)> {
    let mut above = Vec::with_capacity(runs.len() + 1);
    // The left one of a pair whose right one is in the next run.
    let mut left = None;
    for (hash, mut count) in runs.into_iter().filter(|(_, count)| *count > 0) {
        if let Some(left) = left.take() {
            above.push((parent(&left, &hash), 1));
            count -= 1;
        }
        if count > 1 {
            above.push((parent(&hash, &hash), count / 2));
        }
        left = (count % 2 == 1).then_some(hash);
    }
    above.extend(left.map(|left| (parent(&left, &PADDING[level]), 1)));
    above
}

/// The layer above one that is `level` layers above the leaves.
fn layer_above(mut layer: Vec<Hash>, level: usize) -> Vec<Hash> {
    if layer.len() % 2 == 1 {
        layer.push(PADDING[level]);
    }
    if let [left, right] = layer[..] {
        return vec![parent(&left, &right)];
    }
    let mut parents = vec![[0; 32]; layer.len() / 2];
    sha256_pairs(&layer, &mut parents);
    parents
}

static ZEROS: [u8; BLOCK_LENGTH as usize] = [0; BLOCK_LENGTH as usize];

/// The leaf of a block of zeros, which is not the zero leaf beyond the end of a file.
static ZERO_LEAF: LazyLock<Hash> = LazyLock::new(|| sha256(&ZEROS));

/// Roots of trees of padding, by their height. Twice as many as the bits of an index, since the height
/// of a layer and the height above it are added.
static PADDING: LazyLock<[Hash; 2 * usize::BITS as usize + 1]> = LazyLock::new(|| {
    let mut padding = [[0; 32]; 2 * usize::BITS as usize + 1];
    for level in 1..padding.len() {
        padding[level] = parent(&padding[level - 1], &padding[level - 1]);
    }
    padding
});

/// The number of layers between this many leaves and their root.
pub(crate) const fn height(leaves: usize) -> usize {
    leaves.next_power_of_two().trailing_zeros() as usize
}
