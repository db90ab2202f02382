//! The places at which super seeding changes what peers are told.

use std::time::Instant;

use tinytorrent_types::BlockInfo;
use tinytorrent_wire::Message;

use super::Swarm;
use crate::PeerKey;
use crate::extensions::{self, About};
use crate::super_seed::SuperSeed;

/// The pieces that a message is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum News {
    One(u32),
    All,
}

impl News {
    pub(super) fn of(message: &Message) -> Option<Self> {
        match message {
            Message::Have(index) => Some(News::One(*index)),
            Message::Bitfield(_) | Message::HaveAll => Some(News::All),
            _ => None,
        }
    }
}

impl Swarm {
    /// Super seeds from now on (BEP 16), or tells all peers of all pieces, by and by. It begins only with a
    /// complete content, and with peers that come from now on: the others know all pieces already.
    pub fn set_super_seeding(&mut self, now: Instant, super_seeding: bool) {
        self.advance(now);
        if !super_seeding {
            return self.end_super_seed();
        }
        let may_begin = self.stage.picker().is_none() || self.stage.is_full();
        if may_begin && !self.super_seed.as_ref().is_some_and(|seed| seed.is_active()) {
            // A number that differs from run to run with the rest of the seed.
            let seed = u64::from(self.trackers.key());
            self.super_seed = Some(Box::new(SuperSeed::new(seed)));
        }
    }

    /// Returns true while peers that come are told of single pieces only. It ends by itself when there
    /// is another seed.
    pub fn is_super_seeding(&self) -> bool {
        self.stage.is_full() && self.super_seed.as_ref().is_some_and(|seed| seed.is_active())
    }

    /// The state that peers are told of.
    pub(super) fn about(&self) -> About {
        let about = self.stage.about();
        // Some leave a peer at once that has nothing and wants nothing.
        About {
            is_upload_only: about.is_upload_only && !self.is_super_seeding(),
            tracker_list: self.tracker_exchange.as_ref().and_then(|exchange| exchange.hash()),
            ..about
        }
    }

    /// Tells a peer of its first piece. Returns false if it is to be told of all.
    pub(super) fn super_seed_to(&mut self, key: PeerKey) -> bool {
        let is_active = self.is_super_seeding();
        let (Some(seed), Some(picker), Some(peer)) =
            (&mut self.super_seed, self.stage.picker(), self.peers.get_mut(key))
        else {
            return false;
        };
        if is_active {
            seed.join(self.now, peer, picker, &mut self.out);
        }
        is_active
    }

    /// A peer has told of its pieces.
    pub(super) fn on_pieces_of(&mut self, key: PeerKey, news: News) {
        let (Some(seed), Some(picker)) = (&mut self.super_seed, self.stage.picker()) else {
            return;
        };
        let (now, peers, out) = (self.now, &mut self.peers, &mut self.out);
        let Some(peer) = peers.get(key) else { return };
        if peer.is_seed() {
            return self.end_super_seed();
        }
        match news {
            News::All => seed.on_pieces(now, peers, key, picker, out),
            News::One(index) => {
                let piece = picker.geometry().piece(index);
                let has = |piece| peer.pieces().is_some_and(|pieces| pieces.contains(piece));
                if let Some(piece) = piece.filter(|piece| has(*piece)) {
                    seed.on_have(now, peers, key, picker, out, piece);
                }
            }
        }
    }

    /// A block was sent to a peer.
    pub(super) fn super_seed_sent(&mut self, key: PeerKey, block: BlockInfo) {
        let (Some(seed), Some(picker)) = (&mut self.super_seed, self.stage.picker()) else {
            return;
        };
        if seed.on_served(picker.geometry(), key, block) {
            self.on_message(key, Message::Have(block.piece().get()));
        }
    }

    /// Tells of further pieces what is due.
    pub(super) fn look_at_super_seed(&mut self) {
        let (Some(seed), Some(picker)) = (&mut self.super_seed, self.stage.picker()) else {
            return;
        };
        seed.handle_timeout(self.now, &mut self.peers, picker, &mut self.out);
        self.super_seed.take_if(|seed| seed.is_over());
    }

    /// There is another seed, or the user does not want it any more.
    pub(super) fn end_super_seed(&mut self) {
        let was_active = self.is_super_seeding();
        let Some(seed) = &mut self.super_seed else { return };
        seed.end(self.now);
        self.super_seed.take_if(|seed| seed.is_over());
        if was_active {
            for peer in self.peers.iter_mut() {
                extensions::send_upload_only(self.now, peer, &mut self.out, true);
            }
        }
    }
}
