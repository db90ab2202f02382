use std::io;
use std::ops::Range;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
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

/// Time after which an idle connection of a relay is probed, and between two probes. A proxy that is gone without a
/// word would have datagrams sent to it for ever, and routers on the way forget a connection without packets.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const PROBES_EACH: Duration = Duration::from_secs(15);

impl Relay {
    pub(crate) fn new(control: TcpStream, socket: UdpSocket) -> Self {
        let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(PROBES_EACH);
        // It works without as well.
        _ = SockRef::from(&control).set_tcp_keepalive(&keep_alive);
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
            error = self.ended() => Err(error),
        }
    }

    /// Waits until the proxy ends the association, and returns the reason.
    pub(crate) async fn ended(&self) -> io::Error {
        wait_for_end(&self.control).await
    }

    /// Waits until there may be a datagram, or an error.
    pub(crate) async fn readable(&self) {
        // An error shows when it is read.
        _ = self.socket.readable().await;
    }

    /// Waits until there may be room to send, or an error.
    pub(crate) async fn writable(&self) {
        _ = self.socket.writable().await;
    }

    /// Takes a datagram, and returns its sender and where its content is; `None` if it is to be ignored.
    pub(crate) fn try_receive(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<Option<(Target, Range<usize>)>> {
        let length = self.socket.try_recv(buffer)?;
        Ok(read_relayed(&buffer[..length])
            .map(|(sender, content)| (sender, length - content.len()..length)))
    }

    /// Sends a datagram, if there is room.
    pub(crate) fn try_send(&self, datagram: &[u8], to: &Target) -> io::Result<()> {
        let mut wrapped = Vec::with_capacity(LONGEST_HEADER + datagram.len());
        write_relayed(to, datagram, &mut wrapped);
        self.socket.try_send(&wrapped).map(drop)
    }
}

/// The header of a datagram to or from an address of IPv6 (RFC 1928, section 7).
const LONGEST_HEADER: usize = 4 + 16 + 2;

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
