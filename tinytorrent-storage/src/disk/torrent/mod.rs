//! The state of one torrent: its blocks in memory, and the jobs that are due. Reads no clock and does no
//! I/O.

mod batches;
mod checkpoint;
mod complete;
mod due;
mod reads;
mod shortage;
mod writes;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use tinytorrent_types::{BLOCK_LENGTH, Bitfield, BlockInfo, PieceIndex};

use self::{
    checkpoint::Checkpoints, complete::CompleteQueue, shortage::Shortage, writes::WriteQueue,
};
use super::{
    NotStored, PieceVerifyOptions, Subject,
    piece::{Piece, PieceWork},
    pins::Pins,
};
use crate::resume::{Counters, PartialPiece, Recovered};

pub(super) use self::{
    batches::{Batch, Ending},
    reads::{ReadQueue, ReadRequest},
};

/// The numbers of callers that wait for a state of a torrent.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Those that want no worker to take a job.
    pub(super) calm: u32,
    /// Those that want no block to be in memory.
    pub(super) written: u32,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.calm + self.written == 0
    }
}

/// What a torrent that was put into another state has lost.
pub(super) struct Replaced {
    /// Bytes in memory that are dropped.
    pub(super) bytes: u64,
    /// Pieces that were to be verified.
    pub(super) asked: Vec<PieceIndex>,
    /// Pieces that have no blocks any more.
    pub(super) dropped: Vec<PieceIndex>,
}

/// Read requests for one worker.
pub(super) enum Reads {
    /// They are to be read, and there is room for them.
    Served(Vec<ReadRequest>),
    /// There is no room, and will be none.
    Refused(Vec<ReadRequest>),
}

pub(super) struct Torrent {
    pub(super) content: Arc<Subject>,
    /// Pieces between their first block and their verification.
    pieces: HashMap<PieceIndex, Piece>,
    have: Bitfield,
    /// Pieces that were verified and that no resume record has.
    unrecorded: Vec<PieceIndex>,
    /// Pieces that were reported as lost before a request to verify them. The caller may make the request
    /// before it reads the report, which is then the answer.
    lost: HashSet<PieceIndex>,
    complete: CompleteQueue,
    writes: WriteQueue,
    /// Batches that workers have.
    batches: usize,
    pub(super) reads: ReadQueue,
    checkpoints: Checkpoints,
    shortage: Shortage,
    pub(super) is_closed: bool,
    pub(super) waiters: Waiters,
    /// In the queue of torrents that are served in turn; kept by the owner of that queue.
    pub(super) is_active: bool,
}

impl Torrent {
    pub(super) fn new(content: Arc<Subject>, recovered: Recovered, batch_bytes: u64) -> Self {
        Self {
            pieces: unfinished(&content, &recovered),
            content,
            have: recovered.have,
            unrecorded: Vec::new(),
            lost: HashSet::new(),
            complete: CompleteQueue::default(),
            writes: WriteQueue::new(batch_bytes),
            batches: 0,
            reads: ReadQueue::default(),
            checkpoints: Checkpoints::default(),
            shortage: Shortage::default(),
            is_closed: false,
            waiters: Waiters::default(),
            is_active: false,
        }
    }

    /// Changes the number of bytes that make a batch, which goes by the length of the content.
    pub(super) fn set_batch_bytes(&mut self, of_length: impl FnOnce(u64) -> u64) {
        self.writes.set_batch_bytes(of_length(self.content.storage.geometry().total_length()));
    }

    /// Puts a torrent of which no worker has a job into another state.
    pub(super) fn replace(&mut self, recovered: Recovered, pins: &mut Pins) -> Replaced {
        let asked = self.pieces.iter().filter(|(_, piece)| piece.is_asked());
        let asked = asked.map(|(&piece, _)| piece).collect();
        let bytes = self.writes.waiting();
        let mut dropped: Vec<_> = self.pieces.keys().copied().collect();
        self.release_all(pins);
        self.writes.clear();
        self.complete = CompleteQueue::default();
        self.lost.clear();
        self.pieces = unfinished(&self.content, &recovered);
        self.have = recovered.have;
        dropped.retain(|piece| !self.pieces.contains_key(piece) && !self.have.contains(*piece));
        self.unrecorded.retain(|piece| self.have.contains(*piece));
        Replaced { bytes, asked, dropped }
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
        // A slot holds one block of the grid, and no other range.
        let is_block = block.begin().is_multiple_of(BLOCK_LENGTH)
            && geometry.nth_block(piece, block.number()) == Some(block)
            && data.len() == block.length() as usize;
        if !is_block {
            return Err(NotStored::NotABlock);
        }
        // A late duplicate would begin the piece anew, and be written over right data.
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
        self.writes.add(now, piece, data.len() as u64);
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
        options: PieceVerifyOptions,
    ) -> Result<(), u32> {
        let geometry = self.content.storage.geometry();
        // The mark stays until the request, whatever is stored after the report.
        let was_lost = self.lost.remove(&piece);
        let Some(entry) = self.pieces.get_mut(&piece).filter(|entry| entry.missing() == 0) else {
            let known = self.pieces.get(&piece);
            let missing = known.map_or_else(|| geometry.block_count(piece), Piece::missing);
            return if was_lost { Ok(()) } else { Err(missing) };
        };
        let is_waiting = entry.is_asked();
        entry.ask(options);
        // `settle` adds a busy piece to the queue, and one that waits is in it already.
        if !entry.is_busy() && !is_waiting {
            self.complete.push(now, piece);
        }
        Ok(())
    }

    /// The read requests that a worker is to serve now, as far as `reserve` has room for their blocks.
    pub(super) fn take_reads(
        &mut self,
        now: Instant,
        is_pressed: bool,
        reserve: impl FnMut(BlockInfo) -> bool,
    ) -> Reads {
        if self.shortage.is_pausing(now) {
            return Reads::Served(Vec::new());
        }
        let yields = self.reads.had_turn() && self.is_due(now, is_pressed);
        let served = self.reads.take(yields, reserve);
        if served.is_empty() && !yields && self.is_closed {
            // Nobody may be left who drops an earlier block, and the end is not to wait for that.
            return Reads::Refused(self.reads.take(false, |_| true));
        }
        Reads::Served(served)
    }

    pub(super) fn request_checkpoint(&mut self, counters: Counters) {
        self.checkpoints.request(counters);
    }

    /// The checkpoint that can be made now: when everything stored before is written.
    pub(super) fn take_checkpoint(&mut self, now: Instant) -> Option<Counters> {
        if self.shortage.is_pausing(now) {
            return None;
        }
        self.checkpoints.take(self.writes.waiting() > 0, self.batches > 0)
    }

    pub(super) fn end_checkpoint(&mut self) {
        self.checkpoints.end();
    }

    /// Puts off a checkpoint for which no descriptor was left.
    pub(super) fn postpone_checkpoint(&mut self, counters: Counters) {
        // A newer request has newer counters.
        if !self.checkpoints.is_requested() {
            self.checkpoints.request(counters);
        }
    }

    /// Ends the torrent when all is written.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.shortage.restart();
    }

    /// Notes whether a job found no descriptor for a file.
    pub(super) fn note_shortage(&mut self, now: Instant, is_short: bool) {
        if is_short {
            self.shortage.begin(now);
        } else {
            self.shortage.end();
        }
    }

    /// Returns `true` if a job for which no descriptor was left is to be done again. A torrent that is closed
    /// waits a bounded time, as its end may be waited for.
    pub(super) fn may_wait(&self) -> bool {
        !self.is_closed || self.shortage.count() < CLOSED_PAUSES
    }

    /// Ends a pause that is over.
    pub(super) fn expire_pause(&mut self, now: Instant) {
        self.shortage.expire(now);
    }

    /// Returns `true` if the piece is unfinished and has blocks of an earlier run.
    pub(super) fn is_recovered(&self, piece: PieceIndex) -> bool {
        self.pieces.get(&piece).is_some_and(Piece::is_recovered)
    }

    pub(super) fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Takes the pieces that were verified since this was called last, which a resume record is to have.
    pub(super) fn take_unrecorded(&mut self) -> Vec<PieceIndex> {
        std::mem::take(&mut self.unrecorded)
    }

    /// Puts back the pieces of a resume record that was not saved.
    pub(super) fn put_back_unrecorded(&mut self, pieces: Vec<PieceIndex>) {
        self.unrecorded.extend(pieces);
    }

    /// All blocks on disk that a journal has to claim: those of unfinished pieces, and those of pieces
    /// that no record has. Without the latter, a piece that was written before the record and verified
    /// after it would be forgotten, as its files have the stamps of the record.
    pub(super) fn claims(&self) -> Vec<PartialPiece> {
        let geometry = self.content.storage.geometry();
        let whole = self.unrecorded.iter().map(|&piece| {
            let blocks = (0..geometry.block_count(piece)).collect();
            PartialPiece { piece, blocks }
        });
        self.partial().into_iter().chain(whole).collect()
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

    /// Returns `true` if no job is under way, due, or due later, and nobody holds them back.
    pub(super) fn is_idle(&self) -> bool {
        self.is_written()
            && self.reads.is_idle()
            && self.checkpoints.is_idle()
            && self.waiters.calm == 0
    }

    /// Returns `true` if no block is in memory, and no piece is to be verified.
    pub(super) fn is_written(&self) -> bool {
        self.batches == 0
            && self.writes.waiting() == 0
            // Blocks that are only kept to be hashed leave memory at a deadline, too.
            && !self.writes.has_blocks()
            && self.complete.is_empty()
    }

    /// Returns `true` if a worker has a job.
    pub(super) fn has_worker(&self) -> bool {
        self.batches > 0 || self.reads.has_worker() || self.checkpoints.is_running()
    }

    /// Releases all memory, of a torrent that is removed when all is written.
    pub(super) fn release_all(&mut self, pins: &mut Pins) {
        for piece in self.pieces.values() {
            piece.in_memory().for_each(|data| pins.release(data));
        }
        self.pieces.clear();
    }
}

/// The pieces of which an earlier run has written some blocks.
fn unfinished(content: &Subject, recovered: &Recovered) -> HashMap<PieceIndex, Piece> {
    let geometry = content.storage.geometry();
    let partial = recovered.partial.iter();
    partial
        .filter(|partial| !recovered.have.contains(partial.piece))
        .map(|PartialPiece { piece, blocks }| {
            let hasher = content.hashes.hasher(*piece);
            (*piece, Piece::recovered(geometry, *piece, hasher, blocks))
        })
        .collect()
}

/// Pauses of a torrent that is closed, while no descriptor is left: 3.5 s.
const CLOSED_PAUSES: u32 = 7;

#[cfg(test)]
mod tests;
