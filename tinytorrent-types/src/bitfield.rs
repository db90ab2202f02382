use alloc::vec::Vec;
use core::fmt;

use crate::PieceIndex;

/// A set of pieces in the format of the `bitfield` message: bit 7 of byte 0 is piece 0 (BEP 3,
/// "peer messages"). The number of pieces in the set takes constant time.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitfield {
    /// The bytes of the message. Spare bits are zero.
    bytes: Vec<u8>,
    piece_count: u32,
    /// The number of bits that are set.
    members: u32,
}

/// The error of bytes that are no bitfield for a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BitfieldError {
    /// The length is not that of one bit for each piece.
    Length {
        /// The required length in bytes.
        expected: usize,
        /// The length in bytes.
        found: usize,
    },
    /// Bits beyond the last piece are set (BEP 3: "spare bits at the end are set to zero").
    SpareBits,
}

impl Bitfield {
    /// The empty set.
    pub fn new(piece_count: u32) -> Self {
        Self { bytes: alloc::vec![0; Self::byte_length(piece_count)], piece_count, members: 0 }
    }

    /// The set of all pieces.
    pub fn full(piece_count: u32) -> Self {
        let mut full = Self::new(piece_count);
        full.bytes.fill(0xff);
        // Peers may drop a connection for spare bits that are set (BEP 3).
        full.clear_spare_bits();
        full.members = piece_count;
        full
    }

    /// Parses the payload of a `bitfield` message.
    ///
    /// # Errors
    /// Another length than [`byte_length`](Self::byte_length), or spare bits that are set.
    pub fn from_bytes(bytes: &[u8], piece_count: u32) -> Result<Self, BitfieldError> {
        // Lenient parsing changes nothing but spare bits.
        let read = Self::from_bytes_lenient(bytes, piece_count)?;
        if read.bytes == bytes { Ok(read) } else { Err(BitfieldError::SpareBits) }
    }

    /// Parses the payload of a `bitfield` message, and clears spare bits.
    ///
    /// # Errors
    /// Another length than [`byte_length`](Self::byte_length).
    pub fn from_bytes_lenient(bytes: &[u8], piece_count: u32) -> Result<Self, BitfieldError> {
        let expected = Self::byte_length(piece_count);
        if bytes.len() != expected {
            return Err(BitfieldError::Length { expected, found: bytes.len() });
        }
        let mut read = Self { bytes: bytes.to_vec(), piece_count, members: 0 };
        read.clear_spare_bits();
        read.members = read.bytes.iter().map(|byte| byte.count_ones()).sum();
        Ok(read)
    }

    /// The length in bytes of a `bitfield` message for this number of pieces.
    pub const fn byte_length(piece_count: u32) -> usize {
        piece_count.div_ceil(8) as usize
    }

    /// The bytes of the `bitfield` message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of pieces of the torrent.
    pub fn piece_count(&self) -> u32 {
        self.piece_count
    }

    /// The number of pieces in the set.
    pub fn count(&self) -> u32 {
        self.members
    }

    /// True if no piece is in the set.
    pub fn is_empty(&self) -> bool {
        self.members == 0
    }

    /// True if every piece is in the set.
    pub fn is_full(&self) -> bool {
        self.members == self.piece_count
    }

    /// True if the piece is in the set; false for a piece of another, larger torrent.
    pub fn contains(&self, piece: PieceIndex) -> bool {
        self.get(piece.get())
    }

    /// True if the piece with this index is in the set; false beyond the end.
    pub fn get(&self, index: u32) -> bool {
        self.bytes.get(index as usize / 8).is_some_and(|byte| byte & mask(index) != 0)
    }

    /// Adds the piece to the set. Returns true if it was not in the set before.
    pub fn insert(&mut self, piece: PieceIndex) -> bool {
        let index = piece.get();
        // The index may be of another, larger torrent.
        if index >= self.piece_count || self.get(index) {
            return false;
        }
        self.bytes[index as usize / 8] |= mask(index);
        self.members += 1;
        true
    }

    /// Removes the piece from the set. Returns true if it was in the set.
    pub fn remove(&mut self, piece: PieceIndex) -> bool {
        let index = piece.get();
        if !self.get(index) {
            return false;
        }
        self.bytes[index as usize / 8] &= !mask(index);
        self.members -= 1;
        true
    }

    /// The indices of the pieces in the set, ascending. A byte without pieces costs one step.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.bytes.iter().enumerate().flat_map(|(at, &byte)| {
            // From each byte the highest bit is taken first, which is the lowest index.
            let base = at as u32 * 8;
            let unseen = |rest: u8| (rest != 0).then_some(rest);
            core::iter::successors(unseen(byte), move |rest| {
                unseen(rest & !(0x80 >> rest.leading_zeros()))
            })
            .map(move |rest| base + rest.leading_zeros())
        })
    }

    /// True if a piece is in `self` and not in `other`. A peer with such a piece is interesting.
    pub fn has_any_beyond(&self, other: &Bitfield) -> bool {
        self.bytes.iter().zip(&other.bytes).any(|(mine, theirs)| mine & !theirs != 0)
    }

    fn clear_spare_bits(&mut self) {
        let used = self.piece_count % 8;
        if used != 0
            && let Some(last) = self.bytes.last_mut()
        {
            *last &= !(0xff_u8 >> used);
        }
    }
}

const fn mask(index: u32) -> u8 {
    0x80 >> (index % 8)
}

impl fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitfield({} of {})", self.members, self.piece_count)
    }
}

impl fmt::Display for BitfieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BitfieldError::Length { expected, found } => {
                write!(f, "a bitfield of {found} bytes, expected {expected}")
            }
            BitfieldError::SpareBits => f.write_str("a bitfield with spare bits set"),
        }
    }
}

impl core::error::Error for BitfieldError {}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::Geometry;

    #[test]
    fn bit_seven_of_byte_zero_is_piece_zero() {
        let field = Bitfield::from_bytes(&[0b1000_0001, 0b0100_0000], 10).unwrap();
        assert_eq!(field.iter().collect::<Vec<_>>(), [0, 7, 9]);
    }

    #[test]
    fn the_length_must_fit_the_torrent() {
        for wrong in [0, 1, 3] {
            assert_eq!(
                Bitfield::from_bytes(&[0; 3][..wrong], 10),
                Err(BitfieldError::Length { expected: 2, found: wrong })
            );
        }
    }

    #[test]
    fn spare_bits_fail_strict_reading_and_are_masked_in_lenient() {
        let bytes = [0xff, 0b1110_0000];
        assert_eq!(Bitfield::from_bytes(&bytes, 10), Err(BitfieldError::SpareBits));
        let field = Bitfield::from_bytes_lenient(&bytes, 10).unwrap();
        assert!(field.is_full());
        assert_eq!(field, Bitfield::full(10));
        assert_eq!(field.as_bytes(), [0xff, 0b1100_0000]);
    }

    #[test]
    fn a_set_counts_its_members_whatever_happens_to_it() {
        // In Miri a thousand would take minutes.
        for count in [0, 1, 7, 8, 9, 64, if cfg!(miri) { 100 } else { 1000 }] {
            let geometry = Geometry::new(count, 1).unwrap();
            let mut field = Bitfield::new(count as u32);
            for piece in geometry.pieces() {
                assert!(field.insert(piece) && !field.insert(piece));
                assert_eq!(field.iter().count() as u32, field.count());
            }
            assert_eq!(field, Bitfield::full(count as u32));
            for piece in geometry.pieces() {
                assert!(field.remove(piece) && !field.remove(piece));
            }
            assert!(field.is_empty());
        }
    }

    #[test]
    fn interest_is_a_piece_the_other_lacks() {
        let geometry = Geometry::new(20, 1).unwrap();
        let (mut theirs, mut ours) = (Bitfield::new(20), Bitfield::new(20));
        assert!(!theirs.has_any_beyond(&ours));
        theirs.insert(geometry.piece(19).unwrap());
        assert!(theirs.has_any_beyond(&ours));
        ours.insert(geometry.piece(19).unwrap());
        assert!(!theirs.has_any_beyond(&ours));
    }
}
