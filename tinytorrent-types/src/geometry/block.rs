use core::fmt;

use super::BLOCK_LENGTH;

/// The index of an existing piece. Only [`Geometry`](super::Geometry) makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceIndex(pub(super) u32);

impl PieceIndex {
    /// The number as it stands in messages.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number as an index of tables with an entry for each piece.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl From<PieceIndex> for u32 {
    fn from(piece: PieceIndex) -> Self {
        piece.0
    }
}

impl fmt::Display for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A range of an existing piece, the unit of requests. Only [`Geometry`](super::Geometry) makes
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockInfo {
    pub(super) piece: PieceIndex,
    pub(super) begin: u32,
    pub(super) length: u32,
}

impl BlockInfo {
    /// The piece of the block.
    pub const fn piece(&self) -> PieceIndex {
        self.piece
    }

    /// Offset within the piece, in bytes.
    pub const fn begin(&self) -> u32 {
        self.begin
    }

    /// Length in bytes; never zero.
    pub const fn length(&self) -> u32 {
        self.length
    }

    /// Offset within the piece of the byte after the last one.
    pub const fn end(&self) -> u32 {
        // This cannot overflow, as `Geometry` only makes blocks that end within their piece.
        self.begin + self.length
    }

    /// The number of the block within its piece, for blocks that begin at a multiple of
    /// [`BLOCK_LENGTH`].
    pub const fn number(&self) -> u32 {
        self.begin / BLOCK_LENGTH
    }
}

impl fmt::Display for BlockInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}+{}", self.piece, self.begin, self.length)
    }
}
