//! The way of each input to the part whose concern it is.

use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_tracker::AnnounceResponse;
use tinytorrent_wire::extension::TexMessage;
use tinytorrent_wire::session::Verdict;
use tinytorrent_wire::{Handshake, Message, PieceHeader};

use super::parts::Parts;
use super::super_seeding::News;
use super::{Run, Swarm};
use crate::PeerKey;
use crate::announce::AnnounceOutcome;
use crate::contract::{BlockVerdict, Event, LeaveReason, PeerSource, Transport};
use crate::exchange;
use crate::peer::SNUB;
use crate::roster::{Need, Teller};
use crate::then::Then;

impl Swarm {
    pub(super) fn on_message(&mut self, key: PeerKey, message: Message) {
        if let Message::Piece(piece) = message {
            // It belongs to `handle_block`; a caller that sends it here has lost the bytes.
            self.on_block(key, piece.header());
            return;
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        let news = News::of(&message).filter(|_| self.super_seed.is_some());
        let mut parts = Parts {
            now: self.now,
            greeting: &self.greeting,
            extensions: &self.extensions,
            stage: &mut self.stage,
            roster: &mut self.roster,
            download: &mut self.download,
            upload: &mut self.upload,
            out: &mut self.out,
        };
        let then = parts.on_message(peer, message);
        // Before it is left as a seed.
        if let Some(news) = news {
            self.on_pieces_of(key, news);
        }
        self.follow(key, then);
    }

    /// Does what a message calls for beyond the peer that sent it.
    pub(super) fn follow(&mut self, key: PeerKey, then: Then) {
        match then {
            Then::Nothing => {}
            Then::FillSlots => {
                self.upload.fill_slots(self.now, &mut self.peers, &mut self.out);
            }
            Then::Fetch => self.fetch(),
            Then::AddPeers(told) => self.on_peers_told(key, &told),
            Then::LearnTrackers(message) => self.on_trackers_told(key, &message),
            Then::Introduce(message) => self.on_introduction(key, message),
            Then::Greeted => {
                self.roster.prove_twins(self.now, &mut self.peers, key, &mut self.out);
                // Another peer may be asked at once for metadata that this one owed.
                self.fetch();
            }
            Then::HearTwin(message) => {
                if let Some(twin) = self.roster.hear_twin(&mut self.peers, key, &message) {
                    self.leave(twin, LeaveReason::Duplicate);
                }
                self.roster.prove_twins(self.now, &mut self.peers, key, &mut self.out);
            }
            Then::Leave(reason) => self.leave(key, reason),
        }
    }

    pub(super) fn on_peers_found(&mut self, teller: impl Into<Teller>, addresses: &[SocketAddr]) {
        let is_private = self.extensions.is_private();
        if self.roster.add(self.now, teller.into(), addresses, is_private) {
            self.dial();
        }
    }

    /// Connects to as many peers as there are places for.
    pub(super) fn dial(&mut self) {
        if !self.is_open() {
            return;
        }
        let (now, need) = (self.now, self.need());
        while let Some((key, reason)) = self.roster.dial(now, &mut self.peers, &mut self.out, need)
        {
            self.part(key, reason);
        }
        // The schedule keeps to what trackers allow, however often this is said.
        if self.is_hungry() {
            self.trackers.request_more_peers(now);
            if let Some(look_ups) = &mut self.look_ups {
                look_ups.request_more_peers();
            }
        }
    }

    /// Returns true if nobody is there to download from, or nobody gives.
    fn is_hungry(&self) -> bool {
        let is_alone = self.peers.len() == 0 && !self.stage.is_finished();
        is_alone || (self.need() == Some(Need::Gifts) && self.roster.is_hungry(self.now))
    }

    /// Asks the DHT for peers, if that is due.
    pub(super) fn look_up(&mut self) {
        if self.look_ups.is_none() || !self.is_open() {
            return;
        }
        let (is_seed, is_hungry) = (self.stage.is_full(), self.is_hungry());
        if let Some(look_ups) = &mut self.look_ups {
            look_ups.look_up(self.now, is_seed, is_hungry, &mut self.out);
        }
    }

    pub(super) fn on_handshake(&mut self, key: PeerKey, transport: Transport, theirs: Handshake) {
        let now = self.now;
        let Some(pending) = self.peers.pending_mut(key) else { return };
        pending.contact.note_transport(transport);
        let contact = pending.contact.clone();
        let (address, id) = (contact.address, theirs.peer_id);
        // A connection that was under way at a pause comes to be all the same.
        let objection = match self.is_open() {
            true => self.roster.objection(&contact, id),
            false => Some(LeaveReason::Stopped),
        };
        let session = match objection.map_or_else(|| self.greeting.check(&contact, &theirs), Err) {
            Ok(session) => session,
            Err(reason) => return self.leave(key, reason),
        };
        let (about, is_super_seeding) = (self.about(), self.is_super_seeding());
        let Some(peer) = self.peers.promote(now, key, id, session) else { return };
        if let Some(punching) = self.punching.as_mut().filter(|_| contact.is_punched) {
            punching.counts.connected += 1;
        }
        self.download.add_partial(peer);
        self.upload.join(peer);
        self.out.tell(Event::PeerJoined { peer: key, address, id });
        if let Some(picker) = self.stage.picker() {
            // Nothing was said yet that could be wrong.
            let _ = peer.session.learn_geometry(picker.geometry().clone());
        }
        // With the fast extension this has to be the very first message (BEP 6).
        let have = self.stage.have().filter(|_| !is_super_seeding);
        self.greeting.send_have(now, peer, &mut self.out, have);
        self.extensions.send_handshake(now, peer, &mut self.out, about);
        self.greeting.send_port(now, peer, &mut self.out);
        self.super_seed_to(key);
        // After our first messages: the other end may be the one that chooses, and needs to know us.
        self.roster.greeted(now, &mut self.peers, key, theirs.info_hash);
        if let Some(peer) = self.peers.get_mut(key) {
            self.out.arm(peer);
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
        // It may be this connection, so the peer is looked up anew.
        for twin in self.roster.choose_twin(now, &mut self.peers, key) {
            self.leave(twin, LeaveReason::Duplicate);
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        // Reminders come often enough for either.
        if peer.timing.is_silent(now) || peer.is_stuck(now) {
            return self.leave(key, LeaveReason::Idle);
        }
        self.download.end_rest(now, peer);
        if peer.is_silent_for(now, SNUB) {
            if peer.pipeline.note_snub() {
                return self.leave(key, LeaveReason::Idle);
            }
            if let Some(picker) = self.stage.picker_mut() {
                self.download.on_snub(now, peer, picker, &mut self.out);
            }
        }
        // Any message counts as a sign of life, so this comes before the keep-alive.
        exchange::send(now, &mut self.peers, key, &mut self.out);
        let Some(peer) = self.peers.get_mut(key) else { return };
        // Not before it is known that the torrent is not private (BEP 27).
        if let Some(exchange) =
            self.tracker_exchange.as_ref().filter(|_| self.stage.picker().is_some())
        {
            exchange.send(now, peer, &self.trackers, &mut self.out);
        }
        if peer.timing.needs_keep_alive(now) {
            self.out.send(now, peer, Message::KeepAlive);
        }
        self.out.arm(peer);
    }

    pub(super) fn on_announced(&mut self, outcome: AnnounceOutcome) {
        let AnnounceOutcome { id, mut result } = outcome;
        if let Ok(response) = &mut result {
            // A tracker that knows only us knows nobody.
            response.peers.retain(|peer| !self.roster.is_ours(peer));
        }
        // The peers of a tracker that the user has removed are of no use.
        if let Some((url, is_switch)) = self.trackers.on_announced(self.now, id, result.as_ref()) {
            if is_switch {
                self.on_tracker_changed();
            }
            if let Some(exchange) = &mut self.tracker_exchange {
                exchange.note(self.now, id.tracker(), result.is_ok(), &mut self.trackers);
            }
            let event = match result {
                Ok(response) => Event::TrackerAnswered { url, peers: self.on_answer(&response) },
                Err(failure) => Event::TrackerFailed { url, failure },
            };
            self.out.tell(event);
        }
        self.announce();
    }

    /// A peer tells of trackers.
    fn on_trackers_told(&mut self, key: PeerKey, message: &TexMessage) {
        let (Some(peer), Some(exchange)) = (self.peers.get_mut(key), &mut self.tracker_exchange)
        else {
            return;
        };
        // The hash of a torrent that may be private is nobody's business (BEP 27).
        if self.stage.picker().is_some() {
            exchange.learn(self.now, peer, message, &mut self.trackers);
            self.announce();
        }
    }

    /// Another tracker is used than before. A private torrent does not mix the peers of both (BEP 27).
    pub(super) fn on_tracker_changed(&mut self) {
        if self.extensions.is_private() {
            self.roster.forget_told();
            self.leave_all(LeaveReason::TrackerChanged);
        }
    }

    /// Takes in the answer of a tracker. Returns the number of peers in it.
    fn on_answer(&mut self, response: &AnnounceResponse) -> usize {
        let vote = |ip| self.roster.vote_of_tracker(ip);
        if let Some(ip) = response.external_ip.and_then(vote) {
            self.out.tell(Event::OwnAddressAgreed { ip });
        }
        let addresses: Vec<_> = response.peers.iter().map(|peer| peer.address).collect();
        if self.run == Run::Running {
            self.on_peers_found(PeerSource::of_tracker(response.reached_at), &addresses);
        }
        addresses.len()
    }

    pub(super) fn on_block(&mut self, key: PeerKey, header: PieceHeader) -> BlockVerdict {
        let (now, length) = (self.now, u64::from(header.length));
        let Some(peer) = self.peers.get_mut(key) else { return BlockVerdict::Discard };
        peer.timing.last_received = now;
        let judged = peer.session.handle_received_block(header);
        if let (Ok(Verdict::Legal), Some(picker)) = (&judged, self.stage.picker_mut())
            && let Some(block) = peer.block_of(header)
        {
            let received = self.download.on_block(now, peer, picker, block);
            if received.verdict != BlockVerdict::Discard {
                self.roster.note_gift(now);
            }
            // Saves the other peer an upload that would be thrown away.
            if let Some(other) = received.other.and_then(|other| self.peers.get_mut(other)) {
                self.download.take_back(now, other, &mut self.out, block);
            }
            return received.verdict;
        }
        // Whoever is at fault, the bytes have come over the line.
        self.download.on_waste(length);
        match judged {
            Err(violation) => self.leave(key, LeaveReason::Violation(violation)),
            // A block that is too short is as good as a reject.
            Ok(Verdict::Void(requests)) => {
                if let Some(picker) = self.stage.picker_mut() {
                    for request in requests {
                        self.download.on_reject(now, peer, picker, &mut self.out, request);
                    }
                }
            }
            Ok(Verdict::Legal | Verdict::Ignore(_) | Verdict::Refuse(_)) => {}
        }
        BlockVerdict::Discard
    }

    /// One instant for a batch, and never an earlier one than before.
    pub(super) fn advance(&mut self, now: Instant) {
        // Drivers read clocks in several threads; a step back would make a negative wait.
        self.now = self.now.max(now);
    }

    /// Asks peers for metadata or hashes that are due.
    pub(super) fn fetch(&mut self) {
        self.stage.fetch(self.now, &mut self.peers, &mut self.out);
    }

    /// Sends the announces that are due.
    pub(super) fn announce(&mut self) {
        let progress = self.progress();
        self.trackers.announce(self.now, self.handshake(), progress, &mut self.out);
    }
}
