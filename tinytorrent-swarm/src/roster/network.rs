//! Addresses of which one party may have many.

use std::net::{IpAddr, Ipv6Addr};

/// A host: an IPv4 address, or the /64 of an IPv6 address, of which one host can use any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Host(IpAddr);

/// A network that may belong to one party: a /24 of IPv4 or a /48 of IPv6 (BEP 40, BEP 42). A host that
/// cannot be reached from the internet is a network of its own: its neighbours are the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Network(IpAddr);

impl Host {
    pub(crate) fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(ip) if !ip.is_loopback() => IpAddr::V6(prefix(ip, 64)),
            ip => ip,
        })
    }

    /// Returns true for addresses of this machine, behind which any number of peers may live: in a test,
    /// or behind a proxy.
    pub(crate) fn is_here(self) -> bool {
        self.0.is_loopback()
    }
}

impl Network {
    pub(crate) fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            ip @ IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() || v4.is_loopback() => ip,
            IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & 0xffff_ff00).into()),
            IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => {
                Host::of(v6.into()).0
            }
            ip @ IpAddr::V6(v6) if v6.is_loopback() => ip,
            IpAddr::V6(v6) => IpAddr::V6(prefix(v6, 48)),
        })
    }
}

fn prefix(ip: Ipv6Addr, bits: u32) -> Ipv6Addr {
    (ip.to_bits() >> (128 - bits) << (128 - bits)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(ip: &str) -> IpAddr {
        ip.parse().unwrap()
    }

    #[test]
    fn a_host_has_one_ipv4_address_or_a_64() {
        let same = |a, b| Host::of(ip(a)) == Host::of(ip(b));
        assert!(same("1.2.3.4", "::ffff:1.2.3.4") && !same("1.2.3.4", "1.2.3.5"));
        assert!(same("2001:db8::1", "2001:db8::ffff:1") && !same("2001:db8::", "2001:db8:0:1::"));
        assert!(["127.0.0.1", "::1", "127.9.9.9"].map(|a| Host::of(ip(a)).is_here()) == [true; 3]);
    }

    #[test]
    fn a_network_is_a_24_or_a_48_and_neighbours_at_home_are_none() {
        let same = |a, b| Network::of(ip(a)) == Network::of(ip(b));
        assert!(same("1.2.3.4", "1.2.3.200") && !same("1.2.3.4", "1.2.4.4"));
        assert!(same("2001:db8:1:2::", "2001:db8:1:3::") && !same("2001:db8:1::", "2001:db8:2::"));
        for (one, other) in [("10.0.0.1", "10.0.0.2"), ("127.0.0.1", "127.0.0.2")] {
            assert!(!same(one, other));
        }
        assert!(same("fd00::1", "fd00::2") && !same("fd00::1", "fd00:0:0:1::1"));
    }
}
