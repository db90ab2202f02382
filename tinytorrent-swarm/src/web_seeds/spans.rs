//! The choice of the blocks that a web seed is asked for next.

use tinytorrent_types::{Bitfield, BlockInfo, PieceIndex};

use crate::PeerKey;
use crate::piece::Picker;

/// The place at which a web seed goes on.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The piece behind its last span.
    next: Option<PieceIndex>,
    /// The picker's count of pieces given back, when nothing was found.
    found_nothing_at: Option<u64>,
}

impl Course {
    /// Forgets where it was: other pieces may be wanted.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Returns true if nothing was found, and nothing has been given back since.
    pub(super) fn is_at_end(&self, picker: &Picker) -> bool {
        self.found_nothing_at == Some(picker.given_back())
    }

    /// Takes up to so many bytes of blocks for a web seed: those that somebody waits for, or those that follow its
    /// last ones, or the beginning of the largest gap (BEP 19, "gaps"). At least one block, if there is one.
    pub(super) fn take(
        &mut self,
        picker: &mut Picker,
        lacks: Option<&Bitfield>,
        key: PeerKey,
        bytes: u64,
    ) -> Vec<BlockInfo> {
        if self.is_at_end(picker) {
            return Vec::new();
        }
        let has = |piece: PieceIndex| lacks.is_none_or(|lacks| !lacks.contains(piece));
        let Some(first) = self.first(picker, has) else {
            self.found_nothing_at = Some(picker.given_back());
            return Vec::new();
        };
        self.found_nothing_at = None;
        let (mut blocks, mut left, mut at) = (Vec::new(), bytes, Some(first));
        while let Some(piece) = at
            && left > 0
            && has(piece)
            && (piece == first || picker.is_free(piece))
        {
            left = picker.claim(piece, key, left, &mut blocks);
            at = picker.geometry().piece(piece.get() + 1);
            // A piece that is larger than a span is gone on with.
            self.next = if left > 0 { at } else { Some(piece) };
        }
        blocks
    }

    fn first(&self, picker: &mut Picker, has: impl Fn(PieceIndex) -> bool) -> Option<PieceIndex> {
        if let Some(urgent) = picker.free_urgent().find(|&piece| has(piece)) {
            return Some(urgent);
        }
        if !picker.is_choosy()
            && let Some(next) = self.next.filter(|&next| has(next) && picker.is_free(next))
        {
            return Some(next);
        }
        picker.begin_gap(&has).or_else(|| {
            // Nothing is left but parts of what peers have begun.
            picker.open_pieces().find(|&piece| has(piece))
        })
    }
}
