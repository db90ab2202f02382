use core::fmt;
use core::str::FromStr;

use crate::hex::{self, HexError};

/// Implements the conversions of a hash of fixed length: from and to bytes and hex.
macro_rules! hash_type {
    ($name:ident, $length:literal) => {
        impl $name {
            /// A hash of these bytes.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes as they stand in a message.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                hex::decode(text).map(Self)
            }
        }

        /// Lower-case hexadecimal.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex::write(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = core::array::TryFromSliceError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                bytes.try_into().map(Self)
            }
        }
    };
}

/// The SHA-1 of a v1 info dictionary's bytes (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashV1([u8; 20]);

/// The SHA-256 of a v2 info dictionary's bytes (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashV2([u8; 32]);

/// The 20 bytes of an info-hash in handshakes, announces and the DHT.
///
/// They are all of a v1 hash, or the first 20 bytes of a v2 hash (BEP 52, "infohash"). They identify
/// a swarm on the wire. Users and files need the whole hash, see [`InfoHashes`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireInfoHash([u8; 20]);

hash_type!(InfoHashV1, 20);
hash_type!(InfoHashV2, 32);
hash_type!(WireInfoHash, 20);

impl InfoHashV1 {
    /// The hash on the wire, which is the whole hash.
    pub const fn to_wire(self) -> WireInfoHash {
        WireInfoHash(self.0)
    }
}

impl InfoHashV2 {
    /// The hash on the wire, which is the first 20 bytes (BEP 52, "infohash").
    pub const fn to_wire(self) -> WireInfoHash {
        let mut bytes = [0; 20];
        let mut at = 0;
        // A constant function can have no `for` loop.
        while at < 20 {
            bytes[at] = self.0[at];
            at += 1;
        }
        WireInfoHash(bytes)
    }
}

impl From<InfoHashV1> for WireInfoHash {
    fn from(hash: InfoHashV1) -> Self {
        hash.to_wire()
    }
}

impl From<InfoHashV2> for WireInfoHash {
    fn from(hash: InfoHashV2) -> Self {
        hash.to_wire()
    }
}

/// The identity of a torrent: a v1 hash, a v2 hash, or both of a hybrid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct InfoHashes {
    v1: Option<InfoHashV1>,
    v2: Option<InfoHashV2>,
}

impl InfoHashes {
    /// The identity with these hashes; `None` if there is none.
    pub const fn new(v1: Option<InfoHashV1>, v2: Option<InfoHashV2>) -> Option<Self> {
        if v1.is_none() && v2.is_none() { None } else { Some(Self { v1, v2 }) }
    }

    /// The identity of a v1 torrent.
    pub const fn from_v1(v1: InfoHashV1) -> Self {
        Self { v1: Some(v1), v2: None }
    }

    /// The identity of a v2 torrent.
    pub const fn from_v2(v2: InfoHashV2) -> Self {
        Self { v1: None, v2: Some(v2) }
    }

    /// The identity of a hybrid torrent.
    pub const fn from_both(v1: InfoHashV1, v2: InfoHashV2) -> Self {
        Self { v1: Some(v1), v2: Some(v2) }
    }

    /// The SHA-1 info-hash, if it is a v1 or hybrid torrent.
    pub const fn v1(&self) -> Option<InfoHashV1> {
        self.v1
    }

    /// The SHA-256 info-hash, if it is a v2 or hybrid torrent.
    pub const fn v2(&self) -> Option<InfoHashV2> {
        self.v2
    }

    /// The hash for a handshake that we begin: v1 for a hybrid, v2 only for a v2 torrent.
    pub fn to_wire(&self) -> WireInfoHash {
        match (self.v1, self.v2) {
            // Deployed clients identify hybrids by the v1 hash.
            (Some(v1), _) => v1.to_wire(),
            (None, Some(v2)) => v2.to_wire(),
            // `new` returns `None` for this, and the other constructors set a hash.
            (None, None) => unreachable!("an identity has a hash"),
        }
    }

    /// All hashes of this torrent on the wire: one, or two for a hybrid.
    pub fn wire_hashes(&self) -> impl Iterator<Item = WireInfoHash> {
        let v1 = self.v1.map(InfoHashV1::to_wire);
        let v2 = self.v2.map(InfoHashV2::to_wire);
        v1.into_iter().chain(v2)
    }

    /// True if this is a hash of this torrent on the wire.
    pub fn matches(&self, hash: WireInfoHash) -> bool {
        self.wire_hashes().any(|ours| ours == hash)
    }
}

impl fmt::Display for InfoHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.v1, self.v2) {
            (Some(v1), Some(v2)) => write!(f, "{v1} / {v2}"),
            (Some(v1), None) => write!(f, "{v1}"),
            (None, Some(v2)) => write!(f, "{v2}"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    const HEX: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";

    #[test]
    fn hex_round_trips_in_either_case() {
        let hash: InfoHashV1 = HEX.parse().unwrap();
        assert_eq!(hash.to_string(), HEX);
        assert_eq!(HEX.to_uppercase().parse::<InfoHashV1>().unwrap(), hash);
    }

    #[test]
    fn bad_hex_says_where() {
        assert_eq!("xx".parse::<InfoHashV1>(), Err(HexError::Length { expected: 40, found: 2 }));
        let broken = HEX.replacen("d8", "dz", 1);
        assert_eq!(broken.parse::<InfoHashV1>(), Err(HexError::Digit { offset: 4 - 2 }));
    }

    #[test]
    fn v2_is_truncated_on_the_wire() {
        let mut bytes = [7; 32];
        bytes[20] = 9;
        let v2 = InfoHashV2::from_bytes(bytes);
        assert_eq!(v2.to_wire().as_bytes(), &[7; 20]);
    }

    #[test]
    fn hybrid_answers_to_both_names_and_greets_with_v1() {
        let (v1, v2) = (InfoHashV1::from_bytes([1; 20]), InfoHashV2::from_bytes([2; 32]));
        let both = InfoHashes::from_both(v1, v2);
        assert!(both.matches(v1.to_wire()) && both.matches(v2.to_wire()));
        assert_eq!(both.to_wire(), v1.to_wire());
        assert_eq!(InfoHashes::new(None, None), None);
    }
}
