//! Connections that come, greet, wait and go, handed to the parts.

use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_tracker::AnnounceResponse;
use tinytorrent_types::PieceIndex;
use tinytorrent_wire::session::{GreetingError, Side, check_greeting};
use tinytorrent_wire::{Handshake, Message};

use super::{Run, Swarm, allowed_fast, exchange};
use crate::PeerKey;
use crate::announce::AnnounceOutcome;
use crate::contract::{Action, Event, LeaveReason, PeerSource};
use crate::peers::Gone;
use crate::piece::Pieces;

impl Swarm {
    pub(super) fn on_peers_found(&mut self, source: PeerSource, addresses: &[SocketAddr]) {
        let is_private = self.stage.is_private();
        if self.roster.add(self.now, source, addresses, is_private) {
            self.dial();
        }
    }

    /// Connects to as many peers as there are places for.
    pub(super) fn dial(&mut self) {
        if self.run != Run::Running {
            return;
        }
        let is_finished = self.stage.is_finished();
        self.roster.dial(self.now, &mut self.peers, &mut self.out, is_finished);
        if self.peers.len() == 0 && !is_finished {
            self.trackers.request_more_peers(self.now);
        }
    }

    pub(super) fn on_handshake(&mut self, key: PeerKey, theirs: Handshake) {
        let Some(pending) = self.peers.pending_mut(key) else { return };
        let contact = pending.contact.clone();
        if let Some(reason) = self.objection(key, &theirs) {
            return self.leave(key, reason);
        }
        let session = self.session(self.handshake().reserved, &theirs);
        let now = self.now;
        let Some(peer) = self.peers.promote(now, key, theirs.peer_id, session) else { return };
        let (address, id) = (contact.address, theirs.peer_id);
        self.out.tell(Event::PeerJoined { peer: key, address, id });
        if let Some(loaded) = self.stage.loaded() {
            // Nothing was said yet that could be wrong.
            let _ = peer.session.learn_geometry(loaded.picker.geometry().clone());
        }
        let have = self.stage.have();
        let message = match have {
            Some(have) if peer.is_fast() && have.is_full() => Some(Message::HaveAll),
            Some(have) if !have.is_empty() => {
                Some(Message::Bitfield(have.as_bytes().to_vec().into()))
            }
            Some(_) | None => peer.is_fast().then_some(Message::HaveNone),
        };
        // What we have comes first, the shortest way there is (BEP 3, BEP 6).
        if let Some(message) = message {
            self.out.send(now, peer, message);
        }
        self.extensions.send_handshake(now, peer, &mut self.out, self.stage.about());
        if let Some(port) = self.config.dht_port
            && peer.session.features().contains(tinytorrent_wire::Feature::Dht)
        {
            self.out.send(now, peer, Message::Port(port));
        }
        self.out.arm(peer);
        if let Some(twin) = self.roster.greeted(now, &mut self.peers, key, theirs.info_hash) {
            self.leave(twin, LeaveReason::Duplicate);
        }
        if let Some(peer) = self.peers.get_mut(key) {
            self.out.arm(peer);
        }
    }

    /// The reason not to talk to a peer with this handshake, if there is one.
    fn objection(&mut self, key: PeerKey, theirs: &Handshake) -> Option<LeaveReason> {
        let contact = self.peers.contact(key)?.clone();
        if self.run != Run::Running {
            return Some(LeaveReason::Stopped);
        }
        let hashes = &self.config.info_hashes;
        // A peer that came to us is answered by the hash that it named.
        let named =
            contact.info_hash.or(Some(theirs.info_hash).filter(|&hash| hashes.matches(hash)));
        let ours = self.handshake();
        let ours = Handshake { info_hash: named.unwrap_or(ours.info_hash), ..ours };
        match check_greeting(hashes, &ours, theirs) {
            Err(GreetingError::WrongTorrent { .. }) => Some(LeaveReason::WrongTorrent),
            // Our own id is found with the other objections.
            Ok(_) | Err(_) => self.roster.objection(&self.peers, &contact, theirs.peer_id),
        }
    }

    /// The content has become known while the peer was there.
    pub(super) fn on_content_for(&mut self, key: PeerKey) {
        let now = self.now;
        let (Some(peer), Some(loaded)) = (self.peers.get_mut(key), self.stage.loaded()) else {
            return;
        };
        let (geometry, is_private) = (loaded.picker.geometry().clone(), loaded.is_private);
        let is_allowed = self.extensions.may_exchange(is_private);
        exchange::begin(now, peer, &mut self.out, is_allowed);
        if let Err(violation) = peer.session.learn_geometry(geometry) {
            return self.leave(key, LeaveReason::Violation(violation));
        }
        self.count_pieces(key);
        let (Some(peer), Some(loaded)) = (self.peers.get_mut(key), self.stage.loaded()) else {
            return;
        };
        self.extensions.send_handshake(now, peer, &mut self.out, self.stage.about());
        // The one bitfield of this connection is spent, or its time has passed.
        let have = loaded.picker.have().iter();
        let lacks = |pieces: &Pieces, index: &u32| !pieces.get(*index);
        let news: Vec<u32> = match peer.pieces() {
            Some(pieces) => have.filter(|index| lacks(pieces, index)).collect(),
            None => Vec::new(),
        };
        for index in news {
            self.out.send(now, peer, Message::Have(index));
        }
        let hash = self.config.info_hashes.to_wire();
        allowed_fast::send(now, peer, &mut self.out, loaded.picker.have(), hash);
    }

    /// Counts the pieces of a peer that has told of all of them at once.
    pub(super) fn count_pieces(&mut self, key: PeerKey) {
        let now = self.now;
        let (Some(peer), Some(picker)) = (self.peers.get_mut(key), self.stage.picker_mut()) else {
            return;
        };
        let Some(pieces) = peer.session.pieces(Side::Peer) else { return };
        picker.add_peer(pieces);
        peer.pipeline.interesting = picker.count_wanted(pieces);
        peer.pipeline.search.searched = None;
        let is_pointless = peer.is_seed() && picker.have().is_full();
        if is_pointless {
            return self.leave(key, LeaveReason::Useless);
        }
        self.download.update_interest(now, peer, &mut self.out);
    }

    pub(super) fn send_allowed_fast(&mut self, key: PeerKey) {
        let hash = self.config.info_hashes.to_wire();
        if let (Some(peer), Some(have)) = (self.peers.get_mut(key), self.stage.have()) {
            allowed_fast::send(self.now, peer, &mut self.out, have, hash);
        }
    }

    /// Ends a connection from our side.
    pub(super) fn leave(&mut self, key: PeerKey, reason: LeaveReason) {
        if self.peers.contact(key).is_some() {
            self.out.act(Action::Disconnect { peer: key, reason: reason.clone() });
            self.forget(key, reason);
        }
    }

    /// The connection is gone: whatever it held is given back.
    pub(super) fn forget(&mut self, key: PeerKey, reason: LeaveReason) {
        let Some(mut gone) = self.peers.remove(key) else { return };
        let now = self.now;
        self.stage.remove_peer(key);
        let mut has_slot = false;
        if let Gone::Live(peer) = &mut gone {
            has_slot = self.upload.forget(peer);
            if let Some(picker) = self.stage.picker_mut() {
                self.download.forget(peer, picker);
            }
        }
        self.roster.left(now, key, &gone, &reason);
        if has_slot {
            self.upload.fill_slots(now, &mut self.peers, &mut self.out);
        }
        let address = gone.contact().address;
        self.out.tell(Event::PeerLeft { peer: key, address, reason });
        self.fetch();
        self.dial();
    }

    /// Bans a peer that proved to have sent wrong blocks of this piece, connected or not.
    pub(super) fn ban_for(&mut self, key: PeerKey, piece: PieceIndex) {
        if let Some(address) = self.roster.ban(&self.peers, key) {
            self.out.tell(Event::PeerBanned { address, piece });
        }
        self.leave(key, LeaveReason::Banned);
    }

    /// Bans a peer that sent metadata or hashes that are not what the info-hash names, all by itself.
    pub(super) fn ban(&mut self, key: PeerKey) {
        if self.peers.get(key).is_some() {
            self.roster.ban(&self.peers, key);
            self.leave(key, LeaveReason::Banned);
        }
    }

    /// Once everything is here, two seeds have nothing for each other (W-52).
    pub(super) fn leave_seeds(&mut self) {
        if !self.stage.is_full() {
            return;
        }
        let done = self.peers.iter().filter(|peer| peer.is_seed() || peer.is_upload_only);
        for key in done.map(|peer| peer.key).collect::<Vec<_>>() {
            self.leave(key, LeaveReason::Useless);
        }
    }

    /// Does what is due with one connection.
    pub(super) fn on_reminder(&mut self, at: Instant, key: PeerKey) {
        let now = self.now;
        if let Some(pending) = self.peers.pending_mut(key) {
            if pending.timing.disarm(at) && pending.deadline() <= now {
                self.leave(key, LeaveReason::Idle);
            }
            return;
        }
        if !self.peers.get_mut(key).is_some_and(|peer| peer.timing.disarm(at)) {
            return; // an earlier reminder has taken its place
        }
        if let Some(twin) = self.roster.choose_twin(now, &mut self.peers, key) {
            self.leave(twin, LeaveReason::Duplicate);
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        // Reminders come often enough for either.
        if peer.timing.is_silent(now) || peer.is_stuck(now) {
            return self.leave(key, LeaveReason::Idle);
        }
        self.download.end_rest(now, peer);
        if peer.is_silent_for(now, crate::peer::SNUB) {
            if peer.pipeline.note_snub() {
                return self.leave(key, LeaveReason::Idle);
            }
            if let Some(picker) = self.stage.picker_mut() {
                self.download.on_snub(now, peer, picker, &mut self.out);
            }
        }
        exchange::send(now, &mut self.peers, key, &mut self.out);
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.timing.needs_keep_alive(now) {
            self.out.send(now, peer, Message::KeepAlive);
        }
        self.out.arm(peer);
    }

    pub(super) fn on_announced(&mut self, outcome: AnnounceOutcome) {
        let AnnounceOutcome { id, result } = outcome;
        let url = self.trackers.on_announced(self.now, id, result.as_ref());
        match (result, url) {
            (Ok(response), url) => {
                let peers = self.on_answer(&response);
                self.out.tell_if(url.map(|url| Event::TrackerAnswered { url, peers }));
            }
            (Err(failure), url) => {
                self.out.tell_if(url.map(|url| Event::TrackerFailed { url, failure }));
            }
        }
        self.announce();
    }

    /// Takes in the answer of a tracker. Returns the number of peers in it.
    fn on_answer(&mut self, response: &AnnounceResponse) -> usize {
        if let Some(ip) = response.external_ip {
            self.roster.add_own(ip);
        }
        let others = response.peers.iter().filter(|peer| peer.id != Some(self.config.peer_id));
        let addresses: Vec<_> = others.map(|peer| peer.address).collect();
        if self.run == Run::Running {
            self.on_peers_found(PeerSource::Tracker, &addresses);
        }
        addresses.len()
    }
}
