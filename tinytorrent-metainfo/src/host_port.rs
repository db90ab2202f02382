use core::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The address of a peer, node or server: an IP address or a host name, and a port that is not 0.
///
/// ```
/// use tinytorrent_metainfo::HostPort;
///
/// let peer: HostPort = "[2001:db8::1]:6881".parse().unwrap();
/// assert_eq!((peer.host(), peer.port()), ("2001:db8::1", 6881));
/// assert_eq!(peer.to_string(), "[2001:db8::1]:6881");
/// assert!("2001:db8::1:6881".parse::<HostPort>().is_err(), "an IPv6 address needs brackets");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// The error of a text that is not `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `host:port` or `[ipv6]:port`, with a port from 1 to 65535")]
pub struct HostPortError;

impl HostPort {
    /// Creates a pair of host and port. `None` if the port is 0, or the host is neither an address nor
    /// looks like a name.
    pub fn new(host: impl Into<String>, port: u16) -> Option<Self> {
        let host = host.into();
        let is_host = host.parse::<IpAddr>().is_ok() || is_name(&host);
        (is_host && port > 0).then_some(Self { host, port })
    }

    /// The address, without brackets, or the name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, if the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// Returns true for a text that could be a host name.
fn is_name(host: &str) -> bool {
    // The resolver knows all the rules. Here it is enough that the text can be written before a port
    // and read again, so blanks, brackets and colons are out.
    let allowed =
        |character: char| character.is_alphanumeric() || matches!(character, '.' | '-' | '_');
    !host.is_empty() && host.len() <= 255 && host.chars().all(allowed)
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        let (host, port) = text.rsplit_once(':').ok_or(HostPortError)?;
        let port = port.parse().map_err(|_| HostPortError)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            // Brackets are for IPv6 alone (RFC 3986, 3.2.2), and without them its colons are ambiguous.
            Some(host) if host.parse::<Ipv6Addr>().is_ok() => host,
            None if !host.contains(':') => host,
            _ => return Err(HostPortError),
        };
        Self::new(host, port).ok_or(HostPortError)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
