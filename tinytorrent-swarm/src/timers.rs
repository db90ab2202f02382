use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::PeerKey;

/// Reminders to look at a peer again.
///
/// An entry is a reminder, not a verdict: a peer that is looked at too early is put back with its real
/// deadline. So activity, which moves deadlines all the time, touches nothing here.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, PeerKey)>>,
}

impl Timers {
    /// Sets a reminder.
    pub(crate) fn remind(&mut self, at: Instant, peer: PeerKey) {
        self.heap.push(Reverse((at, peer)));
    }

    /// The instant of the first reminder.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out the first reminder if it is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, PeerKey)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn reminders_come_in_the_order_of_their_instants() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut timers = Timers::default();
        for (seconds, slot) in [(3, 0), (1, 1), (2, 2)] {
            timers.remind(start + seconds * second, PeerKey::new(slot, 0));
        }
        assert_eq!(timers.next(), Some(start + second));
        assert_eq!(timers.pop_due(start), None);
        let due = std::iter::from_fn(|| timers.pop_due(start + 2 * second));
        assert_eq!(due.map(|(_, peer)| peer.slot()).collect::<Vec<_>>(), [1, 2]);
    }
}
