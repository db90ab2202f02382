//! The links that the machine has at the moment.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use if_addrs::{IfAddr, Interface};

use crate::{Family, Link, Net};

/// A link, and what its socket needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The name of the interface, for logs.
    pub(super) name: String,
    pub(super) link: Link,
    /// The address of IPv4 by which an interface is known to the system.
    pub(super) v4: Option<Ipv4Addr>,
}

/// Links at most. Hosts of containers have hundreds of interfaces, behind which there are no other clients.
const MOST: usize = 32;

/// The links by which somebody could connect to us: one for each address of IPv4, and one for all of IPv6 that an
/// interface has.
pub(super) fn places(
    device: Option<&str>,
    port_at: &dyn Fn(IpAddr) -> Option<u16>,
) -> io::Result<Vec<Place>> {
    let mut interfaces = if_addrs::get_if_addrs()?;
    interfaces.retain(|interface| device.is_none_or(|name| interface.name == name));
    Ok(choose(interfaces, port_at))
}

fn choose(interfaces: Vec<Interface>, port_at: &dyn Fn(IpAddr) -> Option<u16>) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    // One that is down has its addresses all the same, and is used once it is up.
    let up = interfaces.into_iter().filter(Interface::is_oper_up);
    for Interface { name, addr, index, .. } in up {
        let (Some(port), Some(interface)) = (port_at(addr.ip()), index) else { continue };
        let (family, net, v4) = match addr {
            IfAddr::V4(v4) => (Family::V4, (v4.ip.into(), v4.prefixlen), Some(v4.ip)),
            IfAddr::V6(v6) => (Family::V6, (v6.ip.into(), v6.prefixlen), None),
        };
        let net = Net { address: net.0, prefix: net.1 };
        let known = places.iter_mut().map(|place| &mut place.link);
        let mut known = known.filter(|link| link.family == Family::V6 && family == Family::V6);
        if let Some(link) = known.find(|link| link.interface == interface) {
            link.nets.push(net);
        } else if places.len() < MOST {
            places.push(Place {
                name,
                link: Link { family, interface, port, nets: vec![net] },
                v4,
            });
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use if_addrs::{IfOperStatus, Ifv4Addr, Ifv6Addr};

    use super::*;

    fn interface(index: u32, ip: &str, prefixlen: u8) -> Interface {
        let addr = match ip.parse().unwrap() {
            IpAddr::V4(ip) => {
                let netmask = Ipv4Addr::UNSPECIFIED;
                IfAddr::V4(Ifv4Addr { ip, netmask, prefixlen, broadcast: None })
            }
            IpAddr::V6(ip) => {
                let netmask = std::net::Ipv6Addr::UNSPECIFIED;
                IfAddr::V6(Ifv6Addr { ip, netmask, prefixlen, broadcast: None })
            }
        };
        let name = format!("if{index}");
        let oper_status = IfOperStatus::Up;
        Interface { name, addr, index: Some(index), oper_status, is_p2p: false }
    }

    // L-02
    #[test]
    fn each_interface_has_a_link_of_each_family() {
        let mut down = interface(4, "10.0.2.1", 24);
        down.oper_status = IfOperStatus::Unknown;
        let all = vec![
            down,
            interface(1, "127.0.0.1", 8),
            interface(2, "10.0.0.1", 24),
            interface(2, "10.0.1.1", 24),
            interface(2, "fe80::1", 64),
            interface(2, "fd00::1", 64),
            interface(3, "fe80::1", 64),
        ];
        let places = choose(all.clone(), &|address| (!address.is_loopback()).then_some(7));
        let of = |place: &Place| (place.link.interface, place.link.nets.len(), place.v4);
        let v4 = |last| Some(Ipv4Addr::new(10, 0, last, 1));
        let due = [(2, 1, v4(0)), (2, 1, v4(1)), (2, 2, None), (3, 1, None)];
        assert_eq!(places.iter().map(of).collect::<Vec<_>>(), due);
        assert!(places.iter().all(|place| place.link.port == 7));
        let of_v4 = choose(all, &|address| address.is_ipv4().then_some(7));
        assert_eq!(of_v4.len(), 3);
        let many = (0..500).map(|n| interface(n, "fe80::1", 64)).collect();
        assert_eq!(choose(many, &|_| Some(1)).len(), MOST);
    }
}
