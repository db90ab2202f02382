use tinytorrent_types::{Bitfield, PieceIndex};

/// The pieces that one side of a conversation announced.
///
/// A seed is one number and not a bitfield, so that it takes the same memory in a torrent of ten pieces
/// and of two million.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pieces {
    /// Every piece: `have all`, or a full bitfield.
    All {
        /// Pieces in the torrent.
        piece_count: u32,
    },
    /// A bit for each piece. All may be set, after a `have` of the last missing piece.
    Some(Bitfield),
}

impl Pieces {
    /// No piece.
    pub fn none(piece_count: u32) -> Self {
        Pieces::from(Bitfield::new(piece_count))
    }

    /// Every piece.
    pub fn all(piece_count: u32) -> Self {
        Pieces::from(Bitfield::full(piece_count))
    }

    /// Returns true if this piece is among them.
    pub fn contains(&self, piece: PieceIndex) -> bool {
        match self {
            Pieces::All { .. } => true,
            Pieces::Some(pieces) => pieces.contains(piece),
        }
    }

    /// Returns true if a piece of this number exists and is among them.
    pub fn get(&self, index: u32) -> bool {
        match self {
            Pieces::All { piece_count } => index < *piece_count,
            Pieces::Some(pieces) => pieces.get(index),
        }
    }

    /// Returns true if none is missing.
    pub fn is_full(&self) -> bool {
        match self {
            Pieces::All { .. } => true,
            Pieces::Some(pieces) => pieces.is_full(),
        }
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Number of pieces among them.
    pub fn count(&self) -> u32 {
        match self {
            Pieces::All { piece_count } => *piece_count,
            Pieces::Some(pieces) => pieces.count(),
        }
    }

    /// Indices of the pieces, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        // Both parts are there in both cases, one of them empty, so that the iterator has one type.
        let (all, some) = match self {
            Pieces::All { piece_count } => (0..*piece_count, None),
            Pieces::Some(pieces) => (0..0, Some(pieces)),
        };
        all.chain(some.into_iter().flat_map(Bitfield::iter))
    }

    /// Adds a piece. Returns true if it was missing.
    pub fn insert(&mut self, piece: PieceIndex) -> bool {
        match self {
            Pieces::All { .. } => false,
            Pieces::Some(pieces) => pieces.insert(piece),
        }
    }

    /// Removes a piece (BEP 54). Returns true if it was there.
    pub fn remove(&mut self, piece: PieceIndex) -> bool {
        if let Pieces::All { piece_count } = self {
            *self = Pieces::Some(Bitfield::full(*piece_count));
        }
        match self {
            Pieces::All { .. } => false,
            Pieces::Some(pieces) => pieces.remove(piece),
        }
    }
}

impl From<Bitfield> for Pieces {
    fn from(pieces: Bitfield) -> Self {
        // In a torrent without pieces, none and all are the same. A bitfield is not taken for a seed.
        if pieces.is_full() && pieces.piece_count() > 0 {
            Pieces::All { piece_count: pieces.piece_count() }
        } else {
            Pieces::Some(pieces)
        }
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::Geometry;

    use super::*;

    #[test]
    fn the_last_have_makes_a_seed_and_a_donthave_unmakes_it() {
        let geometry = Geometry::new(3, 1).unwrap();
        let mut pieces = Pieces::none(3);
        for piece in geometry.pieces() {
            assert!(!pieces.is_full());
            assert!(pieces.insert(piece) && !pieces.insert(piece));
        }
        assert!(pieces.is_full());
        assert!(pieces.remove(geometry.piece(1).unwrap()));
        assert_eq!((pieces.is_full(), pieces.count()), (false, 2));
    }

    #[test]
    fn all_pieces_are_as_many_one_by_one() {
        let geometry = Geometry::new(9, 1).unwrap();
        let mut all = Pieces::all(9);
        assert_eq!(all, Pieces::All { piece_count: 9 });
        assert_eq!(all.iter().collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
        assert!(all.get(8) && !all.get(9) && !all.insert(geometry.piece(0).unwrap()));
        assert!(all.remove(geometry.piece(4).unwrap()) && !all.get(4) && all.get(8));
        assert_eq!(all.iter().count(), 8);
    }
}
