//! The ways to peers: TCP, and uTP over the UDP sockets of the client.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_swarm::{Route, Transport};
use tinytorrent_utp::{EndpointStats, UtpSocket};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connection::Stream;

/// The transports by which a client connects. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    has_tcp: bool,
    has_utp: bool,
    /// They read for the DHT as well, so that they are here without uTP too.
    utp: Arc<[UtpSocket]>,
}

/// Time that one transport has before the other is tried as well (RFC 8305, section 5: 100 ms to 2 s, and 250 ms by
/// default).
const HEAD_START: Duration = Duration::from_millis(250);

impl Dialer {
    pub(crate) fn new(has_tcp: bool, has_utp: bool, utp: Arc<[UtpSocket]>) -> Self {
        Self { has_tcp, has_utp, utp }
    }

    /// Connects by the route: with two transports, the first that is through wins, and the other is given up (P-41).
    ///
    /// # Errors
    /// That of the first transport of the route, if none gets through.
    pub(crate) async fn connect(&self, to: SocketAddr, route: Route) -> io::Result<Stream> {
        let (first, second) = match route {
            Route::Only(only) => return self.connect_by(only, to).await,
            // TCP is no slower, and its end is told by the system.
            Route::Either | Route::First(Transport::Tcp) => (Transport::Tcp, Transport::Utp),
            Route::First(Transport::Utp) => (Transport::Utp, Transport::Tcp),
        };
        match (self.has(first, to), self.has(second, to)) {
            (true, true) => {}
            (false, true) => return self.connect_by(second, to).await,
            (_, false) => return self.connect_by(first, to).await,
        }
        let mut leader = pin!(self.connect_by(first, to));
        let follower = self.connect_by(second, to);
        match timeout(HEAD_START, &mut leader).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => return follower.await.map_err(|_| error),
            Err(_) => {}
        }
        let mut follower = pin!(follower);
        tokio::select! {
            connected = &mut leader => match connected {
                Ok(stream) => Ok(stream),
                Err(error) => follower.await.map_err(|_| error),
            },
            connected = &mut follower => match connected {
                Ok(stream) => Ok(stream),
                Err(_) => leader.await,
            },
        }
    }

    /// Waits until what was sent by uTP on connections that have ended has arrived.
    pub(crate) async fn delivered(&self) {
        for socket in &*self.utp {
            socket.delivered().await;
        }
    }

    /// Gives the queues of uTP so many bytes for each socket.
    pub(crate) fn set_queues(&self, bytes: usize) {
        self.utp.iter().for_each(|socket| socket.set_memory(bytes));
    }

    /// Figures of all connections of uTP.
    pub(crate) fn utp_stats(&self) -> EndpointStats {
        self.utp.iter().fold(EndpointStats::default(), |sum, socket| sum + socket.stats())
    }

    fn has(&self, transport: Transport, to: SocketAddr) -> bool {
        match transport {
            Transport::Tcp => self.has_tcp,
            Transport::Utp => self.socket_for(to).is_some(),
        }
    }

    fn socket_for(&self, to: SocketAddr) -> Option<&UtpSocket> {
        let is_of_family = |socket: &&UtpSocket| socket.local_address().is_ipv4() == to.is_ipv4();
        self.utp.iter().filter(|_| self.has_utp).find(is_of_family)
    }

    async fn connect_by(&self, transport: Transport, to: SocketAddr) -> io::Result<Stream> {
        match (transport, self.socket_for(to)) {
            (Transport::Tcp, _) if self.has_tcp => Ok(Stream::Tcp(TcpStream::connect(to).await?)),
            (Transport::Utp, Some(socket)) => Ok(Stream::Utp(socket.connect(to).await?)),
            (Transport::Tcp | Transport::Utp, _) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
