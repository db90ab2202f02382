//! What one torrent has in memory and what is due to be done for it. Reads no clock and does no
//! I/O.

mod checkpoint;
mod due;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use tinytorrent_types::{BLOCK_LENGTH, Bitfield, BlockInfo, PieceIndex};

use self::checkpoint::Checkpoint;
use super::{
    Content, NotStored, VerifyOptions,
    options::LINGER,
    piece::{Piece, PieceWork},
    pins::Pins,
};
use crate::resume::{PartialPiece, Recovered};

pub(super) struct Torrent {
    pub(super) content: Arc<Content>,
    /// Pieces between their first block and their verification.
    pieces: HashMap<PieceIndex, Piece>,
    have: Bitfield,
    /// Pieces that were reported as lost before anybody asked to verify them. The report may
    /// still be on its way when the caller asks, so that the request is answered already.
    lost: HashSet<PieceIndex>,
    /// Pieces to be verified that no worker has, and when the first of them came.
    complete: VecDeque<PieceIndex>,
    complete_since: Option<Instant>,
    last_complete: Option<Instant>,
    /// Pieces with blocks that are in memory only.
    dirty: Vec<PieceIndex>,
    /// Bytes in memory only that no worker has.
    waiting: u64,
    /// All bytes in memory: also those with a worker, and those that are written but not hashed.
    in_memory: u64,
    /// When the first block came that is still in memory.
    held_since: Option<Instant>,
    batch_bytes: u64,
    drains: usize,
    pub(super) reads: VecDeque<ReadRequest>,
    checkpoint: Checkpoint,
    is_checkpointing: bool,
    /// Reads and writes take turns.
    read_last: bool,
    pub(super) is_closed: bool,
    pub(super) is_active: bool,
}

pub(super) struct ReadRequest {
    pub(super) block: BlockInfo,
    pub(super) tag: u64,
}

/// A batch for one worker.
pub(super) struct Batch {
    pub(super) works: Vec<PieceWork>,
    /// Whether what is written may stay in memory until it is hashed.
    pub(super) keep: bool,
}

/// How a piece of a batch ended.
pub(super) enum Ending {
    Unfinished,
    Verified,
    /// It was wrong, or could not be written or read.
    Forgotten,
}

impl Torrent {
    pub(super) fn new(content: Arc<Content>, recovered: Recovered, batch_bytes: u64) -> Self {
        let geometry = content.storage.geometry();
        let mut pieces = HashMap::new();
        for PartialPiece { piece, blocks } in &recovered.partial {
            if !recovered.have.contains(*piece) {
                let hasher = content.hashes.hasher(*piece);
                pieces.insert(*piece, Piece::recovered(geometry, *piece, hasher, blocks));
            }
        }
        Self {
            content,
            pieces,
            have: recovered.have,
            lost: HashSet::new(),
            complete: VecDeque::new(),
            complete_since: None,
            last_complete: None,
            dirty: Vec::new(),
            waiting: 0,
            in_memory: 0,
            held_since: None,
            batch_bytes,
            drains: 0,
            reads: VecDeque::new(),
            checkpoint: Checkpoint::None,
            is_checkpointing: false,
            read_last: false,
            is_closed: false,
            is_active: false,
        }
    }

    /// Takes in a block.
    pub(super) fn store(
        &mut self,
        now: Instant,
        block: BlockInfo,
        data: Bytes,
        pins: &mut Pins,
    ) -> Result<(), NotStored> {
        let geometry = self.content.storage.geometry();
        let piece = block.piece();
        let is_block = block.begin().is_multiple_of(BLOCK_LENGTH)
            && geometry.nth_block(piece, block.number()) == Some(block)
            && data.len() == block.length() as usize;
        if !is_block {
            return Err(NotStored::NotABlock);
        }
        if self.have.contains(piece) {
            return Err(NotStored::Duplicate);
        }
        let hashes = &self.content.hashes;
        let new = || Piece::new(geometry, piece, hashes.hasher(piece));
        let entry = self.pieces.entry(piece).or_insert_with(new);
        if !entry.hold(block.number(), data.clone()) {
            return Err(NotStored::Duplicate);
        }
        pins.hold(&data);
        self.waiting += data.len() as u64;
        self.in_memory += data.len() as u64;
        self.held_since.get_or_insert(now);
        // Mostly the last one is the same piece; a second mention is found when it is taken.
        if self.dirty.last() != Some(&piece) {
            self.dirty.push(piece);
        }
        Ok(())
    }

    /// Asks for the verification of a piece.
    ///
    /// # Errors
    /// The number of blocks that were never stored. A piece that was reported as lost is no error:
    /// the request is answered by that report.
    pub(super) fn verify(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        options: VerifyOptions,
    ) -> Result<(), u32> {
        let geometry = self.content.storage.geometry();
        let was_lost = self.lost.remove(&piece);
        let Some(entry) = self.pieces.get_mut(&piece).filter(|entry| entry.missing() == 0) else {
            let known = self.pieces.get(&piece);
            let missing = known.map_or_else(|| geometry.block_count(piece), Piece::missing);
            return if was_lost { Ok(()) } else { Err(missing) };
        };
        let is_waiting = entry.is_asked();
        entry.ask(options);
        if !entry.is_busy() && !is_waiting {
            self.push_complete(now, piece);
        }
        Ok(())
    }

    /// Read requests, as many as one worker takes at once.
    pub(super) fn take_reads(&mut self, now: Instant, is_pressed: bool) -> Vec<ReadRequest> {
        if std::mem::take(&mut self.read_last) && self.is_due(now, is_pressed) {
            return Vec::new();
        }
        let count = self.reads.len().min(MAX_READS);
        self.read_last = count > 0;
        self.reads.drain(..count).collect()
    }

    /// The next batch, if one is due. `is_pressed`: memory is short.
    pub(super) fn take_batch(&mut self, now: Instant, is_pressed: bool) -> Option<Batch> {
        // One worker at a time lets pieces come together for the lanes; more only if it lags.
        let is_alone = self.drains == 0 || self.is_lagging();
        if !is_alone || !self.is_due(now, is_pressed) || self.is_awaiting_checkpoint() {
            return None;
        }
        let (is_aged, is_flush) = (self.is_aged(now), self.wants_flush());
        let mut batch = Batch { works: Vec::new(), keep: !is_aged && !is_pressed };
        let limit = if is_flush { u64::MAX } else { MAX_BATCH };
        let mut bytes = 0;
        while bytes < limit
            && let Some(piece) = self.complete.pop_front()
        {
            bytes += self.take_work(piece, &mut batch);
        }
        if self.complete.is_empty() {
            self.complete_since = None;
        }
        if is_aged || is_pressed || is_flush || self.is_full() {
            self.take_dirty(limit.saturating_sub(bytes), &mut batch);
        }
        if is_aged || is_pressed {
            self.take_kept(&mut batch);
        }
        self.after_taking(now, is_aged);
        if batch.works.is_empty() {
            return None;
        }
        self.drains += 1;
        Some(batch)
    }

    fn after_taking(&mut self, now: Instant, is_aged: bool) {
        if is_aged {
            // What is left is with a worker, or beyond this batch.
            self.held_since = (self.in_memory > 0).then_some(now);
        }
        if let Checkpoint::Flushing(counters) = self.checkpoint
            && self.waiting == 0
        {
            self.checkpoint = Checkpoint::Ready(counters);
        }
    }

    /// Takes back a piece of a batch. Gives the bytes that are written or dropped with that.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        work: PieceWork,
        keep: bool,
        ending: Ending,
        pins: &mut Pins,
    ) -> u64 {
        let piece = work.piece;
        let bytes = work.unwritten();
        let Some(entry) = self.pieces.get_mut(&piece) else { return bytes };
        match ending {
            Ending::Unfinished => {
                let in_memory = &mut self.in_memory;
                entry.settle(work, keep, |data| {
                    pins.release(data);
                    *in_memory -= data.len() as u64;
                });
                if entry.is_asked() {
                    self.push_complete(now, piece);
                }
                bytes
            }
            Ending::Verified => {
                self.have.insert(piece);
                self.forget(piece, bytes, pins)
            }
            Ending::Forgotten => {
                let is_asked = work.finish.is_some() || entry.is_asked();
                if !is_asked {
                    self.lost.insert(piece);
                }
                self.forget(piece, bytes, pins)
            }
        }
    }

    pub(super) fn end_batch(&mut self) {
        self.drains -= 1;
        if self.in_memory == 0 {
            self.held_since = None;
        }
    }

    /// Whether a piece of this torrent had blocks of an earlier run.
    pub(super) fn is_recovered(&self, piece: PieceIndex) -> bool {
        self.pieces.get(&piece).is_some_and(Piece::is_recovered)
    }

    pub(super) fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Unfinished pieces with blocks on disk, in order.
    pub(super) fn partial(&self) -> Vec<PartialPiece> {
        let mut partial: Vec<_> = self
            .pieces
            .iter()
            .map(|(&piece, entry)| PartialPiece { piece, blocks: entry.stored().collect() })
            .filter(|partial| !partial.blocks.is_empty())
            .collect();
        partial.sort_unstable_by_key(|partial| partial.piece);
        partial
    }

    /// Whether there is nothing to do and nothing to come.
    pub(super) fn is_idle(&self) -> bool {
        self.drains == 0
            && self.waiting == 0
            && self.held_since.is_none()
            && self.complete.is_empty()
            && self.reads.is_empty()
            && !self.has_checkpoint()
            && !self.is_checkpointing
    }

    /// Lets go of all memory; for a torrent that is removed when all is written.
    pub(super) fn release_all(&mut self, pins: &mut Pins) {
        for piece in self.pieces.values() {
            piece.in_memory().for_each(|data| pins.release(data));
        }
        self.pieces.clear();
    }

    /// Pieces that come slowly have no reason to wait for each other.
    fn push_complete(&mut self, now: Instant, piece: PieceIndex) {
        self.complete.push_back(piece);
        let is_quick = self.last_complete.is_some_and(|last| now.duration_since(last) < 2 * LINGER);
        let since = if is_quick { Some(now) } else { now.checked_sub(LINGER) };
        self.last_complete = Some(now);
        self.complete_since = self.complete_since.or(since.or(Some(now)));
    }

    fn take_work(&mut self, piece: PieceIndex, batch: &mut Batch) -> u64 {
        let Some(entry) = self.pieces.get_mut(&piece).filter(|entry| !entry.is_busy()) else {
            return 0;
        };
        let work = entry.take_work(piece);
        let bytes = work.unwritten();
        self.waiting -= bytes;
        batch.works.push(work);
        // Pieces that are only hashed cost about as much as those that are written too.
        bytes.max(u64::from(BLOCK_LENGTH))
    }

    fn take_dirty(&mut self, limit: u64, batch: &mut Batch) {
        let mut left = Vec::new();
        let mut bytes = 0;
        for piece in std::mem::take(&mut self.dirty) {
            match self.pieces.get(&piece) {
                // Verified, forgotten, or in this batch already.
                None => {}
                Some(entry) if entry.is_busy() || bytes >= limit => {
                    let is_mine = batch.works.iter().any(|work| work.piece == piece);
                    if !is_mine && left.last() != Some(&piece) {
                        left.push(piece);
                    }
                }
                Some(_) => bytes += self.take_work(piece, batch),
            }
        }
        self.dirty.extend(left);
    }

    /// Unfinished pieces that hold blocks only to hash them later: those leave memory.
    fn take_kept(&mut self, batch: &mut Batch) {
        let kept: Vec<_> = self
            .pieces
            .iter()
            .filter(|(_, entry)| !entry.is_busy() && entry.in_memory().next().is_some())
            .map(|(&piece, _)| piece)
            .collect();
        for piece in kept {
            self.take_work(piece, batch);
        }
    }

    /// Gives the bytes that were in memory only, those in a worker's hand included.
    fn forget(&mut self, piece: PieceIndex, in_hand: u64, pins: &mut Pins) -> u64 {
        let Some(entry) = self.pieces.remove(&piece) else { return in_hand };
        for data in entry.in_memory() {
            pins.release(data);
            self.in_memory -= data.len() as u64;
        }
        let held = entry.held();
        // Blocks may have come while a worker had the others.
        self.waiting -= held.saturating_sub(in_hand);
        self.complete.retain(|&complete| complete != piece);
        held
    }
}

/// A worker takes no more at once, so that it is back for others soon: some milliseconds.
const MAX_BATCH: u64 = 8 << 20;

/// Requests that one worker takes at once: 4 MiB.
const MAX_READS: usize = 256;

#[cfg(test)]
mod tests;
