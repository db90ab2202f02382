//! Who is connected: candidates, handshakes, silence, ends.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tinytorrent_types::PeerId;
use tinytorrent_wire::{Feature, Handshake, Message};

use super::{RESERVED, Stage, Swarm};
use crate::config::{KEEP_ALIVE, MAX_SILENCE, MAX_SNUBS, SNUB};
use crate::contract::{Action, Event, LeaveReason, PeerSource};
use crate::peer::Peer;
use crate::{PeerKey, piece::Picker};

/// Peers that left and are remembered for what they sent.
const MAX_DEPARTED: usize = 1_000;

impl Swarm {
    /// Somebody connected to us and named this torrent. `None`: refuse it, without an answer.
    ///
    /// With a key, answer with [`handshake`](Self::handshake), and tell
    /// [`Input::HandshakeCompleted`](crate::Input::HandshakeCompleted) or
    /// [`Input::ConnectFailed`](crate::Input::ConnectFailed).
    pub fn accept(&mut self, now: Instant, address: SocketAddr) -> Option<PeerKey> {
        self.advance(now);
        if !self.is_running || self.book.is_banned(address) || self.is_greedy(address.ip()) {
            return None;
        }
        if self.peers.len() >= self.config.max_peers && !self.make_room() {
            return None;
        }
        self.book.came(address);
        let peer = self.peers.insert(Peer::new(self.now, address, true));
        self.arm(peer);
        Some(peer)
    }

    /// Whether this host has as many places as one gets: half of them, lest it keep all others
    /// out. Many peers may live on our own.
    fn is_greedy(&self, host: IpAddr) -> bool {
        let its = self.peers.iter().filter(|(_, peer)| peer.address.ip() == host);
        !host.is_loopback() && its.count() >= self.config.max_peers.div_ceil(2)
    }

    pub(super) fn on_peers_found(&mut self, source: PeerSource, addresses: &[SocketAddr]) {
        let is_allowed = match source {
            PeerSource::User | PeerSource::Tracker | PeerSource::Incoming => true,
            // BEP 27: no peer of a private torrent but by its trackers.
            PeerSource::Exchange | PeerSource::Magnet => !self.is_private,
        };
        if is_allowed {
            for address in addresses {
                self.book.add(self.now, *address, source);
            }
            self.connect_more();
        }
    }

    pub(super) fn wants_connections(&self) -> bool {
        self.is_running
            && self.peers.len() < self.config.max_peers
            && self.may_dial(self.config.max_connecting)
    }

    /// `true` if fewer of our own dials than this are under way. Connections that came to us and have not
    /// shaken hands do not count: anybody can make them.
    fn may_dial(&self, limit: usize) -> bool {
        // Without many of either there is no need to tell them apart.
        self.peers.len() - self.live < limit || {
            let is_dial = |peer: &Peer| !peer.is_live() && !peer.is_incoming;
            self.peers.iter().filter(|(_, peer)| is_dial(peer)).count() < limit
        }
    }

    pub(super) fn connect_more(&mut self) {
        let drop_seeds = self.is_finished();
        while self.wants_connections() {
            let Some(address) = self.book.next(self.now, drop_seeds) else { break };
            if self.is_connected_to(address) {
                continue; // it came to us; busy until that peer leaves
            }
            let peer = self.peers.insert(Peer::new(self.now, address, false));
            self.arm(peer);
            self.actions.push_back(Action::Connect { peer, address });
        }
        if self.is_running && self.peers.len() == 0 && !self.is_finished() {
            self.trackers.request_more_peers(self.now);
        }
    }

    pub(super) fn on_handshake(&mut self, key: PeerKey, handshake: Handshake) {
        let Some(peer) = self.peers.get(key).filter(|peer| !peer.is_live()) else { return };
        let address = peer.address;
        let is_incoming = peer.is_incoming;
        if let Some(reason) = self.objection(address, is_incoming, handshake.peer_id) {
            if reason == LeaveReason::OurselvesFound && !is_incoming {
                self.book.shun(address);
            }
            return self.disconnect(key, reason);
        }
        let features = RESERVED.intersection(handshake.reserved);
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.id = Some(handshake.peer_id);
        peer.joined = self.now;
        peer.last_received = self.now;
        peer.fast = features.contains(Feature::Fast);
        peer.extended = features.contains(Feature::Extended);
        let extended = peer.extended;
        self.live += 1;
        self.events.push_back(Event::PeerJoined { peer: key, address, id: handshake.peer_id });
        self.send_have(key);
        if extended {
            self.send_extended_handshake(key);
        }
        self.resolve_pieces(key);
        self.meet_twin(key);
        self.arm(key);
    }

    /// Why not to talk to a peer that gave this id.
    fn objection(&self, address: SocketAddr, is_incoming: bool, id: PeerId) -> Option<LeaveReason> {
        if !self.is_running {
            return Some(LeaveReason::Stopped);
        }
        if id == self.config.peer_id {
            return Some(LeaveReason::OurselvesFound);
        }
        if self.book.is_banned(address) || self.book.is_banned_id(address, id) {
            return Some(LeaveReason::Banned);
        }
        // One in the other direction was made at the same time: see `meet_twin`.
        let is_again = |peer: &Peer| peer.is(id, address) && peer.is_incoming == is_incoming;
        self.peers.iter().any(|(_, peer)| is_again(peer)).then_some(LeaveReason::Duplicate)
    }

    /// Says what we have, the shortest way there is (BEP 3, BEP 6).
    fn send_have(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get(key) else { return };
        let fast = peer.fast;
        let message = match self.have() {
            Some(have) if fast && have.is_full() => Message::HaveAll,
            Some(have) if !have.is_empty() => Message::Bitfield(have.as_bytes().to_vec().into()),
            Some(_) | None if fast => Message::HaveNone,
            Some(_) | None => return,
        };
        self.send(key, message);
    }

    /// Ends a connection from our side.
    pub(super) fn disconnect(&mut self, key: PeerKey, reason: LeaveReason) {
        if self.peers.get(key).is_some() {
            self.actions.push_back(Action::Disconnect { peer: key, reason: reason.clone() });
            self.forget_peer(key, reason);
        }
    }

    /// The peer broke a rule. Whoever does that is not worth another visit soon.
    pub(super) fn violation(&mut self, key: PeerKey, rule: &'static str) {
        self.disconnect(key, LeaveReason::Violation(rule));
    }

    /// The connection is gone: whatever it held is given back.
    pub(super) fn forget_peer(&mut self, key: PeerKey, reason: LeaveReason) {
        let Some(peer) = self.peers.remove(key) else { return };
        if peer.is_live() {
            self.live -= 1;
            self.departed.push_back((key, peer.address, peer.id));
            if self.departed.len() > MAX_DEPARTED {
                self.departed.pop_front();
            }
        }
        if peer.uploads.is_waiting {
            self.upload_line.retain(|&waiting| waiting != key);
        }
        if let (Some(picker), Some(pieces)) = (&mut self.picker, peer.pieces()) {
            picker.remove_peer(pieces);
        }
        if let Some(picker) = &mut self.picker {
            for block in &peer.requests.outstanding {
                picker.release(key, *block);
            }
            picker.drop_lead(key);
            self.is_idle = true;
        }
        if let Stage::Metadata { assembly, .. } = &mut self.stage {
            assembly.remove_peer(key);
        }
        if let Stage::Hashes(fetch) = &mut self.stage {
            fetch.remove_peer(key);
        }
        self.put_back(&peer, &reason);
        if peer.slot.is_held() {
            self.fill_slots();
        }
        self.events.push_back(Event::PeerLeft { peer: key, address: peer.address, reason });
        self.wake_idle();
        self.request_metadata();
        self.request_hashes();
        self.connect_more();
    }

    /// Notes in the book how the visit ended.
    fn put_back(&mut self, peer: &Peer, reason: &LeaveReason) {
        self.put_back_address(peer.address, peer, reason);
        if let Some(address) = peer.listens_at.filter(|_| peer.is_incoming) {
            self.put_back_address(address, peer, reason);
        }
    }

    fn put_back_address(&mut self, address: SocketAddr, peer: &Peer, reason: &LeaveReason) {
        let now = self.now;
        match reason {
            LeaveReason::ConnectFailed(_) | LeaveReason::Violation(_) | LeaveReason::Idle => {
                self.book.failed(now, address);
            }
            LeaveReason::Banned | LeaveReason::OurselvesFound => {}
            LeaveReason::Closed(_)
            | LeaveReason::Duplicate
            | LeaveReason::Useless
            | LeaveReason::Crowded
            | LeaveReason::Stopped => {
                if peer.download.total() > 0 {
                    self.book.proved(address);
                }
                self.book.left(now, address, peer.is_seed());
            }
        }
    }

    /// Bans whoever proved to send what is wrong, connected or not.
    pub(super) fn ban(&mut self, key: PeerKey, piece: tinytorrent_types::PieceIndex) {
        let present = self.peers.get(key).map(|peer| (peer.address, peer.id));
        let departed = || self.departed.iter().find(|(departed, ..)| *departed == key);
        let found = present.or_else(|| departed().map(|(_, address, id)| (*address, *id)));
        if let Some((address, id)) = found {
            let is_news = !self.book.is_banned(address);
            if is_news {
                self.events.push_back(Event::PeerBanned { address, piece });
            }
            self.banish(key, address, id);
        }
    }

    /// Leaves a peer for good.
    pub(super) fn banish(&mut self, key: PeerKey, address: SocketAddr, id: Option<PeerId>) {
        self.book.ban(address, id);
        self.disconnect(key, LeaveReason::Banned);
    }

    /// Makes a place for a newcomer by leaving somebody who is of no use, if there is one.
    fn make_room(&mut self) -> bool {
        let is_useless = |peer: &Peer| {
            peer.is_live() && !peer.is_interested && !peer.am_interested && self.picker.is_some()
        };
        let useless = self.peers.iter().find(|(_, peer)| is_useless(peer)).map(|(key, _)| key);
        if let Some(key) = useless {
            self.disconnect(key, LeaveReason::Crowded);
        }
        self.peers.len() < self.config.max_peers
    }

    /// Sets a reminder for the peer unless an earlier one is set.
    pub(super) fn arm(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let deadline = peer.deadline();
        if peer.armed.is_none_or(|armed| deadline < armed) {
            peer.armed = Some(deadline);
            self.timers.remind(deadline, key);
        }
    }

    pub(super) fn on_reminder(&mut self, at: Instant, key: PeerKey) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.armed != Some(at) {
            return; // an earlier reminder has taken its place
        }
        peer.armed = None;
        if self.choose_twin(key) {
            return;
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        // Reminders come often enough for either.
        if now >= peer.last_received + MAX_SILENCE || peer.is_stuck(now) {
            return self.disconnect(key, LeaveReason::Idle);
        }
        let rest_is_over = peer.requests.credit.end_rest(now);
        if peer.is_silent_for(now, SNUB) {
            peer.requests.snubs += 1;
            if peer.requests.snubs >= MAX_SNUBS {
                return self.disconnect(key, LeaveReason::Idle);
            }
            self.take_back_requests(key);
        }
        if rest_is_over {
            self.make_hungry(key);
        }
        if let Some(peer) = self.peers.get(key)
            && peer.exchange.as_ref().is_some_and(|exchange| now >= exchange.next)
        {
            self.tell_peers(key);
        }
        if let Some(peer) = self.peers.get(key)
            && now >= peer.last_sent + KEEP_ALIVE
        {
            if peer.is_live() {
                self.send(key, Message::KeepAlive);
            } else if let Some(peer) = self.peers.get_mut(key) {
                peer.last_sent = now;
            }
        }
        self.arm(key);
    }

    /// Once everything is here, two seeds have nothing for each other (W-52).
    pub(super) fn leave_seeds(&mut self) {
        if !self.picker.as_ref().is_some_and(|picker| picker.have().is_full()) {
            return;
        }
        let is_done = |peer: &Peer| peer.is_live() && (peer.is_seed() || peer.is_upload_only);
        let seeds: Vec<_> =
            self.peers.iter().filter(|(_, peer)| is_done(peer)).map(|(key, _)| key).collect();
        for key in seeds {
            self.disconnect(key, LeaveReason::Useless);
        }
    }

    /// Whether the peer is a seed and so are we.
    pub(super) fn is_pointless(&self, key: PeerKey) -> bool {
        let is_full = self.picker.as_ref().map(Picker::have).is_some_and(|have| have.is_full());
        is_full && self.peers.get(key).is_some_and(Peer::is_seed)
    }
}
