use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tinytorrent_net::{Relay, Target};

/// The trackers that are reached by a relay of the proxy.
///
/// The proxy resolves names, and its datagrams carry the addresses that it found, which are not
/// known here. The exchange knows trackers by address, so each name is given an address that no
/// tracker can have: one with port 0.
#[derive(Debug)]
pub(super) struct Names {
    relay: Relay,
    /// Names of trackers. The index of a name is the IPv4 address that stands for it.
    names: Vec<Target>,
    wrapped: Vec<u8>,
}

impl Names {
    pub(super) fn new(relay: Relay) -> Self {
        Self { relay, names: Vec::new(), wrapped: Vec::new() }
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
        self.relay.send(datagram, &target, &mut self.wrapped).await
    }

    /// Receives a datagram with its sender; `None` if it is to be ignored.
    ///
    /// # Errors
    /// If the proxy has ended the association.
    pub(super) async fn receive<'a>(
        &self,
        buffer: &'a mut [u8],
    ) -> io::Result<Option<(Target, &'a [u8])>> {
        self.relay.receive(buffer).await
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
