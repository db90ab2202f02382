use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::udp::Relay;
use super::{Error, ErrorKind, Phase, Proxy, TrackerClient};
use crate::{Scheme, TrackerUrl};

/// A byte stream to a server, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl TrackerClient {
    /// Connects to the first of the addresses that lets us, or through the proxy, and then nobody
    /// knows to which.
    pub(super) async fn connect(
        &self,
        url: &TrackerUrl,
        addresses: impl Iterator<Item = SocketAddr>,
        deadline: Instant,
    ) -> Result<(Box<dyn Stream>, Option<SocketAddr>), Error> {
        if let Some(proxy) = &self.shared.config.proxy {
            let tcp = self.open_through(proxy, url, deadline).await?;
            return Ok((self.secure(url, tcp, deadline).await?, None));
        }
        let mut error = super::no_address(url);
        for address in addresses {
            match self.connect_to(url, address, deadline).await {
                Ok(stream) => return Ok((stream, Some(address))),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    async fn connect_to(
        &self,
        url: &TrackerUrl,
        address: SocketAddr,
        deadline: Instant,
    ) -> Result<Box<dyn Stream>, Error> {
        let open = self.open_tcp(address);
        let tcp = within(url, Phase::Connect, self.connect_deadline(deadline), open).await?;
        self.secure(url, tcp, deadline).await
    }

    async fn open_through(
        &self,
        proxy: &Proxy,
        url: &TrackerUrl,
        deadline: Instant,
    ) -> Result<TcpStream, Error> {
        let open = async {
            let mut tcp = self.open_proxy(proxy).await?;
            proxy.open(&mut tcp, url).await.map(|()| tcp)
        };
        within(url, Phase::Proxy, self.connect_deadline(deadline), open).await
    }

    /// A connection to the proxy itself.
    async fn open_proxy(&self, proxy: &Proxy) -> io::Result<TcpStream> {
        let (host, port) = (proxy.url().host_to_resolve(), proxy.url().port());
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{host}:{port}: {error}"));
        let mut error = io::Error::other("the proxy has no address");
        for address in tokio::net::lookup_host((host, port)).await.map_err(named)? {
            match self.open_tcp(address).await {
                Ok(tcp) => return Ok(tcp),
                Err(failed) => error = failed,
            }
        }
        Err(named(error))
    }

    /// Has the proxy relay datagrams.
    pub(super) async fn open_relay(&self, proxy: &Proxy) -> Result<Relay, ErrorKind> {
        if !proxy.may_relay() {
            return Err(ErrorKind::NotThroughProxy);
        }
        let open = async {
            let mut control = self.open_proxy(proxy).await?;
            let relay = proxy.associate(&mut control).await?;
            let socket = UdpSocket::bind(self.local(relay)).await?;
            socket.connect(relay).await?;
            Ok(Relay::new(control, socket))
        };
        let timeout = tokio::time::timeout(self.shared.config.connect_timeout, open);
        timeout.await.unwrap_or(Err(ErrorKind::TimedOut))
    }

    async fn secure(
        &self,
        url: &TrackerUrl,
        tcp: TcpStream,
        deadline: Instant,
    ) -> Result<Box<dyn Stream>, Error> {
        if url.scheme() != Scheme::Https {
            return Ok(Box::new(tcp));
        }
        let tls = self.shared.tls.connect(url.host_to_resolve(), tcp);
        Ok(Box::new(within(url, Phase::Tls, self.connect_deadline(deadline), tls).await?))
    }

    fn connect_deadline(&self, deadline: Instant) -> Instant {
        deadline.min(super::after(self.shared.config.connect_timeout))
    }

    /// From the configured local address, so that no request leaves by another way.
    async fn open_tcp(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let local = self.local(address);
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if !local.ip().is_unspecified() {
            socket.bind(local)?;
        }
        socket.connect(address).await
    }

    /// Where to speak to this address from.
    fn local(&self, remote: SocketAddr) -> SocketAddr {
        let config = &self.shared.config;
        match remote {
            SocketAddr::V4(_) => (config.bind_v4, 0).into(),
            SocketAddr::V6(_) => (config.bind_v6, 0).into(),
        }
    }
}

/// Runs until the deadline; both ways to fail name the tracker and the phase.
pub(super) async fn within<T, E: Into<ErrorKind>>(
    url: &TrackerUrl,
    phase: Phase,
    deadline: Instant,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    match timeout_at(deadline, future).await {
        Ok(outcome) => outcome.map_err(|error| Error::new(url, phase, error)),
        Err(_) => Err(Error::new(url, phase, ErrorKind::TimedOut)),
    }
}
