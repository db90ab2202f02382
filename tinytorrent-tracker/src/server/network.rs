use std::net::IpAddr;

/// A part of the internet that one party has for the asking, as budgets see it: a host, or the
/// network around it.
///
/// An IPv6 host is its `/64`, in which it can take any address; the network around it is a `/48`,
/// which providers give to a customer. An IPv4 host is an address, in a `/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Network {
    bits: u64,
    length: u8,
}

impl Network {
    pub(super) fn host(ip: IpAddr) -> Self {
        Self::of(ip, 32, 64)
    }

    pub(super) fn around(ip: IpAddr) -> Self {
        Self::of(ip, 24, 48)
    }

    fn of(ip: IpAddr, v4: u8, v6: u8) -> Self {
        // The first 32 or 64 bits, at the left end. Lengths tell the families apart.
        let (bits, length) = match ip.to_canonical() {
            IpAddr::V4(ip) => (u64::from(u32::from(ip)) << 32, v4),
            IpAddr::V6(ip) => ((u128::from(ip) >> 64) as u64, v6),
        };
        Self { bits: bits >> (64 - length) << (64 - length), length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_what_one_party_has() {
        let host = |text: &str| Network::host(text.parse().unwrap());
        let around = |text: &str| Network::around(text.parse().unwrap());
        assert_ne!(host("192.0.2.1"), host("192.0.2.2"));
        assert_eq!(host("192.0.2.1"), host("::ffff:192.0.2.1"));
        assert_eq!(around("192.0.2.1"), around("192.0.2.255"));
        assert_ne!(around("192.0.2.1"), around("192.0.3.1"));
        assert_eq!(host("2001:db8:1:2::1"), host("2001:db8:1:2:3:4:5:6"));
        assert_ne!(host("2001:db8:1:2::"), host("2001:db8:1:3::"));
        assert_eq!(around("2001:db8:1:2::"), around("2001:db8:1:3::"));
        assert_ne!(around("2001:db8:1::"), around("2001:db8:2::"));
        assert_ne!(around("0.0.0.0"), around("::"));
    }
}
