//! Blocks: asking, receiving, verdicts.

use tinytorrent_types::{BLOCK_LENGTH, BlockInfo, PieceIndex};
use tinytorrent_wire::{Message, PieceHeader, Request};

use super::messages::request_of;
use super::{Stage, Swarm};
use crate::PeerKey;
use crate::config::MAX_UNASKED;
use crate::contract::{Action, BlockVerdict, Event, block_of};
use crate::peer::{Peer, Pieces};
use crate::piece::{Arrival, BlockDigest, PickerPeer};

impl Swarm {
    pub(super) fn on_block(&mut self, key: PeerKey, header: PieceHeader) -> BlockVerdict {
        let now = self.now;
        let length = u64::from(header.length);
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.is_live()) else {
            return BlockVerdict::Discard;
        };
        peer.last_received = now;
        let Some(picker) = &mut self.picker else {
            return self.on_unasked_block(key, length);
        };
        let Some(block) = block_of(picker.geometry(), header) else {
            self.violation(key, "block outside of the torrent (BEP 3)");
            return BlockVerdict::Discard;
        };
        if !peer.requests.answered(now, block) {
            return self.on_unasked_block(key, length);
        }
        peer.download.add(now, length);
        let arrival = picker.receive(key, block);
        self.make_hungry(key);
        match arrival {
            Arrival::Unwanted => {
                self.wasted += length;
                BlockVerdict::Discard
            }
            Arrival::Accepted { other, is_last } => {
                self.down.add(now, length);
                self.unstored += length;
                if let Some(other) = other {
                    self.take_back(other, block);
                }
                if is_last {
                    self.verify(block.piece());
                }
                BlockVerdict::Store(block)
            }
        }
    }

    /// BEP 6 has such a peer left at once; without it, the block may be the late answer to a
    /// request that a choke or a cancel has voided.
    fn on_unasked_block(&mut self, key: PeerKey, length: u64) -> BlockVerdict {
        self.wasted += length;
        let Some(peer) = self.peers.get_mut(key) else { return BlockVerdict::Discard };
        peer.unasked += 1;
        if peer.fast {
            self.violation(key, "block that was not asked for (BEP 6)");
        } else if peer.unasked > MAX_UNASKED {
            self.violation(key, "endless blocks that were not asked for");
        }
        BlockVerdict::Discard
    }

    pub(super) fn verify(&mut self, piece: PieceIndex) {
        let digests = self.blame.wants_digests(piece);
        self.actions.push_back(Action::VerifyPiece { piece, digests });
    }

    pub(super) fn on_choke(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.am_choked = true;
        peer.requests.choked();
        if peer.fast {
            return; // BEP 6: each request will still be answered, by a block or a reject
        }
        // BEP 3: all are void. What was on its way already is still welcome.
        self.take_back_quietly(key);
    }

    pub(super) fn on_unchoke(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.am_choked = false;
        self.make_hungry(key);
    }

    pub(super) fn on_reject(&mut self, key: PeerKey, request: Request) {
        let (Some(peer), Some(picker)) = (self.peers.get_mut(key), &mut self.picker) else {
            return;
        };
        let Some(block) = block_of(picker.geometry(), request.into()) else {
            return self.violation(key, "reject outside of the torrent (BEP 6)");
        };
        if peer.requests.take(block) {
            picker.release(key, block);
            peer.requests.allowed_fast.retain(|piece| *piece != block.piece());
            peer.requests.current = None;
            let is_excused = peer.requests.rejected();
            if peer.requests.rejects > MAX_REJECTS {
                return self.violation(key, "endless rejects");
            }
            if !is_excused {
                self.note_failure(key);
            }
            self.make_hungry(key);
            self.wake_idle();
        } else if !peer.requests.forget(block) {
            self.violation(key, "reject of what was not asked for (BEP 6)");
        }
    }

    /// The peer fails to give what it was asked for: others come first for a while.
    pub(super) fn note_failure(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.requests.credit.fail(self.now) {
            peer.requests.current = None;
            if let Some(picker) = &mut self.picker {
                picker.drop_lead(key);
            }
            self.is_idle = true;
            self.arm(key);
        }
    }

    /// Asks again what a stalled peer was asked, of others.
    pub(super) fn take_back_requests(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get(key) else { return };
        let blocks: Vec<_> = peer.requests.outstanding.iter().copied().collect();
        for block in blocks {
            self.send(key, Message::Cancel(request_of(block)));
        }
        self.note_failure(key);
        self.take_back_quietly(key);
        self.make_hungry(key);
    }

    fn take_back_quietly(&mut self, key: PeerKey) {
        let (Some(peer), Some(picker)) = (self.peers.get_mut(key), &mut self.picker) else {
            return;
        };
        for block in std::mem::take(&mut peer.requests.outstanding) {
            picker.release(key, block);
            peer.requests.abandon(block);
        }
        peer.requests.current = None;
        picker.drop_lead(key);
        self.is_idle = true;
        self.wake_idle();
    }

    /// Another peer was quicker with this block.
    pub(super) fn take_back(&mut self, key: PeerKey, block: BlockInfo) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.requests.take(block) {
            peer.requests.abandon(block);
            self.send(key, Message::Cancel(request_of(block)));
            self.make_hungry(key);
        }
    }

    pub(super) fn on_blocks_stored(&mut self, bytes: u64) {
        let was_over = self.unstored >= self.config.store_budget;
        self.unstored = self.unstored.saturating_sub(bytes);
        if was_over && self.unstored < self.config.store_budget {
            self.feed_waiting();
        }
    }

    pub(super) fn on_piece_verified(&mut self, piece: PieceIndex, digests: &[BlockDigest]) {
        let Some(picker) = &mut self.picker else { return };
        let was_wanted = picker.wants(piece);
        if !picker.verified(piece) {
            return;
        }
        let is_finished = picker.is_finished();
        self.events.push_back(Event::PieceCompleted { piece });
        for guilty in self.blame.piece_verified(piece, digests) {
            self.ban(guilty, piece);
        }
        self.tell_have(piece, was_wanted);
        if is_finished && matches!(self.stage, Stage::Running) {
            self.stage = Stage::Finished;
            self.events.push_back(Event::Finished);
            self.trackers
                .set_complete(self.now, self.picker.as_ref().is_some_and(|p| p.have().is_full()));
            self.poll_trackers();
            self.leave_seeds();
        }
    }

    /// Tells those who lack the piece that we have it, and loses interest where it was the last.
    fn tell_have(&mut self, piece: PieceIndex, was_wanted: bool) {
        for key in self.live_peers() {
            let Some(peer) = self.peers.get_mut(key) else { continue };
            let Pieces::Known(pieces) = &peer.pieces else { continue };
            if pieces.contains(piece) {
                peer.interesting -= u32::from(was_wanted);
                self.update_interest(key);
            } else {
                self.send(key, Message::Have(piece.get()));
            }
        }
    }

    pub(super) fn on_piece_failed(&mut self, piece: PieceIndex, digests: Vec<BlockDigest>) {
        let Some(picker) = &mut self.picker else { return };
        let Some(senders) = picker.failed(piece) else { return };
        let length = picker.geometry().blocks_length(piece);
        self.wasted += u64::from(length);
        self.hash_failures += 1;
        self.events.push_back(Event::PieceFailed { piece });
        for guilty in self.blame.piece_failed(piece, senders, digests) {
            self.ban(guilty, piece);
        }
        self.is_idle = true;
        self.wake_idle();
    }

    /// Notes that the peer may be asked for more, once the batch is through.
    pub(super) fn make_hungry(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.is_hungry
        {
            peer.is_hungry = true;
            self.hungry.push(key);
        }
    }

    /// Something can be asked for again: those who found nothing may look once more.
    pub(super) fn wake_idle(&mut self) {
        if std::mem::take(&mut self.is_idle) {
            self.feed_waiting();
        }
    }

    /// Everybody may be asked for more: a limit has gone. The turn is at the one behind whoever
    /// had the last of what the rate limit let through (S-24).
    pub(super) fn feed_waiting(&mut self) {
        let mut keys = self.live_peers();
        let last = self.fed_last.and_then(|last| keys.iter().position(|&key| key == last));
        keys.rotate_left(last.map_or(0, |at| at + 1));
        for key in keys {
            self.make_hungry(key);
        }
    }

    /// Asks the hungry for as much as they can take.
    pub(super) fn feed_hungry(&mut self) {
        let mut hungry = std::mem::take(&mut self.hungry);
        if hungry.len() > 1 {
            // What somebody failed to give goes first to a peer that has given something.
            hungry.sort_by_key(|&key| self.peers.get(key).map(Peer::standing));
        }
        for key in hungry.drain(..) {
            if let Some(peer) = self.peers.get_mut(key) {
                peer.is_hungry = false;
                self.feed(key);
            }
        }
        if self.hungry.is_empty() {
            self.hungry = hungry; // keeps the allocation
        }
    }

    fn feed(&mut self, key: PeerKey) {
        let now = self.now;
        let (Some(peer), Some(picker)) = (self.peers.get_mut(key), &mut self.picker) else {
            return;
        };
        let only = match (peer.am_choked, peer.fast && !peer.requests.allowed_fast.is_empty()) {
            (false, _) => None,
            (true, true) => Some(peer.requests.allowed_fast.clone()),
            (true, false) => return,
        };
        if !peer.am_interested || !self.is_running || peer.requests.credit.is_resting(now) {
            return;
        }
        let window = peer.window(now, self.config.max_requests);
        let is_quick = peer.is_quick(now, picker.geometry().nominal_piece_length());
        let was_waiting_for_none = peer.requests.outstanding.is_empty();
        let (mut sent, mut is_idle) = (false, false);
        while peer.requests.outstanding.len() < window && self.unstored < self.config.store_budget {
            if !self.download_limit.take(now, u64::from(BLOCK_LENGTH)) {
                if sent {
                    self.fed_last = Some(key);
                }
                break;
            }
            let Pieces::Known(pieces) = &peer.pieces else { break };
            let asked = PickerPeer {
                key,
                pieces,
                current: &mut peer.requests.current,
                searched: &mut peer.requests.searched,
                is_quick,
                only: only.as_deref(),
            };
            let Some(block) = picker.pick(asked, &self.blame) else {
                self.download_limit.give_back(u64::from(BLOCK_LENGTH));
                is_idle = true;
                break;
            };
            peer.requests.sent(now, block);
            let message = Message::Request(request_of(block));
            self.actions.push_back(Action::Send { peer: key, message });
            sent = true;
        }
        if sent {
            peer.last_sent = now;
        }
        if sent && was_waiting_for_none {
            self.arm(key);
        }
        if is_idle {
            self.is_idle = true;
            self.steal_for(key);
        } else {
            self.rescue_for(key);
        }
    }
}

/// Rejects without a block between them. A peer that chokes rejects a window full at most.
const MAX_REJECTS: u32 = 4_000;
