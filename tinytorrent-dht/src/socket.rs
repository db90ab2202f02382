use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::message::MAX_READ;

/// A UDP socket that other protocols use as well. Somebody else reads it, and passes the datagrams of the DHT on
/// by the [`Inlet`]: those that begin with a `d` (BEP 5, "KRPC protocol").
#[derive(Debug)]
pub struct SharedSocket {
    socket: Arc<UdpSocket>,
    datagrams: mpsc::Receiver<Datagram>,
}

/// The way of datagrams to a node whose socket somebody else reads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inlet {
    datagrams: mpsc::Sender<Datagram>,
}

/// A datagram, and where it came from.
type Datagram = (SocketAddr, Box<[u8]>);

/// The datagrams that wait for the node. More are lost, as they are in the buffer of a socket.
const MOST_WAITING: usize = 256;

impl SharedSocket {
    /// A socket for a node, and the inlet for whoever reads it.
    pub fn new(socket: Arc<UdpSocket>) -> (Self, Inlet) {
        let (sender, datagrams) = mpsc::channel(MOST_WAITING);
        (Self { socket, datagrams }, Inlet { datagrams: sender })
    }
}

impl Inlet {
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
pub(crate) enum Socket {
    Own(UdpSocket),
    Shared(SharedSocket),
}

impl Socket {
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.sender().local_addr()
    }

    /// Receives a datagram. May be cancelled: none is lost.
    pub(crate) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Own(socket) => socket.recv_from(buffer).await,
            Self::Shared(shared) => match shared.datagrams.recv().await {
                Some((from, datagram)) => {
                    let length = datagram.len().min(buffer.len());
                    buffer[..length].copy_from_slice(&datagram[..length]);
                    Ok((length, from))
                }
                // Nobody reads the socket any more.
                None => std::future::pending().await,
            },
        }
    }

    pub(crate) async fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        self.sender().send_to(datagram, to).await.map(drop)
    }

    fn sender(&self) -> &UdpSocket {
        match self {
            Self::Own(socket) => socket,
            Self::Shared(shared) => &shared.socket,
        }
    }
}
