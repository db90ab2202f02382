//! When something is to be done for a torrent.

use std::time::{Duration, Instant};

use super::{Checkpoint, Torrent};
use crate::disk::options::{FULL_LANES, HOLD, LINGER};

impl Torrent {
    /// When [`take_batch`](Self::take_batch) has to be tried again, if nothing else happens.
    pub(in crate::disk) fn deadline(&self) -> Option<Instant> {
        if self.drains > 0 {
            // The worker that is at it looks again when it is done.
            return None;
        }
        let complete = self.complete_since.map(|since| since + LINGER);
        let held = self.held_since.map(|since| since + HOLD);
        complete.into_iter().chain(held).min()
    }

    /// Whether a worker should be woken for what came just now.
    pub(in crate::disk) fn is_due(&self, now: Instant, is_pressed: bool) -> bool {
        let waits = |since: Option<Instant>, time: Duration| {
            since.is_some_and(|since| now.duration_since(since) >= time)
        };
        self.is_full()
            || self.complete.len() >= FULL_LANES
            || (!self.complete.is_empty() && (self.is_last() || self.wants_flush()))
            || waits(self.complete_since, LINGER)
            || waits(self.held_since, HOLD)
            || (self.waiting > 0 && self.wants_flush())
            || ((is_pressed || self.is_closed) && self.held_since.is_some())
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting >= self.batch_bytes
    }

    pub(super) fn is_aged(&self, now: Instant) -> bool {
        let is_old = |since| now.duration_since(since) >= HOLD;
        self.held_since.is_some_and(|since| self.is_closed || is_old(since))
    }

    /// Whether a second worker is of use.
    pub(super) fn is_lagging(&self) -> bool {
        self.complete.len() >= FULL_LANES || self.waiting >= 2 * self.batch_bytes
    }

    /// Whether the complete pieces are all that is missing.
    pub(super) fn is_last(&self) -> bool {
        let missing = self.have.piece_count() - self.have.count();
        self.complete.len() as u32 >= missing
    }

    pub(super) fn wants_flush(&self) -> bool {
        self.is_closed || matches!(self.checkpoint, Checkpoint::Flushing(_))
    }
}
