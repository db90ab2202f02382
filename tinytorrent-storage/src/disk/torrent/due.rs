//! The times at which something is to be done for a torrent.

use std::time::Instant;

use super::Torrent;

impl Torrent {
    /// The time to try [`take_batch`](Self::take_batch) again, if nothing else happens.
    pub(in crate::disk) fn deadline(&self) -> Option<Instant> {
        if self.waiters.calm > 0 {
            // The end of the hold checks for a job.
            return None;
        }
        if let Some(until) = self.shortage.until() {
            return Some(until);
        }
        if self.batches > 0 {
            // The worker that ends its batch checks for another one.
            return None;
        }
        [self.complete.deadline(), self.writes.deadline()].into_iter().flatten().min()
    }

    /// Returns `true` if a worker should take a batch now.
    pub(in crate::disk) fn is_due(&self, now: Instant, is_pressed: bool) -> bool {
        if self.shortage.is_pausing(now) {
            return false;
        }
        self.writes.is_full()
            || self.is_retrying(now)
            || self.complete.fills_lanes()
            || (!self.complete.is_empty() && (self.is_last() || self.wants_flush()))
            || self.complete.is_overdue(now)
            || self.writes.is_overdue(now)
            || (self.writes.waiting() > 0 && self.wants_flush())
            || ((is_pressed || self.is_ending()) && self.writes.has_blocks())
    }

    /// Returns `true` if a worker could take a job of any kind now.
    pub(in crate::disk) fn has_job(&self, now: Instant, is_pressed: bool) -> bool {
        !self.shortage.is_pausing(now)
            && (self.reads.is_ready()
                || self.checkpoints.is_requested()
                || self.is_closed
                || self.is_due(now, is_pressed))
    }

    /// Returns `true` if blocks that could not be written are to be tried again.
    pub(super) fn is_retrying(&self, now: Instant) -> bool {
        self.shortage.is_retrying(now) && self.writes.waiting() > 0
    }

    /// Returns `true` if all blocks are to leave memory.
    pub(super) fn is_aged(&self, now: Instant) -> bool {
        self.writes.is_overdue(now) || (self.is_ending() && self.writes.has_blocks())
    }

    /// Returns `true` if a second worker is of use.
    pub(super) fn is_lagging(&self) -> bool {
        self.complete.fills_lanes() || self.writes.is_lagging()
    }

    /// Returns `true` if no other piece will be complete to be hashed with these.
    pub(super) fn is_last(&self) -> bool {
        let missing = self.have.piece_count() - self.have.count();
        self.complete.len() as u32 >= missing
    }

    pub(super) fn wants_flush(&self) -> bool {
        self.is_ending() || self.checkpoints.is_flushing()
    }

    /// Returns `true` if somebody waits until no block is in memory.
    fn is_ending(&self) -> bool {
        self.is_closed || self.waiters.written > 0
    }
}
