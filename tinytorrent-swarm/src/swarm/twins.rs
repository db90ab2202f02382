//! Two connections of one pair of peers, since both ends dialed (W-56).
//!
//! Every client keeps one, by a rule of its own: libtorrent compares listen ports, or ids where it
//! cannot tell the hosts to be one; transmission keeps what it had first. If both ends choose at
//! once by different rules, both connections go. So we let the other end choose; two ends that
//! wait for each other choose the same one after a while.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Swarm;
use crate::PeerKey;
use crate::contract::LeaveReason;
use crate::peer::Peer;

/// How long the other end may take to choose: a few round trips of the slowest links. Others do it
/// as soon as they see both.
const PATIENCE: Duration = Duration::from_secs(5);

impl Swarm {
    /// Notes that a connection that has just come to be is the second one to its peer, if it is.
    pub(super) fn meet_twin(&mut self, key: PeerKey) {
        let Some(twin) = self.twin(key) else { return };
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

    /// Leaves one of two connections if the other end has not: that which was made by the end with
    /// the lower id, as libtorrent does. `true` if it is this one.
    pub(super) fn choose_twin(&mut self, key: PeerKey) -> bool {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| is_due(peer, self.now)) else {
            return false;
        };
        peer.choose_at = None;
        let made_by_higher =
            peer.id.is_some_and(|id| (id < self.config.peer_id) != peer.is_incoming);
        match self.twin(key) {
            Some(_) if !made_by_higher => self.disconnect(key, LeaveReason::Duplicate),
            Some(twin) => self.disconnect(twin, LeaveReason::Duplicate),
            None => {}
        }
        self.peers.get(key).is_none()
    }

    /// Whether somebody who listens at this address is connected, or about to be.
    pub(super) fn is_connected_to(&self, address: SocketAddr) -> bool {
        self.peers.iter().any(|(_, peer)| peer.listens_at == Some(address))
    }

    /// The connection to the same peer in the other direction.
    fn twin(&self, key: PeerKey) -> Option<PeerKey> {
        let peer = self.peers.get(key).filter(|peer| peer.is_live())?;
        let is_twin = |(_, other): &(PeerKey, &Peer)| {
            other.id == peer.id && other.is_incoming != peer.is_incoming
        };
        self.peers.iter().find(is_twin).map(|(twin, _)| twin)
    }
}

fn is_due(peer: &Peer, now: Instant) -> bool {
    peer.choose_at.is_some_and(|at| at <= now)
}
