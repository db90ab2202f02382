use std::net::SocketAddr;

use tinytorrent_net::{Place, is_local};

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
        if self.allows(url, place_of(url, &[]).is_local()) { Ok(()) } else { Err(forbidden(url)) }
    }

    /// True if the credentials of the URL may be sent to this peer; `None` is a proxy.
    pub(super) fn sends_credentials(self, url: &TrackerUrl, peer: Option<SocketAddr>) -> bool {
        let place = place_of(url, &[]);
        let is_local = peer.map_or_else(|| place.is_local(), |peer| is_local(peer.ip()));
        self == Self::Full || !is_local
    }

    fn allows(self, url: &TrackerUrl, is_local: bool) -> bool {
        match self {
            Self::Under(starts) if is_local => has_path_under(url, starts),
            Self::Under(_) | Self::Full => true,
        }
    }
}

/// The place of a URL, at these addresses; none behind a proxy.
pub(super) fn place_of<'a>(url: &'a TrackerUrl, addresses: &'a [SocketAddr]) -> Place<'a> {
    Place { host: url.host_to_resolve(), addresses }
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
    fn a_host_of_a_url_is_judged_however_it_is_written() {
        for local in ["http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://[::1]/"] {
            assert!(place_of(&url(local), &[]).is_local(), "{local}");
        }
        for local in ["http://localhost/", "http://LOCALHOST./", "http://a.localhost/"] {
            assert!(place_of(&url(local), &[]).is_local(), "{local}");
        }
        for other in ["http://localhost.example/", "http://8.8.8.8/", "http://notlocalhost/"] {
            assert!(!place_of(&url(other), &[]).is_local(), "{other}");
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
