use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::shared::{Handle, Side};
use crate::{ConnectionId, ConnectionStats};

/// A connection: a stream of bytes each way.
///
/// When it is dropped, what was written is still delivered with the end of the stream, and what comes is thrown away;
/// [`reset`](Self::reset) ends both at once. A flush waits for nothing: written bytes are sent as the network takes
/// them.
pub struct UtpStream {
    handle: Arc<Handle>,
    id: ConnectionId,
    address: SocketAddr,
    is_reset: bool,
}

/// The part of a [`UtpStream`] that reads, beside the other.
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a UtpStream);

/// The part of a [`UtpStream`] that writes, beside the other.
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a UtpStream);

impl UtpStream {
    pub(super) fn new(handle: Arc<Handle>, id: ConnectionId, address: SocketAddr) -> Self {
        Self { handle, id, address, is_reset: false }
    }

    /// The address of the other end.
    pub fn peer_address(&self) -> SocketAddr {
        self.address
    }

    /// The address of our socket.
    pub fn local_address(&self) -> SocketAddr {
        self.handle.shared().address()
    }

    /// True if our first packet began the connection; false of one that was accepted, also if both ends connected to
    /// each other at once and the other was first (P-16).
    pub fn is_initiator(&self) -> bool {
        self.handle.shared().with(|_, state| state.endpoint.is_initiator(self.id))
    }

    /// Splits it into two parts for one task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Ends the connection at once, at both ends. What was written may be lost.
    pub fn reset(mut self) {
        self.is_reset = true;
    }

    /// Figures of the connection.
    pub fn stats(&self) -> ConnectionStats {
        let stats = self.handle.shared().with(|_, state| state.endpoint.connection_stats(self.id));
        stats.unwrap_or_default()
    }

    fn read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let id = self.id;
        let read = self.handle.shared().poll_io(cx, id, Side::Read, |now, endpoint| {
            // No more of the buffer is initialized than is filled.
            let most = buffer.remaining().min(endpoint.readable(id).max(1));
            endpoint.read(now, id, buffer.initialize_unfilled_to(most))
        });
        buffer.advance(ready!(read)?);
        Poll::Ready(Ok(()))
    }

    fn write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let id = self.id;
        let written = self
            .handle
            .shared()
            .poll_io(cx, id, Side::Write, |now, endpoint| endpoint.write(now, id, slices));
        written.map_err(io::Error::from)
    }

    fn shut_down(&self) -> io::Result<()> {
        let id = self.id;
        let ended = self.handle.shared().with(|now, state| state.endpoint.shutdown(now, id));
        ended.map_err(io::Error::from)
    }
}

impl Drop for UtpStream {
    fn drop(&mut self) {
        self.handle.shared().end(self.id, self.is_reset);
    }
}

impl fmt::Debug for UtpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UtpStream").field("peer", &self.address).finish_non_exhaustive()
    }
}

impl AsyncRead for UtpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.read(cx, buffer)
    }
}

impl AsyncRead for ReadHalf<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.read(cx, buffer)
    }
}

/// Writing through a reference to the stream, for the stream and its half.
macro_rules! async_write {
    ($type:ty, $this:ident => $stream:expr) => {
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                let $this = self;
                $stream.write(cx, &[IoSlice::new(bytes)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = self;
                $stream.write(cx, slices)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $this = self;
                Poll::Ready($stream.shut_down())
            }
        }
    };
}

async_write!(UtpStream, this => this);
async_write!(WriteHalf<'_>, this => this.0);
