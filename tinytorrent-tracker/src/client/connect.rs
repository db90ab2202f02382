use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::Instant;

use super::udp::Relay;
use super::{Attempt, Error, ErrorKind, Phase, Proxy, Route, TrackerClient};
use crate::Scheme;

/// A byte stream to a server, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl TrackerClient {
    /// Connects to the server, with TLS if the URL has the scheme `https`. Returns the address
    /// that was connected to; `None` through a proxy.
    pub(super) async fn connect(
        &self,
        attempt: &Attempt,
    ) -> Result<(Box<dyn Stream>, Option<SocketAddr>), Error> {
        if let Route::Proxied(proxy) = &attempt.route {
            let open = async {
                let mut tcp = self.open_proxy(proxy).await?;
                proxy.open(&mut tcp, &attempt.url).await.map(|()| tcp)
            };
            return Ok((self.open_stream(attempt, Phase::Proxy, open).await?, None));
        }
        let mut error = super::no_address(&attempt.url);
        for address in attempt.route.candidates() {
            match self.connect_to(attempt, address).await {
                Ok(stream) => return Ok((stream, Some(address))),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    async fn connect_to(
        &self,
        attempt: &Attempt,
        address: SocketAddr,
    ) -> Result<Box<dyn Stream>, Error> {
        // Outside of the timeout of a connection, as a descriptor may be long in coming.
        let open = self.shared.config.on_shortage.wait(attempt.deadline, || self.socket(address));
        let socket = attempt.within(Phase::Connect, attempt.deadline, open).await?;
        self.open_stream(attempt, Phase::Connect, socket.connect(address)).await
    }

    /// Opens a TCP connection, and TLS on it for HTTPS.
    async fn open_stream(
        &self,
        attempt: &Attempt,
        phase: Phase,
        open: impl Future<Output = io::Result<TcpStream>>,
    ) -> Result<Box<dyn Stream>, Error> {
        let timeout = self.shared.config.connect_timeout;
        let tcp = attempt.within(phase, attempt.deadline_of_step(timeout), open).await?;
        if attempt.url.scheme() != Scheme::Https {
            return Ok(Box::new(tcp));
        }
        let tls = self.shared.tls.connect(attempt.url.host_to_resolve(), tcp);
        let tls = attempt.within(Phase::Tls, attempt.deadline_of_step(timeout), tls).await?;
        Ok(Box::new(tls))
    }

    /// Connects to the proxy itself.
    async fn open_proxy(&self, proxy: &Proxy) -> io::Result<TcpStream> {
        let (host, port) = (proxy.url().host_to_resolve(), proxy.url().port());
        // The URL in the error is that of the tracker, so the proxy has to be named here.
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{host}:{port}: {error}"));
        let mut error = io::Error::other("the proxy has no address");
        let (shortage, deadline) = (&self.shared.config.on_shortage, self.connect_deadline());
        let found = shortage.look_up(deadline, host, port).await;
        for address in found.map_err(named)? {
            let open = async || self.socket(address).await?.connect(address).await;
            match shortage.wait(deadline, open).await {
                Ok(tcp) => return Ok(tcp),
                Err(failed) => error = failed,
            }
        }
        Err(named(error))
    }

    /// Opens a relay for datagrams at the proxy.
    pub(super) async fn open_relay(&self, proxy: &Proxy) -> Result<Relay, ErrorKind> {
        if !proxy.may_relay() {
            return Err(ErrorKind::NotThroughProxy);
        }
        let open = async {
            let mut control = self.open_proxy(proxy).await?;
            let relay = proxy.associate(&mut control).await?;
            let (shortage, deadline) = (&self.shared.config.on_shortage, self.connect_deadline());
            let bind = || UdpSocket::bind(self.local(relay));
            let socket = shortage.wait(deadline, bind).await?;
            // A connected socket takes datagrams from the relay only.
            socket.connect(relay).await?;
            Ok(Relay::new(control, socket))
        };
        let timeout = tokio::time::timeout(self.shared.config.connect_timeout, open);
        timeout.await.unwrap_or(Err(ErrorKind::TimedOut))
    }

    fn connect_deadline(&self) -> Instant {
        super::after(self.shared.config.connect_timeout)
    }

    /// Opens a socket to connect to this address, with the configured local address.
    async fn socket(&self, address: SocketAddr) -> io::Result<TcpSocket> {
        let local = self.local(address);
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A user who names the address of a VPN wants no request by another interface.
        if !local.ip().is_unspecified() {
            socket.bind(local)?;
        }
        Ok(socket)
    }

    /// The local address for connections to this address.
    fn local(&self, remote: SocketAddr) -> SocketAddr {
        let config = &self.shared.config;
        match remote {
            SocketAddr::V4(_) => (config.bind_v4, 0).into(),
            SocketAddr::V6(_) => (config.bind_v6, 0).into(),
        }
    }
}
