mod block;
mod ends;

use alloc::sync::Arc;
use core::fmt;

pub use block::{BlockInfo, PieceIndex};
use ends::Ends;

/// The customary unit of requests: 16 KiB (BEP 3, "request").
pub const BLOCK_LENGTH: u32 = 16 * 1024;

/// How a torrent's content is cut into pieces and blocks.
///
/// Only a geometry makes a [`PieceIndex`] or a [`BlockInfo`], so that one which is held is in
/// range: numbers from a peer pass [`piece`](Self::piece) or [`block`](Self::block) first.
///
/// ```
/// use tinytorrent_types::Geometry;
///
/// let geometry = Geometry::new(40_000, 32_768)?;
/// let last = geometry.piece(1).unwrap();
/// assert_eq!(geometry.piece_length(last), 40_000 - 32_768);
/// assert!(geometry.piece(2).is_none());
/// # Ok::<(), tinytorrent_types::GeometryError>(())
/// ```
///
/// In a v2 torrent each file begins with a piece of its own, and its last piece ends where the file
/// ends (BEP 52). Offsets count as if each piece were full, so that there is a gap behind such a file:
///
/// ```
/// use tinytorrent_types::Geometry;
///
/// let geometry = Geometry::aligned([40_000, 5], 32_768)?;
/// let lengths: Vec<u32> = geometry.pieces().map(|piece| geometry.piece_length(piece)).collect();
/// assert_eq!(lengths, [32_768, 40_000 - 32_768, 5]);
/// assert_eq!(geometry.piece_offset(geometry.piece(2).unwrap()), 65_536);
/// assert_eq!(geometry.total_length(), 40_005);
/// # Ok::<(), tinytorrent_types::GeometryError>(())
/// ```
///
/// v1 and hybrid torrents may fill the end of a piece with padding instead, which is part of the piece
/// and consists of zeros; see [`padded`](Self::padded).
///
/// Cheap to clone. A look at a piece takes `O(log files)` where there are gaps or padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Where the last piece ends, and the gap behind it.
    end: u64,
    piece_length: u32,
    piece_count: u32,
    /// The pieces whose content ends early, if there is any.
    ends: Option<Arc<Ends>>,
    /// What follows there is no part of the piece.
    has_gaps: bool,
}

/// Why there is no such geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeometryError {
    /// Pieces of no length.
    PieceLengthZero,
    /// More pieces than an index on the wire can tell apart.
    TooManyPieces {
        /// The count that the lengths amount to.
        count: u64,
    },
}

impl Geometry {
    /// Content of `total_length` bytes in pieces of `piece_length` bytes, the last one shorter
    /// where the division leaves a rest. Content of no bytes has no pieces.
    ///
    /// # Errors
    /// A piece length of zero, or more than 2^31 pieces.
    pub const fn new(total_length: u64, piece_length: u32) -> Result<Self, GeometryError> {
        if piece_length == 0 {
            return Err(GeometryError::PieceLengthZero);
        }
        let count = total_length.div_ceil(piece_length as u64);
        if count > MAX_PIECES {
            return Err(GeometryError::TooManyPieces { count });
        }
        Ok(Self {
            end: total_length,
            piece_length,
            piece_count: count as u32,
            ends: None,
            has_gaps: false,
        })
    }

    /// Files of these lengths, each of which begins with a piece of its own (BEP 52). Empty files have
    /// no pieces.
    ///
    /// # Errors
    /// A piece length of zero, or more than 2^31 pieces.
    pub fn aligned(
        files: impl IntoIterator<Item = u64>,
        piece_length: u32,
    ) -> Result<Self, GeometryError> {
        let mut geometry = Self::new(0, piece_length)?;
        let mut ends = Ends::default();
        for length in files {
            let count = Self::new(length, piece_length)?.piece_count;
            let all = u64::from(geometry.piece_count) + u64::from(count);
            if all > MAX_PIECES {
                return Err(GeometryError::TooManyPieces { count: all });
            }
            geometry.piece_count = all as u32;
            let rest = (length % u64::from(piece_length)) as u32;
            if rest > 0 {
                ends.push(PieceIndex(geometry.piece_count - 1), rest, piece_length - rest);
            }
        }
        geometry.end = u64::from(geometry.piece_count) * u64::from(piece_length);
        geometry.ends = (!ends.is_empty()).then(|| Arc::new(ends));
        geometry.has_gaps = geometry.ends.is_some();
        Ok(geometry)
    }

    /// The same content, where these pieces end with so many bytes of padding (BEP 47): it counts, and
    /// is served, but is known without asking for it. What is no padding has one byte at least.
    ///
    /// Pieces come in order. Those that there are not, or that are said to consist of padding
    /// alone, are left out.
    #[must_use]
    pub fn padded(mut self, padding: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut ends = Ends::default();
        for (index, padding) in padding {
            let Some(piece) = self.piece(index) else { continue };
            let payload = self.padded_length(piece).saturating_sub(padding);
            if payload > 0 && padding > 0 {
                ends.push(piece, payload, padding);
            }
        }
        self.ends = (!ends.is_empty()).then(|| Arc::new(ends));
        self.has_gaps = false;
        self
    }

    /// Bytes of the whole content: of all pieces together.
    pub fn total_length(&self) -> u64 {
        if self.has_gaps { self.total_payload() } else { self.end }
    }

    /// Bytes of the whole content without the padding at the end of pieces.
    pub fn total_payload(&self) -> u64 {
        self.end - self.ends.as_ref().map_or(0, |ends| ends.missing())
    }

    /// Bytes of every piece but the last one, or in a v2 torrent the last one of each file, which may
    /// be shorter.
    pub const fn nominal_piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Number of pieces.
    pub const fn piece_count(&self) -> u32 {
        self.piece_count
    }

    /// The piece with this index, if there is one.
    pub const fn piece(&self, index: u32) -> Option<PieceIndex> {
        if index < self.piece_count { Some(PieceIndex(index)) } else { None }
    }

    /// Every piece, in order.
    pub fn pieces(
        &self,
    ) -> impl ExactSizeIterator<Item = PieceIndex> + DoubleEndedIterator + use<> {
        (0..self.piece_count).map(PieceIndex)
    }

    /// Bytes of this piece.
    pub fn piece_length(&self, piece: PieceIndex) -> u32 {
        if self.has_gaps { self.payload_length(piece) } else { self.padded_length(piece) }
    }

    /// Bytes of this piece without the padding at its end: what has to come from peers.
    pub fn payload_length(&self, piece: PieceIndex) -> u32 {
        let short = self.ends.as_ref().and_then(|ends| ends.length(piece));
        short.unwrap_or_else(|| self.padded_length(piece))
    }

    /// Bytes from the start of this piece to that of the next one, or to the end: its length and the
    /// gap behind it, if there is one.
    pub const fn padded_length(&self, piece: PieceIndex) -> u32 {
        let rest = self.end - self.piece_offset(piece);
        if rest < self.piece_length as u64 { rest as u32 } else { self.piece_length }
    }

    /// Where this piece begins, in bytes, as if all before it were full.
    pub const fn piece_offset(&self, piece: PieceIndex) -> u64 {
        piece.0 as u64 * self.piece_length as u64
    }

    /// The piece that holds the byte at this offset, or has the gap behind it.
    pub const fn piece_at(&self, offset: u64) -> Option<PieceIndex> {
        if offset < self.end {
            Some(PieceIndex((offset / self.piece_length as u64) as u32))
        } else {
            None
        }
    }

    /// Number of blocks of this piece, each [`BLOCK_LENGTH`] long but for the last one. Those of padding
    /// alone do not count.
    pub fn block_count(&self, piece: PieceIndex) -> u32 {
        self.payload_length(piece).div_ceil(BLOCK_LENGTH)
    }

    /// Bytes of a piece up to the end of its last block: all but the padding behind that.
    pub fn blocks_length(&self, piece: PieceIndex) -> u32 {
        self.block_count(piece).saturating_mul(BLOCK_LENGTH).min(self.piece_length(piece))
    }

    /// The block with this number within its piece.
    pub fn nth_block(&self, piece: PieceIndex, number: u32) -> Option<BlockInfo> {
        (number < self.block_count(piece)).then(|| self.block_at(piece, number * BLOCK_LENGTH))
    }

    /// Every block of a piece, in order.
    pub fn blocks(&self, piece: PieceIndex) -> impl Iterator<Item = BlockInfo> {
        let begins = (0..self.block_count(piece)).map(|number| number * BLOCK_LENGTH);
        begins.map(move |begin| self.block_at(piece, begin))
    }

    /// A block that begins in the piece. It may end with padding, for which no peer is too strict.
    fn block_at(&self, piece: PieceIndex, begin: u32) -> BlockInfo {
        let length = BLOCK_LENGTH.min(self.piece_length(piece) - begin);
        BlockInfo { piece, begin, length }
    }

    /// A range of a piece as a peer names it, at any alignment; `None` unless it lies inside that
    /// very piece and is not empty.
    ///
    /// The gap behind a file counts as part of its last piece: it is asked for by peers that take
    /// it for padding (libtorrent before 2.0.13), and consists of zeros.
    pub const fn block(&self, index: u32, begin: u32, length: u32) -> Option<BlockInfo> {
        let Some(piece) = self.piece(index) else { return None };
        let end = begin as u64 + length as u64;
        if length == 0 || end > self.padded_length(piece) as u64 {
            return None;
        }
        Some(BlockInfo { piece, begin, length })
    }

    /// Where this block begins, in bytes; see [`piece_offset`](Self::piece_offset).
    pub const fn block_offset(&self, block: BlockInfo) -> u64 {
        self.piece_offset(block.piece) + block.begin as u64
    }
}

/// As many as an index that somebody may hold in a signed 32-bit integer can name.
const MAX_PIECES: u64 = 1 << 31;

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GeometryError::PieceLengthZero => f.write_str("the piece length is zero"),
            GeometryError::TooManyPieces { count } => {
                write!(f, "{count} pieces are more than {MAX_PIECES}")
            }
        }
    }
}

impl core::error::Error for GeometryError {}

#[cfg(test)]
mod tests;
