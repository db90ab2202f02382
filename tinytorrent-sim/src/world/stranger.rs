//! Peers without an engine.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_swarm::{Input, PeerKey, Transport};
use tinytorrent_types::PeerId;
use tinytorrent_wire::{Handshake, Message, Reserved};

use super::happening::{Happening, PATIENCE};
use super::{Cause, Node, Seen, World};

/// A peer without an engine: over each of its connections it says the same, whatever it hears. It costs nothing,
/// however large the torrent is.
///
/// What it asks for it does not read: the disk of the other end has it for ever.
pub struct Stranger {
    /// The addresses from which it connects, in turn. It can be connected to at each of them.
    pub addresses: Vec<SocketAddr>,
    /// The id in its handshakes. Without one it never shakes hands.
    pub id: Option<PeerId>,
    /// The features in its handshakes.
    pub reserved: Reserved,
    /// The time between two connections that it makes; `None` if it makes none.
    pub calls: Option<Duration>,
    /// The time after which it closes a connection.
    pub stays: Duration,
    /// The messages of a turn, by its number in the connection, and the time to the next turn; `None` if
    /// the stranger says nothing more.
    pub says: Speech,
}

/// The messages of each turn, and the time to the next one.
type Speech = Box<dyn Fn(u64) -> Option<(Duration, Vec<Message>)>>;

impl fmt::Debug for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stranger").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl World {
    /// Adds a stranger, who connects to this node if it makes connections.
    pub fn add_stranger(&mut self, near: Node, stranger: Stranger) {
        let number = self.strangers.len();
        self.doors.extend(stranger.addresses.iter().map(|&address| (address, number)));
        if let Some(every) = stranger.calls {
            self.later(every, near, Happening::Calls { stranger: number, count: 0 });
        }
        self.strangers.push(stranger);
    }

    /// The node connects to an address that is not that of a node.
    pub(super) fn dial_stranger(&mut self, node: Node, key: PeerKey, address: SocketAddr) {
        let Some(&stranger) = self.doors.get(&address) else {
            // Nobody is there, as at many addresses that trackers list.
            return self.later(self.latency, node, Happening::Refused { key });
        };
        self.nodes[node].strangers.insert(key);
        match self.strangers[stranger].id {
            Some(_) => self.later(2 * self.latency, node, Happening::Greets { key, stranger }),
            None => self.later(PATIENCE, node, Happening::TimedOut { key }),
        }
    }

    pub(super) fn stranger_calls(&mut self, node: Node, stranger: usize, count: usize) {
        let Stranger { addresses, id, calls, .. } = &self.strangers[stranger];
        let (address, id) = (addresses[count % addresses.len()], *id);
        if let Some(every) = *calls {
            self.later(every, node, Happening::Calls { stranger, count: count + 1 });
        }
        // The engine may be paused, have no place, or not admit this address.
        let Some(key) = self.accept(node, address) else { return };
        self.nodes[node].strangers.insert(key);
        match id {
            Some(_) => self.stranger_greets(node, key, stranger),
            None => self.later(PATIENCE, node, Happening::TimedOut { key }),
        }
    }

    pub(super) fn stranger_greets(&mut self, node: Node, key: PeerKey, stranger: usize) {
        let Stranger { id: Some(peer_id), reserved, stays, .. } = self.strangers[stranger] else {
            return;
        };
        // The engine may have given up on it.
        if self.nodes[node].strangers.contains(&key) {
            let info_hash = self.nodes[node].swarm.handshake().info_hash;
            let handshake = Handshake { reserved, info_hash, peer_id };
            self.later(stays, node, Happening::HangsUp { key });
            self.input(
                node,
                Input::HandshakeCompleted { peer: key, transport: Transport::Tcp, handshake },
            );
            self.stranger_speaks(node, key, stranger, 0);
        }
    }

    pub(super) fn stranger_speaks(&mut self, node: Node, key: PeerKey, stranger: usize, turn: u64) {
        let Some((pause, messages)) = (self.strangers[stranger].says)(turn) else { return };
        for message in messages {
            // It may have been left for what it said before.
            if self.nodes[node].strangers.contains(&key) {
                self.input(node, Input::MessageReceived { peer: key, message });
            }
        }
        if self.nodes[node].strangers.contains(&key) {
            self.later(pause, node, Happening::Speaks { key, stranger, turn: turn + 1 });
        }
    }

    pub(super) fn stranger_hangs_up(&mut self, node: Node, key: PeerKey) {
        if self.nodes[node].strangers.remove(&key) {
            let error = tinytorrent_swarm::ConnectionError::Closed;
            self.input(node, Input::ConnectionClosed { peer: key, error });
        }
    }

    /// A connection comes in. Gives its key if it has a place.
    pub(super) fn accept(&mut self, node: Node, address: SocketAddr) -> Option<PeerKey> {
        let now = self.now;
        let key = self.engine(node, Cause::Connection, |swarm| swarm.accept(now, address));
        if let Some(key) = key {
            self.saw(node, Seen::Accepted(key, address));
        }
        self.settle(node);
        key
    }
}
