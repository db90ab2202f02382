use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_dht::{Event, Family, Node, NodeInfo};

/// A node of a [`DhtWorld`](super::DhtWorld), and all that was seen of it.
#[derive(Debug)]
pub struct DhtNode {
    /// The node itself.
    pub node: Node,
    /// Its address, as others see it.
    pub address: SocketAddr,
    /// All it told its application, with the times.
    pub events: Vec<(Instant, Event)>,
    /// The time at which it came.
    pub born: Instant,
    /// It neither receives nor sends.
    pub is_silent: bool,
    /// It leaves no more, if nodes come and go.
    pub stays: bool,
    /// The peer that forged answers to each of its queries hold.
    pub spoofed: Option<SocketAddr>,
    /// The NAT in front of it; `None` if everybody can reach it.
    pub(super) nat: Option<Nat>,
    /// The time of its one timer that counts.
    pub(super) wakes_at: Option<Instant>,
    /// The number of nodes that had its place before.
    pub(super) generation: u32,
}

impl DhtNode {
    /// Its id and address.
    ///
    /// # Panics
    /// If it has no id for the family of its address.
    pub fn info(&self) -> NodeInfo {
        let id = self.node.id(Family::of(self.address.ip()));
        NodeInfo { id: id.expect("a node of the world is in its family"), address: self.address }
    }

    /// True if queries of anybody reach it.
    pub fn is_reachable(&self) -> bool {
        !self.is_silent && self.nat.is_none()
    }
}

/// A NAT that lets in datagrams of those alone to whom something was sent in the last two minutes.
#[derive(Debug, Default)]
pub(super) struct Nat {
    sent: HashMap<SocketAddr, Instant>,
}

/// RFC 4787, REQ-5: the least time for which a NAT has to keep a mapping of UDP.
const KEPT_FOR: Duration = Duration::from_secs(120);

impl Nat {
    pub(super) fn on_sent(&mut self, now: Instant, to: SocketAddr) {
        self.sent.insert(to, now);
        if self.sent.len() > 256 {
            self.sent.retain(|_, at| now.saturating_duration_since(*at) < KEPT_FOR);
        }
    }

    pub(super) fn admits(&self, now: Instant, from: SocketAddr) -> bool {
        let sent = self.sent.get(&from);
        sent.is_some_and(|at| now.saturating_duration_since(*at) < KEPT_FOR)
    }
}
