//! The way to a resume record: what is held is written first.

use super::Torrent;
use crate::resume::Counters;

/// What is asked for, and how near it is.
#[derive(Clone, Copy)]
pub(super) enum Checkpoint {
    None,
    /// What is held has to be written first.
    Flushing(Counters),
    /// Nothing that is held has to be waited for but what workers have in hand.
    Ready(Counters),
}

impl Torrent {
    pub(in crate::disk) fn request_checkpoint(&mut self, counters: Counters) {
        self.checkpoint = Checkpoint::Flushing(counters);
    }

    /// The checkpoint that can be made now: when everything stored before is written.
    pub(in crate::disk) fn take_checkpoint(&mut self) -> Option<Counters> {
        if self.drains > 0 || self.is_checkpointing {
            return None;
        }
        let counters = match self.checkpoint {
            Checkpoint::Ready(counters) => counters,
            Checkpoint::Flushing(counters) if self.waiting == 0 => counters,
            Checkpoint::Flushing(_) | Checkpoint::None => return None,
        };
        self.checkpoint = Checkpoint::None;
        self.is_checkpointing = true;
        Some(counters)
    }

    pub(in crate::disk) fn end_checkpoint(&mut self) {
        self.is_checkpointing = false;
    }

    pub(in crate::disk) fn has_checkpoint(&self) -> bool {
        !matches!(self.checkpoint, Checkpoint::None)
    }

    /// Whether what comes now has to wait until the checkpoint has begun.
    pub(super) fn is_awaiting_checkpoint(&self) -> bool {
        matches!(self.checkpoint, Checkpoint::Ready(_)) && !self.is_checkpointing
    }
}
