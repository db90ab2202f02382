use core::net::{IpAddr, Ipv6Addr};

use crate::AddressScope;

/// A host, as far as addresses tell hosts apart: an IPv4 address, or the /64 of an IPv6 address.
///
/// One host can use any address of its /64 (RFC 4291, section 2.5.4), so that limits, bans and
/// turns by address would hold nobody who has one.
///
/// ```
/// use tinytorrent_types::{Host, Network};
///
/// let [one, other] = ["2606:4700:1:2::1".parse()?, "2606:4700:1:2:3:4:5:6".parse()?];
/// assert_eq!(Host::of(one), Host::of(other));
/// let neighbour = "2606:4700:1:7::1".parse()?;
/// assert_ne!(Host::of(one), Host::of(neighbour));
/// assert_eq!(Network::of(one), Network::of(neighbour));
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(IpAddr);

impl Host {
    /// The host of an address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(ip) if !ip.is_loopback() => IpAddr::V6(prefix(ip, 64)),
            ip => ip,
        })
    }

    /// The network around the host.
    pub fn network(self) -> Network {
        Network(match self.0 {
            ip if AddressScope::of(ip) == AddressScope::LocalNetwork => ip,
            IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() & 0xffff_ff00).into()),
            IpAddr::V6(ip) => IpAddr::V6(prefix(ip, 48)),
        })
    }

    /// True for addresses of this machine, behind which any number of peers may live: in a test,
    /// or behind a proxy.
    pub fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

/// A network whose hosts may belong to one party: a /24 of IPv4, or a /48 of IPv6, which providers
/// give to a customer (BEP 40, BEP 42).
///
/// A host at an address of [`AddressScope::LocalNetwork`] is a network of its own, since its neighbours are
/// those of the user. Addresses of loopback are grouped as those of the internet are, for which
/// they stand in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network around an address: that of its [`Host`], which so has one network.
    pub fn of(address: IpAddr) -> Self {
        Host::of(address).network()
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
        assert!(same("2606:4700::1", "2606:4700::ffff:1"));
        assert!(!same("2606:4700::", "2606:4700:0:1::") && !same("0.0.0.0", "::"));
    }

    #[test]
    fn this_machine_is_known_by_its_host() {
        let is_loopback = |text| Host::of(ip(text)).is_loopback();
        assert_eq!(["127.0.0.1", "::1", "127.9.9.9"].map(is_loopback), [true; 3]);
        assert!(is_loopback("::ffff:127.0.0.1"));
        assert_eq!(["10.0.0.1", "::", "::2", "fe80::1", "1.2.3.4"].map(is_loopback), [false; 5]);
    }

    #[test]
    fn a_network_is_a_24_or_a_48() {
        let same = |a, b| Network::of(ip(a)) == Network::of(ip(b));
        assert!(same("1.2.3.4", "1.2.3.200") && !same("1.2.3.4", "1.2.4.4"));
        assert!(same("127.0.0.1", "127.0.0.2") && !same("127.0.0.1", "127.0.1.1"));
        assert!(same("2606:4700:1:2::", "2606:4700:1:3::"));
        assert!(!same("2606:4700:1::", "2606:4700:2::") && !same("0.0.0.0", "::"));
    }

    #[test]
    fn neighbours_at_home_are_no_network() {
        let same = |a, b| Network::of(ip(a)) == Network::of(ip(b));
        assert!(same("10.0.0.1", "::ffff:10.0.0.1") && same("fd00::1", "fd00::2"));
        for (one, other) in [
            ("10.0.0.1", "10.0.0.2"),
            ("169.254.0.1", "169.254.0.2"),
            ("100.64.0.1", "100.64.0.2"),
            ("fd00::1", "fd00:0:0:1::1"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn addresses_of_a_host_have_one_network() {
        // NAT64 puts all of IPv4, and so our own network, into one /64.
        for (one, other) in [("64:ff9b::808:808", "64:ff9b::a00:1"), ("::1:1", "::127.0.0.1")] {
            assert_eq!(Host::of(ip(one)), Host::of(ip(other)));
            assert_eq!(Network::of(ip(one)), Network::of(ip(other)));
        }
    }
}
