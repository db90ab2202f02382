//! What others want of us: choking, requests, serving.

use std::time::Instant;

use tinytorrent_types::BlockInfo;
use tinytorrent_wire::{Message, Request};

use super::Swarm;
use super::messages::request_of;
use crate::PeerKey;
use crate::choke::{self, Applicant};
use crate::config::{
    MAX_BAD_REQUESTS, MAX_QUEUED_REQUESTS, MAX_SERVED_BLOCK, SERVING_BLOCKS, SERVING_WINDOW,
};
use crate::contract::{Action, block_of};
use crate::peer::Peer;
use crate::slot::MAX_IDLE;

/// The rounds of choking.
#[derive(Debug)]
pub(super) struct Choke {
    next_round: Instant,
    round: u32,
    optimistic: Option<PeerKey>,
    /// Somebody is interested, so rounds mean something.
    is_awake: bool,
    /// When to look for slots that are not used, while others wait for one.
    look_at: Option<Instant>,
}

impl Choke {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next_round: now + choke::ROUND,
            round: 0,
            optimistic: None,
            is_awake: false,
            look_at: None,
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let round = self.is_awake.then_some(self.next_round);
        round.into_iter().chain(self.look_at).min()
    }
}

impl Swarm {
    pub(super) fn on_interested(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if !std::mem::replace(&mut peer.is_interested, true) {
            self.fill_slots();
        }
    }

    pub(super) fn on_not_interested(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if std::mem::replace(&mut peer.is_interested, false) {
            self.set_choked(key, true);
            self.fill_slots();
        }
    }

    /// Gives free slots to those who wait longest, without waiting for the next round.
    pub(super) fn fill_slots(&mut self) {
        let is_served = |peer: &Peer| peer.is_interested && peer.slot.is_held();
        let served = self.peers.iter().filter(|(_, peer)| is_served(peer)).count();
        let waits = |peer: &Peer| peer.is_live() && peer.is_interested && !peer.slot.is_held();
        let mut waiting: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| waits(peer))
            .map(|(key, peer)| (peer.slot.taken_at(), peer.joined, key))
            .collect();
        waiting.sort();
        let free = self.config.upload_slots.saturating_sub(served).min(waiting.len());
        for (.., key) in waiting.drain(..free) {
            self.set_choked(key, false);
        }
        // Those that made nothing of a slot wait for a round, lest slots go to and fro among them.
        let may_ask = |key| self.peers.get(key).is_some_and(|p| p.slot.wasted_at().is_none());
        if waiting.iter().any(|&(.., key)| may_ask(key)) {
            self.choke.look_at.get_or_insert(self.now + MAX_IDLE);
        } else {
            self.choke.look_at = None;
        }
        self.wake_choker();
    }

    fn wake_choker(&mut self) {
        let is_awake = self.peers.iter().any(|(_, peer)| peer.is_live() && peer.is_interested);
        if is_awake && !self.choke.is_awake {
            self.choke.next_round = self.now + choke::ROUND;
        }
        self.choke.is_awake = is_awake;
    }

    /// Does what is due: a round, or a look for slots that are not used.
    pub(super) fn choke_in_time(&mut self) {
        let now = self.now;
        if self.choke.is_awake && self.choke.next_round <= now {
            self.rechoke_round();
        }
        if self.choke.look_at.take_if(|at| *at <= now).is_some() {
            self.take_unused_slots();
        }
    }

    /// Others wait: slots go from peers that ask for nothing to those who may.
    fn take_unused_slots(&mut self) {
        let wasting = self.peers.iter().filter(|(_, peer)| peer.wastes_slot(self.now));
        let wasting: Vec<_> = wasting.map(|(key, _)| key).collect();
        for key in wasting {
            self.set_choked(key, true);
        }
        self.fill_slots();
    }

    /// A new round: slots are given anew (BEP 3, "choking").
    fn rechoke_round(&mut self) {
        let now = self.now;
        self.choke.next_round = now + choke::ROUND;
        self.choke.round += 1;
        let rotate = self.choke.round.is_multiple_of(choke::OPTIMISTIC_ROUNDS);
        let interested = self.peers.iter_mut().filter(|(_, p)| p.is_live() && p.is_interested);
        let applicants: Vec<_> = interested
            .map(|(key, peer)| Applicant {
                key,
                gives: peer.download.bytes_per_second(now),
                is_snubbing: peer.is_snubbing(),
                slot: peer.slot,
                wastes_slot: peer.wastes_slot(now),
                joined: peer.joined,
            })
            .collect();
        let is_seeding = self.is_finished();
        let choice = choke::choose(
            now,
            applicants,
            self.config.upload_slots,
            is_seeding,
            self.choke.optimistic,
            rotate,
            &mut self.chance,
        );
        self.choke.optimistic = choice.optimistic;
        for key in self.live_peers() {
            self.set_choked(key, !choice.unchoked.contains(&key));
        }
        self.wake_choker();
    }

    fn set_choked(&mut self, key: PeerKey, choked: bool) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.slot.is_held() != choked {
            return;
        }
        if choked {
            peer.slot.take(now);
            let dropped = std::mem::take(&mut peer.uploads.queue);
            let fast = peer.fast;
            self.send(key, Message::Choke);
            // BEP 6: choke first, then reject each request that waits. BEP 3: they are void.
            for block in dropped.into_iter().filter(|_| fast) {
                self.send(key, Message::Reject(request_of(block)));
            }
        } else {
            peer.slot.give(now);
            self.send(key, Message::Unchoke);
        }
    }

    pub(super) fn on_request(&mut self, key: PeerKey, request: Request) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let block = self.picker.as_ref().and_then(|picker| {
            let block = block_of(picker.geometry(), request.into())?;
            (block.length() <= MAX_SERVED_BLOCK && picker.have().contains(block.piece()))
                .then_some(block)
        });
        let Some(block) = block else {
            peer.bad_requests += 1;
            if peer.bad_requests > MAX_BAD_REQUESTS {
                return self.violation(key, "endless requests for what nobody has (BEP 3)");
            }
            return self.refuse(key, request);
        };
        if !peer.slot.is_held() || peer.uploads.queue.len() >= MAX_QUEUED_REQUESTS {
            return self.refuse(key, request);
        }
        peer.slot.note_use(self.now);
        peer.uploads.queue.push_back(block);
        self.serve(key);
    }

    /// Answers a request that will not be met, where there is a word for it (BEP 6).
    fn refuse(&mut self, key: PeerKey, request: Request) {
        if self.peers.get(key).is_some_and(|peer| peer.fast) {
            self.send(key, Message::Reject(request));
        }
    }

    pub(super) fn on_cancel(&mut self, key: PeerKey, request: Request) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let queue = &mut peer.uploads.queue;
        let at = queue.iter().position(|block| request_of(*block) == request);
        // What is with the driver already is answered by the block itself.
        if at.and_then(|at| queue.remove(at)).is_some() {
            self.refuse(key, request);
        }
    }

    /// Hands blocks to the driver as far as it has room for this peer, and the limit for one more
    /// of those that wait for it.
    fn serve(&mut self, key: PeerKey) {
        while let Some(length) = self.next_upload(key) {
            if !self.upload_line.is_empty() || !self.upload_limit.take(self.now, length) {
                return self.stand_in_line(key);
            }
            self.serve_next(key);
        }
    }

    /// The limit lets more through: a block for each peer in its turn (S-24).
    pub(super) fn serve_waiting(&mut self) {
        while let Some(&key) = self.upload_line.front() {
            let next = self.next_upload(key);
            if next.is_some_and(|length| !self.upload_limit.take(self.now, length)) {
                return;
            }
            self.upload_line.pop_front();
            if let Some(peer) = self.peers.get_mut(key) {
                peer.uploads.is_waiting = false;
            }
            if next.is_some() {
                self.serve_next(key);
                if self.next_upload(key).is_some() {
                    self.stand_in_line(key);
                }
            }
        }
    }

    fn stand_in_line(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key)
            && !std::mem::replace(&mut peer.uploads.is_waiting, true)
        {
            self.upload_line.push_back(key);
        }
    }

    /// The length of the block that the peer is to get next, if the driver has room for it.
    fn next_upload(&self, key: PeerKey) -> Option<u64> {
        let uploads = &self.peers.get(key)?.uploads;
        let block = uploads.queue.front()?;
        let has_room =
            uploads.serving_bytes < SERVING_WINDOW && uploads.serving.len() < SERVING_BLOCKS;
        has_room.then_some(block.length().into())
    }

    fn serve_next(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(block) = peer.uploads.queue.pop_front() else { return };
        if peer.uploads.serving.is_empty() {
            peer.uploads.last_progress = Some(self.now);
        }
        peer.uploads.serving.push(block);
        peer.uploads.serving_bytes += u64::from(block.length());
        peer.last_sent = self.now;
        self.actions.push_back(Action::ServeBlock { peer: key, block });
    }

    pub(super) fn on_block_served(&mut self, key: PeerKey, block: BlockInfo, sent: bool) {
        let now = self.now;
        let length = u64::from(block.length());
        if sent {
            self.up.add(now, length);
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        let at = peer.uploads.serving.iter().position(|serving| *serving == block);
        if at.map(|at| peer.uploads.serving.remove(at)).is_none() {
            return;
        }
        peer.uploads.serving_bytes -= length;
        peer.uploads.last_progress = Some(now);
        peer.last_sent = now;
        if sent {
            peer.slot.note_use(now);
            peer.upload.add(now, length);
        } else {
            self.refuse(key, request_of(block));
        }
        self.serve(key);
    }
}
