use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpStream, UdpSocket};

use super::super::socks5::{Target, read_relayed, write_relayed};

/// A relay of datagrams at a SOCKS5 proxy (RFC 1928, section 7).
///
/// The proxy resolves names, and its datagrams carry the addresses that it found, which are not
/// known here. The exchange knows trackers by address, so each name is given an address that no
/// tracker can have: one with port 0.
#[derive(Debug)]
pub(in super::super) struct Relay {
    /// The connection on which the relay was requested; the proxy relays while it is open.
    control: TcpStream,
    /// A socket that is connected to the relay, and so takes datagrams from no other address.
    socket: UdpSocket,
    /// Names of trackers. The index of a name is the IPv4 address that stands for it.
    names: Vec<Target>,
    wrapped: Vec<u8>,
}

impl Relay {
    pub(in super::super) fn new(control: TcpStream, socket: UdpSocket) -> Self {
        Self { control, socket, names: Vec::new(), wrapped: Vec::new() }
    }

    /// The address by which the exchange knows the tracker.
    pub(super) fn address_of(&mut self, tracker: Target) -> SocketAddr {
        if let Target::Address(address) = tracker {
            return address;
        }
        let known = self.names.iter().position(|name| *name == tracker);
        let at = known.unwrap_or_else(|| {
            self.names.push(tracker);
            self.names.len() - 1
        });
        (Ipv4Addr::from(at as u32), 0).into()
    }

    pub(super) async fn send(&mut self, datagram: &[u8], address: SocketAddr) -> io::Result<()> {
        let target = match self.name_at(address) {
            Some(name) => name.clone(),
            None => Target::Address(address),
        };
        write_relayed(&target, datagram, &mut self.wrapped);
        self.socket.send(&self.wrapped).await.map(drop)
    }

    /// Receives a datagram with its sender; `None` if it is to be ignored.
    ///
    /// # Errors
    /// If the proxy has ended the association.
    pub(super) async fn receive<'a>(
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

    /// The address by which the exchange knows the sender of a datagram. `asked` is the tracker
    /// that the datagram answers, going by its transaction id.
    pub(super) fn address_of_sender(
        &self,
        sender: Target,
        asked: Option<SocketAddr>,
    ) -> Option<SocketAddr> {
        match asked.and_then(|asked| Some((asked, self.name_at(asked)?))) {
            // The address behind a name is not known here, so only the ports can be compared.
            Some((asked, name)) if name.port() == sender.port() => Some(asked),
            _ => match sender {
                // Addresses with port 0 stand for names here, and no sender has that port.
                Target::Address(address) if address.port() != 0 => Some(address),
                Target::Address(_) | Target::Name(..) => None,
            },
        }
    }

    fn name_at(&self, address: SocketAddr) -> Option<&Target> {
        match address {
            SocketAddr::V4(at) if at.port() == 0 => self.names.get(u32::from(*at.ip()) as usize),
            _ => None,
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
