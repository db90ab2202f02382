use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::BufMut;

use super::ExtensionError;

/// A message of `ut_holepunch`, by which two unreachable peers connect with the help of a third (BEP 55).
///
/// Nothing proves an address in it: pass it through an
/// [`AddressFilter`](tinytorrent_types::AddressFilter), and limit the rate of such connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holepunch {
    /// The sender wants a connection to this peer.
    Rendezvous(SocketAddr),
    /// The receiver is to connect to this peer by uTP. The peer does the same.
    Connect(SocketAddr),
    /// The rendezvous failed.
    Error {
        /// The peer of the rendezvous.
        target: SocketAddr,
        /// The reason.
        reason: HolepunchFailure,
    },
    /// A message type that BEP 55 does not have. Ignore the message.
    Unknown(u8),
}

/// The reason why a rendezvous failed (BEP 55, "error codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolepunchFailure {
    /// 1: the target is no valid address.
    NoSuchPeer,
    /// 2: the relay has no connection to the target.
    NotConnected,
    /// 3: the target does not know this extension.
    NoSupport,
    /// 4: the target is the relay itself.
    NoSelf,
    /// A code that BEP 55 does not have.
    Unknown(u32),
}

impl Holepunch {
    /// Parses the payload of a message. Bytes after the message are ignored. The error code may be missing in
    /// messages that are no error, as some clients leave it out.
    ///
    /// # Errors
    /// The payload ends too early, or the kind of address is unknown.
    pub fn parse(payload: &[u8]) -> Result<Self, ExtensionError> {
        let (kind, address, rest) = split(payload)?;
        Ok(match kind {
            RENDEZVOUS => Holepunch::Rendezvous(address),
            CONNECT => Holepunch::Connect(address),
            ERROR => {
                let code = rest.first_chunk::<4>().ok_or(truncated(payload))?;
                let reason = HolepunchFailure::from_code(u32::from_be_bytes(*code));
                Holepunch::Error { target: address, reason }
            }
            other => Holepunch::Unknown(other),
        })
    }

    /// Appends the payload of the message. It appends nothing for [`Unknown`](Self::Unknown).
    pub fn encode(&self, out: &mut impl BufMut) {
        let (kind, address, code) = match *self {
            // BEP 55: each message has the code, and it is 0 in those that are no error.
            Holepunch::Rendezvous(address) => (RENDEZVOUS, address, 0),
            Holepunch::Connect(address) => (CONNECT, address, 0),
            Holepunch::Error { target, reason } => (ERROR, target, reason.code()),
            Holepunch::Unknown(_) => return,
        };
        out.put_u8(kind);
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => {
                out.put_u8(0);
                out.put_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                out.put_u8(1);
                out.put_slice(&ip.octets());
            }
        }
        out.put_u16(address.port());
        out.put_u32(code);
    }
}

impl HolepunchFailure {
    /// The number on the wire.
    pub const fn code(self) -> u32 {
        match self {
            HolepunchFailure::NoSuchPeer => 1,
            HolepunchFailure::NotConnected => 2,
            HolepunchFailure::NoSupport => 3,
            HolepunchFailure::NoSelf => 4,
            HolepunchFailure::Unknown(code) => code,
        }
    }

    const fn from_code(code: u32) -> Self {
        match code {
            1 => HolepunchFailure::NoSuchPeer,
            2 => HolepunchFailure::NotConnected,
            3 => HolepunchFailure::NoSupport,
            4 => HolepunchFailure::NoSelf,
            other => HolepunchFailure::Unknown(other),
        }
    }
}

/// Type of the message, address, and the bytes after them.
fn split(payload: &[u8]) -> Result<(u8, SocketAddr, &[u8]), ExtensionError> {
    let (&[kind, family], rest) = payload.split_first_chunk().ok_or(truncated(payload))?;
    let (ip, rest) = match family {
        0 => {
            let (octets, rest) = rest.split_first_chunk::<4>().ok_or(truncated(payload))?;
            (IpAddr::V4(Ipv4Addr::from(*octets)), rest)
        }
        1 => {
            let (octets, rest) = rest.split_first_chunk::<16>().ok_or(truncated(payload))?;
            (IpAddr::V6(Ipv6Addr::from(*octets)), rest)
        }
        other => return Err(ExtensionError::AddressKind { found: other }),
    };
    let (port, rest) = rest.split_first_chunk::<2>().ok_or(truncated(payload))?;
    Ok((kind, SocketAddr::new(ip, u16::from_be_bytes(*port)), rest))
}

fn truncated(payload: &[u8]) -> ExtensionError {
    ExtensionError::Truncated { extension: "ut_holepunch", found: payload.len() }
}

const RENDEZVOUS: u8 = 0;
const CONNECT: u8 = 1;
const ERROR: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(message: Holepunch) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(&mut out);
        out
    }

    /// X-29; the layout of BEP 55.
    #[test]
    fn holepunch_messages_have_the_layout_of_bep_55() {
        let v4 = Holepunch::Rendezvous("10.0.0.2:258".parse().unwrap());
        assert_eq!(encoded(v4), [0, 0, 10, 0, 0, 2, 1, 2, 0, 0, 0, 0]);
        let v6 = Holepunch::Error {
            target: "[::7]:1".parse().unwrap(),
            reason: HolepunchFailure::NoSelf,
        };
        let bytes = encoded(v6);
        assert_eq!(bytes[..2], [2, 1]);
        assert_eq!(bytes[2..18], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(bytes[18..], [0, 1, 0, 0, 0, 4]);
        for message in [v4, v6, Holepunch::Connect("1.2.3.4:5".parse().unwrap())] {
            assert_eq!(Holepunch::parse(&encoded(message)), Ok(message));
        }
    }

    ///
    #[test]
    fn sizes_are_checked_against_the_kind_of_address() {
        let whole = encoded(Holepunch::Error {
            target: "1.2.3.4:5".parse().unwrap(),
            reason: HolepunchFailure::Unknown(77),
        });
        for cut in 0..whole.len() {
            let error = ExtensionError::Truncated { extension: "ut_holepunch", found: cut };
            assert_eq!(Holepunch::parse(&whole[..cut]), Err(error));
        }
        let mut long = whole.clone();
        long[1] = 1;
        assert!(matches!(Holepunch::parse(&long), Err(ExtensionError::Truncated { .. })));
        long[1] = 2;
        assert_eq!(Holepunch::parse(&long), Err(ExtensionError::AddressKind { found: 2 }));
    }

    /// X-29, BEP 55: only errors need the code, and unknown types are read as such.
    #[test]
    fn an_error_code_is_needed_in_errors_only() {
        let connect = encoded(Holepunch::Connect("1.2.3.4:5".parse().unwrap()));
        assert!(Holepunch::parse(&connect[..8]).is_ok());
        let mut future = connect;
        future[0] = 9;
        assert_eq!(Holepunch::parse(&future), Ok(Holepunch::Unknown(9)));
    }
}
