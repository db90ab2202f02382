use std::net::SocketAddr;

use tinytorrent_types::WireInfoHash;

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
        }
    }

    /// Notes the transport that carries the connection.
    pub(crate) fn note_transport(&mut self, transport: Transport) {
        self.transport = transport;
        // One socket sends and listens (BEP 29), and what we sent there was answered.
        if transport == Transport::Utp && self.is_incoming {
            let listens_at = SocketAddr::new(self.address.ip().to_canonical(), self.address.port());
            (self.listens_at, self.is_proven) = (Some(listens_at), true);
        }
    }

    /// Notes the port at which the peer says it listens. If it told another one before, or we dialed
    /// another one, the claim fits nothing.
    pub(crate) fn note_listens_at(&mut self, port: u16) {
        let told = SocketAddr::new(self.address.ip().to_canonical(), port);
        self.listens_at.get_or_insert(told);
    }

    /// The address at which the peer was reached: where we connected to, or where one that came by uTP sends
    /// from.
    pub(crate) fn reached_at(&self) -> Option<SocketAddr> {
        (!self.is_incoming || self.transport == Transport::Utp).then_some(self.address)
    }

    /// The address that we connected to, if we made the connection.
    pub(crate) fn dialed(&self) -> Option<SocketAddr> {
        (!self.is_incoming).then_some(self.address)
    }
}
