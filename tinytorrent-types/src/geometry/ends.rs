use alloc::vec::Vec;

use super::PieceIndex;

/// The pieces that are shorter than the rest, with a gap behind each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ends {
    /// Pieces and their lengths, in order.
    short: Vec<(PieceIndex, u32)>,
    gaps: u64,
}

impl Ends {
    /// Adds a piece after those that are there.
    pub(super) fn push(&mut self, piece: PieceIndex, length: u32, gap: u32) {
        self.short.push((piece, length));
        self.gaps += u64::from(gap);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.short.is_empty()
    }

    /// Bytes of all gaps.
    pub(super) fn gaps(&self) -> u64 {
        self.gaps
    }

    pub(super) fn length(&self, piece: PieceIndex) -> Option<u32> {
        let at = self.short.binary_search_by_key(&piece, |(short, _)| *short).ok()?;
        Some(self.short[at].1)
    }
}
