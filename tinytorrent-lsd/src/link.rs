use std::net::{IpAddr, SocketAddr};

use tinytorrent_types::compact::Family;

/// A way to neighbours: an interface, and the addresses of one family that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The family of the group that is used here.
    pub family: Family,
    /// Index of the interface: the scope of link-local addresses of IPv6 there.
    pub interface: u32,
    /// The port at which we accept connections that come this way.
    pub port: u16,
    /// The networks of our addresses here. Who is in none of them is no neighbour.
    pub nets: Vec<Net>,
}

/// A network: an address in it, and the number of bits that all of its addresses have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    /// One of its addresses, that of ours.
    pub address: IpAddr,
    /// Number of bits. More than the address has are as many as it has.
    pub prefix: u8,
}

impl Net {
    /// True if the network has this address.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                let differing = ours.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix.min(32))
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                let differing = ours.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix.min(128))
            }
            _ => false,
        }
    }
}

impl Link {
    /// True if this is the address of a neighbour here. A socket may hear what comes by other interfaces.
    pub(crate) fn is_neighbour(&self, from: SocketAddr) -> bool {
        let is_elsewhere = matches!(from, SocketAddr::V6(from)
            if from.ip().is_unicast_link_local() && from.scope_id() != self.interface);
        !is_elsewhere && self.nets.iter().any(|net| net.contains(from.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(address: &str, prefix: u8) -> Net {
        Net { address: address.parse().unwrap(), prefix }
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_like_its_own() {
        let has = |net: Net, address: &str| net.contains(address.parse().unwrap());
        assert!(has(net("192.168.1.7", 24), "192.168.1.255"));
        assert!(!has(net("192.168.1.7", 24), "192.168.2.7"));
        assert!(has(net("10.0.0.1", 32), "10.0.0.1") && !has(net("10.0.0.1", 32), "10.0.0.2"));
        assert!(has(net("10.0.0.1", 0), "8.8.8.8") && has(net("10.0.0.1", 99), "10.0.0.1"));
        assert!(has(net("fd00::1", 64), "fd00::ff:1") && !has(net("fd00::1", 64), "fd00:0:0:1::1"));
        assert!(!has(net("::", 0), "1.2.3.4") && !has(net("0.0.0.0", 0), "::1"));
    }

    // L-06
    #[test]
    fn a_neighbour_is_in_a_network_of_the_interface() {
        let nets = vec![net("fe80::1", 64), net("2001:db8::1", 64)];
        let link = Link { family: Family::V6, interface: 3, port: 1, nets };
        let is = |address: &str| link.is_neighbour(address.parse().unwrap());
        assert!(is("[2001:db8::2]:6771") && !is("[2001:db8:0:1::2]:6771"));
        assert!(is("[fe80::2%3]:6771"));
        assert!(!is("[fe80::2%4]:6771"), "that is another's interface");
        assert!(!is("1.2.3.4:6771"));
    }
}
