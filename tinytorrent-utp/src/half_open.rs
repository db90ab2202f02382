use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::SeqNr;

/// Connections of others of which only the first packet has come.
///
/// Its address may be forged (P-34): they take little memory, have no timer each, send nothing on their own, and end
/// soon. Who answers to our number is at its address.
#[derive(Debug, Default)]
pub(crate) struct HalfOpen {
    entries: HashMap<(SocketAddr, u16), Begun>,
    /// Keys by age; those that became connections are still there until their time.
    order: VecDeque<(Instant, (SocketAddr, u16))>,
}

/// The facts about a connection after its first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// The number of our first packet, which the answer names.
    pub(crate) ours: SeqNr,
    /// The number of their first packet.
    pub(crate) theirs: SeqNr,
    at: Instant,
}

impl HalfOpen {
    /// The entry of a first packet: that of before if it is there (P-35), or a new one, for which the oldest of more
    /// than `most` makes room.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        key: (SocketAddr, u16),
        ours: SeqNr,
        theirs: SeqNr,
        most: usize,
    ) -> Option<Begun> {
        if let Some(begun) = self.entries.get(&key).filter(|begun| begun.theirs == theirs) {
            return Some(*begun);
        }
        if most == 0 {
            return None;
        }
        self.entries.remove(&key);
        while self.order.len() >= most {
            self.pop();
        }
        let begun = Begun { ours, theirs, at: now };
        self.entries.insert(key, begun);
        self.order.push_back((now, key));
        Some(begun)
    }

    /// The entry of a packet that answers to our number.
    pub(crate) fn get(&self, key: (SocketAddr, u16), ack: SeqNr) -> Option<Begun> {
        self.entries.get(&key).filter(|begun| begun.ours.minus(1) == ack).copied()
    }

    pub(crate) fn remove(&mut self, key: (SocketAddr, u16)) -> Option<Begun> {
        let begun = self.entries.remove(&key);
        while self.order.front().is_some_and(|(_, key)| !self.entries.contains_key(key)) {
            self.order.pop_front();
        }
        begun
    }

    pub(crate) fn contains(&self, key: (SocketAddr, u16)) -> bool {
        self.entries.contains_key(&key)
    }

    /// Ends those whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| *at + LIFETIME <= now) {
            self.pop();
        }
    }

    /// The end of the next one.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.front().map(|(at, _)| *at + LIFETIME)
    }

    fn pop(&mut self) {
        if let Some((at, key)) = self.order.pop_front() {
            // There may be a newer one of this key.
            if self.entries.get(&key).is_some_and(|begun| begun.at == at) {
                self.entries.remove(&key);
            }
        }
    }
}

/// Long enough for the first data to be lost twice and sent again after timeouts of one and two seconds.
const LIFETIME: Duration = Duration::from_secs(6);

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
mod tests {
    use super::*;

    /// P-34, P-35
    #[test]
    fn the_oldest_makes_room_and_all_end_soon() {
        let now = Instant::now();
        let key = |n: u8| (SocketAddr::from(([n, 0, 0, 1], 1)), 7);
        let mut half_open = HalfOpen::default();
        let begin = |half_open: &mut HalfOpen, n: u8, theirs: u16, ours: u16| {
            half_open.begin(now, key(n), SeqNr::new(ours), SeqNr::new(theirs), 2)
        };
        let first = begin(&mut half_open, 1, 10, 100).unwrap();
        assert_eq!(begin(&mut half_open, 1, 10, 200), Some(first), "the same again");
        begin(&mut half_open, 2, 10, 100);
        begin(&mut half_open, 3, 10, 100);
        assert!(!half_open.contains(key(1)) && half_open.contains(key(2)));
        assert_eq!(half_open.get(key(2), SeqNr::new(98)), None);
        assert_eq!(half_open.get(key(2), SeqNr::new(99)).unwrap().theirs, SeqNr::new(10));
        half_open.expire(half_open.next().unwrap());
        assert_eq!((half_open.entries.len(), half_open.next()), (0, None));
    }
}
