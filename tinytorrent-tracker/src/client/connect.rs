use std::io;
use std::net::SocketAddr;

use tinytorrent_net::Target;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Attempt, Error, Phase, Route, TrackerClient};
use crate::{Scheme, TrackerUrl};

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
        if let Route::Proxied = &attempt.route {
            let deadline = attempt.deadline_of_step(self.shared.config.connect_timeout);
            let open = async {
                let target = target_of(&attempt.url)?;
                self.network().connect_through_proxy(&target, deadline).await
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
        let open = self.network().tcp_socket(address, attempt.deadline);
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
        let tls = self.network().tls(attempt.url.host_to_resolve(), tcp);
        let tls = attempt.within(Phase::Tls, attempt.deadline_of_step(timeout), tls).await?;
        Ok(Box::new(tls))
    }
}

/// The destination for a proxy, which resolves the host.
pub(super) fn target_of(url: &TrackerUrl) -> io::Result<Target> {
    Ok(Target::new(url.host_to_resolve(), url.port())?)
}
