//! The way to the internet: the gateway, and our address on the way there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// The default gateway, and the address of ours that it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    /// `None` where the system does not say it.
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) local: Ipv4Addr,
}

impl Route {
    /// The way of now; `None` without one, or if our address is public, so that nobody translates it (N-03).
    pub(crate) fn find() -> Option<Self> {
        let gateway = gateway();
        // Nothing is sent: the system chooses the address.
        let towards = gateway.unwrap_or(Ipv4Addr::new(192, 0, 0, 1));
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect(SocketAddr::from((towards, 9))).ok()?;
        let IpAddr::V4(local) = socket.local_addr().ok()?.ip() else { return None };
        is_translated(local).then_some(Self { gateway, local })
    }
}

/// True for addresses that a gateway translates: private ones, link-local ones, and those that customers of a carrier
/// share.
pub fn is_translated(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private() || address.is_link_local() || (a == 100 && b & 0xc0 == 64)
}

#[cfg(target_os = "linux")]
fn gateway() -> Option<Ipv4Addr> {
    parse(&std::fs::read_to_string("/proc/net/route").ok()?)
}

#[cfg(not(target_os = "linux"))]
fn gateway() -> Option<Ipv4Addr> {
    None
}

/// The gateway of the default route with the lowest metric, in the table of Linux.
#[cfg(any(test, target_os = "linux"))]
fn parse(table: &str) -> Option<Ipv4Addr> {
    const UP_AND_GATEWAY: u32 = 3;
    let routes = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let hex = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
        let metric: u32 = fields.get(6)?.parse().ok()?;
        let is_default = hex(1)? == 0 && hex(7)? == 0 && hex(3)? & UP_AND_GATEWAY == UP_AND_GATEWAY;
        // The bytes stand as they are in memory.
        is_default.then_some((metric, Ipv4Addr::from(hex(2)?.to_ne_bytes())))
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, gateway)| gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    // N-03
    #[test]
    fn the_gateway_is_that_of_the_default_route_with_the_lowest_metric() {
        let hex = |ip: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(ip));
        let line = |to: &str, ip, flags, metric| {
            format!("eth0\t{to}\t{}\t{flags}\t0\t0\t{metric}\t00000000\t0\t0\t0\n", hex(ip))
        };
        let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n";
        let zero = "00000000";
        let table = [
            head.to_owned(),
            line(zero, [10, 0, 0, 9], "0003", 600),
            line(zero, [10, 0, 0, 1], "0003", 100),
            line(zero, [10, 0, 0, 7], "0001", 0),
            line("0000000A", [10, 0, 0, 8], "0003", 0),
            "broken\n".to_owned(),
        ];
        assert_eq!(parse(&table.concat()), Some([10, 0, 0, 1].into()));
        assert_eq!(parse(head), None);
        assert_eq!(parse(""), None);
    }

    // N-03, N-30
    #[test]
    fn public_addresses_are_not_translated() {
        for address in ["10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.0.1", "100.64.0.1"] {
            assert!(is_translated(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "127.0.0.1", "100.128.0.1", "0.0.0.0"] {
            assert!(!is_translated(address.parse().unwrap()), "{address}");
        }
    }
}
