//! Peer exchange: telling peers of each other (BEP 11).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_wire::extension::{Extension, PexFlags, PexMessage, PexPeer};
use tinytorrent_wire::pex::{PexReceiver, PexSender};

use super::Swarm;
use crate::PeerKey;
use crate::contract::PeerSource;
use crate::peer::Peer;

/// What one peer has been told, and how much it tells.
#[derive(Debug)]
pub(crate) struct Exchange {
    sender: PexSender,
    receiver: PexReceiver,
    pub(crate) next: Instant,
}

/// The first message waits until the connections of a start have settled.
const FIRST: Duration = Duration::from_secs(5);

/// BEP 11: no more than one message a minute.
const INTERVAL: Duration = Duration::from_secs(60);

impl Swarm {
    fn exchanges(&self) -> bool {
        // BEP 27: a private torrent's peers come from its trackers alone.
        self.config.exchange && !self.is_private
    }

    /// The peer said that it speaks `ut_pex`. What is known of the exchange outlives its taking
    /// that back, lest it count its messages anew.
    pub(super) fn begin_exchange(&mut self, key: PeerKey) {
        let exchanges = self.exchanges();
        let Some(peer) = self.peers.get_mut(key) else { return };
        if !exchanges {
            peer.exchange = None;
        } else if peer.exchange.is_none() && peer.extensions.id(Extension::PeerExchange).is_some() {
            let sender = PexSender::new(peer.listens_at.unwrap_or(peer.address));
            let next = self.now + FIRST;
            peer.exchange = Some(Exchange { sender, receiver: PexReceiver::new(), next });
            self.arm(key);
        }
    }

    pub(super) fn on_peer_exchange(&mut self, key: PeerKey, message: &PexMessage) {
        let now = self.now;
        let exchanges = self.exchanges();
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(exchange) = peer.exchange.as_mut().filter(|_| exchanges) else { return };
        let Ok(told) = exchange.receiver.handle_message(now, message) else {
            return self.violation(key, "flood of peer exchange (BEP 11)");
        };
        let addresses: Vec<SocketAddr> = told.iter().map(|peer| peer.address).collect();
        self.on_peers_found(PeerSource::Exchange, &addresses);
    }

    /// Tells the peer whom we have met since the last time.
    pub(super) fn tell_peers(&mut self, key: PeerKey) {
        let now = self.now;
        let connected: Vec<PexPeer> =
            self.peers.iter().filter_map(|(_, peer)| entry(peer)).collect();
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(exchange) = &mut peer.exchange else { return };
        exchange.next = now + INTERVAL;
        let Some(id) = peer.extensions.id(Extension::PeerExchange) else { return };
        if let Some(message) = exchange.sender.poll_message(now, connected) {
            self.send(key, message.to_message(id).into());
        }
    }
}

/// What others may be told of a peer: where it listens, if that is known.
fn entry(peer: &Peer) -> Option<PexPeer> {
    let address = peer.listens_at.filter(|_| peer.is_live())?;
    let mut flags = PexFlags::default();
    if peer.is_seed() || peer.is_upload_only {
        flags = flags.with(PexFlags::UPLOAD_ONLY);
    }
    if !peer.is_incoming {
        flags = flags.with(PexFlags::REACHABLE);
    }
    Some(PexPeer { address, flags })
}
