//! Parts of piece layers, as peers request and send them (BEP 52, "hash request").

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Metainfo;
use super::layers::{PieceLayers, RequiredLayer, required_layers};
use crate::merkle::{self, Hash};

/// The fields of a `hash request`: a part of a file's piece layer, and the length of its proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LayerPart {
    /// The root of the file's tree.
    pub root: [u8; 32],
    /// Layers between the hashes and the blocks of 16 KiB.
    pub base_layer: u32,
    /// The index of the first hash in its layer; a multiple of `length`.
    pub index: u32,
    /// The number of hashes, with those beyond the end of the file. It is a power of two: at least 2 in
    /// BEP 52, but libtorrent also requests 1.
    pub length: u32,
    /// Layers of the proof, counted from the layer of the hashes. The lowest follow from the hashes and
    /// are not sent.
    pub proof_layers: u32,
}

impl LayerPart {
    /// The number of hashes in the proof: one for each layer that does not follow from the hashes.
    fn proof_length(&self) -> usize {
        (self.proof_layers as usize + 1).saturating_sub(merkle::height(self.length as usize))
    }
}

/// A collector of the piece layers that a torrent lacks, which peers send in parts.
///
/// ```text
/// missing ──▶ request from peers ──▶ add, until is_complete ──▶ finish: a torrent with all layers
/// ```
///
/// Each part is proven against the root in the info dictionary, so a wrong one is the fault of its
/// sender. Memory grows with the proven hashes, not with the sizes that the torrent claims.
#[derive(Debug, Clone)]
pub struct LayerAssembly {
    metainfo: Metainfo,
    base_layer: u32,
    /// The layers that the torrent lacks, by root.
    required: HashMap<[u8; 32], RequiredLayer>,
    /// The parts that were proven, by root and index.
    parts: BTreeMap<([u8; 32], u32), Vec<Hash>>,
    /// The number of all parts.
    count: u64,
}

impl LayerAssembly {
    /// Creates a collector for the layers that the torrent lacks.
    pub fn new(metainfo: Metainfo) -> Self {
        let mut required = required_layers(&metainfo.info);
        required.retain(|root, _| metainfo.layers.get(root).is_none());
        let base_layer = base_layer(&metainfo);
        let counts = required.values().map(|layer| layer.hash_count.div_ceil(PART.into()));
        let count = counts.sum();
        Self { metainfo, base_layer, required, parts: BTreeMap::new(), count }
    }

    /// The parts that are missing, of at most 512 hashes each, in the order of the files.
    pub fn missing(&self) -> impl Iterator<Item = LayerPart> {
        let mut layers: Vec<_> = self.required.iter().collect();
        layers.sort_unstable_by_key(|(_, layer)| layer.file);
        let parts = layers.into_iter().flat_map(|(root, layer)| {
            let hashes = (0..layer.hash_count).step_by(PART as usize);
            hashes.map(|index| self.part(root, layer, index as u32))
        });
        parts.filter(|part| !self.parts.contains_key(&(part.root, part.index)))
    }

    /// Adds a part: its hashes followed by those of its proof, as in a `hashes` message. Returns false
    /// if they are wrong, or if the part is not one of those that were missing.
    pub fn add(&mut self, part: &LayerPart, hashes: &[[u8; 32]]) -> bool {
        let Some(layer) = self.required.get(&part.root) else { return false };
        // Only parts from `missing` are accepted, so that parts never overlap.
        let is_part = u64::from(part.index) < layer.hash_count
            && part.index.is_multiple_of(PART)
            && *part == self.part(&part.root, layer, part.index);
        let length = part.length as usize;
        if !is_part || hashes.len() != length + part.proof_length() {
            return false;
        }
        let (hashes, proof) = hashes.split_at(length);
        // Hashes beyond the end of the file are not stored, but have to be those of padding: otherwise
        // the layer would not hash to the root by itself.
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

    /// Returns true if no part is missing.
    pub fn is_complete(&self) -> bool {
        self.parts.len() as u64 == self.count
    }

    /// The torrent with all layers; `None` if a part is missing.
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

    fn part(&self, root: &[u8; 32], layer: &RequiredLayer, index: u32) -> LayerPart {
        let width = (layer.hash_count as usize).next_power_of_two();
        let length = width.min(PART as usize);
        // A whole layer proves itself; a part of one needs a proof up to the root.
        let proof_layers = if length == width { 0 } else { merkle::height(width) as u32 - 1 };
        let (root, base_layer) = (*root, self.base_layer);
        LayerPart { root, base_layer, index, length: length as u32, proof_layers }
    }
}

/// The piece layers of a torrent, with proofs for the requests of peers.
///
/// The first request for a file takes time in proportion to its layer. Later ones take time in proportion
/// to the hashes they request, plus at most 512.
#[derive(Debug, Clone)]
pub struct LayerProofs {
    metainfo: Arc<Metainfo>,
    base_layer: u32,
    /// The upper layers of each file that was requested: the one whose hashes cover 512 pieces, and those
    /// above it.
    upper_layers: HashMap<[u8; 32], Vec<Vec<Hash>>>,
}

impl LayerProofs {
    /// Creates proofs for the layers of this torrent.
    pub fn new(metainfo: Arc<Metainfo>) -> Self {
        let base_layer = base_layer(&metainfo);
        Self { metainfo, base_layer, upper_layers: HashMap::new() }
    }

    /// The hashes of a part, followed by those of its proof. `None` if the part does not exist, if it is
    /// in another layer than the piece layer, or if the torrent lacks the layer.
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
        let upper_layers =
            self.upper_layers.entry(part.root).or_insert_with(|| upper_layers(layer, level));
        let mut proof = Vec::new();
        // Below the layer of the upper hashes the tree of one part is hashed again.
        let step = width.min(PART as usize);
        if length < step {
            let start = first - first % step;
            let around = &layer[start..layer.len().min(start + step)];
            let layers = merkle::layers(around, level, step);
            proof = merkle::siblings(&layers, level, first - start, length);
        }
        let (above, height) = (length.div_ceil(step), level + merkle::height(step));
        proof.extend(merkle::siblings(upper_layers, height, first / step, above));
        // The tree has fewer layers than the request asks for.
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

/// The number of layers between the blocks of a torrent and its pieces.
fn base_layer(metainfo: &Metainfo) -> u32 {
    let piece_length = metainfo.info.geometry().nominal_piece_length();
    merkle::height(merkle::leaves_per_piece(piece_length)) as u32
}

/// The layer whose hashes cover [`PART`] pieces, and the layers above it.
fn upper_layers(layer: &[Hash], level: usize) -> Vec<Vec<Hash>> {
    let width = layer.len().next_power_of_two();
    let step = width.min(PART as usize);
    let roots = layer.chunks(step).map(|part| merkle::reduce(part, step, level));
    merkle::layers(&roots.collect::<Vec<_>>(), level + merkle::height(step), width / step)
}

/// Hashes of a request at most (BEP 52, "hash request").
const PART: u32 = 512;

/// Hashes of an answer at most, as in libtorrent.
const MAX_LENGTH: usize = 8192;
