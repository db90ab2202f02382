//! Blocks that one peer was asked for and another will send sooner.

use std::time::{Duration, Instant};

use tinytorrent_types::{BlockInfo, PieceIndex};
use tinytorrent_wire::{Message, Request};

use super::Download;
use crate::PeerKey;
use crate::outbox::Outbox;
use crate::peer::{Peer, request_of};
use crate::peers::Peers;
use crate::piece::Picker;
use crate::planted::{Bug, is_planted};

/// The end game (BEP 3): when to look again whether somebody became slow.
#[derive(Debug, Default)]
pub(super) struct EndGame {
    look_at: Option<Instant>,
    /// Peers that found nothing to take over from others, of this turn.
    idle: Vec<PeerKey>,
    /// Bytes of blocks that came after all, when others had been asked for them.
    late: u64,
}

/// In the end game, a peer with fewer requests than this takes over from the slowest.
const IDLE_BELOW: usize = 4;

/// Requests that a peer will have answered within this time are left to it.
const STEAL_AFTER: Duration = Duration::from_millis(500);

/// The same, where the other peer failed lately itself: it comes after those that did not.
const STEAL_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// The same, of a piece that is to come from one peer, which proves what that peer sends. A peer that sends
/// has two seconds' worth in flight.
const STEAL_PROOF_AFTER: Duration = Duration::from_secs(4);

/// The same, of one that has sent nothing for so long.
const STEAL_PROOF_OF_SILENT_AFTER: Duration = Duration::from_millis(1_500);

/// The patience with peers that send slowly is doubled when one byte of so many has come twice, and so on: they share a link
/// that is the bottleneck, ours perhaps. With silent ones it stays, as they would have us wait for nothing.
const LATE: u64 = 16;

/// Bytes of which nothing follows yet.
const LATE_AT_LEAST: u64 = 1 << 20;

/// The longest patience, as a multiple.
const MOST_PATIENT: u64 = 16;

/// Requests of one slow peer to look at for one that another peer can take over.
const STEAL_AMONG: usize = 64;

/// The same, of all slow peers: each look has a search in the pieces of the other peer.
const STEAL_AMONG_ALL: usize = 512;

impl EndGame {
    pub(super) fn due(&self) -> Option<Instant> {
        self.look_at
    }

    /// Returns true, once, when it is time to look again.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.look_at.take_if(|at| *at <= now).is_some()
    }

    /// Notes bytes that came and were not needed any more.
    pub(super) fn note_late(&mut self, bytes: u64) {
        self.late += bytes;
    }

    /// The multiple of patience with slow peers, as so many bytes came in time.
    fn caution(&self, total: u64) -> u32 {
        let late = LATE * self.late / (total + LATE_AT_LEAST);
        (1 + late).min(MOST_PATIENT) as u32
    }

    fn look_again(&mut self, now: Instant) {
        self.look_at.get_or_insert(now + STEAL_AFTER);
    }

    /// Looks again after this time, or sooner.
    pub(super) fn look_within(&mut self, now: Instant, time: Duration) {
        let at = now + time;
        self.look_at = Some(self.look_at.map_or(at, |before| before.min(at)));
    }

    /// The slowest peer that was asked for something which `thief` can send sooner, and the last of
    /// such requests.
    fn slow_request(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        picker: &Picker,
        thief: PeerKey,
        (patience, caution): (Duration, u32),
    ) -> Option<(PeerKey, BlockInfo)> {
        if is_planted(Bug::StealsNothing) {
            return None;
        }
        let others = peers.iter_mut().filter(|peer| peer.key != thief);
        let owing = others.filter(|peer| peer.requested_count() > 0);
        let mut owing: Vec<_> = owing.map(|peer| (peer.drain_time(now), peer.key)).collect();
        owing.sort_unstable_by(|a, b| b.cmp(a));
        let pieces = peers.get(thief)?.pieces()?;
        let mut looks = STEAL_AMONG_ALL;
        for (wait, victim) in owing {
            if wait <= patience {
                // Whether it keeps its promise, and the quicker ones do, shows a little later.
                self.look_again(now);
                break;
            }
            let victim_peer = peers.get(victim)?;
            if wait <= caution * patience && is_sending(now, victim_peer, patience) {
                self.look_again(now);
                continue;
            }
            // The last ones are those that it would come to last.
            let among = STEAL_AMONG.min(looks);
            looks -= victim_peer.requested_count().min(among);
            let mut last = victim_peer.requested().rev().take(among);
            let keeps_proofs = keeps_proofs(now, victim_peer, wait);
            let is_free = |block: &BlockInfo| !keeps_proofs || !picker.is_proof(block.piece());
            let fits = |block: &BlockInfo| pieces.contains(block.piece()) && is_free(block);
            if let Some(block) = last.find(fits) {
                return Some((victim, block));
            }
            // Time may free what is a proof now.
            self.look_again(now);
        }
        None
    }
}

impl Download {
    /// Nothing is left to ask for, but what others are slow to send: takes over the last requests of
    /// the peer that will take longest, which gets a cancel.
    pub(super) fn steal_for(
        &mut self,
        now: Instant,
        thief: PeerKey,
        peers: &mut Peers,
        picker: &mut Picker,
        out: &mut Outbox,
    ) {
        while let Some(peer) = peers.get(thief)
            && peer.requested_count() < idle_below(peer)
        {
            // Two slow peers would take from each other for ever.
            if peer.pipeline.was_overtaken_within(now, STEAL_AFTER) {
                return self.end_game.look_again(now);
            }
            if !may_steal(now, peer) {
                return;
            }
            // A reader is worth a few blocks that come twice.
            let caution = if self.is_read { 1 } else { self.end_game.caution(self.total()) };
            let patience = (Download::patience(peer), caution);
            let slow = self.end_game.slow_request(now, peers, picker, thief, patience);
            let Some((victim, block)) = slow else { return self.end_game.idle.push(thief) };
            if !self.take_over(now, thief, victim, block, peers, picker, out) {
                return;
            }
        }
    }

    /// Takes out the peers that found nothing to take over from others.
    pub(crate) fn take_idle(&mut self) -> Vec<PeerKey> {
        std::mem::take(&mut self.end_game.idle)
    }

    /// Looks again whether somebody became slow.
    pub(crate) fn look_again(&mut self, now: Instant) {
        self.end_game.look_again(now);
    }

    /// The longest that others may take for what this peer could send, before it takes over.
    pub(crate) fn patience(peer: &Peer) -> Duration {
        let is_failing = peer.pipeline.credit.is_failing();
        let least = if is_failing { STEAL_AFTER_FAILURE } else { STEAL_AFTER };
        least.max(2 * peer.time_for_one_more())
    }

    /// Takes back half of what each peer would be slow to send of these pieces, for a web seed that has nothing left to
    /// be asked for, and all of a peer that is silent. Returns true if there was something.
    pub(crate) fn take_from_slow(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        picker: &mut Picker,
        out: &mut Outbox,
        fits: impl Fn(PieceIndex) -> bool,
    ) -> bool {
        let mut has_taken = false;
        for peer in peers.iter_mut().filter(|peer| peer.requested_count() > 0) {
            self.end_game.look_again(now);
            let wait = peer.drain_time(now);
            if wait <= STEAL_AFTER {
                continue;
            }
            let is_silent = peer.is_silent_for(now, STEAL_AFTER);
            let keeps_proofs = keeps_proofs(now, peer, wait);
            let most = if is_silent { usize::MAX } else { peer.requested_count().div_ceil(2) };
            let is_free = |block: &BlockInfo| {
                fits(block.piece()) && (!keeps_proofs || !picker.is_proof(block.piece()))
            };
            let taken = peer.requested().rev().filter(is_free).take(most);
            let taken: Vec<Request> = taken.map(request_of).collect();
            if taken.is_empty() {
                continue;
            }
            has_taken = true;
            if is_silent {
                self.note_failure(now, peer, picker, out);
            }
            self.cancel(now, peer, picker, out, &taken);
            peer.pipeline.note_overtaken(now);
        }
        has_taken
    }

    /// Asks one peer for what another was asked. Returns false if that may not be.
    #[expect(clippy::too_many_arguments, reason = "two peers, and all that a request touches")]
    pub(super) fn take_over(
        &mut self,
        now: Instant,
        thief: PeerKey,
        victim: PeerKey,
        block: BlockInfo,
        peers: &mut Peers,
        picker: &mut Picker,
        out: &mut Outbox,
    ) -> bool {
        // Whoever is asked, it is the disk that everything waits for.
        if self.budget.is_spent() {
            return false;
        }
        // The peer's queue is full, or it chokes: the rulebook has no place for the request.
        let may_ask = |peer: &Peer| peer.session.may_request(block.piece().get());
        if !peers.get(thief).is_some_and(may_ask) || !picker.reassign(block, thief) {
            return false;
        }
        if let Some(peer) = peers.get_mut(victim) {
            // One that sends, only slowly, has not failed and keeps its window.
            if peer.is_silent_for(now, STEAL_AFTER) {
                self.note_failure(now, peer, picker, out);
            }
            self.take_back(now, peer, out, block);
            peer.pipeline.note_overtaken(now);
        }
        if let Some(peer) = peers.get_mut(thief) {
            peer.note_request(now, block);
            out.send(now, peer, Message::Request(request_of(block)));
            out.arm(peer);
        }
        true
    }
}

/// Those that have given nothing yet are tried with one request each: one of many may be worth more.
fn idle_below(peer: &Peer) -> usize {
    if peer.pipeline.pace.total() == 0 { 1 } else { IDLE_BELOW }
}

/// Returns true if a peer gives what it was asked for, be it slowly: less than two blocks' time ago it gave one.
fn is_sending(now: Instant, peer: &Peer, patience: Duration) -> bool {
    let pace = &peer.pipeline.pace;
    pace.total() > 0 && !peer.is_silent_for(now, patience.max(2 * pace.time_at_best(1)))
}

/// Returns true if a peer that takes so long for what it owes keeps the pieces that prove what it sends.
fn keeps_proofs(now: Instant, peer: &Peer, wait: Duration) -> bool {
    wait <= STEAL_PROOF_AFTER && !peer.is_silent_for(now, STEAL_PROOF_OF_SILENT_AFTER)
}

pub(super) fn may_steal(now: Instant, peer: &Peer) -> bool {
    !peer.chokes_us()
        && !peer.pipeline.is_snubbing()
        && !peer.pipeline.credit.is_resting(now)
        // A peer that was found too slow does not take over from others in turn.
        && !peer.pipeline.was_overtaken_within(now, STEAL_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_what_came_twice() {
        let mut end_game = EndGame::default();
        let mib = 1 << 20;
        assert_eq!(end_game.caution(0), 1);
        end_game.note_late(mib / 32);
        assert_eq!(end_game.caution(0), 1, "a block or two say nothing");
        end_game.note_late(mib / 32);
        assert_eq!((end_game.caution(0), end_game.caution(mib)), (2, 1));
        end_game.note_late(100 * mib);
        assert_eq!(end_game.caution(300 * mib), 6);
        assert_eq!(end_game.caution(100 * mib), MOST_PATIENT as u32);
    }
}
