//! Links: the time for which messages are under way, and the ways in which connections break.

use std::time::{Duration, Instant};

use rand::RngExt;
use tinytorrent_swarm::PeerKey;

use super::happening::Happening;
use super::{Node, World};
use crate::node::Link;

/// The shortest time after which a host sends again what was lost (RFC 6298 has a second, and hosts less).
const SENT_AGAIN: Duration = Duration::from_millis(200);

/// Losses of one message in a row at most.
const MOST_LOSSES: u32 = 5;

impl World {
    /// The time of a message from one node to another.
    pub(super) fn way(&mut self, from: Node, to: Node) -> Duration {
        let distance = self.nodes[from].access.distance + self.nodes[to].access.distance;
        let mut time = self.latency + distance;
        let round_trip = 2 * time;
        if !self.jitter.is_zero() {
            time += self.jitter.mul_f64(self.chance.random());
        }
        if self.loss > 0.0 {
            let mut wait = SENT_AGAIN.max(round_trip);
            for _ in 0..MOST_LOSSES {
                if !self.chance.random_bool(self.loss) {
                    break;
                }
                (time, wait) = (time + wait, 2 * wait);
            }
        }
        time
    }

    /// Has something happen at the far end of a connection, behind all that was sent before.
    pub(super) fn deliver(&mut self, node: Node, peer: PeerKey, happening: Happening) {
        let Some(mut link) = self.nodes[node].links.get(&peer).copied() else { return };
        if self.nodes[link.to].life != link.their_life {
            // Its host knows of no such connection.
            let way = self.way(node, link.to);
            return self.later(2 * way, node, Happening::Closed { key: peer });
        }
        if let Some(at) = self.arrival(node, &mut link, &happening) {
            self.at(at, link.to, happening);
            self.nodes[node].links.insert(peer, link);
        }
    }

    /// Tells the far end of a connection that this one has closed it.
    pub(super) fn hang_up(&mut self, node: Node, mut link: Link) {
        // Without a key it was not answered yet, and then the answer closes the other end.
        let Some(key) = link.their_key else { return };
        let happening = Happening::Closed { key };
        if let Some(at) = self.arrival(node, &mut link, &happening) {
            self.at(at, link.to, happening);
        }
    }

    /// The instant at which something arrives at the far end; `None` if it never does.
    fn arrival(&mut self, node: Node, link: &mut Link, happening: &Happening) -> Option<Instant> {
        if link.is_dead || self.nodes[link.to].life != link.their_life {
            return None;
        }
        let way = self.way(node, link.to);
        let cut_off = |node: Node| self.nodes[node].access.cut_off_until;
        let begun = [Some(self.now), cut_off(node), cut_off(link.to)].into_iter().flatten().max();
        let mut at = begun.unwrap_or(self.now) + way;
        if let Happening::Block { block, .. } = happening
            && let Some(downlink) = self.nodes[link.to].access.downlink
        {
            let cost = Duration::from_secs_f64(f64::from(block.length()) / downlink as f64);
            let free = self.nodes[link.to].access.downlink_free.map_or(at, |free| free.max(at));
            at = free + cost;
            self.nodes[link.to].access.downlink_free = Some(at);
        }
        let at = link.arrived.map_or(at, |before| before.max(at));
        link.arrived = Some(at);
        Some(at)
    }

    /// Something has come for a life of a node that is over.
    pub(super) fn is_missed(&mut self, happening: Happening) {
        // Whoever dialled is refused, if there is nobody to ask any more.
        if let Happening::Dialled(dial) = happening {
            self.refuse(dial);
        }
    }

    /// Cuts a node off for a while. Connections go on afterwards, as TCP has it; none can be made meanwhile.
    pub fn cut_off(&mut self, node: Node, time: Duration) {
        self.nodes[node].access.cut_off_until = Some(self.now + time);
    }

    /// Returns true if nothing gets through to a node.
    pub(super) fn is_cut_off(&self, node: Node) -> bool {
        self.nodes[node].access.cut_off_until.is_some_and(|until| until > self.now)
    }

    /// Suspends the process of a node for a while. What comes meanwhile waits.
    pub fn suspend(&mut self, node: Node, time: Duration) {
        self.nodes[node].access.asleep_until = Some(self.now + time);
        let due = self.nodes[node].due;
        self.set_due(node, due);
    }

    /// Breaks all connections of a node. Both ends are told.
    pub fn reset_links(&mut self, node: Node) {
        for key in self.sorted_links(node) {
            if let Some(link) = self.closed(node, key)
                && let Some(key) = link.their_key
            {
                self.closed(link.to, key);
            }
        }
    }

    /// Breaks all connections of a node, and nobody is told: each end waits for the other.
    pub fn sever_links(&mut self, node: Node) {
        for key in self.sorted_links(node) {
            self.sever(node, key);
        }
    }

    /// Lets nothing through any more, either way.
    pub(super) fn sever(&mut self, node: Node, key: PeerKey) {
        let Some(link) = self.nodes[node].links.get_mut(&key) else { return };
        link.is_dead = true;
        if let Link { to, their_key: Some(key), .. } = *link
            && let Some(link) = self.nodes[to].links.get_mut(&key)
        {
            link.is_dead = true;
        }
    }

    /// The connections of a node, in one order for each run.
    pub(super) fn sorted_links(&self, node: Node) -> Vec<PeerKey> {
        let mut keys: Vec<_> = self.nodes[node].links.keys().copied().collect();
        keys.sort_unstable();
        keys
    }
}
