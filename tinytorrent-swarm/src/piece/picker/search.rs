//! The choice of the piece to start for a peer.

use tinytorrent_types::PieceIndex;

use super::{Picker, PickerPeer};
use crate::piece::rarity::By;
use crate::piece::{Pieces, Search};

/// The first pieces are random ones, so that there is soon something to trade (BEP 3, S-22).
const RANDOM_FIRST: u32 = 4;

/// A peer goes on with the next piece inside stretches of this many bytes, where that costs no
/// rarity: seeds read and we write in longer runs.
const STRETCH: u64 = 4 << 20;

impl Picker {
    pub(super) fn start_piece(&mut self, peer: &mut PickerPeer<'_>) -> Option<PieceIndex> {
        if self.rarity.is_empty() {
            return None;
        }
        let piece = if let Some(only) = peer.only {
            // Ten pieces at most, by custom: a search among them costs nothing.
            let mut startable = only.iter().copied().filter(|&p| self.rarity.contains(p));
            startable.find(|&piece| peer.pieces.contains(piece))?
        } else if let Some(suggested) = self.suggested(peer) {
            suggested
        } else {
            self.best_startable(peer)?
        };
        self.start(piece, Some(peer.key));
        Some(piece)
    }

    /// A piece that the peer wants to be asked for: it may have it in memory (BEP 6).
    fn suggested(&self, peer: &mut PickerPeer<'_>) -> Option<PieceIndex> {
        if self.sequential {
            return None;
        }
        let pieces = peer.pieces;
        let fits = |piece| self.rarity.contains(piece) && pieces.contains(piece);
        peer.search.take_suggestion(|piece| self.wants(piece), fits)
    }

    fn best_startable(&mut self, peer: &mut PickerPeer<'_>) -> Option<PieceIndex> {
        if self.sequential {
            return self.rarity.first(peer.pieces, &mut peer.search.floor, By::Index);
        }
        if let Some(last) = self.take_gap_end(peer) {
            return Some(last);
        }
        // Before any search: it costs one look, and fits most of the time.
        if let Some(next) = self.next_in_stretch(peer) {
            return Some(next);
        }
        // The rarest piece comes from few peers, and slowly: the first one should come soon.
        if self.have.count() < RANDOM_FIRST && !self.rarity.has_priorities() {
            return self.rarity.random(peer.pieces, &mut peer.search.floor, &mut self.chance);
        }
        self.rarity.first(peer.pieces, &mut peer.search.floor, By::Rarity)
    }

    /// The order of a search.
    pub(super) fn order(&self) -> By {
        if self.sequential { By::Index } else { By::Rarity }
    }

    fn next_in_stretch(&self, peer: &PickerPeer<'_>) -> Option<PieceIndex> {
        let next = self.geometry.piece(peer.search.current?.get() + 1)?;
        let is_new_stretch = self.geometry.piece_offset(next) % STRETCH
            < u64::from(self.geometry.nominal_piece_length());
        (!is_new_stretch
            && self.rarity.contains(next)
            && peer.pieces.contains(next)
            // Long runs must not cost what keeps a swarm alive.
            && self.rarity.is_among_rarest(next))
        .then_some(next)
    }

    /// Panics if a search for this peer would find what it does not look at.
    pub(crate) fn check_search(&self, pieces: &Pieces, search: &Search) {
        self.rarity.check_floor(pieces, &search.floor, self.order());
    }
}
