use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The happenings to come, in order of time and then of cause, so that each run has one order.
#[derive(Debug)]
pub(crate) struct Queue<At, Happening> {
    heap: BinaryHeap<Entry<At, Happening>>,
    sequence: u64,
}

#[derive(Debug)]
struct Entry<At, Happening> {
    at: At,
    sequence: u64,
    happening: Happening,
}

impl<At: Ord + Copy, Happening> Queue<At, Happening> {
    pub(crate) fn push(&mut self, at: At, happening: Happening) {
        self.sequence += 1;
        self.heap.push(Entry { at, sequence: self.sequence, happening });
    }

    /// Takes the next happening, if it is not after the end.
    pub(crate) fn pop(&mut self, end: At) -> Option<(At, Happening)> {
        self.heap.peek().filter(|entry| entry.at <= end)?;
        self.heap.pop().map(|entry| (entry.at, entry.happening))
    }

    /// The time of the next happening.
    pub(crate) fn next(&self) -> Option<At> {
        self.heap.peek().map(|entry| entry.at)
    }
}

impl<At: Ord, Happening> Default for Queue<At, Happening> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0 }
    }
}

/// The earliest is the greatest, as the heap wants it.
impl<At: Ord, Happening> Ord for Entry<At, Happening> {
    fn cmp(&self, other: &Self) -> Ordering {
        (&other.at, other.sequence).cmp(&(&self.at, self.sequence))
    }
}

impl<At: Ord, Happening> PartialOrd for Entry<At, Happening> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<At: Ord, Happening> PartialEq for Entry<At, Happening> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<At: Ord, Happening> Eq for Entry<At, Happening> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_those_of_one_time_in_order() {
        let mut queue = Queue::default();
        for (happening, at) in [5, 1, 5, 3].into_iter().enumerate() {
            queue.push(at, happening);
        }
        assert_eq!(queue.next(), Some(1));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(5)).collect();
        assert_eq!(order, [(1, 1), (3, 3), (5, 0), (5, 2)]);
        queue.push(6, 9);
        assert!(queue.pop(5).is_none());
    }
}
