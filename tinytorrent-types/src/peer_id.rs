use core::fmt;
use core::str::FromStr;

use crate::bytes::byte_conversions;
use crate::client_name::ClientName;
use crate::hex::digit;

/// The id of a peer: any 20 bytes (BEP 3), by convention with the name of the client (BEP 20).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 20]);

byte_conversions!(PeerId, 20, "An id");

impl PeerId {
    /// An id in Azureus style: `-TY0100-`, followed by twelve random bytes of the caller.
    ///
    /// A client uses one id for the whole run, since trackers and peers identify it by the id.
    pub fn generate(random: [u8; 12]) -> Self {
        let mut bytes = *b"-TY0100-............";
        bytes[3..7].copy_from_slice(&version_digits());
        bytes[8..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The name of the client, if the id has the style of a known one.
    pub fn client(&self) -> Option<ClientName> {
        ClientName::from_peer_id(self)
    }
}

/// The four digits of this crate's version in a peer id (BEP 20).
fn version_digits() -> [u8; 4] {
    let mut digits = *b"0000";
    let version = [
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    ];
    for (digit, part) in digits.iter_mut().zip(version) {
        // BEP 20 has one character for each part, so numbers above nine become nine.
        *digit = if let [one] = part.as_bytes() { *one } else { b'9' };
    }
    digits
}

/// Printable ASCII as it is and other bytes as `%XX`, which is safe for a terminal and a log.
impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in &self.0 {
            if byte.is_ascii_graphic() && byte != b'%' {
                write!(f, "{}", byte as char)?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

/// Reads the form that is displayed: printable ASCII for itself, and other bytes as `%XX`.
///
/// ```
/// use tinytorrent_types::PeerId;
///
/// let id: PeerId = "-TR4060-%00%25bcdefghijk".parse()?;
/// assert_eq!(id.as_bytes(), b"-TR4060-\0%bcdefghijk");
/// # Ok::<(), tinytorrent_types::PeerIdError>(())
/// ```
impl FromStr for PeerId {
    type Err = PeerIdError;

    fn from_str(text: &str) -> Result<Self, PeerIdError> {
        let mut id = [0; 20];
        let (mut found, mut rest) = (0, text.as_bytes());
        while let [first, after @ ..] = rest {
            let offset = text.len() - rest.len();
            let byte;
            (byte, rest) = match (first, after) {
                (b'%', [high, low, after @ ..]) => {
                    let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                        return Err(PeerIdError::Escape { offset });
                    };
                    (high << 4 | low, after)
                }
                (b'%', _) => return Err(PeerIdError::Escape { offset }),
                (byte, after) if byte.is_ascii_graphic() => (*byte, after),
                _ => return Err(PeerIdError::Character { offset }),
            };
            if let Some(place) = id.get_mut(found) {
                *place = byte;
            }
            found += 1;
        }
        if found == id.len() { Ok(Self(id)) } else { Err(PeerIdError::Length { found }) }
    }
}

/// The error of a text that is not the form in which a peer id is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerIdError {
    /// The text does not stand for 20 bytes.
    Length {
        /// The number of bytes for which it stands.
        found: usize,
    },
    /// The `%` at this byte offset is not followed by two hexadecimal digits.
    Escape {
        /// Offset into the text, in bytes.
        offset: usize,
    },
    /// The character at this byte offset is not printable ASCII, and should be `%XX`.
    Character {
        /// Offset into the text, in bytes.
        offset: usize,
    },
}

impl fmt::Display for PeerIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found } => write!(f, "expected a peer id of 20 bytes, found {found}"),
            Self::Escape { offset } => {
                write!(f, "no two hexadecimal digits after the `%` at offset {offset}")
            }
            Self::Character { offset } => {
                write!(f, "a character at offset {offset} that has to be written as `%XX`")
            }
        }
    }
}

impl core::error::Error for PeerIdError {}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn ours_names_us_and_keeps_the_chance() {
        let id = PeerId::generate(*b"abcdefghijkl");
        assert_eq!(&id.as_bytes()[..3], b"-TY");
        assert_eq!(&id.as_bytes()[7..], b"-abcdefghijkl");
    }

    #[test]
    fn display_escapes_what_a_terminal_would_obey() {
        let id = PeerId::from_bytes(*b"-TR4000-\x1b[31m\0%z \xff\n.");
        assert_eq!(id.to_string(), "-TR4000-%1B[31m%00%25z%20%FF%0A.");
    }

    #[test]
    fn displayed_form_is_read_back() {
        for start in (0..=u8::MAX).step_by(20) {
            let id = PeerId::from_bytes(core::array::from_fn(|at| start.wrapping_add(at as u8)));
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn error_of_a_text_says_where() {
        let read = |text: &str| text.parse::<PeerId>().unwrap_err();
        assert_eq!(read("-TR4060-"), PeerIdError::Length { found: 8 });
        assert_eq!(read(&"a".repeat(21)), PeerIdError::Length { found: 21 });
        assert_eq!(read("-TR%4"), PeerIdError::Escape { offset: 3 });
        assert_eq!(read("-TR%+1"), PeerIdError::Escape { offset: 3 });
        assert_eq!(read("-TR é"), PeerIdError::Character { offset: 3 });
    }
}
