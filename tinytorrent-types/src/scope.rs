use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The part of the network in which an address leads to one host.
///
/// An address is judged by what it leads to: IPv4 mapped into IPv6 counts as IPv4, and an IPv6
/// address behind which a gateway finds an IPv4 address (NAT64, 6to4, Teredo) is public only if
/// that one is.
///
/// ```
/// use tinytorrent_types::AddressScope;
///
/// assert_eq!(AddressScope::of("192.168.1.1".parse()?), AddressScope::LocalNetwork);
/// assert_eq!(AddressScope::of("::ffff:127.0.0.1".parse()?), AddressScope::Loopback);
/// assert!(AddressScope::of("2002:7f00:1::".parse()?).is_local());
/// assert!(AddressScope::of("2606:4700::1".parse()?).is_public());
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressScope {
    /// This machine: loopback.
    Loopback,
    /// A network that is not the internet: private addresses (RFC 1918), unique local (RFC 4193),
    /// site-local (RFC 3879), link-local, and those shared by customers of a carrier (RFC 6598).
    LocalNetwork,
    /// The public internet.
    Public,
    /// No host of either: unspecified, multicast, documentation, benchmarks and reserved ranges.
    Reserved,
}

impl AddressScope {
    /// The scope of an address, according to the IANA special-purpose registries.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    /// True if the public internet routes the address.
    pub const fn is_public(self) -> bool {
        matches!(self, Self::Public)
    }

    /// True if the address is of this machine or of a network around it: the same address is
    /// another host elsewhere.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Loopback | Self::LocalNetwork)
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        let [a, b, c, _] = ip.octets();
        if ip.is_loopback() {
            return Self::Loopback;
        }
        // Shared by customers of a carrier, 100.64.0.0/10 (RFC 6598).
        let is_shared = a == 100 && b & 0xc0 == 64;
        if ip.is_private() || ip.is_link_local() || is_shared {
            return Self::LocalNetwork;
        }
        let is_reserved = ip.is_documentation()
            // "This network", 0.0.0.0/8 (RFC 791).
            || a == 0
            // Multicast, 224.0.0.0/4, and reserved, 240.0.0.0/4 (RFC 1112).
            || a >= 224
            // Benchmarks, 198.18.0.0/15 (RFC 2544). Some transparent proxies give such an address to
            // each name, whatever it stands for.
            || (a == 198 && b & 0xfe == 18)
            // Protocol assignments, 192.0.0.0/24 (RFC 6890).
            || (a == 192 && b == 0 && c == 0);
        if is_reserved { Self::Reserved } else { Self::Public }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        let [first, second, third, fourth, ..] = ip.segments();
        if ip.is_loopback() {
            return Self::Loopback;
        }
        let is_site_local = first & 0xffc0 == 0xfec0;
        if ip.is_unique_local() || ip.is_unicast_link_local() || is_site_local {
            return Self::LocalNetwork;
        }
        let is_reserved = ip.is_unspecified()
            || ip.is_multicast()
            // Documentation, 2001:db8::/32 (RFC 3849).
            || (first == 0x2001 && second == 0xdb8)
            // Discard only, 100::/64 (RFC 6666).
            || [first, second, third, fourth] == [0x100, 0, 0, 0];
        match embedded_v4(ip) {
            _ if is_reserved => Self::Reserved,
            Some(ip) => Self::of_v4(ip),
            None => Self::Public,
        }
    }
}

/// The IPv4 address to which a gateway or the system sends what goes to this one.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match ip.segments() {
        // Addresses "compatible" with IPv4 (RFC 4291, section 2.5.5.1).
        [0, 0, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        // NAT64: the known prefix (RFC 6052) and the one for local use (RFC 8215).
        [0x64, 0xff9b, 0 | 1, _, _, _, high, low] => Some(join(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(join(high, low)),
        // Teredo, which writes the address of the client inverted (RFC 4380, section 4).
        [0x2001, 0, _, _, _, _, high, low] => Some(join(!high, !low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_all(scope: AddressScope, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(AddressScope::of(address.parse().unwrap()), scope, "{address}");
        }
    }

    #[test]
    fn ranges_are_those_of_the_registries() {
        assert_all(AddressScope::Loopback, &["127.0.0.1", "127.9.9.9", "::1"]);
        let site = ["10.0.0.1", "172.16.0.1", "172.31.9.9", "192.168.1.1", "169.254.169.254"];
        assert_all(AddressScope::LocalNetwork, &site);
        let site = ["100.64.0.1", "100.127.0.1", "fe80::1", "febf::1", "fc00::1", "fd12::1"];
        assert_all(AddressScope::LocalNetwork, &site);
        assert_all(AddressScope::LocalNetwork, &["fec0::1", "feff::1"]);
        let v4 = ["0.0.0.0", "0.1.2.3", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.19.9.9"];
        assert_all(AddressScope::Reserved, &v4);
        assert_all(AddressScope::Reserved, &["224.0.0.1", "239.1.1.1", "240.0.0.1"]);
        let rest = ["255.255.255.255", "::", "ff02::1", "2001:db8::1", "100::1"];
        assert_all(AddressScope::Reserved, &rest);
        let public = ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "198.20.0.1"];
        assert_all(AddressScope::Public, &public);
        assert_all(AddressScope::Public, &["223.255.255.255", "2606:4700::1", "2001:1::1"]);
        assert_all(AddressScope::Public, &["100:0:0:1::1"]);
    }

    #[test]
    fn an_address_is_local_in_every_form_that_it_has() {
        let loopback = ["::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"];
        assert_all(AddressScope::Loopback, &loopback);
        assert_all(AddressScope::Loopback, &["2001:0:1:2:3:4:80ff:fffe"]);
        let site = ["::ffff:10.0.0.1", "64:ff9b:1::a00:1", "2002:c0a8:101::1", "2002:6440:1::1"];
        assert_all(AddressScope::LocalNetwork, &site);
        let public =
            ["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2001:0:1:2::f7f7:f7f7"];
        assert_all(AddressScope::Public, &public);
    }

    #[test]
    fn a_scope_is_local_or_public_or_neither() {
        use AddressScope::{LocalNetwork, Loopback, Public, Reserved};
        let all = [Loopback, LocalNetwork, Public, Reserved];
        assert_eq!(all.map(AddressScope::is_local), [true, true, false, false]);
        assert_eq!(all.map(AddressScope::is_public), [false, false, true, false]);
    }
}
