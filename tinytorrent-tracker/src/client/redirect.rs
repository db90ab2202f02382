use std::net::SocketAddr;

use hyper::StatusCode;
use hyper::header::{HeaderMap, LOCATION};

use super::local::place_of;
use super::{Error, ErrorKind, Phase, TrackerClient};
use crate::{Scheme, TrackerUrl};

/// The target of a redirect (RFC 9110, section 10.2.2); `None` for every other response.
pub(super) fn location(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let is_redirect = matches!(status.as_u16(), 300..=303 | 307 | 308);
    let value = headers.get(LOCATION).filter(|_| is_redirect)?.as_bytes().trim_ascii();
    if value.is_empty() {
        return None;
    }
    // Servers write the characters of a path as they are. Bytes that are no UTF-8 have to go back
    // to the server as they came, which percent-encoding does.
    Some(match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|byte| escaped(*byte)).collect(),
    })
}

fn escaped(byte: u8) -> String {
    if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// True if the target of a redirect is a magnet link.
pub(super) fn is_magnet(location: &str) -> bool {
    location.get(..MAGNET.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(MAGNET))
}

impl TrackerClient {
    /// Checks that a redirect leads to HTTP, not from TLS to plain text, and not from a public
    /// address to a local one.
    pub(super) fn check_redirect(
        &self,
        from: &TrackerUrl,
        peer: Option<SocketAddr>,
        to: &TrackerUrl,
        addresses: &[SocketAddr],
    ) -> Result<(), Error> {
        let config = &self.shared.config;
        let is_downgrade = from.scheme() == Scheme::Https && to.scheme() == Scheme::Http;
        let peer = peer.map(|peer| [peer]);
        let from_place = place_of(from, peer.as_ref().map_or(&[], |peer| &peer[..]));
        // The proxy resolves names, so that most of them cannot be checked.
        let turns_local = from_place.turns_local(&place_of(to, addresses));
        if !is_http(to)
            || (is_downgrade && !config.allows_downgrade)
            || (turns_local && !config.allows_local)
        {
            return Err(forbidden(from, to.to_string()));
        }
        Ok(())
    }
}

/// The error for a redirect that is not followed.
pub(super) fn forbidden(from: &TrackerUrl, to: String) -> Error {
    Error::new(from, Phase::Response, ErrorKind::ForbiddenRedirect(to))
}

/// True if the scheme is `http` or `https`.
pub(super) fn is_http(url: &TrackerUrl) -> bool {
    matches!(url.scheme(), Scheme::Http | Scheme::Https)
}

const MAGNET: &str = "magnet:";

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn location_of(status: u16, value: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_bytes(value).unwrap());
        location(StatusCode::from_u16(status).unwrap(), &headers)
    }

    /// H-29
    #[test]
    fn a_location_may_have_any_bytes() {
        assert_eq!(location_of(302, "/ä b".as_bytes()).unwrap(), "/ä b");
        assert_eq!(location_of(302, b" /\xe4%20x ").unwrap(), "/%E4%20x");
    }

    /// H-29, RFC 9110 section 15.4
    #[test]
    fn only_a_redirect_with_a_target_redirects() {
        for status in [300, 301, 302, 303, 307, 308] {
            assert_eq!(location_of(status, b"/x").as_deref(), Some("/x"));
            assert_eq!(location_of(status, b" "), None);
        }
        for status in [200, 201, 304, 305, 404] {
            assert_eq!(location_of(status, b"/x"), None);
        }
        assert_eq!(location(StatusCode::FOUND, &HeaderMap::new()), None);
    }

    #[test]
    fn a_magnet_link_is_known_by_its_scheme() {
        assert!(is_magnet("MAGNET:?xt=urn:btih:0"));
        assert!(!is_magnet("magnet") && !is_magnet("/magnet:") && !is_magnet("mägnet:"));
    }
}
