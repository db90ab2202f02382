use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tinytorrent_swarm::Transport;
use tinytorrent_utp::UtpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection to a peer, over either transport.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Utp(UtpStream),
}

impl Stream {
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Stream::Tcp(_) => Transport::Tcp,
            Stream::Utp(_) => Transport::Utp,
        }
    }

    /// True if the other end has begun the connection though we dialed, as two ends of uTP do that dial each other at
    /// once (BEP 55). Then it begins the handshakes as well.
    pub(crate) fn is_answering(&self) -> bool {
        match self {
            Stream::Tcp(_) => false,
            Stream::Utp(stream) => !stream.is_initiator(),
        }
    }

    /// Has each write sent at once, and a connection end whose path is gone. The writer gathers messages by itself, so
    /// that Nagle's algorithm (RFC 1122, 4.2.3.4) would only delay them.
    pub(crate) fn configure(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => {
                give_up_in_time(stream);
                stream.set_nodelay(true)
            }
            Stream::Utp(_) => Ok(()),
        }
    }
}

/// Has a connection end when what was sent is not acknowledged in time (RFC 5482). After a change of our address it
/// would never be, and the system would go on for a quarter of an hour.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn give_up_in_time(stream: &TcpStream) {
    // Without it, the silence of the peer ends the connection some minutes later.
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn give_up_in_time(_: &TcpStream) {}

/// Time for an acknowledgement. A guess: a path that is there loses no packet that often, and a peer that reads
/// nothing for so long is of no use.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNACKNOWLEDGED: std::time::Duration = std::time::Duration::from_secs(60);

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Utp(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Utp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Utp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Utp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_nobody_acknowledges_ends_a_connection_of_either_side() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (dialed, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        for stream in [dialed.unwrap(), accepted.unwrap().0] {
            let stream = Stream::Tcp(stream);
            stream.configure().unwrap();
            let Stream::Tcp(stream) = stream else { unreachable!() };
            let timeout = socket2::SockRef::from(&stream).tcp_user_timeout().unwrap();
            assert_eq!(timeout, Some(UNACKNOWLEDGED));
            assert!(stream.nodelay().unwrap());
        }
    }
}
