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
    /// Reminders at the last [`prune`](Self::prune).
    pruned: usize,
}

/// Reminders that are not worth a look through all of them.
const FEW: usize = 1_024;

impl Timers {
    /// Sets a reminder.
    pub(crate) fn remind(&mut self, at: Instant, peer: PeerKey) {
        self.heap.push(Reverse((at, peer)));
    }

    /// The instant of the first reminder.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Drops those that do not count any more, of connections that are gone for example, once they are
    /// more than half: each waits for minutes otherwise, and connections come by the thousand.
    pub(crate) fn prune(&mut self, counts: impl Fn(Instant, PeerKey) -> bool) {
        if self.heap.len() >= FEW.max(2 * self.pruned) {
            self.heap.retain(|Reverse((at, peer))| counts(*at, *peer));
            self.heap.shrink_to(FEW);
            self.pruned = self.heap.len();
        }
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
    fn reminders_of_those_that_are_gone_do_not_pile_up() {
        let start = Instant::now();
        let mut timers = Timers::default();
        for generation in 0..100_000 {
            let peer = PeerKey::new(0, generation);
            timers.remind(start + Duration::from_secs(1), peer);
            timers.prune(|_, known| known == peer);
            assert!(timers.heap.len() <= FEW);
        }
    }

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
