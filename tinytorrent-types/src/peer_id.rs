use core::fmt;

use crate::client_name::ClientName;

/// The 20 bytes by which a peer calls itself (BEP 3, BEP 20). They may hold anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 20]);

impl PeerId {
    /// Takes the bytes as they are.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// An id in Azureus style: `-TY0100-` followed by twelve bytes of chance, from the caller.
    ///
    /// One per run: trackers and peers take it for the identity of the client.
    pub fn generate(chance: [u8; 12]) -> Self {
        let mut bytes = *b"-TY0100-............";
        bytes[3..7].copy_from_slice(&version_digits());
        bytes[8..].copy_from_slice(&chance);
        Self(bytes)
    }

    /// The bytes as they stand in a handshake.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The client that uses ids of this shape, if it is one we know.
    pub fn client(&self) -> Option<ClientName> {
        ClientName::from_peer_id(self)
    }
}

/// Four digits of this crate's version, as BEP 20 has them.
fn version_digits() -> [u8; 4] {
    let mut digits = *b"0000";
    let version = [
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    ];
    for (digit, part) in digits.iter_mut().zip(version) {
        // A part above nine would need two characters; BEP 20 has one for each.
        *digit = if let [one] = part.as_bytes() { *one } else { b'9' };
    }
    digits
}

/// Printable ASCII as it is, all else as `%XX`: safe for a terminal and for a log.
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
