use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

/// The addresses that wait to be tried, in the order in which to try them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Those that must wait, by when they may be tried.
    waiting: BTreeSet<(Instant, Rank, SocketAddr)>,
    /// Those that may be tried by now, in which order, and since when.
    ready: BTreeSet<(Rank, Instant, SocketAddr)>,
}

/// The class of the source, and an order among equals; low ones come first.
pub(super) type Rank = (u8, u64);

impl Queue {
    pub(super) fn insert(&mut self, address: SocketAddr, at: Instant, rank: Rank) {
        self.waiting.insert((at, rank, address));
    }

    pub(super) fn remove(&mut self, address: SocketAddr, at: Instant, rank: Rank) {
        if !self.waiting.remove(&(at, rank, address)) {
            self.ready.remove(&(rank, at, address));
        }
    }

    /// Takes out the first address that may be tried by now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<SocketAddr> {
        while self.waiting.first().is_some_and(|(at, ..)| *at <= now) {
            let due = self.waiting.pop_first();
            self.ready.extend(due.map(|(at, rank, address)| (rank, at, address)));
        }
        self.ready.pop_first().map(|(.., address)| address)
    }

    /// The instant from which the next address may be tried.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        let ready = self.ready.first().map(|(_, at, _)| *at);
        ready.or_else(|| self.waiting.first().map(|(at, ..)| *at))
    }

    pub(super) fn check_invariants(
        &self,
        expected: impl Iterator<Item = (Instant, Rank, SocketAddr)>,
    ) {
        let ready = self.ready.iter().map(|&(rank, at, address)| (at, rank, address));
        let all: BTreeSet<_> = self.waiting.iter().copied().chain(ready).collect();
        assert_eq!(all, expected.collect());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 6881))
    }

    #[test]
    fn the_first_by_rank_comes_first_of_those_that_are_due() {
        let (now, mut queue) = (Instant::now(), Queue::default());
        let later = now + Duration::from_secs(1);
        for (n, at, rank) in [(1, now, 7), (2, later, 3), (3, now, 5)] {
            queue.insert(address(n), at, (0, rank));
        }
        assert_eq!(queue.pop(now), Some(address(3)));
        assert_eq!(queue.ready_at(), Some(now));
        queue.remove(address(1), now, (0, 7));
        assert_eq!((queue.pop(now), queue.ready_at()), (None, Some(later)));
        assert_eq!(queue.pop(later), Some(address(2)));
    }
}
