use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A destination: an address, or a name that somebody else resolves. A [`Proxy`](crate::Proxy) does, if there
/// is one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// An address.
    Address(SocketAddr),
    /// A host name of at most 255 bytes, and a port.
    Name(String, u16),
}

/// The length of a name is one byte in SOCKS5, and no name of DNS is longer.
pub(crate) const MAX_NAME: usize = u8::MAX as usize;

impl Target {
    /// A host, an address or a name, with a port. An IPv6 address has no brackets.
    ///
    /// # Errors
    /// A name of more than 255 bytes.
    pub fn new(host: &str, port: u16) -> Result<Self, TargetError> {
        match host.parse::<IpAddr>() {
            Ok(ip) => Ok(Target::Address(SocketAddr::new(ip, port))),
            Err(_) if host.len() <= MAX_NAME => Ok(Target::Name(host.to_owned(), port)),
            Err(_) => Err(TargetError(())),
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Target::Address(address) => address.port(),
            Target::Name(_, port) => *port,
        }
    }
}

/// An IPv6 address in brackets.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Address(address) => address.fmt(f),
            Target::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// The name of a [`Target`] that is longer than 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name of the host is longer than {MAX_NAME} bytes")]
pub struct TargetError(());

impl From<TargetError> for std::io::Error {
    fn from(error: TargetError) -> Self {
        Self::new(std::io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_longer_than_socks5_can_say_is_refused() {
        let of = |labels: usize| Target::new(&vec!["a"; labels].join("."), 1);
        assert!(matches!(of(128).unwrap(), Target::Name(name, 1) if name.len() == 255));
        assert!(of(129).is_err());
        assert_eq!(Target::new("::1", 80), Ok(Target::Address("[::1]:80".parse().unwrap())));
    }
}
