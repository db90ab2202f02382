//! Bytes as hexadecimal digits, and back: info-hashes, piece hashes and keys as people read and type them.
//!
//! ```
//! use tinytorrent_types::hex::{self, Hex};
//!
//! assert_eq!(hex::encode([0x00, 0xff]), "00ff");
//! assert_eq!(hex::decode::<2>("00FF"), Ok([0x00, 0xff]));
//! println!("the piece has the hash {}", Hex(&[7; 20]));
//! ```

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The error of a text that is not the hexadecimal form of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HexError {
    /// The text does not have two characters for each byte.
    Length {
        /// The required number of characters.
        expected: usize,
        /// The length of the text in bytes.
        found: usize,
    },
    /// The character at this byte offset is no hexadecimal digit.
    Digit {
        /// Offset into the text, in bytes.
        offset: usize,
    },
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HexError::Length { expected, found } => {
                write!(f, "expected {expected} hexadecimal digits, found {found}")
            }
            HexError::Digit { offset } => write!(f, "no hexadecimal digit at offset {offset}"),
        }
    }
}

impl core::error::Error for HexError {}

/// Bytes that are displayed as lower-case hexadecimal digits, two for each byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The bytes as lower-case digits, two for each byte.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    Hex(bytes.as_ref()).to_string()
}

/// Parses the digits of exactly `N` bytes, of either case.
///
/// # Errors
/// [`HexError`]: another length, or another character than a digit.
pub fn decode<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    if text.len() != 2 * N {
        return Err(HexError::Length { expected: 2 * N, found: text.len() });
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs(text)) {
        *byte = pair?;
    }
    Ok(bytes)
}

/// Parses the digits of any number of bytes, of either case.
///
/// # Errors
/// [`HexError`]: an odd length, or another character than a digit.
pub fn decode_vec(text: &str) -> Result<Vec<u8>, HexError> {
    if !text.len().is_multiple_of(2) {
        return Err(HexError::Length { expected: text.len() + 1, found: text.len() });
    }
    pairs(text).collect()
}

/// The byte of each two characters.
fn pairs(text: &str) -> impl Iterator<Item = Result<u8, HexError>> {
    // Bytes, since a slice of a text could fall within a character.
    text.as_bytes().chunks_exact(2).enumerate().map(|(at, pair)| {
        let high = digit(pair[0]).ok_or(HexError::Digit { offset: 2 * at })?;
        let low = digit(pair[1]).ok_or(HexError::Digit { offset: 2 * at + 1 })?;
        Ok(high << 4 | low)
    })
}

pub(crate) fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_round_trip() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        for bytes in [&all[..], &all[..1], &[]] {
            assert_eq!(decode_vec(&encode(bytes)).as_deref(), Ok(bytes));
        }
        assert_eq!(decode::<256>(&encode(&all)).as_ref().map(<[u8; 256]>::as_slice), Ok(&all[..]));
    }

    #[test]
    fn what_is_no_digit_is_refused_with_its_offset() {
        assert_eq!(decode_vec("0"), Err(HexError::Length { expected: 2, found: 1 }));
        for (text, offset) in [("0g", 1), ("+1", 0), (" 1", 0), ("00é", 2)] {
            assert_eq!(decode_vec(text), Err(HexError::Digit { offset }), "{text:?}");
        }
    }
}
