//! Compact peers: packed addresses and ports (BEP 23 for IPv4, BEP 7 for IPv6).
//!
//! UDP and HTTP trackers, PEX and the DHT use this format. The parser returns every whole entry,
//! does not allocate, and reports remaining bytes instead of an error.

use alloc::vec::Vec;
use core::iter::FusedIterator;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address family of the entries, which determines their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4: four bytes of address, two of port.
    V4,
    /// IPv6: sixteen bytes of address, two of port.
    V6,
}

impl Family {
    /// The family of an address, and so of the datagrams that come from it.
    ///
    /// An IPv4 address that is mapped into IPv6 (`::ffff:a.b.c.d`) is IPv4: a dual-stack socket has
    /// this form for the source of an IPv4 datagram, and its entries have 6 bytes (BEP 15).
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// The length of one entry in bytes: 6 or 18.
    pub const fn stride(self) -> usize {
        match self {
            Family::V4 => 6,
            Family::V6 => 18,
        }
    }
}

/// Parses compact peers; see [`Peers`].
pub fn peers(bytes: &[u8], family: Family) -> Peers<'_> {
    // Split once here, so that the iterator never sees an incomplete entry.
    let whole = bytes.len() - bytes.len() % family.stride();
    let (entries, remainder) = bytes.split_at(whole);
    Peers { family, entries, remainder }
}

/// An iterator over the addresses of a packed list, in order. Made by [`peers`].
///
/// ```
/// use tinytorrent_types::compact::{self, Family};
///
/// let bytes = [127, 0, 0, 1, 0x1a, 0xe1, 10, 0, 0, 2, 0x1a, 0xe2, 99];
/// let peers = compact::peers(&bytes, Family::V4);
/// assert_eq!(peers.remainder(), [99]);
/// let peers: Vec<_> = peers.collect();
/// assert_eq!(peers, ["127.0.0.1:6881".parse()?, "10.0.0.2:6882".parse()?]);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Peers<'a> {
    family: Family,
    /// The bytes of whole entries.
    entries: &'a [u8],
    remainder: &'a [u8],
}

impl<'a> Peers<'a> {
    /// The bytes behind the last whole entry. A correct list has none.
    pub fn remainder(&self) -> &'a [u8] {
        self.remainder
    }
}

impl Iterator for Peers<'_> {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        let (entry, rest) = self.entries.split_at_checked(self.family.stride())?;
        self.entries = rest;
        let (address, port) = entry.split_at(entry.len() - 2);
        let port = u16::from_be_bytes([port[0], port[1]]);
        let address = match self.family {
            Family::V4 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
            Family::V6 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        };
        Some(SocketAddr::new(address, port))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.entries.len() / self.family.stride();
        (count, Some(count))
    }
}

impl ExactSizeIterator for Peers<'_> {}
impl FusedIterator for Peers<'_> {}

/// Appends one address in the format of its family. IPv4 mapped into IPv6 is written as IPv4.
pub fn write(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => out.extend_from_slice(&Ipv4Addr::octets(&ip)),
        IpAddr::V6(ip) => out.extend_from_slice(&Ipv6Addr::octets(&ip)),
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn read(bytes: &[u8], family: Family) -> Vec<SocketAddr> {
        peers(bytes, family).collect()
    }

    #[test]
    fn the_last_peer_is_returned() {
        let mut bytes = Vec::new();
        let written: Vec<SocketAddr> =
            (1..=50).map(|n| SocketAddr::from(([10, 0, 0, n], 6880 + u16::from(n)))).collect();
        written.iter().for_each(|&address| write(address, &mut bytes));
        assert_eq!(bytes.len(), 50 * 6);
        assert_eq!(read(&bytes, Family::V4), written);
        assert_eq!(read(&bytes, Family::V4).last(), Some(&"10.0.0.50:6930".parse().unwrap()));
    }

    #[test]
    fn one_peer_is_one_peer() {
        assert_eq!(read(&[1, 2, 3, 4, 0, 80], Family::V4), ["1.2.3.4:80".parse().unwrap()]);
    }

    #[test]
    fn v6_entries_are_eighteen_bytes() {
        let written: [SocketAddr; 2] =
            ["[2001:db8::1]:6881".parse().unwrap(), "[::2]:1".parse().unwrap()];
        let mut bytes = Vec::new();
        written.iter().for_each(|&address| write(address, &mut bytes));
        assert_eq!(read(&bytes, Family::V6), written);
    }

    #[test]
    fn a_remainder_is_reported_and_costs_no_peer() {
        for family in [Family::V4, Family::V6] {
            for extra in 0..family.stride() {
                let bytes = std::vec![1; 3 * family.stride() + extra];
                let peers = peers(&bytes, family);
                assert_eq!(peers.remainder().len(), extra);
                assert_eq!((peers.len(), peers.count()), (3, 3));
            }
        }
    }

    #[test]
    fn a_mapped_v4_datagram_has_the_stride_of_v4() {
        assert_eq!(Family::of("::ffff:192.0.2.1".parse().unwrap()), Family::V4);
        assert_eq!(Family::of("2001:db8::1".parse().unwrap()), Family::V6);
    }
}
