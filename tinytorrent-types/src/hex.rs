use core::fmt;

/// The error of a text that is not the hexadecimal form of a fixed number of bytes.
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

/// Parses exactly `2 * N` digits of either case.
pub(crate) fn decode<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    // Bytes, since a slice of a text could fall within a character.
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return Err(HexError::Length { expected: 2 * N, found: text.len() });
    }
    let mut bytes = [0; N];
    for (at, pair) in text.chunks_exact(2).enumerate() {
        let high = digit(pair[0]).ok_or(HexError::Digit { offset: 2 * at })?;
        let low = digit(pair[1]).ok_or(HexError::Digit { offset: 2 * at + 1 })?;
        bytes[at] = high << 4 | low;
    }
    Ok(bytes)
}

pub(crate) fn write(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}
