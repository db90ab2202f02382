use std::str::FromStr;

use tinytorrent_types::Printable;
use url::Host;

use crate::proxy::ProxyKind;
use crate::{Proxy, UserInfo};

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let error = |kind| ProxyError { url: without_password(text), kind };
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| error(ProxyErrorKind::NoScheme))?;
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyKind::Http,
            "socks5" | "socks5h" => ProxyKind::Socks5,
            _ => return Err(error(ProxyErrorKind::UnsupportedScheme)),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        // The last `@`, since users write passwords that contain one.
        let (user_info, address) = match authority.rsplit_once('@') {
            Some((user_info, address)) => (Some(UserInfo::of_url(user_info)), address),
            None => (None, authority),
        };
        if user_info.as_ref().is_some_and(|info| !info.fits_socks5()) {
            return Err(error(ProxyErrorKind::LongCredentials));
        }
        let after_host = address.rfind(']').map_or(0, |bracket| bracket + 1);
        let colon = address[after_host..].rfind(':').map(|colon| after_host + colon);
        let colon = colon.ok_or_else(|| error(ProxyErrorKind::NoPort))?;
        let (host, port) = (&address[..colon], &address[colon + 1..]);
        let port = port.parse().ok().filter(|port| *port != 0);
        let port = port.ok_or_else(|| error(ProxyErrorKind::BadPort))?;
        let host = Host::parse(host).map_err(|_| error(ProxyErrorKind::BadHost))?;
        let host = match host {
            Host::Domain(name) => name,
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self { kind, host, port, user_info })
    }
}

/// An error in the URL of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?}: {kind}")]
pub struct ProxyError {
    /// The text, shortened and without the password.
    pub url: String,
    /// The kind of error.
    pub kind: ProxyErrorKind,
}

/// The kind of error in the URL of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyErrorKind {
    /// There is no `scheme://`.
    #[error("no scheme, expected socks5:// or http://")]
    NoScheme,
    /// A scheme of another kind of proxy.
    #[error("the scheme is not supported, expected socks5:// or http://")]
    UnsupportedScheme,
    /// No host, or one that is neither a name nor an address.
    #[error("no valid host")]
    BadHost,
    /// A port that is no number between 1 and 65535.
    #[error("no valid port")]
    BadPort,
    /// No port, and proxies have no usual one.
    #[error("no port, and the scheme has no default one")]
    NoPort,
    /// A user or a password of more than 255 bytes (RFC 1929, section 2).
    #[error("more than 255 bytes of user or password")]
    LongCredentials,
}

/// The beginning of a URL without its password, for display.
fn without_password(text: &str) -> String {
    let hidden = match text.split_once("://").and_then(|(scheme, rest)| {
        let (user_info, host) = rest.rsplit_once('@')?;
        let user = user_info.split(':').next().unwrap_or_default();
        Some(format!("{scheme}://{user}:…@{host}"))
    }) {
        Some(hidden) => hidden,
        None => text.to_owned(),
    };
    Printable(&hidden.chars().take(SHOWN).collect::<String>()).to_string()
}

/// A guess: a few lines of a terminal.
const SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_of_another_kind_or_without_a_port_is_refused() {
        for (text, why) in [
            ("ftp://joe:secret@h:1", "scheme"),
            ("socks5://joe:secret@h", "no port"),
            ("socks5://joe:secret@h:0", "valid port"),
            ("socks5://joe:secret@:1", "host"),
            ("socks5://joe:secret@h:1/x", "valid port"),
        ] {
            let error = text.parse::<Proxy>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("joe:…@"), "{error}");
            assert!(error.contains(text.split(':').next().unwrap()), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(
            matches!("h:1".parse::<Proxy>(), Err(error) if error.kind == ProxyErrorKind::NoScheme)
        );
        let long = format!("socks5://{}@h:1", "x".repeat(256));
        assert!(
            matches!(long.parse::<Proxy>(), Err(error) if error.kind == ProxyErrorKind::LongCredentials)
        );
    }

    #[test]
    fn a_proxy_has_a_name_or_an_address_of_either_family() {
        for (text, address) in [
            ("socks5://Proxy.Example:1080", ("proxy.example", 1080)),
            ("SOCKS5H://joe:p@ss@127.0.0.1:9050/", ("127.0.0.1", 9050)),
            ("http://[::1]:3128", ("::1", 3128)),
        ] {
            assert_eq!(text.parse::<Proxy>().unwrap().address(), address, "{text}");
        }
    }
}
