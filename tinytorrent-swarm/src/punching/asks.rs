use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::PeerKey;

/// Introductions that we asked for and that are not answered, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Asks {
    asks: VecDeque<(Instant, PeerKey, SocketAddr)>,
}

/// Time in which a relay answers: three messages on slow links.
const PATIENCE: Duration = Duration::from_secs(30);

/// Introductions to wait for. As many dials may fail at a time.
const MAX_ASKS: usize = 100;

impl Asks {
    pub(super) fn add(&mut self, now: Instant, relay: PeerKey, target: SocketAddr) {
        self.expire(now);
        if self.asks.len() == MAX_ASKS {
            self.asks.pop_front();
        }
        self.asks.push_back((now, relay, target));
    }

    /// Takes out what this relay was asked for. Returns false if it was not asked.
    pub(super) fn end(&mut self, now: Instant, relay: PeerKey, target: SocketAddr) -> bool {
        self.expire(now);
        let position = self.asks.iter().position(|&(_, by, to)| (by, to) == (relay, target));
        position.and_then(|position| self.asks.remove(position)).is_some()
    }

    /// A relay is gone.
    pub(super) fn leave(&mut self, relay: PeerKey) {
        self.asks.retain(|(_, by, _)| *by != relay);
    }

    fn expire(&mut self, now: Instant) {
        while self.asks.front().is_some_and(|(at, ..)| *at + PATIENCE <= now) {
            self.asks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> SocketAddr {
        SocketAddr::from((n.to_be_bytes(), 6881))
    }

    #[test]
    fn an_answer_ends_what_was_asked_for_in_time_and_no_more() {
        let (now, relay) = (Instant::now(), PeerKey::new(1, 0));
        let mut asks = Asks::default();
        asks.add(now, relay, address(1));
        assert!(!asks.end(now, PeerKey::new(1, 1), address(1)), "a successor of it");
        assert!(!asks.end(now, relay, address(2)));
        assert!(asks.end(now, relay, address(1)));
        assert!(!asks.end(now, relay, address(1)));
        asks.add(now, relay, address(1));
        assert!(!asks.end(now + PATIENCE, relay, address(1)));
    }

    #[test]
    fn what_is_waited_for_has_an_end() {
        let (now, relay) = (Instant::now(), PeerKey::new(1, 0));
        let mut asks = Asks::default();
        (0..10_000).for_each(|n| asks.add(now, relay, address(n)));
        assert_eq!(asks.asks.len(), MAX_ASKS);
        asks.leave(relay);
        assert!(asks.asks.is_empty());
    }
}
