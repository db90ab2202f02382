use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tinytorrent_types::compact::Family;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::message::MAX_READ;

/// A UDP socket that other protocols use as well. Somebody else reads it, and passes the datagrams of the DHT on
/// by the [`Inlet`]: those that begin with a `d` (BEP 5, "KRPC protocol").
#[derive(Debug)]
pub struct SharedSocket {
    outlet: Outlet,
    datagrams: mpsc::Receiver<Datagram>,
    /// The one that has woken the node.
    next: Option<Datagram>,
}

/// The way of datagrams to a node whose socket somebody else reads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inlet {
    /// `None` if nothing but a function sends.
    socket: Option<Replaceable>,
    datagrams: mpsc::Sender<Datagram>,
}

/// A socket that another one may take the place of.
type Replaceable = Arc<Mutex<Arc<UdpSocket>>>;

/// A datagram, and where it came from.
type Datagram = (SocketAddr, Box<[u8]>);

/// The datagrams that wait for the node. More are lost, as they are in the buffer of a socket.
const MOST_WAITING: usize = 256;

/// The way of datagrams out.
#[derive(Clone)]
enum Outlet {
    Socket(Replaceable),
    Function(Family, SendBy),
}

/// A function that sends a datagram, or loses it.
type SendBy = Arc<dyn Fn(&[u8], SocketAddr) + Send + Sync>;

impl SharedSocket {
    /// A socket for a node, and the inlet for whoever reads it.
    pub fn new(socket: Arc<UdpSocket>) -> (Self, Inlet) {
        let socket = Arc::new(Mutex::new(socket));
        Self::with(Outlet::Socket(Arc::clone(&socket)), Some(socket))
    }

    /// The way to the nodes of a family by something else than a socket, such as the relay of a proxy. `send` may lose
    /// datagrams, as the network does, but must not wait. The node is known to itself as port 0 of the unspecified
    /// address.
    pub fn by(
        family: Family,
        send: impl Fn(&[u8], SocketAddr) + Send + Sync + 'static,
    ) -> (Self, Inlet) {
        Self::with(Outlet::Function(family, Arc::new(send)), None)
    }

    fn with(outlet: Outlet, socket: Option<Replaceable>) -> (Self, Inlet) {
        let (sender, datagrams) = mpsc::channel(MOST_WAITING);
        (Self { outlet, datagrams, next: None }, Inlet { socket, datagrams: sender })
    }
}

impl Outlet {
    fn local_address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Socket(socket) => current(socket).local_addr(),
            Self::Function(Family::V4, _) => Ok((Ipv4Addr::UNSPECIFIED, 0).into()),
            Self::Function(Family::V6, _) => Ok((Ipv6Addr::UNSPECIFIED, 0).into()),
        }
    }

    async fn writable(&self) {
        if let Self::Socket(socket) = self {
            // An error shows when it is written to.
            _ = current(socket).writable().await;
        }
    }

    fn try_send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        match self {
            Self::Socket(socket) => current(socket).try_send_to(datagram, to).map(drop),
            Self::Function(_, send) => {
                send(datagram, to);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outlet({:?})", self.local_address())
    }
}

fn current(socket: &Replaceable) -> Arc<UdpSocket> {
    Arc::clone(&socket.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Inlet {
    /// Has the node send by another socket from now on, at the same address. Nothing happens if it does not send by a
    /// socket.
    pub fn replace(&self, socket: Arc<UdpSocket>) {
        if let Some(current) = &self.socket {
            *current.lock().unwrap_or_else(PoisonError::into_inner) = socket;
        }
    }

    /// Passes on a datagram. It is lost if it is longer than any message, if too many wait, or after the end of the
    /// node.
    pub fn pass(&self, from: SocketAddr, datagram: &[u8]) {
        if datagram.len() <= MAX_READ
            && let Ok(place) = self.datagrams.try_reserve()
        {
            place.send((from, datagram.into()));
        }
    }
}

/// The socket of a node in one family.
#[derive(Debug)]
pub(super) enum Socket {
    Own(UdpSocket),
    Shared(SharedSocket),
}

/// The bytes that a socket of our own keeps until they are read, if the system allows as many. Most have a fifth of it
/// by default, which is two milliseconds of a flood.
const RECEIVE_BUFFER: usize = 1 << 20;

impl Socket {
    /// Opens a socket that nobody else uses.
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::own(UdpSocket::bind(address).await?))
    }

    pub(super) fn own(socket: UdpSocket) -> Self {
        // It works with less as well.
        _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
        Self::Own(socket)
    }

    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Own(socket) => socket.local_addr(),
            Self::Shared(shared) => shared.outlet.local_address(),
        }
    }

    /// Waits until there is a datagram, or an error. May be cancelled: none is lost.
    pub(super) async fn readable(&mut self) {
        match self {
            // An error shows when it is read.
            Self::Own(socket) => _ = socket.readable().await,
            Self::Shared(shared) if shared.next.is_some() => {}
            Self::Shared(shared) => match shared.datagrams.recv().await {
                Some(datagram) => shared.next = Some(datagram),
                // Nobody reads the socket any more.
                None => std::future::pending().await,
            },
        }
    }

    /// Waits until there may be room for a datagram.
    pub(super) async fn writable(&self) {
        match self {
            // An error shows when it is written to.
            Self::Own(socket) => _ = socket.writable().await,
            Self::Shared(shared) => shared.outlet.writable().await,
        }
    }

    /// Takes a datagram that has come, and returns its length and its source.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none, and others for earlier datagrams.
    pub(super) fn try_receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Own(socket) => socket.try_recv_from(buffer),
            Self::Shared(shared) => {
                let next = shared.next.take().or_else(|| shared.datagrams.try_recv().ok());
                let (from, datagram) = next.ok_or(io::ErrorKind::WouldBlock)?;
                let length = datagram.len().min(buffer.len());
                buffer[..length].copy_from_slice(&datagram[..length]);
                Ok((length, from))
            }
        }
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room for it, and others if it cannot be sent.
    pub(super) fn try_send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        let send = || match self {
            Self::Own(socket) => socket.try_send_to(datagram, to).map(drop),
            Self::Shared(shared) => shared.outlet.try_send(datagram, to),
        };
        match send() {
            // It may be about a datagram to somebody else (ICMP), and is told once; then this one was not sent.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => send(),
            sent => sent,
        }
    }
}
