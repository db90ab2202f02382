use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use url::{Host, Url};

/// A place of a gateway to which requests of HTTP go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    /// With the query.
    pub(crate) path: String,
}

impl Endpoint {
    /// Reads a URL of the gateway at this address. `None` if it leads elsewhere: a neighbour could have us ask hosts that
    /// he cannot reach himself, such as ourselves (N-25).
    pub(crate) fn of_url(url: &Url, gateway: Ipv4Addr) -> Option<Self> {
        let is_plain =
            url.scheme() == "http" && url.username().is_empty() && url.password().is_none();
        let port = url.port_or_known_default().filter(|&port| port != 0)?;
        if !is_plain || url.host() != Some(Host::Ipv4(gateway)) {
            return None;
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("{}{query}", url.path());
        Some(Self { address: SocketAddr::new(IpAddr::V4(gateway), port), path })
    }
}

/// True if a host at this address may be the gateway of ours. The sender of a datagram can be forged, so that it is in no
/// case one that only we can ask: ourselves, or a server of the link (N-25).
pub(crate) fn may_be_gateway(address: Ipv4Addr, local: Ipv4Addr) -> bool {
    address != local
        && !address.is_unspecified()
        && !address.is_multicast()
        && !address.is_broadcast()
        && !address.is_link_local()
        // Tests have both on loopback.
        && (!address.is_loopback() || local.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    // N-25
    #[test]
    fn urls_lead_to_the_gateway_alone() {
        let of = |url: &str| Endpoint::of_url(&Url::parse(url).unwrap(), GATEWAY);
        let due = Endpoint { address: "10.0.0.1:80".parse().unwrap(), path: "/".to_owned() };
        assert_eq!(of("http://10.0.0.1"), Some(due));
        assert_eq!(of("http://10.0.0.1:5000/a/b?c=d#e").unwrap().path, "/a/b?c=d");
        for url in [
            "https://10.0.0.1/",
            "ftp://10.0.0.1/",
            "file:///etc/passwd",
            "http://10.0.0.2/",
            "http://127.0.0.1/",
            "http://[::ffff:10.0.0.1]/",
            "http://gateway/",
            "http://joe@10.0.0.1/",
            "http://10.0.0.1:0/",
        ] {
            assert_eq!(of(url), None, "{url}");
        }
    }

    // N-25
    #[test]
    fn a_forged_sender_leads_to_nobody_whom_only_we_can_ask() {
        let local = Ipv4Addr::new(10, 0, 0, 2);
        assert!(may_be_gateway(GATEWAY, local));
        for address in
            ["10.0.0.2", "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "169.254.169.254"]
        {
            assert!(!may_be_gateway(address.parse().unwrap(), local), "{address}");
        }
    }
}
