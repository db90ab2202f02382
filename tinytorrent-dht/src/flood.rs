use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::table::HostKey;

/// The hosts that send too many queries, which are not answered for a while (D-17).
///
/// In a local network, each address and port is told apart: there may be many nodes on one machine.
///
/// Memory is bounded whatever the number of hosts: beyond [`MOST_HOSTS`] in one window, further ones are not
/// counted, and the budget of answers has to bound what they cost.
#[derive(Debug)]
pub(crate) struct FloodGuard {
    /// The queries that a host may send in a window.
    limit: u32,
    counts: HashMap<HostKey, u32>,
    window_ends: Instant,
    blocked: HashMap<HostKey, Instant>,
}

/// The time for which queries are counted, then counting begins anew.
const WINDOW: Duration = Duration::from_secs(10);

/// The time for which a host is blocked after a flood; libtorrent has the same.
const BLOCKED_FOR: Duration = Duration::from_secs(5 * 60);

/// The hosts that are counted in a window. A busy node has queries of a few hundred hosts in that time.
const MOST_HOSTS: usize = 4_096;

/// The hosts that are blocked at a time.
const MOST_BLOCKED: usize = 1_024;

impl FloodGuard {
    /// No host is blocked. `queries_per_second` is the mean over ten seconds.
    pub(crate) fn new(now: Instant, queries_per_second: u32) -> Self {
        let limit = queries_per_second.saturating_mul(WINDOW.as_secs() as u32);
        let (counts, blocked) = Default::default();
        Self { limit, counts, window_ends: now + WINDOW, blocked }
    }

    /// Counts a query, and returns true if it may be answered.
    pub(crate) fn admits(&mut self, now: Instant, from: SocketAddr) -> bool {
        if now >= self.window_ends {
            self.window_ends = now + WINDOW;
            self.counts.clear();
            self.blocked.retain(|_, until| *until > now);
        }
        let host = HostKey::of(from);
        if self.blocked.get(&host).is_some_and(|until| *until > now) {
            return false;
        }
        if self.counts.len() >= MOST_HOSTS && !self.counts.contains_key(&host) {
            return true;
        }
        let count = self.counts.entry(host).or_default();
        *count += 1;
        let is_admitted = *count <= self.limit;
        if !is_admitted && self.blocked.len() < MOST_BLOCKED {
            self.blocked.insert(host, now + BLOCKED_FOR);
        }
        is_admitted
    }

    /// The number of hosts that are blocked, or were until a moment ago.
    pub(crate) fn blocked(&self) -> usize {
        self.blocked.len()
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.counts.len() <= MOST_HOSTS && self.blocked.len() <= MOST_BLOCKED);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

    use std::net::Ipv4Addr;

    use super::*;

    fn at(ip: Ipv4Addr) -> SocketAddr {
        SocketAddr::new(ip.into(), 1)
    }

    #[test]
    fn a_flood_blocks_its_host_for_a_while_and_nobody_else() {
        // D-17
        let now = Instant::now();
        let mut guard = FloodGuard::new(now, 5);
        let [bad, good] = [Ipv4Addr::new(1, 2, 3, 4), Ipv4Addr::new(1, 2, 3, 5)].map(at);
        assert_eq!((0..1_000).filter(|_| guard.admits(now, bad)).count(), 50);
        assert!(guard.admits(now, good));
        let later = now + BLOCKED_FOR - Duration::from_secs(1);
        assert!(!guard.admits(later, bad), "though it was silent meanwhile");
        assert!(guard.admits(now + BLOCKED_FOR + WINDOW, bad));
    }

    #[test]
    fn nodes_of_one_machine_are_told_apart() {
        let now = Instant::now();
        let mut guard = FloodGuard::new(now, 1);
        let admitted = (1..=100).filter(|port| guard.admits(now, ([127, 0, 0, 1], *port).into()));
        assert_eq!(admitted.count(), 100);
        let other_port = |port| guard.admits(now, ([1, 2, 3, 4], port).into());
        assert_eq!((1..=100).map(other_port).filter(|is_admitted| *is_admitted).count(), 10);
    }

    #[test]
    fn those_who_keep_to_the_limit_are_never_blocked() {
        let mut now = Instant::now();
        let mut guard = FloodGuard::new(now, 5);
        for _ in 0..1_000 {
            now += Duration::from_millis(200);
            assert!(guard.admits(now, at(Ipv4Addr::new(1, 2, 3, 4))));
        }
    }

    #[test]
    fn memory_is_bounded_whatever_the_number_of_hosts() {
        let now = Instant::now();
        let mut guard = FloodGuard::new(now, 1);
        for host in 0..20_000u32 {
            (0..11)
                .for_each(|_| _ = guard.admits(now, at(Ipv4Addr::from(0x0800_0000 | host << 8))));
        }
        guard.check_invariants();
        assert_eq!(guard.blocked(), MOST_BLOCKED);
    }
}
