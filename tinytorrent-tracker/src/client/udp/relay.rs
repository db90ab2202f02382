use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpStream, UdpSocket};

use super::super::socks5::{Target, unwrap, wrap};

/// Datagrams through a SOCKS5 proxy (RFC 1928, section 7).
///
/// Names are looked up by the proxy, and its datagrams come from the addresses that it found, which
/// nobody else knows. The exchange knows trackers by address, so a name gets one here that no
/// tracker can have: with port 0.
#[derive(Debug)]
pub(in super::super) struct Relay {
    /// The proxy relays while this is open.
    control: TcpStream,
    /// Connected to the relay, so that nobody else is heard.
    socket: UdpSocket,
    /// By the number that is their address; as many as were asked over this association.
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
        wrap(&target, datagram, &mut self.wrapped);
        self.socket.send(&self.wrapped).await.map(drop)
    }

    /// The next datagram for us, and who sent it.
    ///
    /// # Errors
    /// If the proxy has ended the association.
    pub(super) async fn receive<'a>(
        &self,
        buffer: &'a mut [u8],
    ) -> io::Result<Option<(Target, &'a [u8])>> {
        tokio::select! {
            received = self.socket.recv(buffer) => match received {
                Ok(length) => Ok(unwrap(&buffer[..length])),
                // Some ICMP error, as of trackers that are asked directly.
                Err(_) => Ok(None),
            },
            error = ended(&self.control) => Err(error),
        }
    }

    /// The address by which the exchange knows the sender, if `asked` is the one that the
    /// datagram answers: where a name was asked, only the port can be compared.
    pub(super) fn sender(&self, sender: Target, asked: Option<SocketAddr>) -> Option<SocketAddr> {
        match asked.and_then(|asked| Some((asked, self.name_at(asked)?))) {
            Some((asked, name)) if name.port() == sender.port() => Some(asked),
            _ => match sender {
                // Port 0 stands for names here, and nobody can send from it.
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

/// Waits until the other end closes; what it says before has no meaning.
async fn ended(control: &TcpStream) -> io::Error {
    let mut ignored = [0; 16];
    loop {
        if let Err(error) = control.readable().await {
            return error;
        }
        match control.try_read(&mut ignored) {
            Ok(0) => return io::ErrorKind::ConnectionAborted.into(),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return error,
        }
    }
}
