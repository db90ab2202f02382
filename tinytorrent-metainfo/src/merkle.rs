//! The merkle trees of BEP 52: leaves, layers, roots and proofs. Usable alone.
//!
//! A leaf is the SHA-256 of a block of 16 KiB, the last one of what is left; a node is the SHA-256
//! of its two children. A tree has a power of two of leaves, and those beyond the end of the file
//! are 32 zero bytes, not hashes of anything.
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

/// A node of a tree.
pub type Hash = [u8; 32];

/// Leaves of a file of this many bytes, padding not counted.
pub const fn leaf_count(length: u64) -> usize {
    length.div_ceil(BLOCK_LENGTH as u64) as usize
}

/// Leaves that a piece of this many bytes has room for; 1 at least.
pub const fn leaves_per_piece(piece_length: u32) -> usize {
    let count = leaf_count(piece_length as u64);
    if count == 0 { 1 } else { count }
}

/// The leaves of a file, or of a part that begins at a block's border.
pub fn leaves(content: &[u8]) -> Vec<Hash> {
    let blocks: Vec<&[u8]> = content.chunks(BLOCK_LENGTH as usize).collect();
    let mut leaves = vec![[0; 32]; blocks.len()];
    sha256_many(&blocks, &mut leaves);
    leaves
}

/// The root over `width` leaves, of which those that are not given are zero (BEP 52 "pieces root").
/// `width` is rounded up to a power of two that has room for all; without a leaf it is that of a
/// tree of padding.
pub fn root(leaves: &[Hash], width: usize) -> Hash {
    reduce(leaves, width, 0)
}

/// The root over a layer, of which each hash covers `leaves_per_hash` leaves (BEP 52 "piece
/// layers"). Hashes that only cover padding are left out of a layer; here they are put back.
pub fn root_of_layer(layer: &[Hash], leaves_per_hash: usize) -> Hash {
    reduce(layer, layer.len(), height(leaves_per_hash))
}

/// The root of a tree of this many leaves that are all beyond the end of the file.
pub fn padding(leaves: usize) -> Hash {
    PADDING[height(leaves)]
}

/// The layer whose hashes cover `leaves_per_hash` leaves each, without those that only cover
/// padding.
pub fn layer(leaves: &[Hash], leaves_per_hash: usize) -> Vec<Hash> {
    (0..height(leaves_per_hash)).fold(leaves.to_vec(), above)
}

/// The hashes beside the way from leaf `index` to the root of a tree of `width` leaves, from the
/// bottom up. Empty if there is no such leaf.
pub fn prove(leaves: &[Hash], width: usize, index: usize) -> Vec<Hash> {
    let width = width.max(leaves.len()).next_power_of_two();
    if index >= width { Vec::new() } else { beside(&layers(leaves, 0, width), 0, index, 1) }
}

/// A layer of `width` hashes and those above it, without the root. It stands `level` layers above the
/// leaves; `width` is a power of two.
pub(crate) fn layers(layer: &[Hash], level: usize, width: usize) -> Vec<Vec<Hash>> {
    let mut layers = Vec::with_capacity(height(width));
    let mut layer = layer.to_vec();
    for up in 0..height(width) {
        let next = above(layer.clone(), level + up);
        layers.push(std::mem::replace(&mut layer, next));
    }
    layers
}

/// The hashes beside the way from `first..first + count` of the lowest layer to the root, from the
/// bottom up. That layer stands `level` layers above the leaves; `count` is a power of two, `first` a
/// multiple of it.
pub(crate) fn beside(layers: &[Vec<Hash>], level: usize, first: usize, count: usize) -> Vec<Hash> {
    let way = layers.iter().enumerate().skip(height(count));
    way.map(|(up, layer)| layer.get((first >> up) ^ 1).copied().unwrap_or(PADDING[level + up]))
        .collect()
}

/// Whether `proof` leads from the hash at `index` of its layer to the root.
pub fn verify(root: &Hash, hash: Hash, index: usize, proof: &[Hash]) -> bool {
    if proof.len() < usize::BITS as usize && index >> proof.len() != 0 {
        return false;
    }
    let climb = |(hash, index): (Hash, usize), beside: &Hash| {
        let above = if index & 1 == 0 { parent(&hash, beside) } else { parent(beside, &hash) };
        (above, index >> 1)
    };
    proof.iter().fold((hash, index), climb).0 == *root
}

/// The hash over two children.
pub fn parent(left: &Hash, right: &Hash) -> Hash {
    sha256([*left, *right].as_flattened())
}

/// The root over `width` hashes that stand `level` layers above the leaves. Those that are not given
/// cover padding alone.
pub(crate) fn reduce(hashes: &[Hash], width: usize, level: usize) -> Hash {
    let top = level + height(width.max(hashes.len()));
    let layer = (level..top).fold(hashes.to_vec(), above);
    layer.first().copied().unwrap_or(PADDING[top])
}

/// The layer above one that stands `level` layers above the leaves.
fn above(mut layer: Vec<Hash>, level: usize) -> Vec<Hash> {
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

/// Roots of trees of padding, by the layers below them. Twice as many as a tree can have, for layers
/// on top of layers.
static PADDING: LazyLock<[Hash; 2 * usize::BITS as usize + 1]> = LazyLock::new(|| {
    let mut padding = [[0; 32]; 2 * usize::BITS as usize + 1];
    for level in 1..padding.len() {
        padding[level] = parent(&padding[level - 1], &padding[level - 1]);
    }
    padding
});

/// Layers between this many leaves and their root.
pub(crate) const fn height(leaves: usize) -> usize {
    leaves.next_power_of_two().trailing_zeros() as usize
}
