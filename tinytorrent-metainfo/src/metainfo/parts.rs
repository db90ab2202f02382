//! Piece layers in parts, as peers ask for them and send them (BEP 52, "hash request").

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Metainfo;
use super::layers::{PieceLayers, Wanted, wanted};
use crate::merkle::{self, Hash};

/// A part of a file's piece layer, and so much of the way to its root: what a `hash request` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LayerPart {
    /// The root of the file's tree.
    pub root: [u8; 32],
    /// Layers between the hashes and the blocks of 16 KiB.
    pub base_layer: u32,
    /// The first hash. A multiple of `length`.
    pub index: u32,
    /// How many hashes, those beyond the end of the file included. A power of two: 2 at least in BEP 52,
    /// 1 too from libtorrent.
    pub length: u32,
    /// Layers of proof, from the one of the hashes on. The first ones follow from the hashes
    /// themselves and are not sent.
    pub proof_layers: u32,
}

impl LayerPart {
    /// Hashes that prove it: one beside the way in each layer that the part does not make up itself.
    fn proof_length(&self) -> usize {
        (self.proof_layers as usize + 1).saturating_sub(merkle::height(self.length as usize))
    }
}

/// The piece layers that a torrent lacks, as they come from peers.
///
/// ```text
/// missing ──▶ ask peers ──▶ add, until is_complete ──▶ finish: a torrent with all layers
/// ```
///
/// Each part is proven against the root in the info dictionary, so that a wrong one is its sender's
/// fault. Memory grows with what has been proven, not with what the torrent claims.
#[derive(Debug, Clone)]
pub struct LayerAssembly {
    metainfo: Metainfo,
    base_layer: u32,
    /// The layers that are missing, by root.
    wanted: HashMap<[u8; 32], Wanted>,
    /// What came, by root and index.
    parts: BTreeMap<([u8; 32], u32), Vec<Hash>>,
    /// How many there are.
    count: u64,
}

impl LayerAssembly {
    /// Begins with what the torrent has.
    pub fn new(metainfo: Metainfo) -> Self {
        let mut wanted = wanted(&metainfo.info);
        wanted.retain(|root, _| metainfo.layers.get(root).is_none());
        let base_layer = base_layer(&metainfo);
        let counts = wanted.values().map(|layer| layer.hash_count.div_ceil(PART.into()));
        let count = counts.sum();
        Self { metainfo, base_layer, wanted, parts: BTreeMap::new(), count }
    }

    /// The parts that have not come, each of 512 hashes at most, in the order of the files.
    pub fn missing(&self) -> impl Iterator<Item = LayerPart> {
        let mut layers: Vec<_> = self.wanted.iter().collect();
        layers.sort_unstable_by_key(|(_, layer)| layer.file);
        let parts = layers.into_iter().flat_map(|(root, layer)| {
            let hashes = (0..layer.hash_count).step_by(PART as usize);
            hashes.map(|index| self.part(root, layer, index as u32))
        });
        parts.filter(|part| !self.parts.contains_key(&(part.root, part.index)))
    }

    /// Takes in the hashes of a part and then those of its proof, as a `hashes` message has them.
    /// `false` if they are not right, or nobody wanted them.
    pub fn add(&mut self, part: &LayerPart, hashes: &[[u8; 32]]) -> bool {
        let Some(layer) = self.wanted.get(&part.root) else { return false };
        let is_part = u64::from(part.index) < layer.hash_count
            && part.index.is_multiple_of(PART)
            && *part == self.part(&part.root, layer, part.index);
        let length = part.length as usize;
        if !is_part || hashes.len() != length + part.proof_length() {
            return false;
        }
        let (hashes, proof) = hashes.split_at(length);
        // What is beyond the end of the file is no part of a layer.
        let count = (layer.hash_count - u64::from(part.index)).min(length as u64) as usize;
        let (hashes, beyond) = hashes.split_at(count);
        let padding = merkle::padding(1 << self.base_layer);
        let above = merkle::reduce(hashes, length, self.base_layer as usize);
        if beyond.iter().any(|hash| *hash != padding)
            || !merkle::verify(&part.root, above, part.index as usize / length, proof)
        {
            return false;
        }
        self.parts.insert((part.root, part.index), hashes.to_vec());
        true
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.parts.len() as u64 == self.count
    }

    /// The torrent with its layers; `None` if one is not complete.
    pub fn finish(mut self) -> Option<Metainfo> {
        if !self.is_complete() {
            return None;
        }
        let mut layers: BTreeMap<[u8; 32], Vec<Hash>> =
            self.metainfo.layers.iter().map(|(root, layer)| (*root, layer.to_vec())).collect();
        for ((root, _), part) in self.parts {
            layers.entry(root).or_default().extend(part);
        }
        self.metainfo.layers = PieceLayers::from_computed(layers);
        Some(self.metainfo)
    }

    fn part(&self, root: &[u8; 32], layer: &Wanted, index: u32) -> LayerPart {
        let width = (layer.hash_count as usize).next_power_of_two();
        let length = width.min(PART as usize);
        // The layer makes up its root itself, or the way to it needs proof.
        let proof_layers = if length == width { 0 } else { merkle::height(width) as u32 - 1 };
        let (root, base_layer) = (*root, self.base_layer);
        LayerPart { root, base_layer, index, length: length as u32, proof_layers }
    }
}

/// Answers what peers ask of the piece layers of a torrent.
///
/// The first question about a file takes time in proportion to its layer, others to what they ask for
/// and 512 hashes at most.
#[derive(Debug, Clone)]
pub struct LayerProofs {
    metainfo: Arc<Metainfo>,
    base_layer: u32,
    /// Of each file that was asked for: the layer whose hashes cover 512 pieces, and those above.
    tops: HashMap<[u8; 32], Vec<Vec<Hash>>>,
}

impl LayerProofs {
    /// Answers from these layers.
    pub fn new(metainfo: Arc<Metainfo>) -> Self {
        let base_layer = base_layer(&metainfo);
        Self { metainfo, base_layer, tops: HashMap::new() }
    }

    /// The hashes of a part, then those of its proof. `None` if there is no such part, if it is of
    /// another layer, or if the torrent lacks the layer.
    pub fn hashes(&mut self, part: &LayerPart) -> Option<Vec<[u8; 32]>> {
        let layer = self.metainfo.layers.get(&part.root)?;
        let width = layer.len().next_power_of_two();
        let (first, length) = (part.index as usize, part.length as usize);
        let is_part = part.base_layer == self.base_layer
            && length.is_power_of_two()
            && length <= MAX_LENGTH
            && first.is_multiple_of(length)
            && first < layer.len()
            && length <= width;
        if !is_part {
            return None;
        }
        let level = self.base_layer as usize;
        let tops = self.tops.entry(part.root).or_insert_with(|| tops(layer, level));
        let mut proof = Vec::new();
        let step = width.min(PART as usize);
        if length < step {
            let start = first - first % step;
            let around = &layer[start..layer.len().min(start + step)];
            let layers = merkle::layers(around, level, step);
            proof = merkle::siblings(&layers, level, first - start, length);
        }
        let (above, height) = (length.div_ceil(step), level + merkle::height(step));
        proof.extend(merkle::siblings(tops, height, first / step, above));
        if part.proof_length() > proof.len() {
            return None;
        }
        proof.truncate(part.proof_length());
        let padding = merkle::padding(1 << level);
        let mut hashes: Vec<Hash> = layer.iter().skip(first).take(length).copied().collect();
        hashes.resize(length, padding);
        hashes.extend(proof);
        Some(hashes)
    }
}

/// Layers between the blocks of a torrent and its pieces.
fn base_layer(metainfo: &Metainfo) -> u32 {
    let piece_length = metainfo.info.geometry().nominal_piece_length();
    merkle::height(merkle::leaves_per_piece(piece_length)) as u32
}

fn tops(layer: &[Hash], level: usize) -> Vec<Vec<Hash>> {
    let width = layer.len().next_power_of_two();
    let step = width.min(PART as usize);
    let roots = layer.chunks(step).map(|part| merkle::reduce(part, step, level));
    merkle::layers(&roots.collect::<Vec<_>>(), level + merkle::height(step), width / step)
}

/// Hashes that are asked for at once: BEP 52 would not have more.
const PART: u32 = 512;

/// Hashes that are given at once, as libtorrent has it.
const MAX_LENGTH: usize = 8192;
