use core::fmt;

use crate::client_name::ClientName;

/// The id of a peer: any 20 bytes (BEP 3), by convention with the name of the client (BEP 20).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 20]);

impl PeerId {
    /// An id of these bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// An id in Azureus style: `-TY0100-`, followed by twelve random bytes of the caller.
    ///
    /// A client uses one id for the whole run, since trackers and peers identify it by the id.
    pub fn generate(random: [u8; 12]) -> Self {
        let mut bytes = *b"-TY0100-............";
        bytes[3..7].copy_from_slice(&version_digits());
        bytes[8..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The bytes as they stand in a handshake.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
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

impl TryFrom<&[u8]> for PeerId {
    type Error = core::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

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
}
