//! Two connections of one pair of peers, since both ends dialed (W-56).
//!
//! Peer ids are claims. Two connections are of one peer only if they have its id and its address as
//! well, and opposite directions; others are left alone, whatever they say.
//!
//! Every client keeps one of two, by a rule of its own: libtorrent compares listen ports, or ids where
//! it cannot tell the hosts to be one; transmission keeps what it had first. If both ends choose at
//! once by different rules, both connections go. So the other end may choose first, and two ends that
//! wait for each other choose the same one after a while. Clients of our own make have our own rule:
//! both ends choose as soon as the peer that was dialed has told that it listens there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::PeerId;

use super::Swarm;
use crate::PeerKey;
use crate::contract::LeaveReason;
use crate::peer::Peer;

/// How long the other end may take to choose: a few round trips of the slowest links. Others do it
/// as soon as they see both.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that were made at the same time come to be within this time. A later one has to go,
/// whichever end made it: the earlier one is in use.
const AT_ONCE: Duration = Duration::from_secs(30);

impl Swarm {
    /// Notes that a connection that has just come to be is the second one to its peer, if it is.
    pub(super) fn meet_twin(&mut self, key: PeerKey) {
        let Some(twin) = self.twin(key) else { return };
        if self.is_twin_by_rule(key, twin) {
            return self.leave_twin(key, twin);
        }
        let dialed = [key, twin].into_iter().find_map(|key| self.peers.get(key)?.dialed());
        for key in [key, twin] {
            if let Some(peer) = self.peers.get_mut(key) {
                // The one that came to us comes from where the other one was dialed.
                peer.listens_at = peer.listens_at.or(dialed);
            }
        }
        if let Some(peer) = self.peers.get_mut(key) {
            peer.choose_at = Some(self.now + PATIENCE);
        }
    }

    /// A peer that came to us told where it listens. If we dialed it there as well, and it is of our
    /// make, one of the two connections goes.
    pub(super) fn meet_told_twin(&mut self, key: PeerKey) {
        if let Some(twin) = self.twin(key).filter(|&twin| self.is_twin_by_rule(key, twin)) {
            self.leave_twin(key, twin);
        }
    }

    /// Leaves one of two connections if the other end has not. `true` if it is this one.
    pub(super) fn choose_twin(&mut self, key: PeerKey) -> bool {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| is_due(peer, self.now)) else {
            return false;
        };
        peer.choose_at = None;
        if let Some(twin) = self.twin(key) {
            self.leave_twin(key, twin);
        }
        self.peers.get(key).is_none()
    }

    /// Leaves that of two connections which was made by the end with the lower id, as libtorrent does,
    /// or which was made long after the other. Both ends come to the same result.
    fn leave_twin(&mut self, one: PeerKey, other: PeerKey) {
        let (Some(a), Some(b)) = (self.peers.get(one), self.peers.get(other)) else { return };
        let is_first = if a.joined + AT_ONCE <= b.joined || b.joined + AT_ONCE <= a.joined {
            a.joined < b.joined
        } else {
            a.id.is_some_and(|id| (id < self.config.peer_id) != a.is_incoming)
        };
        self.disconnect(if is_first { other } else { one }, LeaveReason::Duplicate);
    }

    /// Whether somebody who listens at this address is connected, or about to be.
    pub(super) fn is_connected_to(&self, address: SocketAddr) -> bool {
        self.peers.iter().any(|(_, peer)| peer.listens_at == Some(address))
    }

    /// The connection to the same peer in the other direction.
    fn twin(&self, key: PeerKey) -> Option<PeerKey> {
        let peer = self.peers.get(key).filter(|peer| peer.is_live())?;
        let is_twin = |(_, other): &(PeerKey, &Peer)| {
            other.is_same_as(peer) && other.is_incoming != peer.is_incoming
        };
        self.peers.iter().find(is_twin).map(|(twin, _)| twin)
    }

    /// Whether the other end is of our make, and so follows the same rule at the same time: when it is
    /// known that the peer which came to us listens where we dialed it.
    fn is_twin_by_rule(&self, one: PeerKey, other: PeerKey) -> bool {
        let (Some(a), Some(b)) = (self.peers.get(one), self.peers.get(other)) else { return false };
        let is_ours = a.id.is_some_and(|id| make(id) == make(self.config.peer_id));
        is_ours && a.listens_at.is_some() && a.listens_at == b.listens_at
    }
}

/// The client that an id is of, whatever its version (BEP 20).
fn make(id: PeerId) -> [u8; 3] {
    let [first, second, third, ..] = *id.as_bytes();
    [first, second, third]
}

fn is_due(peer: &Peer, now: Instant) -> bool {
    peer.choose_at.is_some_and(|at| at <= now)
}
