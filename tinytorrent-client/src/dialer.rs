//! The ways to peers: TCP, and uTP over the UDP sockets of the client.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tinytorrent_net::{Network, Target};
use tinytorrent_swarm::{Route, Transport};
use tinytorrent_utp::{EndpointStats, UtpSocket};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::connection::Stream;

/// The transports by which a client connects. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    network: Network,
    has_tcp: bool,
    has_utp: bool,
    /// They read for the DHT as well, so that they are here without uTP too.
    utp: Arc<[UtpSocket]>,
}

/// Time that one transport has before the other is tried as well (RFC 8305, section 5: 100 ms to 2 s, and 250 ms by
/// default).
const HEAD_START: Duration = Duration::from_millis(250);

/// Time for a connection through a proxy, which has a peer to wait for itself.
const PROXY_PATIENCE: Duration = Duration::from_secs(30);

impl Dialer {
    /// `usable` are TCP and uTP.
    pub(crate) fn new(network: Network, usable: (bool, bool), utp: Arc<[UtpSocket]>) -> Self {
        let (has_tcp, has_utp) = usable;
        Self { network, has_tcp, has_utp, utp }
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

    async fn connect_tcp(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let now = Instant::now();
        match self.network.proxy() {
            Some(_) => {
                let target = Target::Address(to);
                self.network.connect_through_proxy(&target, now + PROXY_PATIENCE).await
            }
            // The lack of a descriptor is for the torrent to deal with.
            None => self.network.tcp_socket(to, now).await?.connect(to).await,
        }
    }

    fn has(&self, transport: Transport, to: SocketAddr) -> bool {
        match transport {
            Transport::Tcp => self.has_tcp,
            Transport::Utp => self.socket_for(to).is_some(),
        }
    }

    fn socket_for(&self, to: SocketAddr) -> Option<&UtpSocket> {
        self.utp.iter().filter(|_| self.has_utp).find(|socket| socket.reaches(to))
    }

    async fn connect_by(&self, transport: Transport, to: SocketAddr) -> io::Result<Stream> {
        match (transport, self.socket_for(to)) {
            (Transport::Tcp, _) if self.has_tcp => Ok(Stream::Tcp(self.connect_tcp(to).await?)),
            (Transport::Utp, Some(socket)) => Ok(Stream::Utp(socket.connect(to).await?)),
            (Transport::Tcp | Transport::Utp, _) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
