//! NATs, which let in only what was sent for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_swarm::{PeerKey, Route, Transport};
use tinytorrent_wire::Handshake;

use super::happening::{Happening, PATIENCE};
use super::{Node, World};

/// A NAT in front of a node. Nobody can connect to the node, but for those to whose address it has sent by uTP a moment
/// before.
#[derive(Debug, Clone, Default)]
pub struct Nat {
    /// The last time that the node began to send to an address.
    sent: HashMap<SocketAddr, Instant>,
}

/// A connection that is being made.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) from: Node,
    pub(super) from_key: PeerKey,
    pub(super) handshake: Handshake,
    pub(super) transport: Transport,
    /// The life of the caller.
    pub(super) from_life: u32,
    begun: Instant,
}

/// Time for which a NAT remembers what was sent.
const MEMORY: Duration = Duration::from_secs(30);

/// Time after which a first packet is sent again.
const AGAIN: Duration = Duration::from_secs(1);

impl World {
    /// Puts a node behind a NAT.
    pub fn put_behind_nat(&mut self, node: Node) {
        self.nodes[node].nat = Some(Nat::default());
    }

    /// Dials a node. In a race, TCP wins where it gets through.
    pub(super) fn dial_node(
        &mut self,
        from: Node,
        from_key: PeerKey,
        to: Node,
        route: Route,
        handshake: Handshake,
    ) {
        let (now, address) = (self.now, self.nodes[to].address);
        let transport = match route {
            Route::Only(transport) | Route::First(transport) => transport,
            Route::Either if self.nodes[to].nat.is_some() => Transport::Utp,
            Route::Either => Transport::Tcp,
        };
        if let Some(nat) = &mut self.nodes[from].nat
            && transport == Transport::Utp
        {
            nat.sent.insert(address, now);
        }
        let from_life = self.nodes[from].life;
        let dial = Dial { from, from_key, handshake, transport, from_life, begun: now };
        let way = self.way(from, to);
        self.later(way, to, Happening::Dialled(dial));
    }

    /// Returns a dial that a NAT lets in to a node. The caller of another one sends its first packet again until its
    /// time is over.
    pub(super) fn let_in(&mut self, node: Node, dial: Dial) -> Option<Dial> {
        let caller = self.nodes[dial.from].address;
        let sent = self.nodes[node].nat.as_ref().map(|nat| nat.sent.get(&caller));
        let is_open = sent.is_none_or(|sent| {
            let is_remembered = |&at: &Instant| self.now < at + MEMORY;
            dial.transport == Transport::Utp && sent.is_some_and(is_remembered)
        });
        if is_open {
            return Some(dial);
        }
        let (from, from_key) = (dial.from, dial.from_key);
        if self.now >= dial.begun + PATIENCE {
            self.later(self.latency, from, Happening::TimedOut { key: from_key });
        } else if self.nodes[from].links.contains_key(&from_key) {
            self.later(AGAIN, node, Happening::Dialled(dial));
        }
        None
    }
}
