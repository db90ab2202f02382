use std::time::Instant;

use tinytorrent_types::PieceIndex;

use crate::disk::options::HOLD;

/// The blocks in memory, counted: those to be written, and those that are kept to be hashed.
///
/// The bytes themselves are with their [`Piece`](crate::disk::piece::Piece).
#[derive(Debug)]
pub(super) struct WriteQueue {
    /// Pieces with blocks that are in memory only. One may be in here twice, or be with a worker.
    dirty: Vec<PieceIndex>,
    /// Bytes in memory only that no worker has.
    waiting: u64,
    /// All bytes in memory: also those with a worker, and those that are written but not hashed.
    in_memory: u64,
    /// The arrival of the oldest block that is still in memory, or a later time if a worker has it.
    since: Option<Instant>,
    /// Waiting bytes that make a batch.
    batch_bytes: u64,
}

impl WriteQueue {
    pub(super) fn new(batch_bytes: u64) -> Self {
        Self { dirty: Vec::new(), waiting: 0, in_memory: 0, since: None, batch_bytes }
    }

    /// Changes the number of waiting bytes that make a batch.
    pub(super) fn set_batch_bytes(&mut self, bytes: u64) {
        self.batch_bytes = bytes;
    }

    /// Counts a block that came.
    pub(super) fn add(&mut self, now: Instant, piece: PieceIndex, bytes: u64) {
        self.waiting += bytes;
        self.in_memory += bytes;
        self.since.get_or_insert(now);
        // Mostly the last one is the same piece; a second mention is found when it is taken.
        if self.dirty.last() != Some(&piece) {
            self.dirty.push(piece);
        }
    }

    /// Counts bytes that wait no more: a worker has them, or they were dropped.
    pub(super) fn take(&mut self, bytes: u64) {
        self.waiting -= bytes;
    }

    /// Counts bytes of a piece that wait again, as the worker that had them could not write them.
    pub(super) fn give_back(&mut self, piece: PieceIndex, bytes: u64) {
        self.waiting += bytes;
        if bytes > 0 {
            self.dirty.push(piece);
        }
    }

    /// Counts bytes that have left memory.
    pub(super) fn release(&mut self, bytes: u64) {
        self.in_memory -= bytes;
    }

    /// Forgets all blocks.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.batch_bytes);
    }

    /// Takes the pieces that are to be written.
    pub(super) fn take_dirty(&mut self) -> Vec<PieceIndex> {
        std::mem::take(&mut self.dirty)
    }

    /// Puts back pieces that are to be written later.
    pub(super) fn put_back(&mut self, pieces: Vec<PieceIndex>) {
        self.dirty.extend(pieces);
    }

    /// Starts the time of the oldest block anew: a batch has all that was old, and the blocks left in
    /// memory are with a worker, or did not fit into the batch.
    pub(super) fn restart_time(&mut self, now: Instant) {
        self.since = (self.in_memory > 0).then_some(now);
    }

    /// Ends the time of the oldest block if none is left.
    pub(super) fn end_time(&mut self) {
        if self.in_memory == 0 {
            self.since = None;
        }
    }

    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Returns `true` if some block is in memory, or was until its batch ends.
    pub(super) fn has_blocks(&self) -> bool {
        self.since.is_some()
    }

    /// Returns `true` if the waiting bytes make a batch.
    pub(super) fn is_full(&self) -> bool {
        self.waiting >= self.batch_bytes
    }

    /// Returns `true` if the waiting bytes make more than one batch.
    pub(super) fn is_lagging(&self) -> bool {
        self.waiting >= 2 * self.batch_bytes
    }

    /// Returns `true` if the oldest block has been in memory for [`HOLD`].
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.duration_since(since) >= HOLD)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + HOLD)
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self, waiting: u64, in_memory: u64) {
        assert_eq!(self.waiting, waiting, "waiting, or in a worker's hand");
        assert_eq!(self.in_memory, in_memory);
        if in_memory > 0 {
            assert!(self.since.is_some(), "what is in memory has a deadline");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tinytorrent_types::Geometry;

    use super::*;

    fn piece(index: u32) -> PieceIndex {
        Geometry::new(100, 1).unwrap().piece(index).unwrap()
    }

    #[test]
    fn the_oldest_block_sets_the_deadline() {
        let mut queue = WriteQueue::new(100);
        let now = Instant::now();
        assert_eq!(queue.deadline(), None);
        queue.add(now, piece(0), 16);
        queue.add(now + Duration::from_millis(9), piece(1), 16);
        assert_eq!(queue.deadline(), Some(now + HOLD));
        assert!(!queue.is_overdue(now + HOLD / 2) && queue.is_overdue(now + HOLD));
        queue.take(32);
        queue.release(16);
        queue.restart_time(now + HOLD);
        assert_eq!(queue.deadline(), Some(now + 2 * HOLD), "16 bytes are left in memory");
        queue.release(16);
        assert!(queue.has_blocks(), "until the batch ends");
        queue.end_time();
        assert_eq!(queue.deadline(), None);
        queue.check_invariants(0, 0);
    }

    #[test]
    fn batches_are_made_of_the_bytes_that_no_worker_has() {
        let mut queue = WriteQueue::new(100);
        let now = Instant::now();
        (0..7).for_each(|_| queue.add(now, piece(0), 16));
        assert!(queue.is_full() && !queue.is_lagging());
        queue.add(now, piece(1), 88);
        assert!(queue.is_lagging());
        assert_eq!(queue.take_dirty(), [piece(0), piece(1)], "neighbours are one");
        queue.put_back(vec![piece(1)]);
        queue.take(112);
        assert!(!queue.is_full());
        assert_eq!(queue.take_dirty(), [piece(1)]);
        queue.check_invariants(88, 200);
    }
}
