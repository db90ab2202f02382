//! The blocks that others want of us: slots, requests, serving.

mod choke;
mod rounds;
mod turns;

use std::collections::VecDeque;
use std::time::Instant;

use rand::rngs::Xoshiro256PlusPlus;
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::session::Verdict;
use tinytorrent_wire::{Message, Request};

use self::choke::Applicant;
use self::rounds::Rounds;
use self::turns::{Seat, Turns};
use crate::PeerKey;
use crate::config::SwarmConfig;
use crate::contract::Action;
use crate::limiter::Limiter;
use crate::outbox::Outbox;
use crate::peer::{Peer, request_of};
use crate::peers::Peers;
use crate::planted::{Bug, is_planted};
use crate::rate::RateMeter;

/// The slots, and the blocks in them.
#[derive(Debug)]
pub(crate) struct Upload {
    slots: usize,
    rounds: Rounds,
    turns: Turns,
    limit: Limiter,
    /// Peers that wait for the limit, each once.
    line: VecDeque<PeerKey>,
    meter: RateMeter,
    chance: Xoshiro256PlusPlus,
}

impl Upload {
    pub(crate) fn new(now: Instant, config: &SwarmConfig, chance: Xoshiro256PlusPlus) -> Self {
        Self {
            slots: config.upload_slots,
            rounds: Rounds::new(now),
            turns: Turns::default(),
            limit: Limiter::new(config.upload_limit),
            line: VecDeque::new(),
            meter: RateMeter::new(),
            chance,
        }
    }

    /// Bytes of all blocks that were sent.
    pub(crate) fn total(&self) -> u64 {
        self.meter.total()
    }

    /// Bytes a second now.
    pub(crate) fn bytes_per_second(&mut self, now: Instant) -> u64 {
        self.meter.bytes_per_second(now)
    }

    /// Counts a block that went out.
    pub(crate) fn count(&mut self, now: Instant, block: BlockInfo) {
        self.meter.add(now, block.length().into());
    }

    /// The next instant at which something is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.rounds.due().into_iter().chain(self.limit.wake_at()).min()
    }

    /// Does what is due: a round, a look for slots that are not used, the next portion of the limit.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        out: &mut Outbox,
        is_seeding: bool,
    ) {
        if let Some(rotates) = self.rounds.begin_round(now) {
            self.rechoke(now, peers, out, is_seeding, rotates);
        }
        if self.rounds.is_time_to_look(now) {
            self.take_unused_slots(now, peers, out);
        }
        if self.limit.is_ready(now) {
            self.serve_waiting(now, peers, out);
        }
    }

    /// Changes the limit, in bytes a second.
    pub(crate) fn set_limit(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        out: &mut Outbox,
        bytes_per_second: Option<u64>,
    ) {
        self.limit.set(bytes_per_second);
        self.serve_waiting(now, peers, out);
    }

    /// Changes the number of slots.
    pub(crate) fn set_slots(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        out: &mut Outbox,
        slots: usize,
        is_seeding: bool,
    ) {
        let has_more = slots > std::mem::replace(&mut self.slots, slots);
        if has_more {
            self.fill_slots(now, peers, out);
        } else {
            self.rechoke(now, peers, out, is_seeding, false);
        }
    }

    /// A peer has come. It takes its turn behind those who waited since its host had the last one.
    pub(crate) fn join(&self, peer: &mut Peer) {
        peer.serving.slot.inherit(self.turns.last(&peer.contact));
    }

    /// A peer is gone. Returns true if its slot is free.
    pub(crate) fn forget(&mut self, now: Instant, peer: &Peer) -> bool {
        if peer.serving.slot.is_held() {
            self.turns.note(now, &peer.contact);
        }
        // The line is walked only for a peer that stands in it.
        if peer.serving.is_waiting {
            self.line.retain(|&waiting| waiting != peer.key);
        }
        peer.serving.slot.is_held()
    }

    /// A peer wants nothing of ours any more: its slot is free.
    pub(crate) fn on_not_interested(&mut self, now: Instant, peer: &mut Peer, out: &mut Outbox) {
        self.choke(now, peer, out);
    }

    /// Gives free slots to those who wait longest, without waiting for the next round.
    pub(crate) fn fill_slots(&mut self, now: Instant, peers: &mut Peers, out: &mut Outbox) {
        let interested = || peers.iter().filter(|peer| peer.is_interested());
        let (held, waiting): (Vec<_>, Vec<_>) =
            interested().partition(|peer| peer.serving.slot.is_held());
        let mut seats: Vec<Seat> =
            held.iter().map(|peer| Seat::of(peer.key, &peer.contact)).collect();
        let mut waiting: Vec<_> = waiting
            .iter()
            .map(|peer| {
                let slot = &peer.serving.slot;
                ((slot.taken_at(), peer.joined, peer.key), Seat::of(peer.key, &peer.contact))
            })
            .collect();
        while seats.len() < self.slots && !waiting.is_empty() {
            // Hosts with the fewest slots come first; then who never had one, or lost it longest ago.
            let held_by = |seat: &Seat| seats.iter().filter(|held| *held == seat).count();
            let order = |at: &usize| (held_by(&waiting[*at].1), waiting[*at].0);
            let Some(next) = (0..waiting.len()).min_by_key(order) else { break };
            let ((.., key), seat) = waiting.swap_remove(next);
            seats.push(seat);
            if let Some(peer) = peers.get_mut(key) {
                unchoke(now, peer, out);
            }
        }
        // Those that made nothing of a slot wait for a round, lest slots go to and fro among them.
        let may_ask = |key| peers.get(key).is_some_and(|p| p.serving.slot.wasted_at().is_none());
        // Otherwise nobody would gain by the look.
        let is_wanted = waiting.iter().any(|&((.., key), _)| may_ask(key));
        self.rounds.look_for_unused(now, is_wanted);
        self.wake_rounds(now, peers);
    }

    fn wake_rounds(&mut self, now: Instant, peers: &Peers) {
        self.rounds.set_awake(now, peers.iter().any(Peer::is_interested));
    }

    /// Others wait: slots go from peers that ask for nothing to those who may.
    fn take_unused_slots(&mut self, now: Instant, peers: &mut Peers, out: &mut Outbox) {
        for peer in peers.iter_mut().filter(|peer| peer.wastes_slot(now)) {
            self.choke(now, peer, out);
        }
        self.fill_slots(now, peers, out);
    }

    /// A new round: slots are given anew (BEP 3, "choking").
    fn rechoke(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        out: &mut Outbox,
        is_seeding: bool,
        rotates: bool,
    ) {
        let applicants: Vec<_> = peers
            .iter_mut()
            .filter(|peer| peer.is_interested())
            .map(|peer| Applicant {
                key: peer.key,
                seat: Seat::of(peer.key, &peer.contact),
                is_known: self.turns.last(&peer.contact).is_some(),
                gives: peer.pipeline.pace.bytes_per_second(now),
                is_snubbing: peer.pipeline.is_snubbing(),
                slot: peer.serving.slot,
                wastes_slot: peer.wastes_slot(now),
                joined: peer.joined,
            })
            .collect();
        let choice = choke::choose(
            now,
            applicants,
            self.slots,
            is_seeding,
            self.rounds.optimistic,
            rotates,
            &mut self.chance,
        );
        self.rounds.optimistic = choice.optimistic;
        for peer in peers.iter_mut() {
            if choice.unchoked.contains(&peer.key) && !is_planted(Bug::KeepsAllChoked) {
                unchoke(now, peer, out);
            } else {
                self.choke(now, peer, out);
            }
        }
        self.wake_rounds(now, peers);
    }

    /// A request came, and was judged.
    pub(crate) fn on_request(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        out: &mut Outbox,
        request: Request,
        verdict: Verdict,
    ) {
        match verdict {
            Verdict::Legal | Verdict::Void(_) => {
                peer.serving.slot.note_use(now);
                self.serve(now, peer, out);
            }
            Verdict::Refuse(_) => reject(now, peer, out, request),
            Verdict::Ignore(_) => {}
        }
    }

    /// A request was withdrawn. With the fast extension it is answered all the same (BEP 6).
    pub(crate) fn on_cancel(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        out: &mut Outbox,
        request: Request,
    ) {
        if !is_planted(Bug::IgnoresCancels) {
            reject(now, peer, out, request);
        }
    }

    /// A block went out, or could not be read.
    pub(crate) fn on_block_served(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        out: &mut Outbox,
        block: BlockInfo,
        is_sent: bool,
    ) {
        let request = request_of(block);
        if !peer.session.begun_answers().contains(&request) {
            return;
        }
        let length = u64::from(block.length());
        peer.serving.note_ended(now, length, is_sent);
        if is_sent {
            peer.timing.last_sent = now;
            // Only now is the request answered: a choke before would have had it rejected.
            let judged = peer.session.handle_sent_block(request.into());
            debug_assert!(judged.is_ok(), "{judged:?}");
            if is_planted(Bug::AnswersTwice) {
                out.act(Action::Send { peer: peer.key, message: Message::Reject(request) });
            }
        } else {
            peer.session.drop_answer(request);
            if !is_planted(Bug::ForgetsUnread) {
                reject(now, peer, out, request);
            }
        }
        self.serve(now, peer, out);
    }

    /// Hands blocks to the driver as far as it has room for this peer, and the limit for one more
    /// of those that wait for it.
    fn serve(&mut self, now: Instant, peer: &mut Peer, out: &mut Outbox) {
        while let Some(length) = next_length(peer) {
            // With others in line, a peer that just asked would overtake them.
            if !self.line.is_empty() || !self.limit.take(now, length) {
                return self.stand_in_line(peer);
            }
            serve_next(now, peer, out);
        }
    }

    /// The limit lets more through: a block for each peer in its turn (S-24).
    fn serve_waiting(&mut self, now: Instant, peers: &mut Peers, out: &mut Outbox) {
        while let Some(&key) = self.line.front() {
            let Some(peer) = peers.get_mut(key) else {
                // Its place is given up before it is served, so that it can stand in line anew.
                self.line.pop_front();
                continue;
            };
            let next = next_length(peer);
            if next.is_some_and(|length| !self.limit.take(now, length)) {
                return;
            }
            self.line.pop_front();
            peer.serving.is_waiting = false;
            if next.is_some() {
                serve_next(now, peer, out);
                if next_length(peer).is_some() {
                    self.stand_in_line(peer);
                }
            }
        }
    }

    fn stand_in_line(&mut self, peer: &mut Peer) {
        if !std::mem::replace(&mut peer.serving.is_waiting, true) {
            self.line.push_back(peer.key);
        }
    }

    /// Takes the slot of a peer that has one.
    fn choke(&mut self, now: Instant, peer: &mut Peer, out: &mut Outbox) {
        if !peer.serving.slot.is_held() {
            return;
        }
        peer.serving.slot.take(now);
        self.turns.note(now, &peer.contact);
        // BEP 6: choke first, then reject each request that waits. BEP 3: they are void.
        out.send(now, peer, Message::Choke);
        // Sending takes each of them out of the session, which the list is read from.
        let lost: Vec<Request> = peer.session.requests_to_reject().collect();
        for request in lost.into_iter().filter(|_| !is_planted(Bug::ForgetsWaiting)) {
            out.send(now, peer, Message::Reject(request));
        }
    }

    pub(crate) fn check_invariants(&self, peers: &Peers) {
        let mut waiting: Vec<_> =
            peers.iter().filter(|peer| peer.serving.is_waiting).map(|peer| peer.key).collect();
        let mut line: Vec<_> = self.line.iter().copied().collect();
        waiting.sort();
        line.sort();
        assert_eq!(waiting, line, "who waits for the upload limit stands in line once");
        for peer in peers.iter() {
            assert_eq!(peer.serving.slot.is_held(), !peer.is_choked());
        }
    }
}

/// Gives a slot to a peer that has none.
fn unchoke(now: Instant, peer: &mut Peer, out: &mut Outbox) {
    if !peer.serving.slot.is_held() {
        peer.serving.slot.give(now);
        out.send(now, peer, Message::Unchoke);
        if is_planted(Bug::UnchokesTwice) {
            out.act(Action::Send { peer: peer.key, message: Message::Unchoke });
        }
    }
}

/// Answers a request that will not be met, where there is a word for it (BEP 6).
fn reject(now: Instant, peer: &mut Peer, out: &mut Outbox, request: Request) {
    if peer.is_fast() {
        out.send(now, peer, Message::Reject(request));
    }
}

/// The length of the block that the peer is to get next, if the driver has room for it.
fn next_length(peer: &Peer) -> Option<u64> {
    // Blocks that wait in the driver can be neither cancelled nor choked any more.
    let has_room = peer.serving.has_room(peer.session.begun_answers().len());
    has_room.then(|| peer.session.next_request()).flatten().map(|next| next.length.into())
}

fn serve_next(now: Instant, peer: &mut Peer, out: &mut Outbox) {
    let begun = peer.session.begun_answers().len();
    let Some(request) = peer.session.begin_answer() else { return };
    // The session let no request pass that is not of a piece.
    let Some(block) = peer.block_of(request.into()) else { return };
    peer.serving.note_begun(now, begun, block.length().into());
    peer.timing.last_sent = now;
    out.act(Action::ServeBlock { peer: peer.key, block });
}

#[cfg(test)]
mod tests;
