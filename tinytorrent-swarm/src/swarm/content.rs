//! The content of the torrent: it becomes known, its pieces come and go, and it is complete.

use tinytorrent_types::{BlockDigest, PieceIndex};

use super::Swarm;
use crate::PeerKey;
use crate::contract::{Content, Event, LeaveReason};
use crate::planted::{Bug, is_planted};
use crate::stage::{Loaded, Stage};
use crate::then::Then;
use crate::trackers::Completeness;
use crate::{availability, exchange, extensions};

impl Swarm {
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
        let recovered = picker.recovered_pieces();
        if is_planted(Bug::TrustsRecord) {
            recovered.into_iter().for_each(|piece| _ = picker.verified(piece));
        } else {
            self.download.verify(recovered, &mut self.out);
        }
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
            // The peer that the rest comes from is a seed as well.
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
            if !self.super_seed_to(key) {
                self.tell_all(key);
            }
            // Behind the pieces: libtorrent leaves those at once that want nothing and have nothing, for a minute.
            if let Some(peer) = self.peers.get_mut(key) {
                self.extensions.send_handshake(now, peer, &mut self.out, about);
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

    /// The metadata says that the torrent is private (BEP 27): whoever came by hearsay is left, and nobody is
    /// told of the others.
    pub(super) fn become_private(&mut self) {
        if !self.extensions.become_private() {
            return;
        }
        self.trackers.become_private();
        self.greeting.become_private();
        self.look_ups = None;
        self.punching = None;
        if let Some(exchange) = self.tracker_exchange.take() {
            exchange.end(self.now, &mut self.trackers);
        }
        for key in self.roster.forget_hearsay(&self.peers) {
            self.part(key, LeaveReason::NotOfTracker);
        }
        for peer in self.peers.iter_mut() {
            exchange::begin(self.now, peer, &mut self.out, false);
        }
        self.replace();
    }

    pub(super) fn on_metadata_refused(&mut self) {
        let Stage::Metadata(fetch) = &mut self.stage else { return };
        // Only one that sent all of it is proven to lie; others may have shared with a liar.
        for liar in fetch.on_refused(self.now, &mut self.out) {
            self.ban(liar, None);
        }
        self.fetch();
    }

    pub(super) fn on_piece_verified(&mut self, piece: PieceIndex, digests: &[BlockDigest]) {
        let Some(picker) = self.stage.picker_mut() else { return };
        let was_finished = picker.is_finished();
        let (now, peers, out) = (self.now, &mut self.peers, &mut self.out);
        let verified = self.download.on_verified(now, peers, picker, out, piece, digests);
        let Some(guilty) = verified else { return };
        // Before the end of the download is told, so that liars do not count as its peers.
        guilty.into_iter().for_each(|guilty| self.on_guilty(guilty, piece));
        if self.stage.is_finished() && !was_finished {
            self.on_finished();
        }
    }

    pub(super) fn on_piece_failed(&mut self, piece: PieceIndex, digests: &[BlockDigest]) {
        if is_planted(Bug::TrustsFailed) {
            return self.on_piece_verified(piece, digests);
        }
        let Some(picker) = self.stage.picker_mut() else { return };
        let (peers, out) = (&mut self.peers, &mut self.out);
        let guilty = self.download.on_failed(peers, picker, out, piece, digests);
        guilty.into_iter().for_each(|guilty| self.on_guilty(guilty, piece));
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
}
