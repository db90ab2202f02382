//! Hashes of pieces, which a node that has only a link gets from others (BEP 52).

use std::time::Duration;

use bytes::Bytes;
use tinytorrent_swarm::{Input, PeerKey};
use tinytorrent_types::{BLOCK_LENGTH, Bitfield, Geometry, InfoHashV1, InfoHashV2, InfoHashes};
use tinytorrent_wire::{HashRequest, Hashes};

use super::happening::Happening;
use super::{Node, World};
use crate::{Behaviour, Simulated};

/// Time to look hashes up, or to look at them.
const LOOK: Duration = Duration::from_millis(2);

/// Hashes of one request at most, so that small files have several.
const AT_ONCE: u32 = 4;

/// The byte of which all hashes are made that are right, and that of the others.
const RIGHT: u8 = 1;
const WRONG: u8 = 2;

impl World {
    /// Makes the torrent one of v1 and v2, whose files have so many pieces each. Whoever has only a link gets the hashes
    /// of the pieces from others before the content. Nodes that were added before know nothing of it.
    ///
    /// # Panics
    /// If the length of the pieces is not one of v2: a power of two, 16 KiB at least.
    pub fn add_hashes(&mut self, geometry: &Geometry, pieces_each: u32) {
        let blocks = geometry.nominal_piece_length() / BLOCK_LENGTH;
        assert!(blocks.is_power_of_two(), "pieces of {blocks} blocks");
        let (v1, v2) = (InfoHashV1::from_bytes([7; 20]), InfoHashV2::from_bytes([8; 32]));
        self.hashes = InfoHashes::from_both(v1, v2);
        self.layers.clear();
        let mut left = geometry.piece_count();
        while left > 0 {
            let pieces = pieces_each.clamp(1, left);
            // A file of one piece has its hash in the info dictionary.
            if pieces > 1 {
                self.layers.extend(layer(left, blocks.ilog2(), pieces));
            }
            left -= pieces;
        }
    }

    /// The bytes of the info dictionary are right: only hashes are lacking, if there are any.
    pub(super) fn has_info(&mut self, node: Node) {
        let layers = self.layers.clone();
        if layers.is_empty() {
            return self.has_hashes(node);
        }
        self.nodes[node].lacking.clone_from(&layers);
        self.input(node, Input::HashesNeeded(layers));
    }

    fn has_hashes(&mut self, node: Node) {
        let count = self.nodes[node].geometry.piece_count();
        self.ready(node, Bitfield::new(count));
    }

    /// Looks hashes up for a peer.
    pub(super) fn read_hashes(&mut self, node: Node, peer: PeerKey, request: HashRequest) {
        let byte = match self.nodes[node].behaviour {
            Behaviour::HoldsHashesBack => return,
            Behaviour::RejectsHashes => None,
            Behaviour::LiesAboutHashes => Some(WRONG),
            _ => self.layers.contains(&request).then_some(RIGHT),
        };
        let hashes = byte.map(|byte| bytes_of(&request, byte));
        let read = Input::HashesRead { peer, request, hashes };
        self.later(LOOK, node, Happening::Told(read));
    }

    /// Looks at hashes that came.
    pub(super) fn check_hashes(&mut self, node: Node, peer: PeerKey, hashes: Hashes) {
        self.later(LOOK, node, Happening::Hashes { peer, hashes });
    }

    /// Hashes have been looked at.
    pub(super) fn hashes_checked(&mut self, node: Node, peer: PeerKey, hashes: &Hashes) {
        let request = hashes.request;
        let is_right = hashes.hashes == bytes_of(&request, RIGHT);
        let Simulated { lacking, .. } = &mut self.nodes[node];
        let count = lacking.len();
        if is_right {
            lacking.retain(|lacking| *lacking != request);
        }
        let is_last = lacking.is_empty() && count > 0;
        self.input(node, Input::HashesChecked { peer, request, is_right });
        if is_last {
            self.has_hashes(node);
        }
    }
}

/// The requests for the hashes of a file of so many pieces.
fn layer(number: u32, base_layer: u32, pieces: u32) -> impl Iterator<Item = HashRequest> {
    let mut pieces_root = [9; 32];
    pieces_root[..4].copy_from_slice(&number.to_be_bytes());
    let row = pieces.next_power_of_two();
    let length = row.min(AT_ONCE);
    let proof_layers = row.ilog2();
    (0..pieces).step_by(length as usize).map(move |index| HashRequest {
        pieces_root,
        base_layer,
        index,
        length,
        proof_layers,
    })
}

fn bytes_of(request: &HashRequest, byte: u8) -> Bytes {
    vec![byte; 32 * request.hash_count() as usize].into()
}
