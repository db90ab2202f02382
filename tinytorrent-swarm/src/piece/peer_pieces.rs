use tinytorrent_types::{Bitfield, PieceIndex};

/// The pieces that a peer says it has.
///
/// A seed is one word, not a bitfield: counting it or asking it costs the same in a torrent of
/// ten pieces and of two million.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PeerPieces {
    /// Every piece: `have all`, or a full bitfield.
    All,
    /// Piece by piece: maybe none, and all of them after the last missing `have` (W-23).
    Some(Bitfield),
}

impl PeerPieces {
    /// Of a peer that has said nothing yet.
    pub(crate) fn none(piece_count: u32) -> Self {
        PeerPieces::from(Bitfield::new(piece_count))
    }

    /// Whether the peer has this piece.
    pub(crate) fn contains(&self, piece: PieceIndex) -> bool {
        match self {
            PeerPieces::All => true,
            PeerPieces::Some(pieces) => pieces.contains(piece),
        }
    }

    /// Whether the peer has them all.
    pub(crate) fn is_seed(&self) -> bool {
        match self {
            PeerPieces::All => true,
            PeerPieces::Some(pieces) => pieces.is_full(),
        }
    }

    #[cfg(test)]
    /// How many of `piece_count` pieces the peer has.
    pub(crate) fn count(&self, piece_count: u32) -> u32 {
        match self {
            PeerPieces::All => piece_count,
            PeerPieces::Some(pieces) => pieces.count(),
        }
    }

    /// Takes note of a `have`. `true` if it is news.
    pub(crate) fn insert(&mut self, piece: PieceIndex) -> bool {
        match self {
            PeerPieces::All => false,
            PeerPieces::Some(pieces) => pieces.insert(piece),
        }
    }

    /// Takes note of a piece that the peer no longer has (BEP 54). `true` if it had it; `false` for
    /// [`All`](Self::All), which is to be spelled out before.
    pub(crate) fn remove(&mut self, piece: PieceIndex) -> bool {
        match self {
            PeerPieces::All => false,
            PeerPieces::Some(pieces) => pieces.remove(piece),
        }
    }
}

impl From<Bitfield> for PeerPieces {
    fn from(pieces: Bitfield) -> Self {
        if pieces.is_full() { PeerPieces::All } else { PeerPieces::Some(pieces) }
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::Geometry;

    use super::*;

    #[test]
    fn the_last_have_makes_a_seed_and_a_donthave_unmakes_it() {
        let geometry = Geometry::new(3, 1).unwrap();
        let mut pieces = PeerPieces::none(3);
        for piece in geometry.pieces() {
            assert!(!pieces.is_seed());
            assert!(pieces.insert(piece));
            assert!(!pieces.insert(piece));
        }
        assert!(pieces.is_seed());
        assert!(pieces.remove(geometry.piece(1).unwrap()));
        assert!(!pieces.is_seed());
        assert_eq!(pieces.count(3), 2);
    }
}
