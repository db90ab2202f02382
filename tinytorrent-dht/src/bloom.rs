use std::fmt;
use std::net::IpAddr;

use tinytorrent_hash::sha1;

/// A Bloom filter of the addresses of a torrent's peers (BEP 33), of 256 bytes.
///
/// The filters of several nodes are joined, so that a peer that is stored with many nodes counts once, and
/// the number of addresses in it is estimated.
///
/// ```
/// use tinytorrent_dht::Bloom;
///
/// let mut bloom = Bloom::new();
/// bloom.insert("192.0.2.1".parse()?);
/// let mut other = Bloom::new();
/// other.insert("192.0.2.1".parse()?);
/// other.insert("192.0.2.2".parse()?);
/// bloom.join(&other);
/// assert_eq!(bloom.estimate().round(), 2.0);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Bloom([u8; Bloom::LENGTH]);

/// The bits of an address in a [`Bloom`] filter, so that a filter of many is made without hashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BloomBits([u16; 2]);

impl Bloom {
    /// The length in bytes.
    pub const LENGTH: usize = 256;

    /// The most addresses that [`estimate`](Self::estimate) tells, about 6,000: beyond that nearly all bits
    /// are set.
    pub const BITS: usize = 8 * Self::LENGTH;

    /// A filter without addresses.
    pub const fn new() -> Self {
        Self([0; Self::LENGTH])
    }

    /// The filter of these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand in a message.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Adds an address. IPv4 mapped into IPv6 counts as IPv4.
    pub fn insert(&mut self, ip: IpAddr) {
        self.set(BloomBits::of(ip));
    }

    pub(crate) fn set(&mut self, BloomBits(bits): BloomBits) {
        for bit in bits {
            self.0[usize::from(bit / 8)] |= 1 << (bit % 8);
        }
    }

    /// True if the address may have been added; false if it was not.
    pub fn may_contain(&self, ip: IpAddr) -> bool {
        let BloomBits(bits) = BloomBits::of(ip);
        bits.iter().all(|bit| self.0[usize::from(bit / 8)] & 1 << (bit % 8) != 0)
    }

    /// Adds all addresses of another filter.
    pub fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte |= other);
    }

    /// The estimated number of addresses, at most about 6,000 (BEP 33, "Calculating the estimate").
    pub fn estimate(&self) -> f64 {
        let set: u32 = self.0.iter().map(|byte| byte.count_ones()).sum();
        let bits = Self::BITS as f64;
        // An empty filter has one zero too many for the formula, and a full one none.
        let zeros = (bits - f64::from(set)).clamp(FEWEST_ZEROS, bits - 1.0);
        if set == 0 {
            return 0.0;
        }
        (zeros / bits).ln() / (2.0 * (1.0 - 1.0 / bits).ln())
    }
}

/// A filter with fewer zeros counts as one with so many: the estimate is then some 6,000 (D-63).
const FEWEST_ZEROS: f64 = 6.0;

impl BloomBits {
    pub(crate) fn of(ip: IpAddr) -> Self {
        let hash = match ip.to_canonical() {
            IpAddr::V4(ip) => sha1(&ip.octets()),
            IpAddr::V6(ip) => sha1(&ip.octets()),
        };
        let bit = |low, high| u16::from_le_bytes([low, high]) % Bloom::BITS as u16;
        Self([bit(hash[0], hash[1]), bit(hash[2], hash[3])])
    }
}

impl Default for Bloom {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Bloom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bloom(about {:.0})", self.estimate())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use tinytorrent_types::hex;

    use super::*;

    /// BEP 33, "Test Vectors".
    const VECTOR: &str = "f6c3f5eaa07ffd91bde89f777f26fb2bff37bdb8fb2bbaa2fd3ddde7bacfff75ee7ccbae\
        fe5eedb1fbfaff67f6abff5e43ddbca3fd9b9ffdf4ffd3e9dff12d1bdf59db53dbe9fa5b\
        7ff3b8fdfcde1afb8bedd7be2f3ee71ebbbfe93bcdeefe148246c2bc5dbff7e7efdcf24f\
        d8dc7adffd8fffdfddfff7a4bbeedf5cb95ce81fc7fcff1ff4ffffdfe5f7fdcbb7fd79b3\
        fa1fc77bfe07fff905b7b7ffc7fefeffe0b8370bb0cd3f5b7f2bd93feb4386cfdd6f7fd5\
        bfaf2e9ebffffeecd67adbf7c67f17efd5d75eba6ffeba7fff47a91eb1bfbb53e8abfb57\
        62abe8ff237279bfefbfeef5ffc5febfdfe5adffadfee1fb737ffffbfd9f6aeffeee76b6\
        fd8f72ef";

    #[test]
    fn the_filter_of_the_bep_and_its_estimate() {
        // D-25, D-62
        let mut bloom = Bloom::new();
        (0..=255).for_each(|n| bloom.insert(Ipv4Addr::new(192, 0, 2, n).into()));
        (0..=0x3e7)
            .for_each(|n| bloom.insert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n).into()));
        assert_eq!(hex::encode(bloom.as_bytes()), VECTOR);
        // The BEP cuts the digits that follow.
        assert!((1224.9308..1224.9309).contains(&bloom.estimate()), "{}", bloom.estimate());
    }

    #[test]
    fn estimates_are_bounded_at_both_ends() {
        // D-63
        assert_eq!(Bloom::new().estimate(), 0.0);
        let full = Bloom::from_bytes([0xff; 256]).estimate();
        assert!((5_900.0..6_100.0).contains(&full), "{full}");
        let mut one = Bloom::new();
        one.insert(Ipv4Addr::LOCALHOST.into());
        assert!((0.9..1.1).contains(&one.estimate()));
    }

    #[test]
    fn joined_filters_hold_what_both_hold() {
        let ip = |n| Ipv4Addr::new(10, 0, 0, n).into();
        let (mut one, mut other) = (Bloom::new(), Bloom::new());
        one.insert(ip(1));
        other.insert(ip(2));
        one.join(&other);
        assert!(one.may_contain(ip(1)) && one.may_contain(ip(2)) && !one.may_contain(ip(3)));
    }
}
