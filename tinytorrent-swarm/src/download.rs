//! The blocks that we want of others: requests, verdicts, blame, budgets.

mod budget;
mod choice;
mod end_game;
mod fetching;
mod hurry;
mod invariants;
mod partial;
mod refill;
mod verification;

use std::time::{Duration, Instant};

use tinytorrent_types::{BLOCK_LENGTH, BlockInfo, PieceIndex};
use tinytorrent_wire::session::Side;
use tinytorrent_wire::{Message, Request};

use self::budget::Budget;
use self::end_game::EndGame;
use self::partial::Partial;
use self::refill::Refill;
use crate::PeerKey;
use crate::availability;
use crate::config::SwarmConfig;
use crate::contract::BlockVerdict;
use crate::limiter::Limiter;
use crate::outbox::Outbox;
use crate::peer::{Peer, request_of};
use crate::peers::Peers;
use crate::piece::{Arrival, Blame, Picker, PickerPeer};
use crate::planted::{Bug, is_planted};
use crate::rate::RateMeter;

/// The requests to all peers, and the answers.
///
/// The picker knows the pieces, each peer's session its requests. What is common to all of them is
/// here.
#[derive(Debug)]
pub(crate) struct Download {
    max_requests: usize,
    refill: Refill,
    partial: Partial,
    end_game: EndGame,
    budget: Budget,
    limit: Limiter,
    blame: Blame,
    meter: RateMeter,
    /// Bytes of blocks that were accepted from web seeds.
    fetched: u64,
    /// Somebody reads the content while it comes.
    is_read: bool,
    /// Bytes that were received and not needed, or failed.
    wasted: u64,
    hash_failures: u32,
}

/// The outcome of a block that was requested.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) verdict: BlockVerdict,
    /// Another peer that was asked for the block too, and need not send it.
    pub(crate) other: Option<PeerKey>,
}

impl Download {
    pub(crate) fn new(config: &SwarmConfig) -> Self {
        Self {
            max_requests: config.max_requests as usize,
            refill: Refill::default(),
            partial: Partial::default(),
            end_game: EndGame::default(),
            budget: Budget::new(config.store_budget),
            limit: Limiter::new(config.download_limit),
            blame: Blame::default(),
            meter: RateMeter::new(),
            fetched: 0,
            is_read: false,
            wasted: 0,
            hash_failures: 0,
        }
    }

    /// Forgets what it knows of pieces. Nothing is requested of anybody.
    pub(crate) fn begin_check(&mut self) {
        (self.end_game, self.blame) = (EndGame::default(), Blame::default());
    }

    /// Bytes of all blocks that were accepted.
    pub(crate) fn total(&self) -> u64 {
        self.meter.total()
    }

    /// Bytes a second now.
    pub(crate) fn bytes_per_second(&mut self, now: Instant) -> u64 {
        self.meter.bytes_per_second(now)
    }

    /// Bytes that were received and not needed, or failed.
    pub(crate) fn wasted(&self) -> u64 {
        self.wasted
    }

    /// Pieces that failed their hash.
    pub(crate) fn hash_failures(&self) -> u32 {
        self.hash_failures
    }

    /// The next instant at which something is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.end_game.due().into_iter().chain(self.limit.wake_at()).min()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let (is_ready, is_due) = (self.limit.is_ready(now), self.end_game.is_due(now));
        if is_ready || is_due {
            self.refill.add_all();
        }
    }

    /// Returns true if we ask for less than peers would give: the limit or the disk holds us back.
    pub(crate) fn is_held_back(&self) -> bool {
        self.budget.is_spent() || self.limit.holds_back()
    }

    /// Changes the limit, in bytes a second.
    pub(crate) fn set_limit(&mut self, bytes_per_second: Option<u64>) {
        self.limit.set(bytes_per_second);
        self.refill.add_all();
    }

    /// Changes the number of bytes that may wait for the disk.
    pub(crate) fn set_budget(&mut self, bytes: u64) {
        self.budget.set(bytes);
        self.refill.add_all();
    }

    /// The disk has written blocks, or dropped them.
    pub(crate) fn on_written(&mut self, bytes: u64) {
        if self.budget.give_back(bytes) {
            self.refill.release_held();
        }
    }

    /// A peer may be asked for more than before.
    pub(crate) fn has_room(&mut self, peer: &mut Peer) {
        self.refill.add(peer);
    }

    /// Says whether we want something of the peer, when that changes (W-25).
    pub(crate) fn update_interest(&mut self, now: Instant, peer: &mut Peer, out: &mut Outbox) {
        let wants = peer.pipeline.interesting > 0;
        if wants != peer.interests_us() && is_planted(Bug::SaysNoInterest) {
            // Its session thinks otherwise.
            _ = peer.session.handle_sent(&Message::Interested);
        } else if wants != peer.interests_us() {
            let message = if wants { Message::Interested } else { Message::NotInterested };
            out.send(now, peer, message);
            self.refill.add(peer);
        }
    }

    /// Bytes came that nobody asked for.
    pub(crate) fn on_waste(&mut self, bytes: u64) {
        self.wasted += bytes;
        self.end_game.note_late(bytes);
    }

    /// A block came that was requested.
    pub(crate) fn on_block(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        picker: &mut Picker,
        block: BlockInfo,
    ) -> Received {
        let length = u64::from(block.length());
        peer.pipeline.note_block(now, length);
        peer.pipeline.depth.note_block(now, block);
        self.refill.add(peer);
        self.accept(now, peer.key, picker, block)
    }

    /// A block came from this source, which was asked for it.
    fn accept(
        &mut self,
        now: Instant,
        source: PeerKey,
        picker: &mut Picker,
        block: BlockInfo,
    ) -> Received {
        let length = u64::from(block.length());
        match picker.receive(source, block) {
            Arrival::Unwanted => {
                self.on_waste(length);
                Received { verdict: BlockVerdict::Discard, other: None }
            }
            Arrival::Accepted { other, is_last } => {
                self.meter.add(now, length);
                self.budget.take(length);
                let verdict = if is_last {
                    let digests = self.blame.wants_digests(block.piece());
                    BlockVerdict::StoreLast { block, digests }
                } else {
                    BlockVerdict::Store(block)
                };
                Received { verdict, other }
            }
        }
    }

    /// The peer chokes us. Without the fast extension, these requests are void (BEP 3); with it, each
    /// will still be answered, by a block or a reject.
    pub(crate) fn on_choke(&mut self, peer: &mut Peer, picker: &mut Picker, void: &[Request]) {
        peer.pipeline.note_choke(peer.session.open_request_count());
        if !peer.is_fast() {
            self.repay(void.len());
            self.release(peer, picker, void);
        }
    }

    /// So many requests will not be answered: what the limit let through for them is left for others.
    fn repay(&mut self, requests: usize) {
        self.limit.give_back(requests as u64 * u64::from(BLOCK_LENGTH));
        if requests > 0 && self.limit.holds_back() {
            self.refill.add_all();
        }
    }

    /// These requests will not be answered: others may be asked for their blocks.
    pub(crate) fn release(&mut self, peer: &mut Peer, picker: &mut Picker, void: &[Request]) {
        for request in void {
            if let Some(block) = peer.block_of((*request).into()) {
                picker.release(peer.key, block);
            }
        }
        peer.pipeline.depth.note_void();
        // The piece may go to another, and coming back to it would be by chance.
        peer.pipeline.search.current = None;
        // Others would leave its piece alone for as long as it looked quick.
        picker.drop_lead(peer.key);
        self.refill.wake_after_release();
    }

    /// The peer rejects a request that it was expected to answer (BEP 6).
    pub(crate) fn on_reject(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        picker: &mut Picker,
        out: &mut Outbox,
        request: Request,
    ) {
        self.repay(1);
        if let Some(block) = peer.block_of(request.into()) {
            picker.release(peer.key, block);
        }
        peer.pipeline.depth.note_void();
        if !peer.pipeline.note_reject() {
            self.note_failure(now, peer, picker, out);
        }
        self.refill.add(peer);
        self.refill.wake_idle();
    }

    /// The peer fails to give what it was asked for: others come first for a while.
    fn note_failure(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        picker: &mut Picker,
        out: &mut Outbox,
    ) {
        if peer.pipeline.credit.fail(now) {
            peer.pipeline.search.current = None;
            picker.drop_lead(peer.key);
            self.refill.note_idle();
            out.arm(peer);
        }
    }

    /// The peer has sent nothing for too long: others are asked for what it owes.
    pub(crate) fn on_snub(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        picker: &mut Picker,
        out: &mut Outbox,
    ) {
        // Each cancel takes one of them out of the session.
        let owed: Vec<Request> = peer.session.open_requests().collect();
        for request in &owed {
            out.send(now, peer, Message::Cancel(*request));
        }
        self.note_failure(now, peer, picker, out);
        self.release(peer, picker, &owed);
        self.refill.add(peer);
    }

    /// The peer's rest after a failure is over, if it had one that is.
    pub(crate) fn end_rest(&mut self, now: Instant, peer: &mut Peer) {
        if peer.pipeline.credit.end_rest(now) {
            self.refill.add(peer);
        }
    }

    /// The peer is gone: what it was asked for is asked of others.
    pub(crate) fn forget(&mut self, peer: &mut Peer, picker: &mut Picker) {
        availability::uncount(peer, picker);
        let owed: Vec<Request> = peer.session.open_requests().collect();
        self.repay(owed.len());
        self.release(peer, picker, &owed);
    }

    /// Another peer was quicker with this block: it is cancelled.
    pub(crate) fn take_back(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        out: &mut Outbox,
        block: BlockInfo,
    ) {
        let request = request_of(block);
        // It may have been cancelled before, by a snub or by a takeover.
        if peer.session.open_requests().any(|open| open == request) {
            out.send(now, peer, Message::Cancel(request));
            peer.pipeline.depth.note_void();
            self.refill.add(peer);
        }
    }

    /// Asks those that may be asked for more for as much as they can take.
    pub(crate) fn refill(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        picker: &mut Picker,
        out: &mut Outbox,
    ) {
        if self.refill.is_empty() {
            return;
        }
        let queue = self.refill.take(peers);
        if picker.has_urgent() {
            self.refill_in_turns(now, &queue, peers, picker, out);
        } else {
            for &key in &queue {
                if let Some(peer) = peers.get_mut(key) {
                    peer.pipeline.is_queued = false;
                    if self.ask(now, peer, picker, out, usize::MAX) == Asked::FoundNothing {
                        self.steal_for(now, key, peers, picker, out);
                    }
                }
            }
        }
        self.refill.recycle(queue);
    }

    /// Fills the pipeline of one peer, with so many requests at most.
    fn ask(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        picker: &mut Picker,
        out: &mut Outbox,
        most: usize,
    ) -> Asked {
        if !peer.interests_us() || peer.pipeline.credit.is_resting(now) {
            return Asked::Nothing;
        }
        // Nearly all peers that are asked do not choke us, and then no list is made.
        let allowed = if peer.chokes_us() { allowed_fast(peer, picker) } else { Vec::new() };
        if peer.chokes_us() && allowed.is_empty() {
            return Asked::Nothing;
        }
        let only = (!allowed.is_empty()).then_some(&allowed[..]);
        let window = peer.window(now, self.max_requests, self.is_read);
        let piece_length = picker.geometry().nominal_piece_length();
        let is_quick = peer.pipeline.pace.is_quick(now, piece_length);
        let is_on_parole = peer.pipeline.is_on_parole;
        let in_flight = peer.requested_count();
        let mut asked = Asked::Enough;
        // The budget is looked at for each request, as one peer alone could exceed it.
        while peer.requested_count() < window && !self.budget.is_spent() {
            if peer.requested_count() - in_flight >= most {
                asked = Asked::Part;
                break;
            }
            // A request is paid for when it is sent: what is in flight cannot be stopped.
            if !self.limit.take(now, u64::from(BLOCK_LENGTH)) {
                if peer.requested_count() > in_flight {
                    self.refill.note_limited(peer.key);
                }
                break;
            }
            // It matters for urgent pieces alone, and costs a walk over the requests.
            let eta = if picker.has_urgent() { peer.time_for_urgent(now) } else { Duration::ZERO };
            let Some(pieces) = peer.session.pieces(Side::Peer) else { break };
            let search = &mut peer.pipeline.search;
            let asking = PickerPeer {
                key: peer.key,
                pieces,
                search,
                now,
                eta,
                is_quick,
                is_on_parole,
                only,
            };
            let Some(block) = picker.pick(asking, &self.blame) else {
                // Nothing was asked for after all.
                self.limit.give_back(u64::from(BLOCK_LENGTH));
                asked = Asked::FoundNothing;
                break;
            };
            // Before it is sent: silence counts from the first request after none.
            peer.note_request(now, block);
            out.send(now, peer, Message::Request(request_of(block)));
        }
        if peer.requested_count() < window && self.budget.is_spent() {
            self.refill.hold(peer);
        }
        // With requests in flight before, the reminder for a snub is set.
        if in_flight == 0 && peer.requested_count() > 0 {
            out.arm(peer);
        }
        if asked == Asked::FoundNothing {
            self.refill.note_idle();
        }
        asked
    }
}

/// The outcome of filling a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The peer may not be asked now.
    Nothing,
    /// As much as it, the limits and the budget take.
    Enough,
    /// As much as it should be, and it could take more.
    Part,
    /// It could take more, and nothing is left to be asked for.
    FoundNothing,
}

/// The pieces that the peer lets us have while it chokes us (BEP 6).
fn allowed_fast(peer: &Peer, picker: &Picker) -> Vec<PieceIndex> {
    let allowed = peer.session.allowed_fast(Side::Peer);
    allowed.filter_map(|index| picker.geometry().piece(index)).collect()
}

#[cfg(test)]
mod tests;
