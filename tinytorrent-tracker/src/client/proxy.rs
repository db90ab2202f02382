use std::fmt;
use std::io;
use std::str::FromStr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::basic_auth::basic_auth;
use crate::{TrackerUrl, UrlError, UrlErrorKind};

/// A proxy for HTTP and HTTPS trackers: `http://[user:password@]host:port` or
/// `socks5://[user:password@]host:port`.
///
/// It looks up the trackers' hosts, so nothing of them is asked of the local resolver, and UDP
/// trackers, which it cannot reach, are refused rather than reached past it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: ProxyKind,
    /// Host, port and credentials.
    url: TrackerUrl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProxyKind {
    /// `CONNECT` for all (RFC 9110, section 9.3.6).
    Http,
    /// RFC 1928, with user and password as of RFC 1929.
    Socks5,
}

impl Proxy {
    pub(super) fn url(&self) -> &TrackerUrl {
        &self.url
    }

    /// Makes a connection to the proxy one to the target.
    pub(super) async fn open(&self, stream: &mut TcpStream, target: &TrackerUrl) -> io::Result<()> {
        match self.kind {
            ProxyKind::Http => self.open_http(stream, target).await,
            ProxyKind::Socks5 => self.open_socks5(stream, target).await,
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
            // One by one: what follows the head belongs to the target.
            head.push(stream.read_u8().await?);
            if head.len() > MAX_HEAD {
                return Err(refused("answers with an endless head"));
            }
        }
        let status = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        if status.first() == Some(&b'2') {
            return Ok(());
        }
        Err(refused(&format!("says {}", crate::failure::printable(status))))
    }

    async fn open_socks5(&self, stream: &mut TcpStream, target: &TrackerUrl) -> io::Result<()> {
        let credentials = self.url.user_info();
        let method = if credentials.is_some() { USER_AND_PASSWORD } else { NO_AUTHENTICATION };
        stream.write_all(&[SOCKS5, 1, method]).await?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await?;
        if chosen != [SOCKS5, method] {
            return Err(refused("does not take our way to authenticate"));
        }
        if let Some(user_info) = credentials {
            authenticate(stream, user_info).await?;
        }
        let mut request = vec![SOCKS5, CONNECT, 0];
        write_address(target, &mut request)?;
        stream.write_all(&request).await?;
        let mut reply = [0; 4];
        stream.read_exact(&mut reply).await?;
        if reply[1] != 0 {
            return Err(refused(&format!("cannot connect: reply {}", reply[1])));
        }
        let bound = match reply[3] {
            IPV4 => 4,
            IPV6 => 16,
            DOMAIN => usize::from(stream.read_u8().await?),
            _ => return Err(refused("answers with an unknown kind of address")),
        };
        stream.read_exact(&mut vec![0; bound + 2]).await.map(drop)
    }
}

async fn authenticate(stream: &mut TcpStream, user_info: &str) -> io::Result<()> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let mut request = vec![1];
    for text in [user, password] {
        let text = crate::http::percent_decode(text);
        request.push(u8::try_from(text.len()).map_err(|_| refused("takes no name so long"))?);
        request.extend(text);
    }
    stream.write_all(&request).await?;
    let mut reply = [0; 2];
    stream.read_exact(&mut reply).await?;
    if reply[1] == 0 { Ok(()) } else { Err(refused("does not know us")) }
}

fn write_address(target: &TrackerUrl, out: &mut Vec<u8>) -> io::Result<()> {
    let host = target.host_to_resolve();
    match host.parse() {
        Ok(std::net::IpAddr::V4(ip)) => {
            out.push(IPV4);
            out.extend(ip.octets());
        }
        Ok(std::net::IpAddr::V6(ip)) => {
            out.push(IPV6);
            out.extend(ip.octets());
        }
        Err(_) => {
            out.push(DOMAIN);
            out.push(u8::try_from(host.len()).map_err(|_| refused("takes no host so long"))?);
            out.extend(host.as_bytes());
        }
    }
    out.extend(target.port().to_be_bytes());
    Ok(())
}

fn refused(what: &str) -> io::Error {
    io::Error::other(format!("the proxy {what}"))
}

impl FromStr for Proxy {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let unsupported = |scheme: &str| UrlError {
            url: text.to_owned(),
            kind: UrlErrorKind::UnsupportedScheme(scheme.to_owned()),
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyKind::Http,
            "socks5" | "socks5h" => ProxyKind::Socks5,
            other => return Err(unsupported(other)),
        };
        // A proxy has no port of its own: `udp` makes the parser ask for one.
        let url = format!("udp://{rest}").parse();
        let url = url.map_err(|error: UrlError| UrlError { url: text.to_owned(), ..error })?;
        Ok(Self { kind, url })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?} at {}:{})", self.kind, self.url.host(), self.url.port())
    }
}

const SOCKS5: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const DOMAIN: u8 = 3;
const IPV6: u8 = 4;

/// More than any honest proxy sends.
const MAX_HEAD: usize = 16 * 1024;
