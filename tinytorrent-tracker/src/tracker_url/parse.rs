use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use url::Host;

use super::{Parts, Scheme, TrackerUrl};

impl FromStr for TrackerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let error = |kind| UrlError { url: shortened(text), kind };
        let trimmed = text.trim();
        if trimmed.len() > MAX_URL {
            return Err(error(UrlErrorKind::TooLong));
        }
        let (scheme, rest) =
            trimmed.split_once("://").ok_or_else(|| error(UrlErrorKind::NoScheme))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "udp" => Scheme::Udp,
            other => return Err(error(UrlErrorKind::UnsupportedScheme(shortened(other)))),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        // Announce URLs such as `http://host?passkey=x` have a query and no path.
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(authority_end);
        // The last `@`, since users write passwords that contain one.
        let (user_info, host_and_port) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info.to_owned()), host),
            None => (None, authority),
        };
        let (host, port) = split_port(host_and_port);
        let host = Host::parse(host).map_err(|_| error(UrlErrorKind::BadHost))?.to_string();
        let port = match port {
            Some("") | None => scheme.default_port().ok_or_else(|| error(UrlErrorKind::NoPort))?,
            Some(digits) => digits.parse().map_err(|_| error(UrlErrorKind::BadPort))?,
        };
        if port == 0 {
            return Err(error(UrlErrorKind::BadPort));
        }
        let path_and_query = printable_ascii(path_and_query);
        let parts = Parts { scheme, user_info, host, port, path_and_query };
        Ok(TrackerUrl { parts: Arc::new(parts) })
    }
}

/// An error in the URL of a tracker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?}: {kind}")]
pub struct UrlError {
    /// The text, shortened and without the password.
    pub url: String,
    /// The kind of error.
    pub kind: UrlErrorKind,
}

/// The kind of error in a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlErrorKind {
    /// There is no `scheme://`.
    #[error("no scheme, expected http://, https:// or udp://")]
    NoScheme,
    /// A scheme that this crate does not support, such as `wss`.
    #[error("the scheme {0:?} is not supported")]
    UnsupportedScheme(String),
    /// No host, or one that is neither a name nor an address.
    #[error("no valid host")]
    BadHost,
    /// A port that is no number between 1 and 65535.
    #[error("no valid port")]
    BadPort,
    /// `udp://` without a port; none is defined (BEP 15).
    #[error("no port, and the scheme has no default one")]
    NoPort,
    /// The URL is longer than servers take.
    #[error("longer than {MAX_URL} bytes")]
    TooLong,
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    let after_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority[after_host..].rfind(':') {
        Some(colon) => {
            let colon = after_host + colon;
            (&authority[..colon], Some(&authority[colon + 1..]))
        }
        None => (authority, None),
    }
}

/// Percent-encodes the bytes that cannot stand in a request line, and no other.
fn printable_ascii(text: &str) -> String {
    use fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                write!(out, "%{byte:02X}").expect("a string takes all");
            }
            byte if byte.is_ascii_graphic() => out.push(char::from(byte)),
            byte => write!(out, "%{byte:02X}").expect("a string takes all"),
        }
    }
    out
}

/// The beginning of a URL without its password, for display.
pub(crate) fn shortened(text: &str) -> String {
    let hidden = match text.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            match authority.rsplit_once('@') {
                Some((user_info, host)) => {
                    let user = user_info.split(':').next().unwrap_or_default();
                    format!("{scheme}://{user}:…@{host}{tail}")
                }
                None => text.to_owned(),
            }
        }
        None => text.to_owned(),
    };
    crate::failure::printable(hidden.as_bytes()).chars().take(200).collect()
}

/// Servers refuse request lines of more than about 8 KiB.
const MAX_URL: usize = 8 * 1024;
