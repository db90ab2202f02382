//! SOCKS5 (RFC 1928), with user and password as of RFC 1929.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::proxy::proxy_error;
use crate::target::MAX_NAME;
use crate::{Target, UserInfo};

impl Target {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Target::Address(SocketAddr::V4(address)) => {
                out.push(IPV4);
                out.extend(address.ip().octets());
            }
            Target::Address(SocketAddr::V6(address)) => {
                out.push(IPV6);
                out.extend(address.ip().octets());
            }
            Target::Name(name, _) => {
                let name = &name.as_bytes()[..name.len().min(MAX_NAME)];
                out.extend([DOMAIN, name.len() as u8]);
                out.extend(name);
            }
        }
        out.extend(self.port().to_be_bytes());
    }

    /// Parses a target at the beginning of the bytes, and returns the bytes behind it.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (kind, rest) = bytes.split_first()?;
        let (host, rest) = match *kind {
            IPV4 => rest.split_at_checked(4)?,
            IPV6 => rest.split_at_checked(16)?,
            DOMAIN => {
                let (length, rest) = rest.split_first()?;
                rest.split_at_checked(usize::from(*length))?
            }
            _ => return None,
        };
        let (port, rest) = rest.split_first_chunk()?;
        let port = u16::from_be_bytes(*port);
        let ip = match *kind {
            IPV4 => <[u8; 4]>::try_from(host).ok().map(IpAddr::from),
            IPV6 => <[u8; 16]>::try_from(host).ok().map(IpAddr::from),
            _ => None,
        };
        let target = match ip {
            Some(ip) => Target::Address(SocketAddr::new(ip, port)),
            None => Target::Name(String::from_utf8_lossy(host).into_owned(), port),
        };
        Some((target, rest))
    }
}

/// Asks the proxy to connect this stream to the target (section 4, `CONNECT`).
pub(crate) async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user_info: Option<&UserInfo>,
    target: &Target,
) -> io::Result<()> {
    greet(stream, user_info).await?;
    request(stream, CONNECT, target).await.map(drop)
}

/// Asks the proxy to relay datagrams while this stream is open (section 4, `UDP ASSOCIATE`).
/// Returns the address of the relay. `proxy` is the address of the proxy.
pub(crate) async fn associate(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: IpAddr,
    user_info: Option<&UserInfo>,
) -> io::Result<SocketAddr> {
    greet(stream, user_info).await?;
    // Zeros, since the socket that will send is not open yet (section 4).
    let anywhere = Target::Address(([0, 0, 0, 0], 0).into());
    match request(stream, UDP_ASSOCIATE, &anywhere).await? {
        Target::Address(relay) if relay.port() == 0 => {
            Err(proxy_error("relays datagrams at no port"))
        }
        // An unspecified address stands for that of the proxy itself.
        Target::Address(relay) if relay.ip().is_unspecified() => {
            Ok(SocketAddr::new(proxy, relay.port()))
        }
        Target::Address(relay) => Ok(relay),
        Target::Name(..) => Err(proxy_error("relays datagrams at a name instead of an address")),
    }
}

/// Writes a datagram for the relay: a header with the target, then the content (section 7).
pub(crate) fn write_relayed(target: &Target, datagram: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend([0, 0, WHOLE]);
    target.write(out);
    out.extend_from_slice(datagram);
}

/// Parses a datagram from the relay: its sender and its content (section 7).
pub(crate) fn read_relayed(relayed: &[u8]) -> Option<(Target, &[u8])> {
    match relayed {
        // Fragments are dropped, as section 7 requires where they are not reassembled.
        [_, _, WHOLE, rest @ ..] => Target::read(rest),
        _ => None,
    }
}

impl UserInfo {
    /// True if each part has a length that is one byte (RFC 1929, section 2).
    pub(crate) fn fits_socks5(&self) -> bool {
        self.user.len().max(self.password.len()) <= usize::from(u8::MAX)
    }
}

async fn greet(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user_info: Option<&UserInfo>,
) -> io::Result<()> {
    let method = if user_info.is_some() { USER_AND_PASSWORD } else { NO_AUTHENTICATION };
    stream.write_all(&[VERSION, 1, method]).await?;
    // One method is offered, so that a proxy cannot choose to do without authentication.
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await?;
    if chosen != [VERSION, method] {
        return Err(proxy_error("does not accept our method of authentication"));
    }
    match user_info {
        Some(user_info) => authenticate(stream, user_info).await,
        None => Ok(()),
    }
}

async fn authenticate(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user_info: &UserInfo,
) -> io::Result<()> {
    // The version of the negotiation, which is not that of SOCKS (RFC 1929, section 2).
    let mut request = vec![1];
    for text in [&user_info.user, &user_info.password] {
        let length = u8::try_from(text.len());
        request
            .push(length.map_err(|_| proxy_error("takes at most 255 bytes of user or password"))?);
        request.extend(text);
    }
    stream.write_all(&request).await?;
    let mut reply = [0; 2];
    stream.read_exact(&mut reply).await?;
    if reply[1] == 0 { Ok(()) } else { Err(proxy_error("does not accept our user and password")) }
}

/// Sends a request, and returns the address that the proxy bound for it (section 6).
async fn request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    command: u8,
    target: &Target,
) -> io::Result<Target> {
    let mut request = vec![VERSION, command, 0];
    target.write(&mut request);
    stream.write_all(&request).await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [version, reply, _, kind] = head;
    if version != VERSION {
        return Err(proxy_error("does not speak socks5"));
    }
    if reply != 0 {
        let what = if command == CONNECT { "connect" } else { "relay datagrams" };
        return Err(proxy_error(&format!("does not {what}: {}", reason(reply))));
    }
    // This byte is the length of a name, or the first of an address.
    let first = stream.read_u8().await?;
    let host = match kind {
        IPV4 => 4,
        IPV6 => 16,
        DOMAIN => 1 + usize::from(first),
        _ => return Err(proxy_error("answers with an unknown kind of address")),
    };
    let mut bound = vec![0; 1 + host + 2];
    (bound[0], bound[1]) = (kind, first);
    stream.read_exact(&mut bound[2..]).await?;
    let bound = Target::read(&bound).map(|(bound, _)| bound);
    bound.ok_or_else(|| proxy_error("answers with a malformed address"))
}

/// The meaning of a reply code (section 6).
fn reason(reply: u8) -> String {
    let known = match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "ttl expired",
        7 => "command not supported",
        8 => "address type not supported",
        other => return format!("reply {other}"),
    };
    known.to_owned()
}

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const UDP_ASSOCIATE: u8 = 3;
const IPV4: u8 = 1;
const DOMAIN: u8 = 3;
const IPV6: u8 = 4;

/// The fragment number of a datagram that is no fragment (section 7).
const WHOLE: u8 = 0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// U-42, RFC 1928 section 7
    #[test]
    fn a_relayed_datagram_stands_behind_its_address() {
        let mut out = Vec::new();
        for (target, header) in [
            (Target::Address("192.0.2.1:6969".parse().unwrap()), &b"\0\0\0\x01\xc0\0\x02\x01"[..]),
            (
                Target::Address("[2001:db8::1]:6969".parse().unwrap()),
                b"\0\0\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
            ),
            (Target::Name("a.example".into(), 6969), b"\0\0\0\x03\x09a.example"),
        ] {
            write_relayed(&target, b"datagram", &mut out);
            assert_eq!(out, [header, b"\x1b\x39datagram"].concat());
            assert_eq!(read_relayed(&out), Some((target, &b"datagram"[..])));
            for cut in 0..header.len() + 2 {
                assert_eq!(read_relayed(&out[..cut]), None, "{cut}");
            }
            out[2] = 1;
            assert_eq!(read_relayed(&out), None, "a fragment");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_unwrapped_without_a_panic(bytes: Vec<u8>) {
            if let Some((_, datagram)) = read_relayed(&bytes) {
                prop_assert!(bytes.ends_with(datagram));
            }
        }
    }
}
