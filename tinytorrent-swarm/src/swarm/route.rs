//! The way of each input to the part whose concern it is.

use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_tracker::AnnounceResponse;
use tinytorrent_types::{BlockDigest, PieceIndex};
use tinytorrent_wire::session::Verdict;
use tinytorrent_wire::{Handshake, Message, PieceHeader};

use super::parts::Parts;
use super::super_seeding::News;
use super::{Run, Swarm};
use crate::PeerKey;
use crate::announce::AnnounceOutcome;
use crate::contract::{BlockVerdict, Content, Event, LeaveReason, PeerSource, Transport};
use crate::peer::SNUB;
use crate::roster::{Need, Teller};
use crate::stage::{Loaded, Stage};
use crate::then::Then;
use crate::trackers::Completeness;
use crate::{availability, exchange, extensions};

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
    fn follow(&mut self, key: PeerKey, then: Then) {
        match then {
            Then::Nothing => {}
            Then::FillSlots => {
                self.upload.fill_slots(self.now, &mut self.peers, &mut self.out);
            }
            Then::Fetch => self.fetch(),
            Then::AddPeers(addresses) => {
                if let Some(contact) = self.peers.contact(key) {
                    let teller = Teller::peer(contact.address.ip());
                    self.on_peers_found(teller, &addresses);
                }
            }
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

    /// The content has become known while the peer was there.
    fn on_content_for(&mut self, key: PeerKey) {
        let now = self.now;
        let about = self.about();
        let (Some(peer), Some(picker)) = (self.peers.get_mut(key), self.stage.picker_mut()) else {
            return;
        };
        let out = &mut self.out;
        exchange::begin(now, peer, out, self.extensions.may_exchange());
        if let Err(violation) = peer.session.learn_geometry(picker.geometry().clone()) {
            // Leaving takes its pieces out of the count.
            availability::count(now, peer, picker, &mut self.download, out);
            return self.leave(key, LeaveReason::Violation(violation));
        }
        let then = availability::count(now, peer, picker, &mut self.download, out);
        // A seed that is of no use is about to be left, and needs to hear nothing more.
        if then == Then::Nothing {
            self.extensions.send_handshake(now, peer, out, about);
            if !self.super_seed_to(key) {
                self.tell_all(key);
            }
        }
        self.follow(key, then);
    }

    /// Tells a peer of all pieces that we have, one by one.
    fn tell_all(&mut self, key: PeerKey) {
        let (Some(peer), Some(have)) = (self.peers.get_mut(key), self.stage.have()) else { return };
        // The one bitfield of this connection is spent, or its time has passed.
        extensions::send_haves(self.now, peer, &mut self.out, have);
        self.greeting.send_allowed_fast(self.now, peer, &mut self.out, have);
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
            let event = match result {
                Ok(response) => Event::TrackerAnswered { url, peers: self.on_answer(&response) },
                Err(failure) => Event::TrackerFailed { url, failure },
            };
            self.out.tell(event);
        }
        self.announce();
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

    /// The content is known: what the peers said before can be read, and nobody is dropped.
    pub(super) fn on_content_ready(&mut self, content: Content) {
        if self.stage.picker().is_some() {
            return;
        }
        let Content { geometry, have, wanted, partial, info, is_private } = content;
        if is_private {
            self.become_private();
        }
        let mut picker = self.picking.picker(geometry, have, wanted);
        partial.into_iter().for_each(|block| picker.recover(block));
        // All their blocks are on the disk, so that no peer will bring a last one.
        self.download.verify(picker.recovered_pieces(), &mut self.out);
        // Before peers are told: the first announce says what is left.
        self.trackers.begin(
            self.now,
            Completeness::of(picker.have().is_full(), picker.is_finished()),
            self.extensions.is_private(),
        );
        if picker.is_finished() {
            self.out.tell(Event::Finished);
        } else {
            // They may have been left when everything was here.
            self.roster.recall_seeds(self.now);
        }
        if !picker.have().is_full() {
            // Whom the rest comes from is a seed as well.
            self.super_seed = None;
        }
        self.stage = Stage::Loaded(Box::new(Loaded { picker, info }));
        self.hurry(false);
        self.roster.note_gift(self.now);
        // A peer that broke a rule before its words could be read is left on the way.
        for key in self.peers.iter().map(|peer| peer.key).collect::<Vec<_>>() {
            self.on_content_for(key);
        }
        self.announce();
        if let Some(look_ups) = &mut self.look_ups {
            look_ups.begin();
        }
        self.look_up();
        self.dial();
    }

    /// The metadata says that the torrent is private (BEP 27): whoever came by hearsay is left, and nobody is
    /// told of the others.
    pub(super) fn become_private(&mut self) {
        if !self.extensions.become_private() {
            return;
        }
        self.trackers.become_private();
        self.greeting.become_private();
        self.look_ups = None;
        for key in self.roster.forget_hearsay(&self.peers) {
            self.part(key, LeaveReason::NotOfTracker);
        }
        for peer in self.peers.iter_mut() {
            exchange::begin(self.now, peer, &mut self.out, false);
        }
        self.replace();
    }

    pub(super) fn on_piece_verified(&mut self, piece: PieceIndex, digests: &[BlockDigest]) {
        let Some(picker) = self.stage.picker_mut() else { return };
        let was_finished = picker.is_finished();
        let (now, peers, out) = (self.now, &mut self.peers, &mut self.out);
        let verified = self.download.on_verified(now, peers, picker, out, piece, digests);
        let Some(guilty) = verified else { return };
        // Before the end of the download is told, so that liars do not count as its peers.
        guilty.into_iter().for_each(|guilty| self.ban(guilty, Some(piece)));
        if self.stage.is_finished() && !was_finished {
            self.on_finished();
        }
    }

    pub(super) fn on_finished(&mut self) {
        let now = self.now;
        self.out.tell(Event::Finished);
        // A tracker that shows seeds should know at once (BEP 3, `completed`).
        self.trackers.set_complete(now, self.stage.is_full());
        self.announce();
        for peer in self.peers.iter_mut() {
            extensions::send_upload_only(now, peer, &mut self.out, true);
        }
        // Those that download nothing have nothing for us any more, nor we for them (W-52).
        let done = self.peers.iter().filter(|peer| peer.is_seed() || peer.claims.is_upload_only);
        for key in done.map(|peer| peer.key).collect::<Vec<_>>() {
            self.leave(key, LeaveReason::Useless);
        }
    }

    /// Pieces are wanted again after the download was finished.
    pub(super) fn on_unfinished(&mut self) {
        let now = self.now;
        self.out.tell(Event::Unfinished);
        self.roster.note_gift(now);
        self.roster.recall_seeds(now);
        self.trackers.set_incomplete(now);
        for peer in self.peers.iter_mut() {
            extensions::send_upload_only(now, peer, &mut self.out, false);
        }
        self.announce();
        self.dial();
    }

    pub(super) fn on_piece_failed(&mut self, piece: PieceIndex, digests: &[BlockDigest]) {
        let Some(picker) = self.stage.picker_mut() else { return };
        let (peers, out) = (&mut self.peers, &mut self.out);
        let guilty = self.download.on_failed(peers, picker, out, piece, digests);
        guilty.into_iter().for_each(|guilty| self.ban(guilty, Some(piece)));
    }

    pub(super) fn on_piece_lost(&mut self, piece: PieceIndex) {
        if !self.stage.picker_mut().is_some_and(|picker| picker.lose(piece)) {
            return;
        }
        self.out.tell(Event::PieceLost { piece });
        for peer in self.peers.iter_mut() {
            extensions::send_dont_have(self.now, peer, &mut self.out, piece);
        }
    }

    pub(super) fn on_metadata_refused(&mut self) {
        let Stage::Metadata(fetch) = &mut self.stage else { return };
        // Only one that sent all of it is proven to lie; others may have shared with a liar.
        for liar in fetch.on_refused(self.now, &mut self.out) {
            self.ban(liar, None);
        }
        self.fetch();
    }
}
