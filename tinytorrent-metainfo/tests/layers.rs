//! Parts of piece layers (BEP 52, "hash request"), compared with complete trees.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{both, d, i, s, torrent};
use sha2::{Digest, Sha256};
use tinytorrent_metainfo::{LayerAssembly, LayerPart, LayerProofs, Metainfo, ReadOptions};

type Hash = [u8; 32];

fn parent(left: &Hash, right: &Hash) -> Hash {
    Sha256::digest([*left, *right].as_flattened()).into()
}

/// The tree of a file from its piece layer upwards, with padding.
struct Tree {
    piece_length: i128,
    pieces: usize,
    /// The layer, the one above it, and so on; the root last.
    layers: Vec<Vec<Hash>>,
}

impl Tree {
    fn new(pieces: usize, base_layer: u32, seed: u8) -> Self {
        let padding = (0..base_layer).fold([0; 32], |hash, _| parent(&hash, &hash));
        let hash = |at: usize| Sha256::digest([&[seed][..], &at.to_be_bytes()].concat()).into();
        let mut layer: Vec<Hash> = (0..pieces).map(hash).collect();
        layer.resize(pieces.next_power_of_two(), padding);
        let mut layers = vec![layer];
        while let Some(below) = layers.last().filter(|layer| layer.len() > 1) {
            layers.push(below.chunks(2).map(|pair| parent(&pair[0], &pair[1])).collect());
        }
        Self { piece_length: 16_384 << base_layer, pieces, layers }
    }

    fn root(&self) -> Hash {
        self.layers.last().unwrap()[0]
    }

    fn height(&self) -> u32 {
        self.layers.len() as u32 - 1
    }

    /// The hashes and the proof of a `hashes` message (BEP 52).
    fn answer(&self, index: u32, length: u32, proof_layers: u32) -> Vec<Hash> {
        let (index, length) = (index as usize, length as usize);
        let mut hashes = self.layers[0][index..index + length].to_vec();
        // The layers below follow from the hashes themselves.
        let layers = length.ilog2()..(proof_layers + 1).min(self.height());
        hashes.extend(layers.map(|layer| self.layers[layer as usize][(index >> layer) ^ 1]));
        hashes
    }
}

/// An info dictionary with one file for each tree.
fn info(trees: &[Tree]) -> Vec<u8> {
    let file = |tree: &Tree| {
        let length = i(tree.piece_length * tree.pieces as i128 - 7);
        d([("", d([("length", length), ("pieces root", s(tree.root()))]))])
    };
    let names: Vec<String> = (0..trees.len()).map(|at| format!("{at:02}")).collect();
    let files = names.iter().zip(trees).map(|(name, tree)| (name.as_str(), file(tree)));
    d([
        ("file tree", d(files)),
        ("meta version", i(2)),
        ("name", s("name")),
        ("piece length", i(trees[0].piece_length)),
    ])
}

fn metainfo(trees: &[Tree]) -> Metainfo {
    let layers = trees.iter().filter(|tree| tree.pieces > 1);
    let layers: BTreeMap<Hash, Vec<u8>> =
        layers.map(|tree| (tree.root(), s(tree.layers[0][..tree.pieces].as_flattened()))).collect();
    both(&torrent(info(trees), &[("piece layers", d(layers))]))
}

fn trees(base_layer: u32) -> Vec<Tree> {
    let pieces = [1, 2, 3, 511, 512, 513, 1024, 1300, 5000];
    (0..).zip(pieces).map(|(seed, pieces)| Tree::new(pieces, base_layer, seed)).collect()
}

// V-21, W-49
#[test]
fn the_layers_of_a_torrent_come_back_in_parts() {
    for base_layer in [0, 2, 6] {
        let trees = trees(base_layer);
        let whole = metainfo(&trees);
        let mut proofs = LayerProofs::new(Arc::new(whole.clone()));
        let mut assembly = LayerAssembly::new(Metainfo::from_info(Arc::clone(whole.info())));
        let missing: Vec<LayerPart> = assembly.missing().collect();
        assert_eq!(missing.len(), 1 + 1 + 1 + 1 + 2 + 2 + 3 + 10);
        for part in &missing {
            assert!(part.length.is_power_of_two() && (2..=512).contains(&part.length));
            assert!(part.index.is_multiple_of(part.length));
            assert!(!assembly.is_complete());
            assert!(assembly.add(part, &proofs.hashes(part).unwrap()));
        }
        assert!(assembly.is_complete());
        assert_eq!(assembly.missing().count(), 0);
        let finished = assembly.finish().unwrap();
        assert!(finished.has_all_piece_layers());
        for file in whole.layout().files() {
            assert_eq!(finished.piece_layer(file.index), whole.piece_layer(file.index));
        }
    }
}

// W-48: the answers are those of the full tree, for each length and proof that BEP 52 allows, and for a
// length of one, which libtorrent requests.
#[test]
fn a_part_has_the_hashes_of_the_tree_and_no_other() {
    let trees = trees(2);
    let mut proofs = LayerProofs::new(Arc::new(metainfo(&trees)));
    for tree in &trees[1..] {
        for length in (0..=13).map(|power| 1u32 << power) {
            for index in (0..tree.pieces as u32).step_by(length as usize).take(20) {
                for proof_layers in 0..=tree.height() + 1 {
                    let root = tree.root();
                    let part = LayerPart { root, base_layer: 2, index, length, proof_layers };
                    let exists = length as usize <= tree.layers[0].len()
                        && proof_layers < tree.height().max(length.ilog2());
                    let expected = exists.then(|| tree.answer(index, length, proof_layers));
                    assert_eq!(proofs.hashes(&part), expected, "{part:?} of {}", tree.pieces);
                }
            }
        }
    }
}

#[test]
fn parts_that_there_are_not_have_no_hashes() {
    let tree = Tree::new(600, 2, 1);
    let part = LayerPart { root: tree.root(), base_layer: 2, index: 0, length: 8, proof_layers: 0 };
    let mut proofs = LayerProofs::new(Arc::new(metainfo(std::slice::from_ref(&tree))));
    assert!(proofs.hashes(&part).is_some());
    for odd in [
        LayerPart { root: [7; 32], ..part },
        LayerPart { base_layer: 0, ..part },
        LayerPart { base_layer: u32::MAX, ..part },
        LayerPart { index: 4, ..part },
        LayerPart { index: 600, ..part },
        LayerPart { index: u32::MAX - 7, ..part },
        LayerPart { length: 0, ..part },
        LayerPart { length: 7, ..part },
        LayerPart { length: 2048, ..part },
        LayerPart { length: 1 << 31, ..part },
        LayerPart { proof_layers: u32::MAX, ..part },
    ] {
        assert_eq!(proofs.hashes(&odd), None, "{odd:?}");
    }
}

// V-13
#[test]
fn a_wrong_hash_anywhere_is_refused() {
    let tree = Tree::new(1300, 1, 1);
    let whole = metainfo(std::slice::from_ref(&tree));
    let mut proofs = LayerProofs::new(Arc::new(whole.clone()));
    let mut assembly = LayerAssembly::new(Metainfo::from_info(Arc::clone(whole.info())));
    let missing: Vec<LayerPart> = assembly.missing().collect();
    for part in &missing {
        let right = proofs.hashes(part).unwrap();
        for at in [0, 1, 255, 300, 511, 512, right.len() - 1] {
            let mut wrong = right.clone();
            wrong[at][31] ^= 1;
            assert!(!assembly.add(part, &wrong), "{at}");
        }
        assert!(!assembly.add(part, &right[1..]));
        assert!(!assembly.add(part, &[]));
        let elsewhere = LayerPart { index: (part.index + 512) % 1536, ..*part };
        assert!(!assembly.add(&elsewhere, &right));
        assert!(!assembly.add(&LayerPart { index: 1536, ..*part }, &right));
        assert!(!assembly.add(&LayerPart { root: [1; 32], ..*part }, &right));
    }
    assert_eq!(assembly.missing().collect::<Vec<_>>(), missing);
    assert!(assembly.finish().is_none());
}

// A tree may prove hashes beyond the end of its file that are not those of padding. Its layer is then
// not the one of the file, and other peers could not prove it.
#[test]
fn what_is_beyond_the_end_of_a_file_is_padding() {
    for pieces in [3, 600] {
        let mut tree = Tree::new(pieces + 1, 1, 1);
        tree.pieces = pieces;
        let info = ReadOptions::strict().read_info(&info(std::slice::from_ref(&tree))).unwrap();
        let mut assembly = LayerAssembly::new(Metainfo::from_info(info));
        let last = assembly.missing().last().unwrap();
        let answer = tree.answer(last.index, last.length, last.proof_layers);
        assert!(!assembly.add(&last, &answer));
    }
}

// V-20: files with the same content share a layer, which is requested once.
#[test]
fn what_a_torrent_has_is_not_asked_for() {
    let tree = || Tree::new(700, 0, 3);
    let whole = metainfo(&[tree(), tree()]);
    assert!(LayerAssembly::new(whole.clone()).is_complete());
    let bare = LayerAssembly::new(Metainfo::from_info(Arc::clone(whole.info())));
    assert_eq!(bare.missing().count(), 2);
}
