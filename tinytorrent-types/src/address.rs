use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use crate::{AddressScope, IpRanges};

/// The verdict of an [`AddressFilter`] on an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressVerdict {
    /// The address is worth a connection.
    Usable,
    /// Port 0 cannot be connected to.
    PortZero,
    /// The address is `0.0.0.0` or `::`.
    Unspecified,
    /// The address is a multicast or the broadcast address.
    Multicast,
    /// The address is one of our own.
    Own,
    /// The address is not routed on the public internet, and bogons are refused.
    Bogon,
    /// The address is one of those that the user avoids.
    Blocked,
}

/// A filter of addresses from strangers, for those that are worth a connection.
///
/// All addresses from trackers, PEX, the DHT and magnet links pass this filter. An address is judged
/// in its canonical form, so that IPv4 mapped into IPv6 counts as IPv4.
///
/// ```
/// use tinytorrent_types::{AddressFilter, AddressVerdict};
///
/// let filter = AddressFilter::new();
/// assert_eq!(filter.judge("192.0.2.1:6881".parse()?), AddressVerdict::Usable);
/// assert_eq!(filter.judge("192.0.2.1:0".parse()?), AddressVerdict::PortZero);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct AddressFilter {
    refuse_bogons: bool,
    own: Vec<SocketAddr>,
    blocked: Option<Arc<IpRanges>>,
}

impl AddressFilter {
    /// A filter that refuses addresses that no peer can have. Private and loopback addresses pass.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses all addresses but those of [`AddressScope::Public`] if true. Default: false, for LANs
    /// and tests.
    pub fn refuse_bogons(&mut self, refuse: bool) -> &mut Self {
        self.refuse_bogons = refuse;
        self
    }

    /// Adds an address at which we listen, as other hosts see it.
    pub fn add_own(&mut self, address: SocketAddr) -> &mut Self {
        let address = canonical(address);
        if !self.own.contains(&address) {
            // Each torrent has such a list, and mostly one address is in it.
            self.own.reserve_exact(1);
            self.own.push(address);
        }
        self
    }

    /// Sets the addresses that the user avoids. Default: none.
    pub fn block(&mut self, ranges: Option<Arc<IpRanges>>) -> &mut Self {
        self.blocked = ranges;
        self
    }

    /// True if the user avoids the address.
    pub fn blocks(&self, address: IpAddr) -> bool {
        self.blocked.as_ref().is_some_and(|ranges| ranges.contains(address))
    }

    /// The verdict on an address.
    pub fn judge(&self, address: SocketAddr) -> AddressVerdict {
        let address = canonical(address);
        let ip = address.ip();
        if address.port() == 0 {
            AddressVerdict::PortZero
        } else if ip.is_unspecified() {
            AddressVerdict::Unspecified
        } else if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
            AddressVerdict::Multicast
        } else if self.own.contains(&address) {
            AddressVerdict::Own
        } else if self.refuse_bogons && !AddressScope::of(ip).is_public() {
            AddressVerdict::Bogon
        } else if self.blocks(ip) {
            AddressVerdict::Blocked
        } else {
            AddressVerdict::Usable
        }
    }

    /// True if [`judge`](Self::judge) returns [`AddressVerdict::Usable`].
    pub fn allows(&self, address: SocketAddr) -> bool {
        self.judge(address) == AddressVerdict::Usable
    }
}

/// The address without a mapping into IPv6 (RFC 4291, 2.5.5.2), by which one host would have two. A link-local one keeps
/// its scope, without which nobody can connect to it.
///
/// ```
/// let mapped = "[::ffff:192.0.2.1]:6881".parse().unwrap();
/// assert_eq!(tinytorrent_types::canonical(mapped), "192.0.2.1:6881".parse().unwrap());
/// ```
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(of_v6) if of_v6.ip().is_unicast_link_local() => {
            SocketAddrV6::new(*of_v6.ip(), of_v6.port(), 0, of_v6.scope_id()).into()
        }
        _ => SocketAddr::new(address.ip().to_canonical(), address.port()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn judge(filter: &AddressFilter, address: &str) -> AddressVerdict {
        filter.judge(address.parse().unwrap())
    }

    #[test]
    fn a_canonical_address_has_a_scope_if_it_is_link_local() {
        let of = |ip: &str, scope| {
            canonical(SocketAddrV6::new(ip.parse().unwrap(), 1, 9, scope).into()).to_string()
        };
        assert_eq!(of("fe80::1", 2), "[fe80::1%2]:1");
        assert_eq!(of("fd00::1", 2), "[fd00::1]:1");
        assert_eq!(of("::ffff:1.2.3.4", 2), "1.2.3.4:1");
    }

    #[test]
    fn what_no_peer_can_have_is_refused() {
        let filter = AddressFilter::new();
        assert_eq!(judge(&filter, "1.2.3.4:0"), AddressVerdict::PortZero);
        assert_eq!(judge(&filter, "0.0.0.0:1"), AddressVerdict::Unspecified);
        assert_eq!(judge(&filter, "[::]:1"), AddressVerdict::Unspecified);
        assert_eq!(judge(&filter, "[::ffff:0.0.0.0]:1"), AddressVerdict::Unspecified);
        assert_eq!(judge(&filter, "239.1.1.1:1"), AddressVerdict::Multicast);
        assert_eq!(judge(&filter, "255.255.255.255:1"), AddressVerdict::Multicast);
        assert_eq!(judge(&filter, "[ff02::1]:1"), AddressVerdict::Multicast);
        assert_eq!(judge(&filter, "127.0.0.1:1"), AddressVerdict::Usable);
    }

    #[test]
    fn our_own_address_is_refused_in_either_form() {
        let mut filter = AddressFilter::new();
        filter.add_own("127.0.0.1:6881".parse().unwrap());
        assert_eq!(judge(&filter, "127.0.0.1:6881"), AddressVerdict::Own);
        assert_eq!(judge(&filter, "[::ffff:127.0.0.1]:6881"), AddressVerdict::Own);
        assert_eq!(judge(&filter, "127.0.0.1:6882"), AddressVerdict::Usable);
    }

    #[test]
    fn what_the_user_avoids_is_blocked_in_either_form_until_it_is_not() {
        let mut ranges = IpRanges::builder();
        let [first, last] = [[192, 0, 2, 0], [192, 0, 2, 9]].map(IpAddr::from);
        ranges.add(first, last).unwrap();
        let mut filter = AddressFilter::new();
        filter.block(Some(Arc::new(ranges.build())));
        assert_eq!(judge(&filter, "192.0.2.9:1"), AddressVerdict::Blocked);
        assert_eq!(judge(&filter, "[::ffff:192.0.2.9]:1"), AddressVerdict::Blocked);
        assert_eq!(judge(&filter, "192.0.2.10:1"), AddressVerdict::Usable);
        filter.block(None);
        assert_eq!(judge(&filter, "192.0.2.9:1"), AddressVerdict::Usable);
    }

    #[test]
    fn bogons_are_refused_on_request_only() {
        let mut strict = AddressFilter::new();
        strict.refuse_bogons(true);
        for bogon in ["10.0.0.1:1", "127.0.0.1:1", "100.64.0.1:1", "[fe80::1]:1", "[fd00::1]:1"] {
            assert_eq!(judge(&strict, bogon), AddressVerdict::Bogon, "{bogon}");
            assert_eq!(judge(&AddressFilter::new(), bogon), AddressVerdict::Usable, "{bogon}");
        }
        assert_eq!(judge(&strict, "8.8.8.8:1"), AddressVerdict::Usable);
        assert_eq!(judge(&strict, "[2606:4700::1]:1"), AddressVerdict::Usable);
    }
}
