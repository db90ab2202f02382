//! Pieces that were hashed: right, wrong, or lost again.

use std::time::Instant;

use tinytorrent_types::{BlockDigest, PieceIndex};
use tinytorrent_wire::Message;

use super::Download;
use crate::PeerKey;
use crate::contract::{Action, Event};
use crate::outbox::Outbox;
use crate::peers::Peers;
use crate::piece::Picker;
use crate::planted::{Bug, is_planted};

impl Download {
    /// Asks for the verification of pieces that were on the disk when we started.
    pub(crate) fn verify(&self, pieces: Vec<PieceIndex>, out: &mut Outbox) {
        for piece in pieces {
            let digests = self.blame.wants_digests(piece);
            out.act(Action::VerifyPiece { piece, digests });
        }
    }

    /// A piece is right and on the disk. Returns the peers that are proven to have sent wrong blocks of
    /// it before, or `None` if nobody waited for it.
    pub(crate) fn on_verified(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        picker: &mut Picker,
        out: &mut Outbox,
        piece: PieceIndex,
        digests: &[BlockDigest],
    ) -> Option<Vec<PeerKey>> {
        // Verifying ends that, and the counts of interest depend on it.
        let was_wanted = picker.wants(piece);
        let sender = picker.verified(piece)?;
        if let Some(sender) = sender.and_then(|sender| peers.get_mut(sender)) {
            sender.pipeline.is_on_parole = false;
        }
        out.tell(Event::PieceCompleted { piece });
        // Those that lack the piece are told, and where it was the last one of interest, that is told.
        // In one walk, so that each peer gets both messages in one write.
        let mut partial = std::mem::take(&mut self.partial);
        partial.for_each(peers, |peer| {
            let Some(pieces) = peer.pieces() else { return };
            if pieces.contains(piece) {
                peer.pipeline.interesting -= u32::from(was_wanted);
                self.update_interest(now, peer, out);
            } else {
                out.send(now, peer, Message::Have(piece.get()));
            }
        });
        self.partial = partial;
        if is_planted(Bug::TellsTwice) {
            for peer in peers.iter_mut() {
                let message = Message::Have(piece.get());
                out.act(Action::Send { peer: peer.key, message });
            }
        }
        if picker.is_finished() && was_wanted {
            self.end_interest(now, peers, out);
        }
        Some(self.blame.piece_verified(piece, digests))
    }

    /// Nothing is wanted any more, of seeds neither.
    fn end_interest(&mut self, now: Instant, peers: &mut Peers, out: &mut Outbox) {
        for peer in peers.iter_mut() {
            peer.pipeline.interesting = 0;
            self.update_interest(now, peer, out);
        }
    }

    /// A piece is wrong. Returns the peers that are proven guilty.
    pub(crate) fn on_failed(
        &mut self,
        peers: &mut Peers,
        picker: &mut Picker,
        out: &mut Outbox,
        piece: PieceIndex,
        digests: &[BlockDigest],
    ) -> Vec<PeerKey> {
        let Some(senders) = picker.failed(piece) else { return Vec::new() };
        self.wasted += u64::from(picker.geometry().blocks_length(piece));
        self.hash_failures += 1;
        out.tell(Event::PieceFailed { piece });
        self.refill.wake_after_release();
        for sender in senders.iter().flatten() {
            if let Some(peer) = peers.get_mut(*sender) {
                peer.pipeline.is_on_parole = true;
            }
        }
        self.blame.piece_failed(piece, senders, digests)
    }
}
