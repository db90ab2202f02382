use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

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
        let limit = self.connect_deadline(deadline);
        let open = async {
            let host = (proxy.url().host_to_resolve(), proxy.url().port());
            let mut error = io::Error::other("the proxy has no address");
            for address in tokio::net::lookup_host(host).await? {
                match self.open_tcp(address).await {
                    Ok(mut tcp) => return proxy.open(&mut tcp, url).await.map(|()| tcp),
                    Err(failed) => error = failed,
                }
            }
            Err(error)
        };
        within(url, Phase::Proxy, limit, open).await
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
        deadline.min(Instant::now() + self.shared.config.connect_timeout)
    }

    /// From the configured local address, so that no request leaves by another way.
    async fn open_tcp(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let config = &self.shared.config;
        let (socket, local): (_, SocketAddr) = match address {
            SocketAddr::V4(_) => (TcpSocket::new_v4()?, (config.bind_v4, 0).into()),
            SocketAddr::V6(_) => (TcpSocket::new_v6()?, (config.bind_v6, 0).into()),
        };
        if !local.ip().is_unspecified() {
            socket.bind(local)?;
        }
        socket.connect(address).await
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
