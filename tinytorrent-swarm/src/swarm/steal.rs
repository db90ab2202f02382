//! Blocks that one peer was asked for and another will send sooner.

use std::collections::BTreeMap;
use std::time::Duration;

use tinytorrent_types::BlockInfo;
use tinytorrent_wire::Message;

use super::Swarm;
use super::messages::request_of;
use crate::PeerKey;
use crate::peer::Pieces;

/// In the end game, a peer with fewer requests than this takes over from the slowest.
const IDLE_BELOW: usize = 4;

/// What a peer will have sent in this time is left to it.
const STEAL_AFTER: Duration = Duration::from_millis(500);

/// The same, where the other peer failed lately itself: it comes after those that did not.
const STEAL_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Of the requests of one slow peer, how many to look at for one that another peer can take over.
const STEAL_AMONG: usize = 64;

/// The same, of all slow peers: each look has a search in the pieces of the other peer.
const STEAL_AMONG_ALL: usize = 512;

impl Swarm {
    /// The end game (BEP 3): nothing is left to ask for, but what others are slow to send. Takes
    /// over the last requests of whoever will take longest; that peer gets a cancel.
    pub(super) fn steal_for(&mut self, thief: PeerKey) {
        while let Some(peer) = self.peers.get(thief)
            && peer.requests.outstanding.len() < IDLE_BELOW
        {
            if peer.requests.was_robbed_within(self.now, STEAL_AFTER) {
                self.steal_at.get_or_insert(self.now + STEAL_AFTER);
                return;
            }
            if !self.may_steal(thief) {
                return;
            }
            let Some((victim, block)) = self.slow_request(thief) else { return };
            if !self.take_over(thief, victim, block) {
                return;
            }
        }
    }

    fn may_steal(&self, thief: PeerKey) -> bool {
        self.peers.get(thief).is_some_and(|peer| {
            !peer.am_choked
                && !peer.is_snubbing()
                && !peer.requests.credit.is_resting(self.now)
                // Whoever was found too slow does not rob others in turn.
                && !peer.requests.was_robbed_within(self.now, STEAL_AFTER)
        })
    }

    /// Asks one peer for what another was asked. `false` if that may not be.
    fn take_over(&mut self, thief: PeerKey, victim: PeerKey, block: BlockInfo) -> bool {
        if !self.picker.as_mut().is_some_and(|picker| picker.reassign(block, thief)) {
            return false;
        }
        let is_silent =
            self.peers.get(victim).is_some_and(|peer| peer.is_silent_for(self.now, STEAL_AFTER));
        if is_silent {
            self.note_failure(victim);
        }
        self.take_back(victim, block);
        if let Some(victim) = self.peers.get_mut(victim) {
            victim.requests.robbed_at = Some(self.now);
        }
        if let Some(peer) = self.peers.get_mut(thief) {
            peer.requests.sent(self.now, block);
        }
        self.send(thief, Message::Request(request_of(block)));
        self.arm(thief);
        true
    }

    /// Somebody waits for a piece (S-25), and the slowest of those who were asked for it would take
    /// longer than this peer, with all that it has to send before: it is asked instead.
    pub(super) fn rescue_for(&mut self, key: PeerKey) {
        let now = self.now;
        if !self.picker.as_ref().is_some_and(|picker| picker.has_urgent()) || !self.may_steal(key) {
            return;
        }
        let (Some(picker), Some(peer)) = (&self.picker, self.peers.get_mut(key)) else { return };
        let own = peer.time_for_one_more(now);
        let Pieces::Known(pieces) = &peer.pieces else { return };
        let awaited = picker.urgent_requests(pieces).filter(|(asked, _)| *asked != key);
        let awaited: BTreeMap<PeerKey, BlockInfo> = awaited.collect();
        let wait = |asked: &PeerKey| Some(self.peers.get_mut(*asked)?.drain_time(now));
        let Some((wait, victim)) = awaited.keys().map(wait).zip(awaited.keys()).max() else {
            return;
        };
        if wait > Some(STEAL_AFTER.max(own)) {
            self.take_over(key, *victim, awaited[victim]);
        }
    }

    /// The slowest peer that was asked for something which the thief can send sooner, and the last of
    /// such requests.
    fn slow_request(&mut self, thief: PeerKey) -> Option<(PeerKey, BlockInfo)> {
        let now = self.now;
        let peer = self.peers.get_mut(thief)?;
        let is_failing = peer.requests.credit.is_failing();
        let patience = if is_failing { STEAL_AFTER_FAILURE } else { STEAL_AFTER };
        let patience = patience.max(2 * peer.time_for_one_more(now));
        let others = self.peers.iter_mut().filter(|(key, _)| *key != thief);
        let owing = others.filter(|(_, peer)| !peer.requests.outstanding.is_empty());
        let mut owing: Vec<_> = owing.map(|(key, peer)| (peer.drain_time(now), key)).collect();
        owing.sort_unstable_by(|a, b| b.cmp(a));
        let pieces = self.peers.get(thief)?.pieces()?;
        let mut looks = STEAL_AMONG_ALL;
        for (wait, victim) in owing {
            if wait <= patience {
                // Whether it keeps its promise, and the quicker ones do, shows a little later.
                self.steal_at.get_or_insert(now + STEAL_AFTER);
                break;
            }
            let outstanding = &self.peers.get(victim)?.requests.outstanding;
            let mut last = outstanding.iter().rev().take(STEAL_AMONG.min(looks));
            looks -= last.len();
            if let Some(block) = last.find(|block| pieces.contains(block.piece())) {
                return Some((victim, *block));
            }
        }
        None
    }

    pub(super) fn steal_again(&mut self) {
        if self.steal_at.take_if(|at| *at <= self.now).is_some() {
            self.feed_waiting();
        }
    }
}
