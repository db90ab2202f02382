use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rand::RngExt;
use tinytorrent_types::{AddressScope, HexError, WireInfoHash, hex};

/// The id of a node, or a target in the same space of 160 bits: an info-hash, or the hash of an item.
///
/// The distance of two ids is their exclusive or, read as a big-endian number (BEP 5, "Routing Table").
///
/// ```
/// use tinytorrent_dht::NodeId;
///
/// let target = NodeId::from_bytes([0x80; 20]);
/// let (near, far) = (NodeId::from_bytes([0x81; 20]), NodeId::from_bytes([0; 20]));
/// assert!(near.distance(target) < far.distance(target));
/// assert_eq!(near.shared_bits(target), 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 20]);

/// The distance of two ids, which orders nodes by how close they are to a target.
///
/// It is in words, the most significant first: nodes are sorted by it for each answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance(u64, u64, u32);

impl NodeId {
    /// The number of bits of an id.
    pub const BITS: usize = 160;

    /// The id of these bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand in a message.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The distance to another id. The distance to the same id is the smallest.
    pub fn distance(self, other: Self) -> Distance {
        let (one, other) = (self.words(), other.words());
        Distance(one.0 ^ other.0, one.1 ^ other.1, one.2 ^ other.2)
    }

    /// The bytes as numbers, the most significant first.
    fn words(self) -> (u64, u64, u32) {
        let [a, b, c, d, e] = *self.0.as_chunks::<4>().0 else { return (0, 0, 0) };
        let [a, b, c, d, e] = [a, b, c, d, e].map(u32::from_be_bytes);
        let join = |high, low| u64::from(high) << 32 | u64::from(low);
        (join(a, b), join(c, d), e)
    }

    /// The number of leading bits that two ids have in common, 0 to 160.
    pub fn shared_bits(self, other: Self) -> usize {
        let shared = match self.distance(other) {
            Distance(0, 0, low) => 128 + low.leading_zeros(),
            Distance(0, middle, _) => 64 + middle.leading_zeros(),
            Distance(high, ..) => high.leading_zeros(),
        };
        shared as usize
    }

    /// A random id for a node at `ip`, its address as others see it, that other nodes accept (BEP 42).
    ///
    /// Any id is valid for an address that is not on the public internet.
    pub fn for_address(ip: IpAddr, rng: &mut impl rand::Rng) -> Self {
        let mut bytes: [u8; 20] = rng.random();
        let ip = ip.to_canonical();
        if !AddressScope::of(ip).is_local() {
            let prefix = address_prefix(ip, bytes[19]);
            bytes[0] = prefix[0];
            bytes[1] = prefix[1];
            bytes[2] = prefix[2] & 0xf8 | bytes[2] & 0x07;
        }
        Self(bytes)
    }

    /// A random id that shares exactly the first `bits` with this one; the same id if they are 160 or more.
    pub fn random_sharing(self, bits: usize, rng: &mut impl rand::Rng) -> Self {
        let mut random: [u8; 20] = rng.random();
        for bit in 0..(bits + 1).min(Self::BITS) {
            let (byte, mask) = (bit / 8, 0x80 >> (bit % 8));
            let is_last = bit == bits;
            let own = self.0[byte] & mask;
            random[byte] = random[byte] & !mask | if is_last { own ^ mask } else { own };
        }
        Self(random)
    }

    /// The id with its first bits changed by a number, whose last bits change the first ones: the ids of numbers that
    /// follow each other are far apart (BEP 45).
    #[cfg(feature = "tokio")]
    pub(crate) fn flipped(self, number: u16) -> Self {
        let mut bytes = self.0;
        let [first, second] = number.reverse_bits().to_be_bytes();
        bytes[0] ^= first;
        bytes[1] ^= second;
        Self(bytes)
    }

    /// True if the id fits the address of its node (BEP 42), which keeps an attacker from choosing ids
    /// around a target. Every id fits a local address.
    ///
    /// The first 21 bits are a checksum of the address and of the last byte of the id, so that an IPv4
    /// address has eight of them, and so has an IPv6 /64.
    pub fn fits_address(self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        if AddressScope::of(ip).is_local() {
            return true;
        }
        let prefix = address_prefix(ip, self.0[19]);
        self.0[..2] == prefix[..2] && (self.0[2] ^ prefix[2]) & 0xf8 == 0
    }

    /// The bit at this position, the first one being the most significant. False beyond the last one.
    pub fn bit(self, position: usize) -> bool {
        self.0.get(position / 8).is_some_and(|byte| byte & (0x80 >> (position % 8)) != 0)
    }
}

/// The first three bytes of an id for an address, of which 21 bits count (BEP 42, "Node ID
/// restriction").
fn address_prefix(ip: IpAddr, last_byte: u8) -> [u8; 3] {
    let number = last_byte & 0x07;
    let checksum = match ip {
        IpAddr::V4(ip) => {
            let mut bytes = (ip.to_bits() & 0x030f_3fff).to_be_bytes();
            bytes[0] |= number << 5;
            crc32c(&bytes)
        }
        IpAddr::V6(ip) => {
            let network = (ip.to_bits() >> 64) as u64;
            let mut bytes = (network & 0x0103_070f_1f3f_7fff).to_be_bytes();
            bytes[0] |= number << 5;
            crc32c(&bytes)
        }
    };
    let [a, b, c, _] = checksum.to_be_bytes();
    [a, b, c]
}

/// The CRC-32C (Castagnoli, RFC 3720, appendix B.4) of a few bytes. They are at most eight here, which a
/// table would not pay for.
fn crc32c(bytes: &[u8]) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { REVERSED_POLYNOMIAL } else { 0 };
        }
    }
    !crc
}

impl From<WireInfoHash> for NodeId {
    fn from(hash: WireInfoHash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl From<NodeId> for WireInfoHash {
    fn from(id: NodeId) -> Self {
        Self::from_bytes(id.0)
    }
}

impl From<[u8; 20]> for NodeId {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for NodeId {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Hexadecimal digits of either case.
impl FromStr for NodeId {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        hex::decode(text).map(Self)
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    /// BEP 42, "test vectors".
    const VECTORS: [(&str, &str); 5] = [
        ("124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
        ("21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
        ("65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
        ("84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
        ("43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
    ];

    #[test]
    fn ids_of_the_bep_fit_their_addresses_and_no_other() {
        // D-12
        for (ip, id) in VECTORS {
            let id: NodeId = id.parse().unwrap();
            for (other, _) in VECTORS {
                assert_eq!(id.fits_address(other.parse().unwrap()), ip == other, "{id} at {other}");
            }
            assert!(id.fits_address(format!("::ffff:{ip}").parse().unwrap()));
            let mut changed = *id.as_bytes();
            changed[2] ^= 0x08;
            assert!(
                !NodeId::from_bytes(changed).fits_address(ip.parse().unwrap()),
                "bit 21 counts"
            );
            changed[2] ^= 0x0f;
            assert!(
                NodeId::from_bytes(changed).fits_address(ip.parse().unwrap()),
                "bit 22 does not"
            );
        }
    }

    #[test]
    fn any_id_fits_a_local_address() {
        // D-12
        for ip in ["127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.3.3", "::1"] {
            assert!(NodeId::from_bytes([9; 20]).fits_address(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn checksum_is_that_of_the_rfc() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    proptest! {
        #[test]
        fn made_ids_fit_their_address(bits in any::<u128>(), is_v4 in any::<bool>(), seed: u64) {
            // D-12
            let ip = if is_v4 { IpAddr::V4((bits as u32).into()) } else { IpAddr::V6(bits.into()) };
            let id = NodeId::for_address(ip, &mut StdRng::seed_from_u64(seed));
            prop_assert!(id.fits_address(ip));
        }

        #[test]
        fn a_random_id_shares_as_many_bits_as_it_should(id: [u8; 20], bits in 0..160usize, seed: u64) {
            let id = NodeId::from_bytes(id);
            let other = id.random_sharing(bits, &mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(id.shared_bits(other), bits);
            prop_assert_eq!(id.bit(bits), !other.bit(bits));
        }

        #[test]
        fn distance_is_a_metric(a: [u8; 20], b: [u8; 20], target: [u8; 20]) {
            let [a, b, target] = [a, b, target].map(NodeId::from_bytes);
            prop_assert_eq!(a.distance(b), b.distance(a));
            prop_assert!(a.distance(a) <= a.distance(b));
            let closer = a.shared_bits(target) > b.shared_bits(target);
            prop_assert!(!closer || a.distance(target) < b.distance(target));
        }
    }
}
