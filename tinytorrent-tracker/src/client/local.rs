use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tinytorrent_types::AddressFilter;

use super::{Error, ErrorKind, Phase};
use crate::{Scheme, TrackerUrl};

/// The requests that may go to local addresses: loopback, link-local, private, and all others that
/// the public internet does not route.
///
/// Anybody can write a URL into a torrent, and whoever opens the torrent sends a request there from
/// inside his own network (server-side request forgery). The rule is that of `ssrf_mitigation` in
/// libtorrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LocalAccess {
    /// All: the URL is the user's own, or the user has lifted the rule.
    Full,
    /// Requests without credentials whose path begins with one of these texts.
    Under(&'static [&'static str]),
}

impl LocalAccess {
    /// Removes the addresses to which this URL may not be requested.
    ///
    /// # Errors
    /// [`ErrorKind::LocalAddress`] if none is left.
    pub(super) fn retain_allowed(
        self,
        url: &TrackerUrl,
        addresses: &mut Vec<SocketAddr>,
    ) -> Result<(), Error> {
        // A host has public and local addresses if its owner wants to lead us from one to the other.
        addresses.retain(|address| self.allows(url, is_local(address.ip())));
        if addresses.is_empty() { Err(forbidden(url)) } else { Ok(()) }
    }

    /// Checks a URL that a proxy will resolve.
    ///
    /// # Errors
    /// [`ErrorKind::LocalAddress`] if the host is known to be local without a lookup.
    pub(super) fn check_host(self, url: &TrackerUrl) -> Result<(), Error> {
        if self.allows(url, is_local_host(url)) { Ok(()) } else { Err(forbidden(url)) }
    }

    /// True if the credentials of the URL may be sent to this peer; `None` is a proxy.
    pub(super) fn sends_credentials(self, url: &TrackerUrl, peer: Option<SocketAddr>) -> bool {
        let is_local = peer.map_or_else(|| is_local_host(url), |peer| is_local(peer.ip()));
        self == Self::Full || !is_local
    }

    fn allows(self, url: &TrackerUrl, is_local: bool) -> bool {
        match self {
            Self::Under(starts) if is_local => has_path_under(url, starts),
            Self::Under(_) | Self::Full => true,
        }
    }
}

/// True if the address is not routed on the public internet, in whatever form IPv6 has for it.
pub(super) fn is_local(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let embedded = match ip {
        IpAddr::V6(ip) => embedded_v4(ip).map(IpAddr::V4),
        IpAddr::V4(_) => None,
    };
    is_bogon(ip) || is_site_local(ip) || embedded.is_some_and(is_bogon)
}

/// True if the host is an address that is local, or a name that stands for this machine.
pub(super) fn is_local_host(url: &TrackerUrl) -> bool {
    let host = url.host_to_resolve();
    match host.parse() {
        Ok(ip) => is_local(ip),
        // RFC 6761, section 6.3.
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn is_bogon(ip: IpAddr) -> bool {
    // Any port but 0, which the filter refuses by itself.
    !AddressFilter::new().refuse_bogons(true).allows(SocketAddr::new(ip, 1))
}

/// `fec0::/10`, the private addresses of IPv6 before RFC 3879.
fn is_site_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfec0)
}

/// The IPv4 address to which a gateway or the system sends what goes to this one.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
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

/// True if the path begins with one of the texts and does not leave it again.
fn has_path_under(url: &TrackerUrl, starts: &[&str]) -> bool {
    let whole = url.path_and_query();
    let path = &whole[..whole.find('?').unwrap_or(whole.len())];
    // A UDP tracker is sent the path as an option, and without one nothing of the URL (BEP 41).
    let is_empty = url.scheme() == Scheme::Udp && matches!(whole, "" | "/");
    is_empty || (starts.iter().any(|start| path.starts_with(start)) && !has_dots(path))
}

/// True if a server could read a segment of the path as `..`, and so another path than the one
/// that was compared.
fn has_dots(path: &str) -> bool {
    let mut plain = path.as_bytes().to_vec();
    // A proxy in front of the server may decode once, and the server again.
    for _ in 0..MAX_DECODINGS {
        plain = crate::http::percent_decode(&String::from_utf8_lossy(&plain));
    }
    // Some servers read a backslash as a slash, and ignore what follows a semicolon.
    plain.split(|byte| b"/\\".contains(byte)).any(|segment| segment.starts_with(b".."))
        || plain.contains(&b'%')
}

fn forbidden(url: &TrackerUrl) -> Error {
    Error::new(url, Phase::Resolve, ErrorKind::LocalAddress)
}

/// A guess: no path of a tracker is encoded twice, and each decoding costs its length.
const MAX_DECODINGS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOUNCE: LocalAccess = LocalAccess::Under(&["/announce"]);

    fn url(text: &str) -> TrackerUrl {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_local_in_every_form_that_it_has() {
        for local in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2001:0:1:2:3:4:80ff:fffe",
        ] {
            assert!(is_local(local.parse().unwrap()), "{local}");
        }
        for public in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(!is_local(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_host_is_judged_without_a_lookup_only_if_none_is_needed() {
        for local in ["http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://[::1]/"] {
            assert!(is_local_host(&url(local)), "{local}");
        }
        for local in ["http://localhost/", "http://LOCALHOST./", "http://a.localhost/"] {
            assert!(is_local_host(&url(local)), "{local}");
        }
        for other in ["http://localhost.example/", "http://8.8.8.8/", "http://notlocalhost/"] {
            assert!(!is_local_host(&url(other)), "{other}");
        }
    }

    /// libtorrent has this rule as `ssrf_mitigation`
    #[test]
    fn a_local_tracker_has_the_path_of_one() {
        let may_ask = |text: &str| {
            let mut addresses = vec!["127.0.0.1:1".parse().unwrap()];
            ANNOUNCE.retain_allowed(&url(text), &mut addresses).is_ok()
        };
        for text in [
            "http://h/announce",
            "http://h/announce?k=..%2f",
            "http://h/announce/key",
            "https://h/announce.php",
            "http://h/announce/a..b",
            "udp://h:1",
            "udp://h:1/",
            "udp://h:1/announce",
        ] {
            assert!(may_ask(text), "{text}");
        }
        for text in [
            "http://h",
            "http://h/",
            "http://h?/announce",
            "http://h/x/announce",
            "http://h//announce",
            "http://h/Announce",
            "http://h/%61nnounce",
            "http://h/admin?/announce",
            "http://h/announce/../admin",
            "http://h/announce/%2e%2E/admin",
            "http://h/announce%2f..%2fadmin",
            "http://h/announce/%252e%252e/admin",
            "http://h/announce/%2525252e",
            "http://h/announce\\..\\admin",
            "http://h/announce/..;/admin",
            "udp://h:1/x",
            "udp://h:1?x",
            "http://h/scrape",
        ] {
            assert!(!may_ask(text), "{text}");
        }
    }

    /// libtorrent has this rule as `ssrf_mitigation`
    #[test]
    fn of_the_addresses_of_a_host_the_local_ones_are_left_out() {
        let (local, public): (SocketAddr, SocketAddr) =
            ("127.0.0.1:80".parse().unwrap(), "8.8.8.8:80".parse().unwrap());
        let allowed = |access: LocalAccess| {
            let mut addresses = vec![local, public];
            access.retain_allowed(&url("http://h/x"), &mut addresses).unwrap();
            addresses
        };
        assert_eq!(allowed(ANNOUNCE), [public]);
        assert_eq!(allowed(LocalAccess::Full), [local, public]);
        let error = ANNOUNCE.retain_allowed(&url("http://h/x"), &mut vec![local]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::LocalAddress));
    }

    /// libtorrent has this rule as `ssrf_mitigation`
    #[test]
    fn credentials_go_to_no_local_address() {
        let url = url("http://joe:secret@h/announce");
        let at = |text: &str| Some(text.parse().unwrap());
        assert!(!ANNOUNCE.sends_credentials(&url, at("192.168.1.1:80")));
        assert!(ANNOUNCE.sends_credentials(&url, at("8.8.8.8:80")));
        assert!(ANNOUNCE.sends_credentials(&url, None));
        assert!(!ANNOUNCE.sends_credentials(&"http://joe@[::1]/".parse().unwrap(), None));
        assert!(LocalAccess::Full.sends_credentials(&url, at("192.168.1.1:80")));
    }
}
