use std::fmt;
use std::io;
use std::net::SocketAddr;

use tinytorrent_types::Printable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Target, UserInfo, socks5};

/// A proxy: `http://[user:password@]host:port` or `socks5://[user:password@]host:port`; `socks5h` is the same as
/// `socks5`.
///
/// The proxy resolves names, and the local resolver is asked for that of the proxy alone. Connections go through
/// either kind of proxy. Datagrams go through SOCKS5, if the proxy relays them (RFC 1928, `UDP ASSOCIATE`).
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) kind: ProxyKind,
    /// A name in lower case, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user_info: Option<UserInfo>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    /// `CONNECT`, for plain HTTP too (RFC 9110, section 9.3.6).
    Http,
    /// SOCKS5 (RFC 1928), with user and password (RFC 1929).
    Socks5,
}

impl Proxy {
    /// True if the protocol of the proxy has a request to relay datagrams.
    pub fn may_relay(&self) -> bool {
        self.kind == ProxyKind::Socks5
    }

    /// Host and port, an IPv6 address without brackets.
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Turns a connection to the proxy into one to the target.
    pub(crate) async fn connect(&self, stream: &mut TcpStream, target: &Target) -> io::Result<()> {
        match self.kind {
            ProxyKind::Http => self.connect_http(stream, target).await,
            ProxyKind::Socks5 => socks5::connect(stream, self.user_info.as_ref(), target).await,
        }
    }

    /// Asks the proxy to relay datagrams while this connection is open. Returns the address of the
    /// relay.
    pub(crate) async fn associate(&self, stream: &mut TcpStream) -> io::Result<SocketAddr> {
        let proxy = stream.peer_addr()?.ip();
        socks5::associate(stream, proxy, self.user_info.as_ref()).await
    }

    async fn connect_http(&self, stream: &mut TcpStream, target: &Target) -> io::Result<()> {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(user_info) = &self.user_info {
            request += &format!("Proxy-Authorization: {}\r\n", user_info.basic_auth());
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
        Err(proxy_error(&format!("says {}", status_text(status))))
    }
}

/// A status for display.
fn status_text(status: &[u8]) -> String {
    let text = String::from_utf8_lossy(&status[..status.len().min(16)]);
    Printable(&text).to_string()
}

pub(crate) fn proxy_error(what: &str) -> io::Error {
    io::Error::other(format!("the proxy {what}"))
}

/// Without the user and the password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?} at {}:{})", self.kind, self.host, self.port)
    }
}

/// A guess: proxies answer with a few hundred bytes.
const MAX_HEAD: usize = 16 * 1024;
