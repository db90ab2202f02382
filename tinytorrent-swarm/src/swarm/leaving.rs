//! The end of connections, and what follows from it.

use tinytorrent_types::PieceIndex;

use super::Swarm;
use crate::PeerKey;
use crate::contract::{Action, Event, LeaveReason};
use crate::peers::Gone;

impl Swarm {
    /// Ends a connection from our side.
    pub(super) fn leave(&mut self, key: PeerKey, reason: LeaveReason) {
        self.part(key, reason);
        self.replace();
    }

    /// The connection is gone: others take its place.
    pub(super) fn forget(&mut self, key: PeerKey, reason: LeaveReason) {
        self.give_back(key, reason);
        self.replace();
    }

    /// Ends a connection from our side whose place is taken already.
    pub(super) fn part(&mut self, key: PeerKey, reason: LeaveReason) {
        if self.peers.contact(key).is_some() {
            self.out.act(Action::Disconnect { peer: key, reason: reason.clone() });
            self.give_back(key, reason);
        }
    }

    /// Gives back whatever a connection held that is gone.
    fn give_back(&mut self, key: PeerKey, reason: LeaveReason) {
        let Some(mut gone) = self.peers.remove(key) else { return };
        let now = self.now;
        // The peer is out of the table by now: nobody is asked for what it owed who is about to go.
        self.stage.remove_peer(key);
        let mut has_slot = false;
        if let Gone::Live(peer) = &mut gone {
            has_slot = self.upload.forget(now, peer);
            self.download.leave_out(peer);
            if let Some(picker) = self.stage.picker_mut() {
                self.download.forget(peer, picker);
            }
            if let Some(seed) = &mut self.super_seed {
                seed.leave(key);
                self.super_seed.take_if(|seed| seed.is_over());
            }
        }
        self.out.timers.prune(|at, peer| self.peers.is_armed(peer, at));
        // Before the address is forgotten that has failed too often.
        self.seek_introduction(&gone, &reason);
        if let Some(punching) = &mut self.punching {
            punching.leave(key);
        }
        // Before the next dial, so that the address is known to have failed or to be free.
        self.roster.left(now, key, &gone, &reason);
        if has_slot {
            self.upload.fill_slots(now, &mut self.peers, &mut self.out);
        }
        let address = gone.contact().address;
        self.out.tell(Event::PeerLeft { peer: key, address, reason });
    }

    /// Asks and connects to others after a connection has gone.
    pub(super) fn replace(&mut self) {
        self.fetch();
        self.dial();
    }

    /// Bans a peer that proved to have sent wrong data, connected or not: blocks of this piece, or metadata
    /// or hashes.
    pub(super) fn ban(&mut self, key: PeerKey, piece: Option<PieceIndex>) {
        let banned = self.roster.ban(&self.peers, key).zip(piece);
        self.out.tell_if(banned.map(|(address, piece)| Event::PeerBanned { address, piece }));
        self.part(key, LeaveReason::Banned);
        // The ban holds for its host, with which we may have more connections.
        let is_banned = |key: &PeerKey| {
            self.peers.contact(*key).is_some_and(|other| self.roster.is_banned(other.address))
        };
        for key in self.peers.keys().filter(is_banned).collect::<Vec<_>>() {
            self.part(key, LeaveReason::Banned);
        }
        self.replace();
    }

    /// Leaves all connections.
    pub(super) fn leave_all(&mut self, reason: LeaveReason) {
        // Leaving one may let another in, which would not be in a list that is read on the way.
        for peer in self.peers.keys().collect::<Vec<_>>() {
            self.leave(peer, reason.clone());
        }
    }
}
