//! The jobs that write, hash and verify: what workers take, and what they bring back.

use std::time::Instant;

use tinytorrent_types::{BLOCK_LENGTH, PieceIndex};

use super::{Piece, PieceWork, Pins, Torrent};

/// A batch for one worker.
pub(in crate::disk) struct Batch {
    pub(in crate::disk) works: Vec<PieceWork>,
    /// Blocks that are written may stay in memory until they are hashed.
    pub(in crate::disk) keep: bool,
}

/// The end of a piece's part in a batch.
pub(in crate::disk) enum Ending {
    Unfinished,
    Verified,
    /// It was wrong, or could not be written or read.
    Forgotten,
}

impl Torrent {
    /// The next batch, if one is due. `is_pressed`: memory is short.
    pub(in crate::disk) fn take_batch(&mut self, now: Instant, is_pressed: bool) -> Option<Batch> {
        // One worker at a time lets pieces come together for the lanes; more only if it lags.
        let is_alone = self.batches == 0 || self.is_lagging();
        if !is_alone || !self.is_due(now, is_pressed) || self.checkpoints.holds_batches() {
            return None;
        }
        let (is_aged, is_flush) = (self.is_aged(now), self.wants_flush());
        let is_retry = self.is_retrying(now);
        let mut batch = Batch { works: Vec::new(), keep: !is_aged && !is_pressed };
        // A flush ends when no block waits. With a limit, blocks that come meanwhile would keep it
        // going.
        let limit = if is_flush { u64::MAX } else { MAX_BATCH };
        let bytes = self.take_complete(limit, &mut batch);
        if is_aged || is_pressed || is_flush || is_retry || self.writes.is_full() {
            self.take_dirty(limit.saturating_sub(bytes), &mut batch);
        }
        if is_aged || is_pressed {
            self.take_kept(&mut batch);
        }
        self.after_taking(now, is_aged);
        if batch.works.is_empty() {
            return None;
        }
        self.batches += 1;
        Some(batch)
    }

    /// Takes back a piece of a batch. Gives the bytes that are written or dropped with that.
    pub(in crate::disk) fn settle(
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
                let writes = &mut self.writes;
                entry.settle(work, keep, |data| {
                    pins.release(data);
                    writes.release(data.len() as u64);
                });
                // The request came while the worker had the piece.
                if entry.is_asked() {
                    self.complete.push(now, piece);
                }
                bytes
            }
            Ending::Verified => {
                self.have.insert(piece);
                // Without a record no checkpoint takes the list, which would only grow.
                if self.content.journal.is_some() {
                    self.unrecorded.push(piece);
                }
                self.forget(piece, bytes, pins)
            }
            Ending::Forgotten => {
                let is_asked = work.finish.is_some() || entry.is_asked();
                // The caller may send its request before it reads of the loss, and is not to get
                // two answers.
                if !is_asked {
                    self.lost.insert(piece);
                }
                self.forget(piece, bytes, pins)
            }
        }
    }

    /// Takes back a piece of a batch for which no descriptor was left, to be tried again. Nothing of it is
    /// lost. Gives the bytes that are written all the same.
    pub(in crate::disk) fn postpone(
        &mut self,
        now: Instant,
        work: PieceWork,
        keep: bool,
        pins: &mut Pins,
    ) -> u64 {
        let (piece, bytes) = (work.piece, work.unwritten());
        if work.is_written {
            // From the start, as it is not known which blocks were hashed when the files were missing.
            let hasher = self.content.hashes.hasher(piece);
            let work = PieceWork { hasher, hashed: 0, padded: 0, ..work };
            return self.settle(now, work, keep, Ending::Unfinished, pins);
        }
        let Some(entry) = self.pieces.get_mut(&piece) else { return bytes };
        entry.give_back(work);
        self.writes.give_back(piece, bytes);
        if entry.is_asked() {
            self.complete.push(now, piece);
        }
        0
    }

    pub(in crate::disk) fn end_batch(&mut self) {
        self.batches -= 1;
        self.writes.end_time();
    }

    fn take_complete(&mut self, limit: u64, batch: &mut Batch) -> u64 {
        let mut bytes = 0;
        while bytes < limit
            && let Some(piece) = self.complete.pop()
        {
            bytes += self.take_work(piece, batch);
        }
        bytes
    }

    fn take_dirty(&mut self, limit: u64, batch: &mut Batch) {
        let mut left = Vec::new();
        let mut bytes = 0;
        for piece in self.writes.take_dirty() {
            match self.pieces.get(&piece) {
                // Verified, forgotten, or in this batch already.
                None => {}
                Some(entry) if entry.is_busy() || bytes >= limit => {
                    // A piece that another worker has may hold blocks that came since, which wait
                    // for the next batch.
                    let is_mine = batch.works.iter().any(|work| work.piece == piece);
                    if !is_mine && left.last() != Some(&piece) {
                        left.push(piece);
                    }
                }
                Some(_) => bytes += self.take_work(piece, batch),
            }
        }
        self.writes.put_back(left);
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

    fn take_work(&mut self, piece: PieceIndex, batch: &mut Batch) -> u64 {
        let Some(entry) = self.pieces.get_mut(&piece).filter(|entry| !entry.is_busy()) else {
            return 0;
        };
        let work = entry.take_work(piece);
        let bytes = work.unwritten();
        self.writes.take(bytes);
        batch.works.push(work);
        // Pieces that are only hashed cost about as much as those that are written too.
        bytes.max(u64::from(BLOCK_LENGTH))
    }

    fn after_taking(&mut self, now: Instant, is_aged: bool) {
        if is_aged {
            self.writes.restart_time(now);
        }
        if self.writes.waiting() == 0 {
            self.checkpoints.end_flush();
        }
    }

    /// Drops a piece. Gives the bytes that were in memory only, those that a worker had included.
    fn forget(&mut self, piece: PieceIndex, with_worker: u64, pins: &mut Pins) -> u64 {
        let Some(entry) = self.pieces.remove(&piece) else { return with_worker };
        for data in entry.in_memory() {
            pins.release(data);
            self.writes.release(data.len() as u64);
        }
        let held = Piece::held(&entry);
        // Blocks may have come while a worker had the others.
        self.writes.take(held.saturating_sub(with_worker));
        self.complete.remove(piece);
        held
    }
}

/// A worker takes no more at once, so that it is back for others soon: some milliseconds.
const MAX_BATCH: u64 = 8 << 20;
