use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The nodes that gave us a sample of their torrents, none of which is asked for another one within its interval
/// (D-74, BEP 51): it would be the same one.
///
/// Memory is bounded: beyond [`MOST`] nodes, the one whose interval ends first is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Sampled {
    until: HashMap<SocketAddr, Instant>,
    ends: BTreeSet<(Instant, SocketAddr)>,
}

/// Some 8 MiB, for who crawls all of the DHT.
const MOST: usize = 65_536;

impl Sampled {
    /// A node has given a sample for an interval.
    pub(crate) fn insert(&mut self, now: Instant, node: SocketAddr, interval: Duration) {
        let ended = self.ends.iter().next().filter(|(until, _)| *until <= now);
        let first = ended.or_else(|| self.ends.first().filter(|_| self.until.len() >= MOST));
        if let Some(&(_, first)) = first {
            self.remove(first);
        }
        self.remove(node);
        if !interval.is_zero() {
            let until = now + interval;
            self.until.insert(node, until);
            self.ends.insert((until, node));
        }
    }

    /// The time until which a node is not to be asked; `None` if it may be asked.
    pub(crate) fn held_until(&self, now: Instant, node: SocketAddr) -> Option<Instant> {
        self.until.get(&node).copied().filter(|until| *until > now)
    }

    fn remove(&mut self, node: SocketAddr) {
        if let Some(until) = self.until.remove(&node) {
            self.ends.remove(&(until, node));
        }
    }

    pub(crate) fn check_invariants(&self) {
        let ends = self.until.iter().map(|(node, until)| (*until, *node));
        assert_eq!(ends.collect::<BTreeSet<_>>(), self.ends);
        assert!(self.until.len() <= MOST);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

    use super::*;

    fn node(n: u32) -> SocketAddr {
        SocketAddr::from((n.to_be_bytes(), 1))
    }

    #[test]
    fn a_node_is_held_for_its_interval() {
        // D-74
        let (now, mut sampled) = (Instant::now(), Sampled::default());
        sampled.insert(now, node(1), Duration::from_secs(10));
        sampled.insert(now, node(2), Duration::ZERO);
        assert_eq!(sampled.held_until(now, node(1)), Some(now + Duration::from_secs(10)));
        assert_eq!(sampled.held_until(now, node(2)), None);
        assert_eq!(sampled.held_until(now + Duration::from_secs(10), node(1)), None);
        sampled.insert(now, node(1), Duration::ZERO);
        assert_eq!(sampled.held_until(now, node(1)), None, "the last answer counts");
        sampled.check_invariants();
    }

    #[test]
    fn memory_is_bounded_and_those_who_end_first_are_forgotten() {
        let (now, mut sampled) = (Instant::now(), Sampled::default());
        for n in 0..=MOST as u32 {
            sampled.insert(now, node(n), Duration::from_secs(1 + u64::from(n)));
        }
        sampled.check_invariants();
        assert_eq!(sampled.held_until(now, node(0)), None);
        assert!(sampled.held_until(now, node(1)).is_some());
        let later = now + Duration::from_secs(100);
        sampled.insert(later, node(0), Duration::from_secs(1));
        assert_eq!(sampled.until.len(), MOST, "one whose interval is over makes room");
    }
}
