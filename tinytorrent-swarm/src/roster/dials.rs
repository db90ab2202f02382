use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::PeerKey;

/// The connections that we are making. Those that take long are given up while other addresses wait, so
/// that addresses at which nobody answers do not hold up the rest.
#[derive(Debug)]
pub(super) struct Dials {
    limit: usize,
    /// Connections that may still be begun, of those of all torrents; `None` for any number.
    credit: Option<u32>,
    /// By the end of the time that each may take.
    pending: BTreeSet<(Instant, PeerKey)>,
}

/// Time that the first connection to an address may take while others wait: a first lost packet is sent
/// again after one second. It doubles with each failure, as some links are slow.
const PATIENCE: Duration = Duration::from_secs(3);

/// Doublings of the patience at most: what the driver bears with is less.
const MAX_DOUBLINGS: u32 = 4;

impl Dials {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, credit: None, pending: BTreeSet::new() }
    }

    /// A connection is begun to an address that failed so many times.
    pub(super) fn begin(&mut self, now: Instant, key: PeerKey, failures: u32) {
        self.credit = self.credit.map(|credit| credit.saturating_sub(1));
        let patience = PATIENCE * (1 << failures.min(MAX_DOUBLINGS));
        self.pending.insert((now + patience, key));
    }

    /// The handshakes of a connection are through, or it is gone. It may be one that came in.
    pub(super) fn end(&mut self, key: PeerKey) {
        self.pending.retain(|(_, pending)| *pending != key);
    }

    /// Connections under way.
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.room() > 0 && self.credit != Some(0)
    }

    /// Connections that may be begun, as far as it is up to this torrent.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.pending.len())
    }

    /// Changes the number of connections that may still be begun.
    pub(super) fn set_credit(&mut self, credit: Option<u32>) {
        self.credit = credit;
    }

    /// Connections that may still be begun; `None` for any number.
    pub(super) fn credit(&self) -> Option<u32> {
        self.credit
    }

    /// The connection whose time was over first.
    pub(super) fn slowest(&self, now: Instant) -> Option<PeerKey> {
        self.pending.first().filter(|(at, _)| *at <= now).map(|(_, key)| *key)
    }

    /// The instant at which the time of a connection is over.
    pub(super) fn next(&self) -> Option<Instant> {
        self.pending.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_credit_nothing_is_begun() {
        // S-28
        let (now, mut dials) = (Instant::now(), Dials::new(9));
        dials.set_credit(Some(1));
        assert!(dials.has_room());
        dials.begin(now, PeerKey::new(0, 0), 0);
        assert!(!dials.has_room() && dials.room() == 8);
        dials.set_credit(None);
        assert!(dials.has_room());
    }

    #[test]
    fn the_slowest_is_given_up_first_and_those_that_failed_have_longer() {
        // S-28
        let (now, [old, new]) = (Instant::now(), [0, 1].map(|slot| PeerKey::new(slot, 0)));
        let mut dials = Dials::new(2);
        dials.begin(now, old, 2);
        assert!(dials.has_room());
        dials.begin(now + PATIENCE, new, 0);
        assert!(!dials.has_room());
        assert_eq!((dials.next(), dials.slowest(now + PATIENCE)), (Some(now + 2 * PATIENCE), None));
        assert_eq!(dials.slowest(now + 4 * PATIENCE), Some(new));
        dials.end(new);
        assert_eq!(dials.slowest(now + 4 * PATIENCE), Some(old));
    }

    #[test]
    fn each_connection_that_is_begun_costs_credit_and_a_place() {
        let (now, mut dials) = (Instant::now(), Dials::new(4));
        let keys = [0, 1, 2, 3].map(|slot| PeerKey::new(slot, 0));
        dials.begin(now, keys[0], 0);
        assert_eq!((dials.credit(), dials.room(), dials.len()), (None, 3, 1));
        dials.set_credit(Some(2));
        dials.begin(now, keys[1], 0);
        assert_eq!((dials.credit(), dials.room(), dials.has_room()), (Some(1), 2, true));
        dials.begin(now, keys[2], 0);
        assert_eq!((dials.credit(), dials.room(), dials.has_room()), (Some(0), 1, false));
        dials.begin(now, keys[3], 0);
        assert_eq!((dials.credit(), dials.room()), (Some(0), 0));
        dials.set_credit(None);
        assert!(!dials.has_room(), "there is no place");
        dials.end(keys[1]);
        assert_eq!((dials.room(), dials.len(), dials.has_room()), (1, 3, true));
    }
}
