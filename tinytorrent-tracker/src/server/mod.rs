//! A small tracker in memory, for LANs, demos and tests.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is a driver: it owns the clock and the sockets"
)]

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::TryRng;
use rand::rngs::SysRng;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

mod ages;
mod config;
mod connection_id;
mod connections;
mod http;
mod members;
mod owners;
mod ranges;
mod roles;
mod shares;
mod swarm;
mod swarms;
mod udp;

pub use config::ServerConfig;
use connection_id::ConnectionIds;
use connections::Connections;
pub use swarms::Swarms;

/// A tracker over UDP and HTTP, and over IPv4 and IPv6. [`shutdown`](Self::shutdown) ends it after
/// the requests in flight; dropping it ends it at once.
///
/// ```no_run
/// use tinytorrent_tracker::server::{ServerConfig, TrackerServer};
///
/// # async fn example() -> std::io::Result<()> {
/// let loopback = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
/// let server = TrackerServer::bind(ServerConfig::default(), &loopback, &loopback).await?;
/// println!("announce to {:?}", server.announce_urls());
/// server.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TrackerServer {
    shared: Arc<Shared>,
    udp: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    shutdown: watch::Sender<bool>,
    udp_tasks: JoinSet<()>,
    http_tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    swarms: Mutex<Swarms>,
    connection_ids: ConnectionIds,
}

impl Shared {
    fn swarms(&self) -> MutexGuard<'_, Swarms> {
        // One request that panicked must not end the tracker for all.
        self.swarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrackerServer {
    /// Listens on these addresses; with port 0 the system chooses a port. An IPv6 address takes
    /// IPv6 only, so that both families can have the same port.
    ///
    /// # Errors
    /// The error of the system for an address.
    pub async fn bind(
        config: ServerConfig,
        udp: &[SocketAddr],
        http: &[SocketAddr],
    ) -> io::Result<Self> {
        let now = Instant::now();
        let connections = Connections::new(config.max_connections);
        let seed = SysRng.try_next_u64().map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            swarms: Mutex::new(Swarms::new(config, seed, now)),
            connection_ids: ConnectionIds::new(now),
        });
        let (shutdown, receiver) = watch::channel(false);
        let mut server = Self {
            shared,
            udp: Vec::new(),
            http: Vec::new(),
            shutdown,
            udp_tasks: JoinSet::new(),
            http_tasks: JoinSet::new(),
        };
        for address in udp {
            let socket = UdpSocket::from_std(open(*address, Type::DGRAM)?.into())?;
            server.udp.push(socket.local_addr()?);
            server.udp_tasks.spawn(udp::serve(socket, server.shared.clone()));
        }
        for address in http {
            let socket = open(*address, Type::STREAM)?;
            socket.listen(BACKLOG)?;
            let listener = TcpListener::from_std(socket.into())?;
            server.http.push(listener.local_addr()?);
            let shared = server.shared.clone();
            let serve = http::serve(listener, shared, connections.clone(), receiver.clone());
            server.http_tasks.spawn(serve);
        }
        Ok(server)
    }

    /// The addresses of the UDP sockets, in the order in which they were given.
    pub fn udp_addresses(&self) -> &[SocketAddr] {
        &self.udp
    }

    /// The addresses of the HTTP sockets, in the order in which they were given.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http
    }

    /// The announce URLs: UDP first, then HTTP.
    pub fn announce_urls(&self) -> Vec<String> {
        let udp = self.udp.iter().map(|address| format!("udp://{address}/announce"));
        let http = self.http.iter().map(|address| format!("http://{address}/announce"));
        udp.chain(http).collect()
    }

    /// Calls `look` with the state of the tracker, which serves no request meanwhile.
    pub fn with_swarms<R>(&self, look: impl FnOnce(&Swarms) -> R) -> R {
        look(&self.shared.swarms())
    }

    /// Ends the tracker. HTTP requests in flight have a second to end.
    pub async fn shutdown(mut self) {
        self.udp_tasks.shutdown().await;
        self.shutdown.send_replace(true);
        let all = async { while self.http_tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, all).await;
        self.http_tasks.shutdown().await;
    }
}

fn open(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let protocol = if kind == Type::DGRAM { Protocol::UDP } else { Protocol::TCP };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM && cfg!(unix) {
        // Otherwise a restart fails while old connections are in TIME-WAIT.
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The length of the queue of connections that were not accepted yet: many clients announce at
/// the same moment.
const BACKLOG: i32 = 1024;

/// The timeout of [`TrackerServer::shutdown`] for requests in flight.
const GRACE: Duration = Duration::from_secs(1);
