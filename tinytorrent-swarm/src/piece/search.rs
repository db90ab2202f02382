use tinytorrent_types::PieceIndex;

use super::rarity::{Count, Floor};

/// The state of the search for blocks to ask one peer for.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// The piece that the peer was asked for last.
    pub(crate) current: Option<PieceIndex>,
    /// The place where the next search among all pieces of the peer begins.
    pub(super) floor: Floor,
    /// The way in which the pieces of the peer are counted.
    pub(super) count: Count,
    /// Pieces that the peer wants to be asked for (BEP 6), the latest last; [`MAX_SUGGESTED`] at most.
    suggested: Vec<PieceIndex>,
}

/// Suggestions to remember of one peer (W-45). More would be a list of everything.
const MAX_SUGGESTED: usize = 16;

impl Search {
    /// All pieces of the peer are counted anew, and so.
    pub(super) fn restart(&mut self, count: Count) {
        self.count = count;
        // What was searched in vain was searched for other pieces.
        self.floor = Floor::default();
    }

    /// Takes in a suggestion. The oldest makes room.
    pub(crate) fn suggest(&mut self, piece: PieceIndex) {
        self.suggested.retain(|suggested| *suggested != piece);
        if self.suggested.len() == MAX_SUGGESTED {
            self.suggested.remove(0);
        }
        self.suggested.push(piece);
    }

    /// Takes out the latest suggestion that fits; those that will never fit are forgotten.
    pub(crate) fn take_suggestion(
        &mut self,
        is_wanted: impl Fn(PieceIndex) -> bool,
        fits: impl Fn(PieceIndex) -> bool,
    ) -> Option<PieceIndex> {
        self.suggested.retain(|&piece| is_wanted(piece));
        let at = self.suggested.iter().rposition(|&piece| fits(piece))?;
        Some(self.suggested.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::Geometry;

    use super::*;

    #[test]
    fn the_latest_suggestion_that_fits_is_taken_once() {
        // W-45
        let geometry = Geometry::new(40, 1).unwrap();
        let mut search = Search::default();
        geometry.pieces().for_each(|piece| search.suggest(piece));
        assert_eq!(search.suggested.len(), MAX_SUGGESTED);
        let even = |piece: PieceIndex| piece.get().is_multiple_of(2);
        let taken = search.take_suggestion(|_| true, even);
        assert_eq!(taken.map(PieceIndex::get), Some(38));
        assert_eq!(search.take_suggestion(|_| true, even).map(PieceIndex::get), Some(36));
        assert_eq!(search.take_suggestion(|_| false, |_| true), None);
        assert!(search.suggested.is_empty());
    }
}
