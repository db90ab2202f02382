//! Other addresses in place of those of the internet. Those of one network are in one network again.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tinytorrent_types::AddressScope;

use super::numbers::Numbers;

/// The addresses that were masked.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// All that came, in order, so that each run masks alike.
    masked: BTreeMap<IpAddr, IpAddr>,
    /// Networks of IPv4 (/24) and IPv6 (/48): as the engine shares its places among them.
    networks: Numbers<u64>,
    subnets: HashMap<u64, Numbers<u64>>,
    hosts: HashMap<u64, Numbers<u128>>,
    v4: Networks,
}

/// Networks of IPv4 on the public internet, in an order that leaves none near the one before.
#[derive(Debug, Default)]
struct Networks {
    drawn: u32,
    by_number: Vec<[u8; 3]>,
}

impl Addresses {
    /// The address with the same port. Local and special addresses stay: everybody has them.
    pub(super) fn socket(&mut self, mut address: SocketAddr) -> SocketAddr {
        address.set_ip(self.ip(address.ip()));
        address
    }

    pub(super) fn ip(&mut self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(ip) => self.v4(ip).into(),
            IpAddr::V6(ip) => self.v6(ip).into(),
        }
    }

    pub(super) fn v4(&mut self, ip: Ipv4Addr) -> Ipv4Addr {
        if self.stays(ip.into()) {
            return ip;
        }
        let bits = ip.to_bits();
        let network = self.networks.of(u64::from(bits >> 8) | 1 << 63);
        let host = self.hosts.entry(network).or_default().of(bits.into());
        let [a, b, c] = self.v4.nth(network);
        // There are 256 of them in a network.
        let masked = Ipv4Addr::new(a, b, c, (host - 1) as u8);
        self.masked.insert(ip.into(), masked.into());
        masked
    }

    pub(super) fn v6(&mut self, ip: Ipv6Addr) -> Ipv6Addr {
        if let Some(v4) = ip.to_ipv4_mapped() {
            return self.v4(v4).to_ipv6_mapped();
        }
        if self.stays(ip.into()) {
            return ip;
        }
        let bits = ip.to_bits();
        let network = self.networks.of((bits >> 80) as u64);
        let subnet = self.subnets.entry(network).or_default().of((bits >> 64) as u64);
        let host = self.hosts.entry(network).or_default().of(bits);
        // 32 bits of networks in a range of the internet, 16 of subnets.
        let prefix = 0x2a00_u128 << 112 | u128::from(network as u32) << 80;
        let masked =
            Ipv6Addr::from_bits(prefix | u128::from(subnet as u16) << 64 | u128::from(host));
        self.masked.insert(ip.into(), masked.into());
        masked
    }

    /// Returns true for an address of no network of the internet.
    fn stays(&mut self, ip: IpAddr) -> bool {
        let stays = !AddressScope::of(ip).is_public();
        if stays {
            self.masked.insert(ip, ip);
        }
        stays
    }

    /// The real addresses that came, and those in their place.
    pub(super) fn known(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> + '_ {
        self.masked.iter().map(|(real, masked)| (*real, *masked))
    }
}

impl Networks {
    /// The network with this number.
    fn nth(&mut self, number: u64) -> [u8; 3] {
        while (self.by_number.len() as u64) < number {
            // All networks in turn, as the factor is odd.
            self.drawn = self.drawn.wrapping_add(1);
            let [_, a, b, c] = (self.drawn.wrapping_mul(0x9e_3779) & 0xff_ffff).to_be_bytes();
            let is_public = |last| AddressScope::of([a, b, c, last].into()).is_public();
            // Where the ends are public, all are.
            if is_public(0) && is_public(255) {
                self.by_number.push([a, b, c]);
            }
        }
        self.by_number[number as usize - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(addresses: &mut Addresses, ip: &str) -> Ipv4Addr {
        addresses.v4(ip.parse().unwrap())
    }

    #[test]
    fn the_same_address_is_masked_alike_and_local_ones_stay() {
        let mut addresses = Addresses::default();
        let first = v4(&mut addresses, "1.2.3.4");
        assert_ne!(first, Ipv4Addr::new(1, 2, 3, 4));
        assert_eq!(v4(&mut addresses, "1.2.3.4"), first);
        for local in ["10.1.2.3", "127.0.0.1", "192.168.0.9", "169.254.1.1", "0.0.0.0"] {
            assert_eq!(v4(&mut addresses, local).to_string(), local);
        }
        for local in ["::1", "fe80::1", "fd00::1", "::"] {
            assert_eq!(addresses.ip(local.parse().unwrap()).to_string(), local);
        }
        let mapped = addresses.v6("::ffff:1.2.3.4".parse().unwrap());
        assert_eq!(mapped, first.to_ipv6_mapped());
    }

    #[test]
    fn networks_and_hosts_stay_what_they_are_to_each_other() {
        let mut addresses = Addresses::default();
        let all = ["1.2.3.4", "1.2.3.5", "1.2.4.4", "9.9.9.9"].map(|ip| v4(&mut addresses, ip));
        let network = |ip: Ipv4Addr| ip.to_bits() >> 8;
        assert_eq!(network(all[0]), network(all[1]));
        assert_ne!(all[0], all[1]);
        assert_ne!(network(all[0]), network(all[2]));
        assert_ne!(network(all[0]), network(all[3]));
        assert!(all.iter().all(|ip| AddressScope::of((*ip).into()).is_public()));
        let texts = ["2001:470:1::1", "2001:470:1::2", "2001:470:1:2::1", "2001:470:2::1"];
        let all = texts.map(|ip| addresses.v6(ip.parse().unwrap()).to_bits());
        assert!(all[0] >> 64 == all[1] >> 64 && all[0] != all[1]);
        assert!(all[0] >> 80 == all[2] >> 80 && all[0] >> 64 != all[2] >> 64);
        assert_ne!(all[0] >> 80, all[3] >> 80);
        let is_public =
            |bits: &u128| AddressScope::of(Ipv6Addr::from_bits(*bits).into()).is_public();
        assert!(all.iter().all(is_public));
    }

    #[test]
    fn no_two_addresses_become_one() {
        let mut addresses = Addresses::default();
        let real = (0..20_000_u32).map(|n| Ipv4Addr::from_bits(0x0800_0000 + n * 37));
        let masked: std::collections::HashSet<_> = real.map(|ip| addresses.v4(ip)).collect();
        assert_eq!(masked.len(), 20_000);
    }
}
