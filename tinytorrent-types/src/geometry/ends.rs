use alloc::vec::Vec;

use super::PieceIndex;

/// The pieces whose content ends before the next piece begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ends {
    /// Pieces and the lengths of their content, in order.
    short: Vec<(PieceIndex, u32)>,
    /// Bytes between the ends of these contents and of their pieces, in total.
    missing: u64,
}

impl Ends {
    /// Adds a piece behind the last one. Ignores others.
    pub(super) fn push(&mut self, piece: PieceIndex, length: u32, missing: u32) {
        // The order is that of a binary search.
        if self.short.last().is_none_or(|(last, _)| *last < piece) {
            self.short.push((piece, length));
            self.missing += u64::from(missing);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.short.is_empty()
    }

    /// Bytes between the ends of these contents and of their pieces, in total.
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }

    pub(super) fn length(&self, piece: PieceIndex) -> Option<u32> {
        let at = self.short.binary_search_by_key(&piece, |(short, _)| *short).ok()?;
        Some(self.short[at].1)
    }
}
