use std::net::SocketAddr;

use tinytorrent_types::{WireInfoHash, canonical};

use crate::contract::{PeerSource, Transport};

/// The ends of a connection, known before a word is said.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    /// The other end.
    pub(crate) address: SocketAddr,
    /// The other end made the connection.
    pub(crate) is_incoming: bool,
    /// The transport; TCP until the handshakes are through.
    pub(crate) transport: Transport,
    /// The address at which the peer takes connections, as far as it is known.
    pub(crate) listens_at: Option<SocketAddr>,
    /// The peer has proven that it does: we have been there.
    pub(crate) is_proven: bool,
    /// The hash that we named when we connected; `None` if the connection came in.
    pub(crate) info_hash: Option<WireInfoHash>,
    /// The source of the address.
    pub(crate) source: PeerSource,
    /// Another peer had us connect, as the peer does at the same time (BEP 55).
    pub(crate) is_punched: bool,
}

impl Contact {
    /// A connection that we make, naming the torrent by this hash.
    pub(crate) fn outgoing(
        address: SocketAddr,
        source: PeerSource,
        info_hash: WireInfoHash,
    ) -> Self {
        Self {
            address,
            is_incoming: false,
            transport: Transport::Tcp,
            listens_at: Some(address),
            is_proven: true,
            info_hash: Some(info_hash),
            source,
            is_punched: false,
        }
    }

    /// A connection that came in.
    pub(crate) fn incoming(address: SocketAddr) -> Self {
        Self {
            address,
            is_incoming: true,
            transport: Transport::Tcp,
            listens_at: None,
            is_proven: false,
            info_hash: None,
            source: PeerSource::Incoming,
            is_punched: false,
        }
    }

    /// Notes the transport that carries the connection.
    pub(crate) fn note_transport(&mut self, transport: Transport) {
        self.transport = transport;
        // One socket sends and listens (BEP 29), and what we sent there was answered.
        if transport == Transport::Utp && self.is_incoming {
            (self.listens_at, self.is_proven) = (Some(canonical(self.address)), true);
        }
    }

    /// Notes the port at which the peer says it listens. If it told another one before, or we dialed
    /// another one, the claim fits nothing.
    pub(crate) fn note_listens_at(&mut self, port: u16) {
        let mut told = canonical(self.address);
        told.set_port(port);
        self.listens_at.get_or_insert(told);
    }

    /// The address at which the peer was reached: where we connected to, or where one that came by uTP sends
    /// from.
    pub(crate) fn reached_at(&self) -> Option<SocketAddr> {
        (!self.is_incoming || self.transport == Transport::Utp).then_some(self.address)
    }

    /// Returns true if the peer is at this address, or says that it listens there.
    pub(crate) fn is_at(&self, address: SocketAddr) -> bool {
        let address = canonical(address);
        canonical(self.address) == address || self.listens_at.map(canonical) == Some(address)
    }

    /// The address that we connected to, if we made the connection.
    pub(crate) fn dialed(&self) -> Option<SocketAddr> {
        (!self.is_incoming).then_some(self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_that_came_by_utp_listens_where_it_sends_from_whatever_it_says() {
        for (transport, listens_at) in
            [(Transport::Tcp, "20.0.0.1:6881"), (Transport::Utp, "20.0.0.1:99")]
        {
            let mut contact = Contact::incoming(address("[::ffff:20.0.0.1]:99"));
            contact.note_transport(transport);
            contact.note_listens_at(6881);
            assert_eq!(contact.listens_at, Some(address(listens_at)));
            assert_eq!(contact.is_proven, transport == Transport::Utp);
            assert_eq!(contact.reached_at().is_some(), transport == Transport::Utp);
            assert!(contact.is_at(address("20.0.0.1:99")) && contact.is_at(address(listens_at)));
            assert!(!contact.is_at(address("20.0.0.1:7")));
        }
    }
}
