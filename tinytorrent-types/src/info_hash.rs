use core::fmt;
use core::str::FromStr;

use crate::bytes::byte_conversions;
use crate::hex::{self, Hex, HexError};

/// Implements the text form of a hash: hexadecimal digits.
macro_rules! hash_type {
    ($name:ident, $length:literal) => {
        byte_conversions!($name, $length, "A hash");

        /// Hexadecimal digits of either case.
        impl FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                hex::decode(text).map(Self)
            }
        }

        /// Lower-case hexadecimal.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Hex(&self.0).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
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
/// a swarm on the wire. Users and files need the whole hash, see [`InfoHashes`](crate::InfoHashes).
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
}
