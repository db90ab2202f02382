use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

/// A carrier of datagrams in place of a socket of the system, such as the relay of a proxy. It reaches addresses of
/// both families.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Waits until there may be a datagram. May be cancelled.
    fn readable(&self) -> Waiting<'_>;

    /// Waits until there may be room to send. May be cancelled.
    fn writable(&self) -> Waiting<'_>;

    /// Takes a datagram into the buffer, and returns its length and its sender.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none. After others there is a pause.
    fn try_receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)>;

    /// Sends a datagram of up to 1,200 bytes.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room for it;
    /// [`HostUnreachable`](io::ErrorKind::HostUnreachable) and
    /// [`NetworkUnreachable`](io::ErrorKind::NetworkUnreachable) if there is no way to the address, which ends its
    /// connections. With others it is lost, as in the network.
    fn try_send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()>;
}

/// A wait of a [`Carrier`].
pub type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
