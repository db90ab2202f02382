use std::io;
use std::net::SocketAddr;

use tinytorrent_net::{Place, Target, is_local};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{FetchError, LocalAccess, Shared};

/// A byte stream to a server, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A server, as far as a connection to it can be used for another URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    is_tls: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    port: u16,
}

impl Origin {
    pub(super) fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_tls = url.scheme() == "https";
        Self { is_tls, host, port: url.port_or_known_default().unwrap_or_default() }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }
}

impl Shared {
    /// Connects to the server of a URL. Returns the address that was connected to; `None` through a proxy.
    pub(super) async fn connect(
        &self,
        url: &Url,
    ) -> Result<(Box<dyn Stream>, Option<SocketAddr>), FetchError> {
        let origin = Origin::of(url);
        let deadline = Instant::now() + self.settings.connect_timeout;
        let named = |error: io::Error| {
            FetchError::Network(format!("{}:{}: {error}", origin.host, origin.port))
        };
        let (tcp, address) = if self.network.proxy().is_some() {
            self.check_local(url, Place::named(&origin.host).is_local())?;
            let target = Target::new(&origin.host, origin.port).map_err(|e| named(e.into()))?;
            let tcp = self.network.connect_through_proxy(&target, deadline).await;
            (tcp.map_err(named)?, None)
        } else {
            let addresses = self.allowed_addresses(url, &origin, deadline).await?;
            let mut error = io::Error::from(io::ErrorKind::NotFound);
            let mut connected = None;
            for (at, address) in addresses.iter().enumerate() {
                // An address that does not answer leaves time for those behind it.
                let left = deadline.saturating_duration_since(Instant::now());
                let until = Instant::now() + left / (addresses.len() - at) as u32;
                let open = async {
                    self.network.tcp_socket(*address, until).await?.connect(*address).await
                };
                match timeout_at(until, open).await {
                    Ok(Ok(stream)) => {
                        connected = Some((stream, *address));
                        break;
                    }
                    Ok(Err(failed)) => error = failed,
                    Err(_) => error = io::ErrorKind::TimedOut.into(),
                }
            }
            let (tcp, address) = connected.ok_or_else(|| named(error))?;
            (tcp, Some(address))
        };
        // Requests are written whole, and each must leave at once.
        tcp.set_nodelay(true).map_err(named)?;
        if !origin.is_tls {
            return Ok((Box::new(tcp), address));
        }
        let tls = timeout_at(deadline, self.network.tls(&origin.host, tcp)).await;
        let tls = tls.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(named)?;
        Ok((Box::new(tls), address))
    }

    /// The addresses of a server that may be connected to.
    pub(super) async fn allowed_addresses(
        &self,
        url: &Url,
        origin: &Origin,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, FetchError> {
        let addresses = match origin.host.parse() {
            Ok(ip) => vec![SocketAddr::new(ip, origin.port)],
            Err(_) => {
                let found = self.network.look_up(&origin.host, origin.port, deadline).await;
                found.map_err(|error| FetchError::Network(format!("{}: {error}", origin.host)))?
            }
        };
        // A host has public and local addresses if its owner wants to lead us from one to the other.
        let is_any_local = addresses.iter().any(|address| is_local(address.ip()));
        self.check_local(url, is_any_local)?;
        Ok(addresses)
    }

    /// Refuses a local place that this URL must not lead to.
    fn check_local(&self, url: &Url, is_local: bool) -> Result<(), FetchError> {
        let is_allowed = match self.access {
            LocalAccess::Full => true,
            LocalAccess::Files => {
                !is_local
                    || (url.query().is_none() && Origin::of(url) == Origin::of(self.url.as_url()))
            }
            LocalAccess::Never => !is_local,
        };
        if is_allowed { Ok(()) } else { Err(FetchError::LocalAddress(shown(url))) }
    }

    /// Resolves the target of a redirect, and checks that it may be followed: to HTTP, not from TLS to plain text,
    /// and not from a public place to a local one.
    pub(super) async fn follow(
        &self,
        from: &Url,
        peer: Option<SocketAddr>,
        location: &str,
    ) -> Result<Url, FetchError> {
        let forbidden = |to: &str| {
            let text: String = to.chars().take(200).collect();
            FetchError::ForbiddenRedirect(tinytorrent_types::Printable(&text).to_string())
        };
        let mut to = from.join(location).map_err(|_| forbidden(location))?;
        to.set_fragment(None);
        let is_downgrade = from.scheme() == "https" && to.scheme() == "http";
        if !matches!(to.scheme(), "http" | "https") || is_downgrade {
            return Err(forbidden(to.as_str()));
        }
        if self.access != LocalAccess::Full && Origin::of(&to) != Origin::of(from) {
            let there = Origin::of(&to);
            let deadline = Instant::now() + self.settings.connect_timeout;
            // The proxy resolves names, so that most of them cannot be checked.
            let addresses = match self.network.proxy() {
                Some(_) => Vec::new(),
                None => self.allowed_addresses(&to, &there, deadline).await?,
            };
            let here = Origin::of(from);
            let peer = peer.as_slice();
            let here = Place { host: &here.host, addresses: peer };
            if here.turns_local(&Place { host: &there.host, addresses: &addresses }) {
                return Err(forbidden(to.as_str()));
            }
        }
        Ok(to)
    }

    /// True if the credentials of the web seed's URL belong to this place, and may be sent there.
    pub(super) fn sends_credentials(&self, url: &Url, peer: Option<SocketAddr>) -> bool {
        let origin = Origin::of(url);
        let is_own = origin == Origin::of(self.url.as_url());
        let place = Place { host: &origin.host, addresses: peer.as_slice() };
        is_own && (self.access == LocalAccess::Full || !place.is_local())
    }
}

/// A URL for errors: without credentials and query.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    let text: String = url.as_str().chars().take(200).collect();
    tinytorrent_types::Printable(&text).to_string()
}
