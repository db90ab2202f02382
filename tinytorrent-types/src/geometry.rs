mod block;
mod ends;

use alloc::sync::Arc;
use core::fmt;

pub use block::{BlockInfo, PieceIndex};
use ends::Ends;

/// The customary unit of requests: 16 KiB (BEP 3, "request").
pub const BLOCK_LENGTH: u32 = 16 * 1024;

/// The division of a torrent's content into pieces and blocks.
///
/// Only a geometry makes a [`PieceIndex`] or a [`BlockInfo`], so that each of them is in range.
/// Numbers from a peer have to pass [`piece`](Self::piece) or [`block`](Self::block).
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
/// Cloning is cheap. The length of a piece takes `O(log files)` in a geometry with gaps or padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// The offset behind the last piece, and behind its gap.
    end: u64,
    piece_length: u32,
    piece_count: u32,
    /// The pieces whose content ends early, if there is any.
    ends: Option<Arc<Ends>>,
    /// True if the bytes behind such content are a gap, and false if they are padding, which is part
    /// of the piece.
    has_gaps: bool,
}

/// The error of lengths that make no geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeometryError {
    /// The piece length is zero.
    PieceLengthZero,
    /// There are more pieces than an index on the wire can name.
    TooManyPieces {
        /// The number of pieces of these lengths.
        count: u64,
    },
}

impl Geometry {
    /// Content of `total_length` bytes in pieces of `piece_length` bytes, of which the last can be
    /// shorter. Empty content has no pieces.
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
            // No bits are lost, as `MAX_PIECES` is below 2^32.
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
            // In 64 bits, as the sum of two counts can overflow 32.
            let all = u64::from(geometry.piece_count) + u64::from(count);
            if all > MAX_PIECES {
                return Err(GeometryError::TooManyPieces { count: all });
            }
            geometry.piece_count = all as u32;
            // Only files that do not fill their last piece need an entry.
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

    /// The same content with padding (BEP 47): pairs of a piece index and the number of bytes of
    /// padding at the end of that piece. Padding is part of the piece and is served, but is not
    /// requested, since it consists of zeros.
    ///
    /// Pieces have to be in order. Pieces that do not exist, or that would be padding alone, are left
    /// out.
    #[must_use]
    pub fn padded(mut self, padding: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut ends = Ends::default();
        for (index, padding) in padding {
            let Some(piece) = self.piece(index) else { continue };
            // A piece of padding alone would never be complete, as nothing of it is requested.
            let payload = self.padded_length(piece).saturating_sub(padding);
            if payload > 0 && padding > 0 {
                ends.push(piece, payload, padding);
            }
        }
        self.ends = (!ends.is_empty()).then(|| Arc::new(ends));
        self.has_gaps = false;
        self
    }

    /// Bytes of the whole content, which is all pieces together.
    pub fn total_length(&self) -> u64 {
        if self.has_gaps { self.total_payload() } else { self.end }
    }

    /// Bytes of the whole content without the padding at the end of pieces.
    pub fn total_payload(&self) -> u64 {
        self.end - self.ends.as_ref().map_or(0, |ends| ends.missing())
    }

    /// The length of a full piece in bytes. The last piece, or in a v2 torrent the last of each file,
    /// can be shorter.
    pub const fn nominal_piece_length(&self) -> u32 {
        self.piece_length
    }

    /// The number of pieces.
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

    /// The length of this piece in bytes.
    pub fn piece_length(&self, piece: PieceIndex) -> u32 {
        // A gap is in no piece (BEP 52), while padding is content of its piece (BEP 47).
        if self.has_gaps { self.payload_length(piece) } else { self.padded_length(piece) }
    }

    /// The length of this piece in bytes without the padding at its end, which is not downloaded.
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

    /// The offset of this piece in bytes, in content without gaps and with all pieces full.
    pub const fn piece_offset(&self, piece: PieceIndex) -> u64 {
        piece.0 as u64 * self.piece_length as u64
    }

    /// The piece of the byte at this offset, also for a byte in the gap behind the piece.
    pub const fn piece_at(&self, offset: u64) -> Option<PieceIndex> {
        if offset < self.end {
            Some(PieceIndex((offset / self.piece_length as u64) as u32))
        } else {
            None
        }
    }

    /// The number of blocks of this piece, without blocks of padding alone. Each block but the last
    /// is [`BLOCK_LENGTH`] long.
    pub fn block_count(&self, piece: PieceIndex) -> u32 {
        self.payload_length(piece).div_ceil(BLOCK_LENGTH)
    }

    /// Bytes of a piece up to the end of its last block, without the padding behind that.
    pub fn blocks_length(&self, piece: PieceIndex) -> u32 {
        // The last block of a piece near 4 GiB can end beyond 32 bits.
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

    /// The block that begins at this offset of a piece. Its end may be padding.
    fn block_at(&self, piece: PieceIndex, begin: u32) -> BlockInfo {
        // A shorter block, without the padding, would be legal too, but peers expect full ones.
        let length = BLOCK_LENGTH.min(self.piece_length(piece) - begin);
        BlockInfo { piece, begin, length }
    }

    /// A range of a piece, in the numbers of a peer and at any alignment; `None` if it is empty or
    /// not inside one piece. The gap behind a file counts as part of its last piece.
    pub const fn block(&self, index: u32, begin: u32, length: u32) -> Option<BlockInfo> {
        let Some(piece) = self.piece(index) else { return None };
        // libtorrent before 2.0.13 takes the gap for padding, and requests its zeros.
        // In 64 bits, since the numbers of a peer can overflow 32.
        let end = begin as u64 + length as u64;
        if length == 0 || end > self.padded_length(piece) as u64 {
            return None;
        }
        Some(BlockInfo { piece, begin, length })
    }

    /// The offset of this block, in bytes; see [`piece_offset`](Self::piece_offset).
    pub const fn block_offset(&self, block: BlockInfo) -> u64 {
        self.piece_offset(block.piece) + block.begin as u64
    }
}

/// The number of indices of a signed 32-bit integer, which some clients use.
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
