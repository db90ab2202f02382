//! Blocks that somebody waits for (S-25).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use tinytorrent_types::BlockInfo;
use tinytorrent_wire::{Message, Request};

use super::end_game::may_steal;
use super::{Asked, Download};
use crate::PeerKey;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::peers::Peers;
use crate::piece::Picker;

/// Of the peers that could be asked for an urgent block, how many of the quickest are looked at. It has to be
/// among them that one has the piece.
const QUICKEST: usize = 8;

/// Requests of a peer that come within this time are left to it, as a cancel would come too late.
const RESCUE_AFTER: Duration = Duration::from_millis(100);

/// The same, of a piece that is to come from one peer, which proves what that peer sends.
const RESCUE_PROOF_AFTER: Duration = Duration::from_secs(4);

impl Download {
    /// Somebody reads the content while it comes, or nobody does any more.
    pub(crate) fn set_read(&mut self, is_read: bool) {
        self.is_read = is_read;
    }

    /// Asks these peers, always the one that would send the next block soonest, so that what is needed first
    /// is not all asked of one of them.
    pub(super) fn refill_in_turns(
        &mut self,
        now: Instant,
        queue: &[PeerKey],
        peers: &mut Peers,
        picker: &mut Picker,
        out: &mut Outbox,
    ) {
        Self::compare(now, peers, picker);
        // Those that fail come last here as well.
        let turn = |peer: &Peer| Reverse((peer.standing(), peer.time_for_urgent(now), peer.key));
        let mut turns = BinaryHeap::new();
        for &key in queue {
            if let Some(peer) = peers.get_mut(key) {
                peer.pipeline.is_queued = false;
                turns.push(turn(peer));
            }
        }
        while let Some(Reverse((.., key))) = turns.pop() {
            let Some(peer) = peers.get_mut(key) else { continue };
            match self.ask(now, peer, picker, out, 1) {
                Asked::Nothing => {}
                Asked::Part => turns.push(turn(peer)),
                Asked::Enough => {
                    self.rescue_for(now, key, peers, picker, out);
                }
                Asked::FoundNothing => {
                    if !self.rescue_for(now, key, peers, picker, out) {
                        self.steal_for(now, key, peers, picker, out);
                    }
                }
            }
        }
    }

    /// Compares how soon peers would send what is needed next.
    fn compare(now: Instant, peers: &mut Peers, picker: &mut Picker) {
        let able = peers.iter().filter(|peer| peer.interests_us() && peer.is_reliable());
        let mut able: Vec<_> = able.map(|peer| (peer.time_for_urgent(now), peer.key)).collect();
        if able.len() > QUICKEST {
            able.select_nth_unstable(QUICKEST);
            able.truncate(QUICKEST);
        }
        able.sort_unstable();
        let has = |key, piece| {
            peers.get(key).and_then(Peer::pieces).is_some_and(|pieces| pieces.contains(piece))
        };
        picker.note_soonest(|piece| {
            able.iter().find(|(_, key)| has(*key, piece)).map(|(time, _)| *time)
        });
    }

    /// Takes back what a peer was asked for and nobody waits for, if something that somebody waits for would
    /// come too late behind it.
    pub(crate) fn make_way(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        picker: &mut Picker,
        out: &mut Outbox,
    ) {
        if peer.requested_count() == 0 || peer.chokes_us() {
            return;
        }
        let first = peer.pieces().and_then(|pieces| picker.first_urgent(pieces));
        let wait = peer.drain_time(now).max(peer.time_for_urgent(now));
        if first.is_none_or(|first| now + wait <= first.due) {
            return;
        }
        let urgent = picker.urgent_pieces();
        let is_urgent = |request: &Request| {
            picker.geometry().piece(request.index).is_some_and(|piece| urgent.contains(&piece))
        };
        let others: Vec<Request> =
            peer.session.open_requests().filter(|request| !is_urgent(request)).collect();
        if others.is_empty() {
            return;
        }
        self.cancel(now, peer, picker, out, &others);
    }

    /// Takes requests back, so that others can be asked.
    pub(super) fn cancel(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        picker: &mut Picker,
        out: &mut Outbox,
        requests: &[Request],
    ) {
        for request in requests {
            out.send(now, peer, Message::Cancel(*request));
        }
        self.repay(requests.len());
        self.release(peer, picker, requests);
    }

    /// A block of an urgent piece is awaited of a peer that would send it too late: this one is asked instead,
    /// if it would send it sooner, with all that it has to send before. Returns true if it is asked.
    pub(super) fn rescue_for(
        &mut self,
        now: Instant,
        key: PeerKey,
        peers: &mut Peers,
        picker: &mut Picker,
        out: &mut Outbox,
    ) -> bool {
        let Some(peer) = peers.get(key) else { return false };
        if !may_steal(now, peer) {
            return false;
        }
        let own = peer.time_for_urgent(now);
        let Some(pieces) = peer.pieces() else { return false };
        let awaited: Vec<_> = picker.awaited_urgent(pieces).collect();
        for urgent in &awaited {
            let of_others = picker.requests_of(urgent.piece).filter(|(asked, _)| *asked != key);
            // One block of each peer, as it is the peer that is slow or not.
            let of_others: BTreeMap<PeerKey, BlockInfo> = of_others.collect();
            let wait = |asked: &PeerKey| Some(peers.get_mut(*asked)?.drain_time(now));
            let slowest = of_others.keys().map(wait).zip(of_others.keys()).max();
            let Some((Some(wait), victim)) = slowest else { continue };
            let is_proof = picker.is_proof(urgent.piece);
            let patience = if is_proof { RESCUE_PROOF_AFTER } else { RESCUE_AFTER };
            let is_late = now + wait > urgent.due && wait > patience + 2 * own;
            if is_late {
                let (victim, block) = (*victim, of_others[victim]);
                return self.take_over(now, key, victim, block, peers, picker, out);
            }
        }
        if !awaited.is_empty() {
            // Whether those who were asked keep their promise shows a little later.
            self.end_game.look_within(now, RESCUE_AFTER);
        }
        false
    }
}
