use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::PeerKey;

/// When to look at which peer again.
///
/// An entry is a reminder, not a verdict: who is looked at too early is put back with its real
/// deadline. So activity, which moves deadlines all the time, touches nothing here.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, PeerKey)>>,
}

impl Timers {
    pub(crate) fn remind(&mut self, at: Instant, peer: PeerKey) {
        self.heap.push(Reverse((at, peer)));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, PeerKey)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}
