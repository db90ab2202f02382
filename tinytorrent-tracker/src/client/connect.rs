use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

use super::{Error, ErrorKind, Phase, TrackerClient};
use crate::{Scheme, TrackerUrl};

/// A byte stream to a server, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl TrackerClient {
    /// Connects to the first of the addresses that lets us.
    pub(super) async fn connect(
        &self,
        url: &TrackerUrl,
        addresses: impl Iterator<Item = SocketAddr>,
        deadline: Instant,
    ) -> Result<(Box<dyn Stream>, SocketAddr), Error> {
        let mut error = super::no_address(url);
        for address in addresses {
            match self.connect_to(url, address, deadline).await {
                Ok(stream) => return Ok((stream, address)),
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
        let limit = || deadline.min(Instant::now() + self.shared.config.connect_timeout);
        let tcp = within(url, Phase::Connect, limit(), self.open_tcp(address)).await?;
        if url.scheme() != Scheme::Https {
            return Ok(Box::new(tcp));
        }
        let tls = self.shared.tls.connect(url.host_to_resolve(), tcp);
        Ok(Box::new(within(url, Phase::Tls, limit(), tls).await?))
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
