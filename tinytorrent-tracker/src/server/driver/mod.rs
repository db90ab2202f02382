#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is a driver: it owns the clock and the sockets"
)]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::TryRng;
use rand::rngs::SysRng;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::connections::Connections;
use self::udp::UdpThreads;
use super::{ServerConfig, Tracker};

mod connections;
mod http;
mod udp;

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
    tracker: Arc<Tracker>,
    udp: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    shutdown: watch::Sender<bool>,
    threads: UdpThreads,
    http_tasks: JoinSet<()>,
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
        let seed = SysRng.try_next_u64().map_err(io::Error::other)?;
        let tracker = Tracker::new(config.clone(), seed, Instant::now());
        Self::serve(Arc::new(tracker), &config, udp, http).await
    }

    /// Serves a tracker, such as one with a hook for admission, on these addresses, as
    /// [`bind`](Self::bind) does. Of the settings, the numbers of connections and of sockets count.
    ///
    /// Each UDP socket has a thread of its own, and each HTTP connection is a task of the runtime.
    ///
    /// # Errors
    /// The error of the system for an address.
    pub async fn serve(
        tracker: Arc<Tracker>,
        config: &ServerConfig,
        udp: &[SocketAddr],
        http: &[SocketAddr],
    ) -> io::Result<Self> {
        let connections = Connections::new(config.max_connections);
        let (shutdown, receiver) = watch::channel(false);
        let mut server = Self {
            tracker,
            udp: Vec::new(),
            http: Vec::new(),
            shutdown,
            threads: UdpThreads::default(),
            http_tasks: JoinSet::new(),
        };
        for address in udp {
            let mut address = *address;
            for number in 0..config.sockets {
                let socket = open(address, Type::DGRAM, config.sockets > 1);
                let socket = socket.map_err(|error| at(address, &error))?;
                // The others share the port that the system chose for the first.
                address = server.threads.add(socket, server.tracker.clone())?;
                if number == 0 {
                    server.udp.push(address);
                }
            }
        }
        for address in http {
            let socket = open(*address, Type::STREAM, false);
            let socket = socket.map_err(|error| at(*address, &error))?;
            socket.listen(BACKLOG).map_err(|error| at(*address, &error))?;
            let listener = TcpListener::from_std(socket.into())?;
            server.http.push(listener.local_addr()?);
            let tracker = server.tracker.clone();
            let serve = http::serve(listener, tracker, connections.clone(), receiver.clone());
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

    /// The tracker, for its figures and its swarms.
    pub fn tracker(&self) -> &Arc<Tracker> {
        &self.tracker
    }

    /// Ends the tracker. HTTP requests in flight have a second to end.
    pub async fn shutdown(mut self) {
        drop(std::mem::take(&mut self.threads));
        self.shutdown.send_replace(true);
        let all = async { while self.http_tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, all).await;
        self.http_tasks.shutdown().await;
    }
}

/// A bound socket. A port can be shared with other sockets that say so.
fn open(address: SocketAddr, kind: Type, shares_port: bool) -> io::Result<Socket> {
    let protocol = if kind == Type::DGRAM { Protocol::UDP } else { Protocol::TCP };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM && cfg!(unix) {
        // Otherwise a restart fails while old connections are in TIME-WAIT.
        socket.set_reuse_address(true)?;
    }
    if shares_port {
        share_port(&socket)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The error with the address that it is about.
fn at(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{address}: {error}"))
}

/// Lets several sockets have one port, so that the system spreads clients over them.
#[cfg(target_os = "linux")]
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Elsewhere all datagrams would go to one of the sockets, or there is no such thing.
#[cfg(not(target_os = "linux"))]
fn share_port(_: &Socket) -> io::Result<()> {
    let what = "several sockets for one address are for Linux alone";
    Err(io::Error::new(io::ErrorKind::Unsupported, what))
}

/// The length of the queue of connections that were not accepted yet: many clients announce at
/// the same moment.
const BACKLOG: i32 = 1024;

/// The timeout of [`TrackerServer::shutdown`] for requests in flight.
const GRACE: Duration = Duration::from_secs(1);
