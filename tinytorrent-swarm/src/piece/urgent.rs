//! Pieces that somebody is waiting for.

use tinytorrent_types::{BlockInfo, PieceIndex};

use super::{Blame, Picker, PickerPeer, Pieces};
use crate::PeerKey;

/// Of the urgent pieces that are missing, how many are fetched side by side.
const AT_ONCE: usize = 64;

impl Picker {
    /// These pieces are fetched before all others, the first one first, and those of before are not
    /// any more (S-25). Others than the missing ones that are wanted are left out.
    pub(crate) fn set_urgent(&mut self, pieces: impl IntoIterator<Item = u32>) {
        let pieces = pieces.into_iter().filter_map(|index| self.geometry.piece(index));
        self.urgent = pieces.filter(|&piece| self.wants(piece)).collect();
    }

    pub(crate) fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// The most urgent piece with something left that this peer can be asked for; it is started if need
    /// be. All peers share in it.
    pub(super) fn urgent_piece(
        &mut self,
        peer: &PickerPeer<'_>,
        blame: &Blame,
    ) -> Option<PieceIndex> {
        let is_open = |piece: PieceIndex| {
            let download = self.downloads.get(piece).filter(|download| download.has_free());
            download.is_some_and(|download| self.is_for(download, peer.key, blame))
        };
        let has_something = |piece: &PieceIndex| {
            peer.may_have(*piece) && (self.rarity.contains(*piece) || is_open(*piece))
        };
        // Far ones can wait, and a search among all would cost at each block.
        let piece = self.urgent.iter().take(AT_ONCE).copied().find(has_something)?;
        if self.rarity.contains(piece) {
            self.start(piece, Some(peer.key));
        } else {
            self.downloads.offer_lead(piece, peer.key);
        }
        Some(piece)
    }

    /// The blocks that are awaited of the most urgent piece of which nothing is left to ask for, and
    /// who was asked; none if a peer with these pieces could not send them instead.
    pub(crate) fn urgent_requests(
        &self,
        pieces: &Pieces,
    ) -> impl Iterator<Item = (PeerKey, BlockInfo)> {
        let downloads = self.urgent.iter().take(AT_ONCE).filter_map(|&p| self.downloads.get(p));
        let first = downloads.into_iter().find(|download| !download.has_free());
        let of_peer = first.filter(|download| pieces.contains(download.piece()));
        of_peer.into_iter().flat_map(|download| download.requests(&self.geometry))
    }
}
