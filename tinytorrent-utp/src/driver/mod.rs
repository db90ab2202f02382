//! Connections over sockets of the system, on tokio.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is the driver: it owns the clock and the sockets"
)]

mod carrier;
mod outbox;
mod shared;
mod stream;
mod system_socket;
mod task;
mod wire;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::{ConnectError, EndpointConfig, EndpointStats, StreamError};
pub use carrier::{Carrier, Waiting};
use shared::Handle;
pub use stream::{ReadHalf, UtpStream, WriteHalf};
use task::{Inlets, Task};
use wire::Wire;

/// All connections over one UDP socket, which a task runs until the last handle, listener and stream is dropped and
/// what was written has arrived, or two seconds longer. Cheap to clone.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use tinytorrent_utp::{EndpointConfig, UtpSocket};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let config = |seed| EndpointConfig::new([seed; 32]); // seeds have to be random: `rand::random()`
/// let server = UtpSocket::bind("127.0.0.1:0".parse().unwrap(), config(1))?;
/// let client = UtpSocket::bind("127.0.0.1:0".parse().unwrap(), config(2))?;
/// let mut listener = server.listen();
/// let mut ours = client.connect(server.local_address()).await?;
/// ours.write_all(b"hello").await?;
/// ours.shutdown().await?;
/// let mut theirs = listener.accept().await;
/// let mut text = String::new();
/// theirs.read_to_string(&mut text).await?;
/// assert_eq!((text.as_str(), theirs.peer_address()), ("hello", client.local_address()));
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct UtpSocket {
    handle: Arc<Handle>,
}

impl UtpSocket {
    /// Opens a socket of the family of the address, and starts the task.
    ///
    /// # Errors
    /// The socket cannot be opened.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub fn bind(address: SocketAddr, config: EndpointConfig) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Self::over(Arc::new(UdpSocket::from_std(socket.into())?), config, |_| true, |_, _| {})
    }

    /// Starts the task on a socket that other protocols use as well. It alone reads the socket: `others` gets the
    /// datagrams that are not of uTP by their first byte, and should not take long. Sending is free to all. Datagrams
    /// of senders that `admits` refuses are dropped, whatever they are; it is called for each one.
    ///
    /// The socket should be of one family: with one for both, addresses of IPv4 have to be given as IPv6.
    ///
    /// # Errors
    /// The system refuses the options of the socket.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub fn over(
        socket: Arc<UdpSocket>,
        config: EndpointConfig,
        admits: impl FnMut(SocketAddr) -> bool + Send + 'static,
        others: impl FnMut(SocketAddr, &[u8]) + Send + 'static,
    ) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let wire = Wire::over(socket)?;
        let inlets = Inlets { admits: Box::new(admits), others: Box::new(others) };
        Ok(Self::start(address, wire, config, inlets))
    }

    /// Starts the task on something that carries datagrams in place of a socket, as [`over`](Self::over) does. Its
    /// [address](Self::local_address) is unknown, and given as `[::]:0`. No packet is longer than 1,200 bytes, so that there
    /// is room for a header of the carrier.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time.
    pub fn by(
        carrier: Arc<dyn Carrier>,
        config: EndpointConfig,
        admits: impl FnMut(SocketAddr) -> bool + Send + 'static,
        others: impl FnMut(SocketAddr, &[u8]) + Send + 'static,
    ) -> Self {
        let inlets = Inlets { admits: Box::new(admits), others: Box::new(others) };
        Self::start(UNKNOWN, Wire::Carrier(carrier), config, inlets)
    }

    fn start(address: SocketAddr, wire: Wire, mut config: EndpointConfig, inlets: Inlets) -> Self {
        if !wire.can_probe() {
            config.without_probes();
        }
        let handle = Handle::new(address, config);
        tokio::spawn(Task::new(Arc::clone(handle.shared()), wire, inlets).run());
        Self { handle: Arc::new(handle) }
    }

    /// Goes on with another socket at the same address, as after its device was gone: connections stay, and go on
    /// if their other ends have waited.
    ///
    /// # Errors
    /// It has another address, or the system refuses the options of the socket.
    pub fn replace(&self, socket: Arc<UdpSocket>) -> io::Result<()> {
        if socket.local_addr()? != self.local_address() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        self.handle.shared().replace(Wire::over(socket)?);
        Ok(())
    }

    /// The address of the socket.
    pub fn local_address(&self) -> SocketAddr {
        self.handle.shared().address()
    }

    /// True if an address is of the family of the socket. A [carrier](Self::by) reaches both.
    pub fn reaches(&self, to: SocketAddr) -> bool {
        let address = self.local_address();
        address == UNKNOWN || address.is_ipv4() == to.is_ipv4()
    }

    /// Connects. A future that is dropped gives up.
    ///
    /// # Errors
    /// There are too many connections, the address is of the other family, or the other end refuses, cannot be
    /// reached, or does not answer for seven seconds.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<UtpStream> {
        if !self.reaches(to) {
            let what = "the socket is of another family than the address";
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, what));
        }
        let shared = self.handle.shared();
        let id = shared.with(|now, state| state.endpoint.connect(now, to));
        // Dropping it closes the connection.
        let stream = UtpStream::new(Arc::clone(&self.handle), id?, to);
        poll_fn(|cx| shared.poll_connected(cx, id?)).await?;
        Ok(stream)
    }

    /// The way to connections that others begin. Several listeners share them.
    pub fn listen(&self) -> UtpListener {
        UtpListener { handle: Arc::clone(&self.handle) }
    }

    /// Waits until what was written to streams that have ended has arrived, their ends included. It takes as long as
    /// the other ends let it, up to a minute, so that callers bound it. A program that ends without it loses what is on
    /// its way.
    pub async fn delivered(&self) {
        poll_fn(|cx| self.handle.shared().poll_delivered(cx)).await;
    }

    /// Changes the [memory](EndpointConfig::memory) of the queues of all connections, in bytes.
    pub fn set_memory(&self, bytes: usize) {
        self.handle.shared().with(|_, state| state.endpoint.set_memory(bytes));
    }

    /// Figures of all connections.
    pub fn stats(&self) -> EndpointStats {
        self.handle.shared().with(|_, state| state.endpoint.stats())
    }
}

/// The address of a carrier. No socket of the system has it, as each has a port.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

impl fmt::Debug for UtpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UtpSocket").field("address", &self.local_address()).finish_non_exhaustive()
    }
}

/// Connections that others begin. As long as nobody accepts, up to [`backlog`](EndpointConfig::backlog) of them wait;
/// a socket that is to have none is set so by [`max_half_open`](EndpointConfig::max_half_open).
pub struct UtpListener {
    handle: Arc<Handle>,
}

impl UtpListener {
    /// Waits for the next connection. May be cancelled: none is lost.
    pub async fn accept(&mut self) -> UtpStream {
        let shared = self.handle.shared();
        let (id, address) = poll_fn(|cx| shared.poll_accept(cx)).await;
        UtpStream::new(Arc::clone(&self.handle), id, address)
    }

    /// The address of the socket.
    pub fn local_address(&self) -> SocketAddr {
        self.handle.shared().address()
    }
}

impl fmt::Debug for UtpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.local_address();
        f.debug_struct("UtpListener").field("address", &address).finish_non_exhaustive()
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::TooMany => Self::other(error),
        }
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        use crate::Failure;
        let kind = match error {
            StreamError::WouldBlock => io::ErrorKind::WouldBlock,
            StreamError::Ended => io::ErrorKind::BrokenPipe,
            StreamError::Failed(Failure::Reset) => io::ErrorKind::ConnectionReset,
            StreamError::Failed(Failure::TimedOut) => io::ErrorKind::TimedOut,
            StreamError::Failed(Failure::Unreachable) => io::ErrorKind::HostUnreachable,
            StreamError::Unknown => io::ErrorKind::NotConnected,
        };
        Self::new(kind, error)
    }
}
