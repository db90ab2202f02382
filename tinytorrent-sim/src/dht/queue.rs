use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Instant;

/// The happenings to come, in order of time and then of cause, so that each run has one order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Entry>,
    sequence: u64,
}

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum Happening {
    /// A datagram arrives.
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// The timer of a node goes off.
    Timer { node: usize },
    /// A node leaves, and another one takes its place. Nothing happens if that was done before.
    Departure { node: usize, generation: u32 },
    /// Sybils ask the nodes around their target, to get into the tables.
    Advertisement { group: usize },
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    sequence: u64,
    happening: Happening,
}

impl Queue {
    pub(super) fn push(&mut self, at: Instant, happening: Happening) {
        self.sequence += 1;
        self.heap.push(Entry { at, sequence: self.sequence, happening });
    }

    /// Takes the next happening, if it is not after the end.
    pub(super) fn pop(&mut self, end: Instant) -> Option<(Instant, Happening)> {
        self.heap.peek().filter(|entry| entry.at <= end)?;
        self.heap.pop().map(|entry| (entry.at, entry.happening))
    }
}

/// The earliest is the greatest, as the heap wants it.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the first one")]
    fn the_earliest_comes_first_and_those_of_one_time_in_order() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for (node, millis) in [5, 1, 5, 3].into_iter().enumerate() {
            queue.push(now + Duration::from_millis(millis), Happening::Timer { node });
        }
        let mut order = Vec::new();
        while let Some((_, Happening::Timer { node })) = queue.pop(now + Duration::from_millis(5)) {
            order.push(node);
        }
        assert_eq!(order, [1, 3, 0, 2]);
        queue.push(now + Duration::from_millis(6), Happening::Timer { node: 9 });
        assert!(queue.pop(now + Duration::from_millis(5)).is_none());
    }
}
