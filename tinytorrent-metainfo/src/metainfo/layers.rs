//! `piece layers` (BEP 52).

use std::collections::{BTreeMap, HashMap};

use tinytorrent_bencode::Node;
use tinytorrent_types::PieceIndex;

use crate::error::{Error, ErrorKind};
use crate::merkle;
use crate::report::Report;
use crate::warning::WarningKind;
use crate::{Info, Layout};

/// The layers of all files that are larger than a piece, by root. Files with the same content share one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PieceLayers {
    hashes: Vec<[u8; 32]>,
    /// Roots, each with the end of its layer in `hashes`; sorted by root.
    layers: Vec<([u8; 32], u32)>,
}

/// The root of the part of a file's merkle tree that covers one piece (BEP 52).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PieceHash {
    /// The hash.
    pub hash: [u8; 32],
    /// Leaves below it, of 16 KiB each: those of a piece, or fewer if the file is smaller than a piece.
    pub leaf_count: usize,
}

impl PieceLayers {
    /// Reads the dictionary and checks each layer against its root (BEP 52 "infohash").
    pub(crate) fn read(
        node: Option<Node<'_, '_>>,
        root: Node<'_, '_>,
        info: &Info,
        report: &mut Report,
    ) -> Result<Self, Error> {
        let required = required_layers(info);
        let mut layers = Self::default();
        let Some(node) = node else {
            return layers.check_all_there(&required, root, report).map(|()| layers);
        };
        let mut entries: Vec<(&[u8], Node<'_, '_>)> = node.to_dict()?.collect();
        // A stable sort, so that the first of equal keys counts, as elsewhere.
        entries.sort_by_key(|(key, _)| *key);
        entries.dedup_by_key(|(key, _)| *key);
        for (key, layer) in entries {
            let found =
                <[u8; 32]>::try_from(key).ok().and_then(|root| required.get_key_value(&root));
            match found {
                Some((root, required)) => {
                    layers.add(root, required.hash_count, layer, info, report)?;
                }
                None => report.deviate(&layer, WarningKind::PieceLayerUnknown)?,
            }
        }
        layers.hashes.shrink_to_fit();
        layers.check_all_there(&required, node, report)?;
        Ok(layers)
    }

    /// Creates layers from hashes that were computed or proven.
    pub(crate) fn from_computed(computed: BTreeMap<[u8; 32], Vec<[u8; 32]>>) -> Self {
        let mut layers = Self::default();
        for (root, hashes) in computed {
            layers.hashes.extend(hashes);
            // There are at most 2^31 pieces, each with one hash.
            layers.layers.push((root, layers.hashes.len() as u32));
        }
        layers
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Roots with their layers, in the order of the roots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8; 32], &[[u8; 32]])> {
        (0..self.layers.len()).map(|at| (&self.layers[at].0, self.at(at)))
    }

    pub(crate) fn get(&self, root: &[u8; 32]) -> Option<&[[u8; 32]]> {
        let at = self.layers.binary_search_by_key(&root, |(root, _)| root).ok()?;
        Some(self.at(at))
    }

    fn at(&self, at: usize) -> &[[u8; 32]] {
        let start = at.checked_sub(1).map_or(0, |before| self.layers[before].1 as usize);
        &self.hashes[start..self.layers[at].1 as usize]
    }

    pub(crate) fn are_complete(&self, info: &Info) -> bool {
        required_layers(info).keys().all(|root| self.get(root).is_some())
    }

    pub(crate) fn piece_hash(&self, info: &Info, piece: PieceIndex) -> Option<PieceHash> {
        let layout = info.layout();
        let span = layout.piece_spans(piece).next()?;
        let file = layout.file(span.file.get())?;
        let root = info.pieces_root(file.index)?;
        let piece_length = layout.geometry().nominal_piece_length();
        // Such a file has no piece layer: its root is the hash of its only piece.
        if file.length <= piece_length.into() {
            let leaf_count = merkle::leaf_count(file.length).next_power_of_two();
            return Some(PieceHash { hash: root, leaf_count });
        }
        let hash = *self.get(&root)?.get((span.offset / u64::from(piece_length)) as usize)?;
        Some(PieceHash { hash, leaf_count: merkle::leaves_per_piece(piece_length) })
    }

    fn add(
        &mut self,
        root: &[u8; 32],
        hash_count: u64,
        node: Node<'_, '_>,
        info: &Info,
        report: &mut Report,
    ) -> Result<(), Error> {
        let bytes = node.to_bytes()?;
        let expected = hash_count * 32;
        if bytes.len() as u64 != expected {
            let found = bytes.len();
            return Err(Error::at(&node, ErrorKind::PieceLayerLength { expected, found }));
        }
        let (layer, _) = bytes.as_chunks::<32>();
        let leaves = merkle::leaves_per_piece(info.geometry().nominal_piece_length());
        if merkle::root_of_layer(layer, leaves) != *root {
            // Lenient reading drops the layer, which can be had from peers.
            return report.deviate(&node, WarningKind::PieceLayerHash);
        }
        self.hashes.extend_from_slice(layer);
        // Bencode of more than 4 GiB is refused, so the hashes are fewer than 2^32.
        self.layers.push((*root, self.hashes.len() as u32));
        Ok(())
    }

    fn check_all_there(
        &self,
        required: &HashMap<[u8; 32], RequiredLayer>,
        node: Node<'_, '_>,
        report: &mut Report,
    ) -> Result<(), Error> {
        let missing = required.iter().filter(|(root, _)| self.get(root).is_none());
        let mut missing: Vec<u32> = missing.map(|(_, required)| required.file).collect();
        // The map has a random order; the error should not.
        missing.sort_unstable();
        missing
            .into_iter()
            .try_for_each(|file| report.deviate(&node, WarningKind::PieceLayerMissing { file }))
    }
}

/// A layer that a torrent has to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequiredLayer {
    /// The first file with this root.
    pub(super) file: u32,
    pub(super) hash_count: u64,
}

/// The layers that a torrent has to have, by root: those of files larger than a piece (BEP 52).
pub(super) fn required_layers(info: &Info) -> HashMap<[u8; 32], RequiredLayer> {
    let mut required = HashMap::new();
    if !info.version().has_v2() {
        return required;
    }
    let layout: &Layout = info.layout();
    let piece_length = u64::from(layout.geometry().nominal_piece_length());
    for file in layout.files().filter(|file| file.length > piece_length) {
        if let Some(root) = info.pieces_root(file.index) {
            let hash_count = file.length.div_ceil(piece_length);
            let entry = RequiredLayer { file: file.index.get(), hash_count };
            required.entry(root).or_insert(entry);
        }
    }
    required
}
