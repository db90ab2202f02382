use std::io;

use tokio::net::{TcpStream, UdpSocket};

use crate::Target;
use crate::socks5::{read_relayed, write_relayed};

/// A relay of datagrams at a SOCKS5 proxy (RFC 1928, section 7). The proxy resolves names, and relays while this
/// is kept.
#[derive(Debug)]
pub struct Relay {
    /// The connection on which the relay was requested; the proxy relays while it is open.
    control: TcpStream,
    /// A socket that is connected to the relay, and so takes datagrams from no other address.
    socket: UdpSocket,
}

impl Relay {
    pub(crate) fn new(control: TcpStream, socket: UdpSocket) -> Self {
        Self { control, socket }
    }

    /// Sends a datagram to a target. `wrapped` is a buffer for it with its header.
    ///
    /// # Errors
    /// Those of the system; the next datagram may be sent all the same.
    pub async fn send(
        &self,
        datagram: &[u8],
        target: &Target,
        wrapped: &mut Vec<u8>,
    ) -> io::Result<()> {
        write_relayed(target, datagram, wrapped);
        self.socket.send(wrapped).await.map(drop)
    }

    /// Receives a datagram with its sender; `None` if it is to be ignored: a fragment, or no datagram of a
    /// relay.
    ///
    /// # Errors
    /// The proxy has ended the association.
    pub async fn receive<'a>(
        &self,
        buffer: &'a mut [u8],
    ) -> io::Result<Option<(Target, &'a [u8])>> {
        tokio::select! {
            received = self.socket.recv(buffer) => match received {
                Ok(length) => Ok(read_relayed(&buffer[..length])),
                // An ICMP error, after which the relay may work again.
                Err(_) => Ok(None),
            },
            error = wait_for_end(&self.control) => Err(error),
        }
    }
}

/// Waits until the proxy closes the connection, and returns the error for it.
async fn wait_for_end(control: &TcpStream) -> io::Error {
    let mut ignored = [0; 16];
    loop {
        if let Err(error) = control.readable().await {
            return error;
        }
        match control.try_read(&mut ignored) {
            Ok(0) => return io::ErrorKind::ConnectionAborted.into(),
            // RFC 1928 gives no meaning to bytes on this connection.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return error,
        }
    }
}
