use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;

use quinn_udp::{BATCH_SIZE, RecvMeta};
use tokio::net::UdpSocket;

use super::carrier::Carrier;
use super::system_socket::SystemSocket;

/// The way of datagrams in and out.
#[derive(Debug)]
pub(super) enum Wire {
    System(SystemSocket),
    Carrier(Arc<dyn Carrier>),
}

/// Datagrams that were received together.
pub(super) struct Received {
    buffers: Box<[u8]>,
    metas: [RecvMeta; SLOTS],
    count: usize,
}

/// Datagrams, or rows of them, that are received in a call.
const SLOTS: usize = if BATCH_SIZE < 16 { BATCH_SIZE } else { 16 };

/// The longest row. Memory that nothing was written to takes no room.
const SLOT: usize = 64 << 10;

impl Wire {
    pub(super) fn over(socket: Arc<UdpSocket>) -> io::Result<Self> {
        SystemSocket::new(socket).map(Self::System)
    }

    /// True if single datagrams can be kept from being cut.
    pub(super) fn can_probe(&self) -> bool {
        match self {
            Self::System(socket) => socket.can_probe(),
            Self::Carrier(_) => false,
        }
    }

    /// Waits until there may be something to receive, or an error.
    pub(super) async fn readable(&self) {
        match self {
            Self::System(socket) => socket.readable().await,
            Self::Carrier(carrier) => carrier.readable().await,
        }
    }

    /// Waits until there may be room to send.
    pub(super) async fn writable(&self) {
        match self {
            Self::System(socket) => socket.writable().await,
            Self::Carrier(carrier) => carrier.writable().await,
        }
    }

    /// Receives what is there, as far as there is room for it.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is nothing, and others of the socket.
    pub(super) fn try_receive(&self, received: &mut Received) -> io::Result<()> {
        received.count = 0;
        match self {
            Self::System(socket) => {
                let mut slots = received.buffers.chunks_mut(SLOT);
                let mut buffers: [IoSliceMut<'_>; SLOTS] =
                    std::array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
                received.count = socket.try_receive(&mut buffers, &mut received.metas)?;
            }
            Self::Carrier(carrier) => {
                for (slot, meta) in received.buffers.chunks_mut(SLOT).zip(&mut received.metas) {
                    match carrier.try_receive(slot) {
                        Ok((length, from)) => {
                            (meta.addr, meta.len, meta.stride) = (from, length, length);
                        }
                        Err(_) if received.count > 0 => break,
                        Err(error) => return Err(error),
                    }
                    received.count += 1;
                }
            }
        }
        Ok(())
    }

    /// Sends datagrams of one length in a row, of which the last may be shorter.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room, and others for what cannot be sent. The first
    /// datagrams may have been sent.
    pub(super) fn try_send(&self, bytes: &[u8], segment: usize, to: SocketAddr) -> io::Result<()> {
        match self {
            Self::System(socket) => socket.try_send(bytes, segment, to),
            Self::Carrier(carrier) => {
                bytes.chunks(segment).try_for_each(|datagram| carrier.try_send(datagram, to))
            }
        }
    }

    /// Sends a datagram that must not be cut on its way.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send), also if it is too large for the link.
    pub(super) fn try_send_probe(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        match self {
            Self::System(socket) => socket.try_send_probe(bytes, to),
            Self::Carrier(carrier) => carrier.try_send(bytes, to),
        }
    }

    /// The address of a datagram that did not arrive, by the word of the network (ICMP), if there is one.
    pub(super) fn unreachable(&self) -> Option<SocketAddr> {
        match self {
            Self::System(socket) => socket.unreachable(),
            Self::Carrier(_) => None,
        }
    }
}

impl Received {
    pub(super) fn new() -> Self {
        let buffers = vec![0; SLOTS * SLOT].into();
        Self { buffers, metas: [RecvMeta::default(); SLOTS], count: 0 }
    }

    /// The datagrams, each with its sender.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let rows = self.metas[..self.count].iter().zip(self.buffers.chunks(SLOT));
        rows.flat_map(|(meta, bytes)| {
            // A row of an empty datagram has no stride.
            let datagrams = bytes[..meta.len].chunks(meta.stride.max(1));
            datagrams.map(|datagram| (meta.addr, datagram))
        })
    }
}
