//! Pieces that somebody is waiting for, and the time by which each is needed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tinytorrent_types::{BlockInfo, PieceIndex};

use super::{Blame, Picker, PickerPeer, Pieces};
use crate::PeerKey;

/// A piece that is needed by a certain time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Urgent {
    pub(crate) piece: PieceIndex,
    /// The time by which it is needed. It may have passed.
    pub(crate) due: Instant,
    /// The time that a block of it takes from the quickest peer that has it, if that is known.
    soonest: Option<Duration>,
}

/// Of the urgent pieces that are missing, how many are fetched side by side.
const AT_ONCE: usize = 64;

/// Of those of which nothing is left to ask for, how many are looked at for blocks that come late.
const LATE_AT_ONCE: usize = 4;

/// Time by which a peer may be slower than the quickest one and is asked for what is late all the same. A
/// guess: a few round trips.
const TOLERANCE: Duration = Duration::from_millis(50);

impl Urgent {
    pub(crate) fn new(piece: PieceIndex, due: Instant) -> Self {
        Self { piece, due, soonest: None }
    }

    /// Returns true if a block from this peer comes in time, or if no other peer would be much sooner.
    fn is_for(&self, peer: &PickerPeer<'_>) -> bool {
        // Twice the time, as a block that is late after all is sent by two peers.
        let is_in_time = peer.now + 2 * peer.eta <= self.due;
        is_in_time || self.soonest.is_none_or(|soonest| peer.eta <= 2 * soonest + TOLERANCE)
    }
}

impl Picker {
    /// Fetches these pieces before all others from now on, the first one first, and no longer those of
    /// before (S-25). Those that are verified or not wanted are left out.
    pub(crate) fn set_urgent(&mut self, urgent: impl IntoIterator<Item = Urgent>) {
        let missing = urgent.into_iter().filter(|urgent| self.wants(urgent.piece));
        self.urgent = missing.collect();
    }

    pub(crate) fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// The first urgent piece that has a block to be asked for, of those that a peer has.
    pub(crate) fn first_urgent(&self, pieces: &Pieces) -> Option<Urgent> {
        let has_free = |piece| self.downloads.get(piece).is_some_and(|d| d.has_free());
        let is_open = |piece| self.rarity.contains(piece) || has_free(piece);
        let mut near = self.urgent.iter().take(AT_ONCE);
        near.find(|urgent| pieces.contains(urgent.piece) && is_open(urgent.piece)).copied()
    }

    /// The urgent pieces, in order of their index.
    pub(crate) fn urgent_pieces(&self) -> BTreeSet<PieceIndex> {
        self.urgent.iter().map(|urgent| urgent.piece).collect()
    }

    /// Notes the time that a block of each of the next urgent pieces takes from the quickest peer.
    pub(crate) fn note_soonest(&mut self, soonest: impl Fn(PieceIndex) -> Option<Duration>) {
        for urgent in self.urgent.iter_mut().take(AT_ONCE) {
            urgent.soonest = soonest(urgent.piece);
        }
    }

    /// The most urgent piece with something left that this peer can be asked for; it is started if need
    /// be. All peers share in it, but for those from which it would be late while others are quicker.
    pub(super) fn urgent_piece(
        &mut self,
        peer: &PickerPeer<'_>,
        blame: &Blame,
    ) -> Option<PieceIndex> {
        let is_open = |piece: PieceIndex| {
            let download = self.downloads.get(piece).filter(|download| download.has_free());
            download.is_some_and(|download| self.is_for(download, peer.key, blame))
        };
        let has_something = |urgent: &&Urgent| {
            peer.may_have(urgent.piece)
                && urgent.is_for(peer)
                && (self.rarity.contains(urgent.piece) || is_open(urgent.piece))
        };
        // Far ones can wait, and a search among all would cost at each block.
        let piece = self.urgent.iter().take(AT_ONCE).find(has_something)?.piece;
        if self.rarity.contains(piece) {
            self.start(piece, Some(peer.key));
        } else {
            self.downloads.offer_lead(piece, peer.key);
        }
        Some(piece)
    }

    /// Returns true if a piece is left to quicker peers than this one.
    pub(super) fn is_withheld(&self, piece: PieceIndex, peer: &PickerPeer<'_>) -> bool {
        let mut near = self.urgent.iter().take(AT_ONCE);
        near.find(|urgent| urgent.piece == piece).is_some_and(|urgent| !urgent.is_for(peer))
    }

    /// The most urgent pieces of a peer of which nothing is left to ask for.
    pub(crate) fn awaited_urgent(&self, pieces: &Pieces) -> impl Iterator<Item = Urgent> {
        let is_awaited = |piece| self.downloads.get(piece).is_some_and(|d| !d.has_free());
        let near = self.urgent.iter().take(AT_ONCE).filter(move |u| is_awaited(u.piece));
        near.take(LATE_AT_ONCE).filter(|urgent| pieces.contains(urgent.piece)).copied()
    }

    /// The blocks of a piece that were asked for and have not come, and who was asked.
    pub(crate) fn requests_of(
        &self,
        piece: PieceIndex,
    ) -> impl Iterator<Item = (PeerKey, BlockInfo)> {
        let download = self.downloads.get(piece).into_iter();
        download.flat_map(|download| download.requests(&self.geometry))
    }
}
