//! Merkle trees, compared with a naive tree that is the specification (BEP 52).

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tinytorrent_metainfo::merkle::{self, Hash};

fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// All layers of a tree over a power of two of leaves, leaves first.
fn naive(mut leaves: Vec<Hash>, width: usize) -> Vec<Vec<Hash>> {
    leaves.resize(width.next_power_of_two(), [0; 32]);
    let mut layers = vec![leaves];
    while layers.last().unwrap().len() > 1 {
        let pairs = layers.last().unwrap().chunks(2);
        layers.push(pairs.map(|pair| sha256(pair.as_flattened())).collect());
    }
    layers
}

fn hashes(count: usize) -> Vec<Hash> {
    (0..count).map(|number| sha256(&number.to_be_bytes())).collect()
}

// V-14, BEP 52 "pieces root"
#[test]
fn the_last_leaf_covers_what_is_left_and_those_beyond_are_zero() {
    let file = vec![7; 16_384 * 2 + 100];
    let leaves = merkle::leaves(&file);
    assert_eq!(leaves[1], sha256(&[7; 16_384]));
    assert_eq!(leaves[2], sha256(&[7; 100]));
    let left = sha256([leaves[0], leaves[1]].as_flattened());
    let right = sha256([leaves[2], [0; 32]].as_flattened());
    assert_eq!(merkle::root(&leaves, 4), sha256([left, right].as_flattened()));
    // A file below 16 KiB is its own leaf and root.
    assert_eq!(merkle::root(&merkle::leaves(&file[..5]), 1), sha256(&[7; 5]));
    assert!(merkle::leaves(&[]).is_empty());
}

// V-13, BEP 52 "piece layers"
#[test]
fn padding_of_a_layer_is_a_tree_of_zeros_not_zero() {
    assert_eq!(merkle::padding(1), [0; 32]);
    assert_eq!(merkle::padding(4), *naive(vec![], 4).last().unwrap().first().unwrap());
    let leaves = hashes(5);
    let layer = merkle::layer(&leaves, 2);
    assert_eq!(layer.len(), 3);
    assert_eq!(merkle::root_of_layer(&layer, 2), merkle::root(&leaves, 8));
}

#[test]
fn widths_that_make_no_sense_are_rounded_up() {
    let leaves = hashes(3);
    assert_eq!(merkle::root(&leaves, 0), merkle::root(&leaves, 4));
    assert_eq!(merkle::root(&[], 0), [0; 32]);
    assert_eq!(merkle::prove(&leaves, 0, 4), Vec::<Hash>::new());
    assert_eq!(merkle::leaves_per_piece(0), 1);
}

proptest! {
    #[test]
    fn trees_are_those_of_the_naive_one(count in 0..70_usize, wider in 0..40_usize, height in 0..4_u32) {
        let (leaves, width) = (hashes(count), count + wider);
        let layers = naive(leaves.clone(), width.max(1));
        prop_assert_eq!(merkle::root(&leaves, width), layers.last().unwrap()[0]);
        let step = 1_usize << height;
        let layer = merkle::layer(&leaves, step);
        prop_assert_eq!(layer.len(), count.div_ceil(step));
        if let Some(expected) = layers.get(height as usize) {
            prop_assert_eq!(&layer[..], &expected[..layer.len()]);
        }
        if count > 0 {
            prop_assert_eq!(merkle::root_of_layer(&layer, step), merkle::root(&leaves, count.max(step)));
        }
    }

    #[test]
    fn a_proof_proves_its_leaf_and_no_other(count in 1..70_usize, wider in 0..40_usize, at in any::<prop::sample::Index>(), flip in 0..256_usize) {
        let (leaves, width) = (hashes(count), count + wider);
        let root = merkle::root(&leaves, width);
        let index = at.index(width.next_power_of_two());
        let leaf = leaves.get(index).copied().unwrap_or([0; 32]);
        let proof = merkle::prove(&leaves, width, index);
        prop_assert_eq!(proof.len() as u32, width.next_power_of_two().trailing_zeros());
        prop_assert!(merkle::verify(&root, leaf, index, &proof));
        let mut other = leaf;
        other[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(!merkle::verify(&root, other, index, &proof));
        prop_assert!(!merkle::verify(&root, leaf, index + width.next_power_of_two(), &proof));
        if let Some(neighbour) = leaves.get(index ^ 1) {
            prop_assert!(*neighbour == leaf || !merkle::verify(&root, leaf, index ^ 1, &proof));
        }
    }
}

// V-03: the same tree, with less hashing.
#[test]
fn the_root_of_zeros_is_that_of_their_leaves() {
    for length in [0, 1, 16_383, 16_384, 16_385, 49_152, 5 * 16_384 + 1, 16 * 16_384, 1 << 20] {
        let leaves = merkle::leaves(&vec![0; length]);
        for width in [1, leaves.len(), 64, 128] {
            let root = merkle::root_of_zeros(length as u64, width);
            assert_eq!(root, merkle::root(&leaves, width), "{length} in {width}");
        }
    }
}
