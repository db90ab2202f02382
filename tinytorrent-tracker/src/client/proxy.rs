use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::basic_auth::basic_auth;
use super::socks5::{self, Target};
use crate::tracker_url::shortened;
use crate::{TrackerUrl, UrlError, UrlErrorKind};

/// A proxy: `http://[user:password@]host:port` or `socks5://[user:password@]host:port`.
///
/// The proxy resolves the hosts of trackers, and the local resolver is not asked for them. HTTP
/// and HTTPS trackers are reached through either kind of proxy. UDP trackers are reached through
/// SOCKS5, if the proxy relays datagrams (RFC 1928, `UDP ASSOCIATE`): all of them share one
/// connection to the proxy, which closes after a minute without requests. A request that the proxy
/// cannot carry is an error; no request bypasses the proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: ProxyKind,
    /// Host, port and credentials.
    url: TrackerUrl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProxyKind {
    /// `CONNECT`, for plain HTTP too (RFC 9110, section 9.3.6).
    Http,
    /// SOCKS5 (RFC 1928), with user and password (RFC 1929).
    Socks5,
}

impl Proxy {
    pub(super) fn url(&self) -> &TrackerUrl {
        &self.url
    }

    /// Turns a connection to the proxy into one to the target.
    pub(super) async fn open(&self, stream: &mut TcpStream, target: &TrackerUrl) -> io::Result<()> {
        match self.kind {
            ProxyKind::Http => self.open_http(stream, target).await,
            ProxyKind::Socks5 => {
                let target = Target::from_url(target)?;
                socks5::connect(stream, self.url.user_info(), &target).await
            }
        }
    }

    /// True if the protocol of the proxy has a request to relay datagrams.
    pub(super) fn may_relay(&self) -> bool {
        self.kind == ProxyKind::Socks5
    }

    /// Asks the proxy to relay datagrams while this connection is open. Returns the address of the
    /// relay.
    pub(super) async fn associate(&self, stream: &mut TcpStream) -> io::Result<SocketAddr> {
        match self.kind {
            ProxyKind::Http => Err(proxy_error("has no way to relay datagrams")),
            ProxyKind::Socks5 => {
                let proxy = stream.peer_addr()?.ip();
                socks5::associate(stream, proxy, self.url.user_info()).await
            }
        }
    }

    async fn open_http(&self, stream: &mut TcpStream, target: &TrackerUrl) -> io::Result<()> {
        let authority = format!("{}:{}", target.host(), target.port());
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(user_info) = self.url.user_info() {
            request += &format!("Proxy-Authorization: {}\r\n", basic_auth(user_info));
        }
        request += "\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            // Byte by byte, since bytes behind the head are those of the target.
            head.push(stream.read_u8().await?);
            if head.len() > MAX_HEAD {
                return Err(proxy_error(&format!(
                    "answers with more than {MAX_HEAD} bytes of headers"
                )));
            }
        }
        let status = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        if status.first() == Some(&b'2') {
            return Ok(());
        }
        Err(proxy_error(&format!("says {}", crate::failure::printable(status))))
    }
}

pub(super) fn proxy_error(what: &str) -> io::Error {
    io::Error::other(format!("the proxy {what}"))
}

impl FromStr for Proxy {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let unsupported = |scheme: &str| UrlError {
            url: shortened(text),
            kind: UrlErrorKind::UnsupportedScheme(scheme.to_owned()),
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyKind::Http,
            "socks5" | "socks5h" => ProxyKind::Socks5,
            other => return Err(unsupported(other)),
        };
        // A proxy has no default port, and the parser requires a port under the scheme `udp`.
        let url = format!("udp://{rest}").parse();
        let url = url.map_err(|error: UrlError| UrlError {
            url: error.url.replacen("udp", scheme, 1),
            ..error
        })?;
        Ok(Self { kind, url })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?} at {}:{})", self.kind, self.url.host(), self.url.port())
    }
}

/// A guess: proxies answer with a few hundred bytes.
const MAX_HEAD: usize = 16 * 1024;
