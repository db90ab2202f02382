//! Pieces for a source that has them all, and gives them in long runs.

use tinytorrent_types::{BlockInfo, PieceIndex};

use super::{Picker, PickerPeer};
use crate::PeerKey;
use crate::piece::download::Download;

/// Pieces of a gap that are passed in one search at most.
const GAP_STEPS: usize = 64;

/// Urgent pieces that are looked at.
const URGENT: usize = 64;

impl Picker {
    /// Counts how often something was given back that can be asked for again.
    pub(crate) fn given_back(&self) -> u64 {
        self.given_back
    }

    /// Returns true if the order of the pieces is a wish of the user.
    pub(crate) fn is_choosy(&self) -> bool {
        self.sequential || self.rarity.has_priorities()
    }

    /// Returns true if no peer fetches the piece, and it may be asked for.
    pub(crate) fn is_free(&self, piece: PieceIndex) -> bool {
        self.rarity.contains(piece)
            || self.downloads.get(piece).is_some_and(|download| {
                // Whole, if it is to come from one source.
                download.is_open()
                    && self.downloads.lead(download).is_none()
                    && (!download.single_source || download.is_untouched())
            })
    }

    /// The urgent pieces that are free, the first one first.
    pub(crate) fn free_urgent(&self) -> impl Iterator<Item = PieceIndex> {
        let near = self.urgent.iter().take(URGENT).map(|urgent| urgent.piece);
        near.filter(|&piece| self.is_free(piece))
    }

    /// The pieces of which something is left to ask for, whoever has begun them.
    pub(crate) fn open_pieces(&self) -> impl Iterator<Item = PieceIndex> {
        let open = self.downloads.open().filter(|download| !download.single_source);
        open.map(Download::piece)
    }

    /// The first of the longest run of free pieces that fit, among those of the highest priority; in order, the first
    /// piece. Peers begin with the end of that run from now on. The time grows with the number of pieces.
    pub(crate) fn begin_gap(&mut self, fits: impl Fn(PieceIndex) -> bool) -> Option<PieceIndex> {
        let fits = |piece| fits(piece) && self.is_free(piece);
        if self.sequential {
            return self.geometry.pieces().find(|&piece| fits(piece));
        }
        let mut best: Option<(i32, u64, PieceIndex, PieceIndex)> = None;
        let mut run: Option<(i32, u64, PieceIndex)> = None;
        for piece in self.geometry.pieces() {
            if !fits(piece) {
                run = None;
                continue;
            }
            let rank = -self.rarity.lag(piece);
            let length = u64::from(self.geometry.payload_length(piece));
            run = match run {
                Some((of_run, bytes, first)) if of_run == rank => {
                    Some((rank, bytes + length, first))
                }
                _ => Some((rank, length, piece)),
            };
            if let Some((rank, bytes, first)) = run
                && best.is_none_or(|(r, b, ..)| (rank, bytes) > (r, b))
            {
                best = Some((rank, bytes, first, piece));
            }
        }
        let (.., first, last) = best?;
        self.gap_end = Some(last);
        Some(first)
    }

    /// The last piece of the gap at whose beginning a web seed is, if this peer has it and nothing is rarer: the two
    /// do not meet early (BEP 19).
    pub(super) fn take_gap_end(&mut self, peer: &PickerPeer<'_>) -> Option<PieceIndex> {
        // A few steps at a time: what others have taken is passed once.
        for _ in 0..GAP_STEPS {
            let last = self.gap_end?;
            let is_startable = self.rarity.contains(last);
            if is_startable && !(self.rarity.is_among_rarest(last) && peer.pieces.contains(last)) {
                return None;
            }
            self.gap_end = last.get().checked_sub(1).and_then(|before| self.geometry.piece(before));
            if is_startable {
                return Some(last);
            }
        }
        None
    }

    /// Asks a source for the free blocks of a piece, up to so many bytes. Returns the bytes that are left.
    pub(crate) fn claim(
        &mut self,
        piece: PieceIndex,
        source: PeerKey,
        mut bytes: u64,
        blocks: &mut Vec<BlockInfo>,
    ) -> u64 {
        if self.rarity.contains(piece) {
            self.start(piece, None);
        }
        let Some(download) = self.downloads.get_mut(piece) else { return bytes };
        // What is to come from one source comes from it whole.
        let is_whole = download.single_source;
        while (bytes > 0 || is_whole)
            && let Some(block) = download.request_free(source, &self.geometry)
        {
            bytes = bytes.saturating_sub(block.length().into());
            blocks.push(block);
        }
        self.settle(piece);
        bytes
    }
}
