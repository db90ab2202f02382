use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tinytorrent_types::{AddressFilter, PeerId};

use crate::PeerSource;

/// Every address that may be a peer: which to try next, and which never again.
///
/// ```text
///   Waiting ──next──▶ Busy ──failed──▶ Waiting, later each time, then forgotten
///      ▲                │──left────▶ Waiting
///      │                └──ban─────▶ Banned
///    found
/// ```
#[derive(Debug)]
pub(crate) struct PeerBook {
    entries: BTreeMap<SocketAddr, Entry>,
    /// The waiting entries, by when and in which order they may be tried.
    queue: BTreeSet<(Instant, u64, SocketAddr)>,
    filter: AddressFilter,
    banned_ips: HashSet<IpAddr>,
    banned_ids: HashSet<(IpAddr, PeerId)>,
    /// A counter that chance is mixed into, to order entries that may be tried at once.
    found: u64,
    refused: u64,
}

#[derive(Debug)]
struct Entry {
    source: PeerSource,
    failures: u32,
    state: State,
    is_seed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Waiting(Instant, u64),
    Busy,
    Banned,
}

/// Addresses to remember: each costs about 100 bytes, and a busy swarm refills it at any time.
const MAX_ENTRIES: usize = 4_000;

/// Failures after which an address that a stranger told of is forgotten.
const MAX_FAILURES: u32 = 5;

/// First wait after a failure. It doubles with each further one.
const BACK_OFF: Duration = Duration::from_secs(5);

/// Longest wait after a failure.
const MAX_BACK_OFF: Duration = Duration::from_secs(30 * 60);

/// Wait before going back to a peer that we left, or that left us.
const RETURN: Duration = Duration::from_secs(5);

impl PeerBook {
    pub(crate) fn new(filter: AddressFilter) -> Self {
        Self {
            entries: BTreeMap::new(),
            queue: BTreeSet::new(),
            filter,
            banned_ips: HashSet::new(),
            banned_ids: HashSet::new(),
            found: 0,
            refused: 0,
        }
    }

    /// How many addresses are known.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Addresses that were told and not taken: bad ones, own ones, and those beyond the limit.
    #[cfg(test)]
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Never connects to this address: it is our own.
    pub(crate) fn add_own(&mut self, address: SocketAddr) {
        self.filter.add_own(address);
        self.remove(canonical(address));
    }

    /// Remembers an address. `true` if it is news.
    pub(crate) fn add(&mut self, now: Instant, address: SocketAddr, source: PeerSource) -> bool {
        let address = canonical(address);
        if self.entries.contains_key(&address) {
            return false;
        }
        let is_welcome = self.filter.allows(address)
            && !self.banned_ips.contains(&address.ip())
            && self.entries.len() < MAX_ENTRIES;
        if !is_welcome {
            self.refused += 1;
            return false;
        }
        let entry = Entry { source, failures: 0, state: State::Busy, is_seed: false };
        self.entries.insert(address, entry);
        self.wait(address, now);
        true
    }

    /// The next address to try, busy from now on. With `drop_seeds`, what is known to be a seed
    /// is forgotten instead.
    pub(crate) fn next(&mut self, now: Instant, drop_seeds: bool) -> Option<SocketAddr> {
        loop {
            let (at, _, address) = *self.queue.first()?;
            if at > now {
                return None;
            }
            if drop_seeds && self.entries.get(&address).is_some_and(|entry| entry.is_seed) {
                self.remove(address);
                continue;
            }
            self.queue.pop_first();
            self.set_state(address, State::Busy);
            return Some(address);
        }
    }

    /// When the next waiting address may be tried.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        self.queue.first().map(|(at, ..)| *at)
    }

    /// A peer came to us: it is busy, and its address is not tried.
    pub(crate) fn came(&mut self, address: SocketAddr) {
        let address = canonical(address);
        if self.entries.contains_key(&address) {
            self.dequeue(address);
            self.set_state(address, State::Busy);
        }
    }

    /// A connection could not be made.
    pub(crate) fn failed(&mut self, now: Instant, address: SocketAddr) {
        let address = canonical(address);
        let Some(entry) = self.entries.get_mut(&address) else { return };
        entry.failures += 1;
        let (failures, source) = (entry.failures, entry.source);
        if failures >= MAX_FAILURES && source != PeerSource::User {
            self.remove(address);
        } else {
            let wait = BACK_OFF.saturating_mul(1 << (failures - 1).min(16)).min(MAX_BACK_OFF);
            self.wait(address, now + wait);
        }
    }

    /// A connection with handshakes ended; the peer may be gone back to.
    pub(crate) fn left(&mut self, now: Instant, address: SocketAddr, is_seed: bool) {
        let address = canonical(address);
        if let Some(entry) = self.entries.get_mut(&address)
            && entry.state == State::Busy
        {
            entry.is_seed = is_seed;
            // Each visit that ends is held against it a little, each failure more.
            let wait = RETURN.saturating_mul(1 << entry.failures.min(8));
            entry.failures += 1;
            self.wait(address, now + wait);
        }
    }

    /// A peer proved useful: what went wrong before is forgiven.
    pub(crate) fn proved(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&canonical(address)) {
            entry.failures = 0;
        }
    }

    /// The connection will not be tried again, for it leads nowhere useful.
    pub(crate) fn remove(&mut self, address: SocketAddr) {
        let address = canonical(address);
        self.dequeue(address);
        if self.entries.get(&address).is_some_and(|entry| entry.state != State::Banned) {
            self.entries.remove(&address);
        }
    }

    /// Never again, neither outgoing nor incoming.
    ///
    /// A whole IP address is banned only if it is not of this host, where many peers may live.
    pub(crate) fn ban(&mut self, address: SocketAddr, id: Option<PeerId>) {
        let address = canonical(address);
        self.dequeue(address);
        let banned = Entry {
            source: PeerSource::Incoming,
            failures: 0,
            state: State::Banned,
            is_seed: false,
        };
        self.entries.insert(address, banned);
        if let Some(id) = id {
            self.banned_ids.insert((address.ip(), id));
        }
        if !address.ip().is_loopback() {
            self.banned_ips.insert(address.ip());
        }
    }

    /// Whether nothing is to be had from this address.
    pub(crate) fn is_banned(&self, address: SocketAddr) -> bool {
        let address = canonical(address);
        self.banned_ips.contains(&address.ip())
            || self.entries.get(&address).is_some_and(|entry| entry.state == State::Banned)
    }

    /// Whether a peer at this host goes by a name that is banned.
    pub(crate) fn is_banned_id(&self, address: SocketAddr, id: PeerId) -> bool {
        self.banned_ids.contains(&(address.ip().to_canonical(), id))
    }

    fn wait(&mut self, address: SocketAddr, until: Instant) {
        let Some(entry) = self.entries.get(&address) else { return };
        // The user's peers come first, the others in an order nobody outside can foresee.
        self.found += 1;
        let rank = match entry.source {
            PeerSource::User => self.found,
            _ => 1 << 63 | self.found.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1,
        };
        self.dequeue(address);
        self.queue.insert((until, rank, address));
        self.set_state(address, State::Waiting(until, rank));
    }

    fn dequeue(&mut self, address: SocketAddr) {
        if let Some(Entry { state: State::Waiting(at, rank), .. }) = self.entries.get(&address) {
            self.queue.remove(&(*at, *rank, address));
        }
    }

    fn set_state(&mut self, address: SocketAddr, state: State) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.state = state;
        }
    }

    pub(crate) fn check_invariants(&self) {
        let waiting = self.entries.iter().filter_map(|(address, entry)| match entry.state {
            State::Waiting(at, rank) => Some((at, rank, *address)),
            State::Busy | State::Banned => None,
        });
        let waiting: BTreeSet<_> = waiting.collect();
        assert_eq!(waiting, self.queue);
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 6881))
    }

    fn book() -> PeerBook {
        PeerBook::new(AddressFilter::new())
    }

    #[test]
    fn each_address_is_tried_once_at_a_time() {
        let (now, mut book) = (Instant::now(), book());
        assert!(book.add(now, address(1), PeerSource::Tracker));
        assert!(!book.add(now, address(1), PeerSource::Exchange));
        assert_eq!(book.next(now, false), Some(address(1)));
        assert_eq!(book.next(now, false), None);
        book.check_invariants();
    }

    #[test]
    fn the_users_peers_come_first() {
        let (now, mut book) = (Instant::now(), book());
        for n in 1..20 {
            book.add(now, address(n), PeerSource::Tracker);
        }
        book.add(now, address(99), PeerSource::User);
        assert_eq!(book.next(now, false), Some(address(99)));
    }

    #[test]
    fn a_peer_that_refuses_is_tried_ever_less_and_then_forgotten() {
        // S-28
        let (mut now, mut book) = (Instant::now(), book());
        book.add(now, address(1), PeerSource::Tracker);
        let mut waits = Vec::new();
        while book.len() > 0 {
            assert_eq!(book.next(now, false), Some(address(1)));
            book.failed(now, address(1));
            book.check_invariants();
            let Some(ready) = book.ready_at() else { break };
            assert_eq!(book.next(now, false), None);
            waits.push(ready - now);
            now = ready;
        }
        assert_eq!(waits, [5, 10, 20, 40].map(Duration::from_secs));
        book.add(now, address(2), PeerSource::User);
        for _ in 0..100 {
            now = book.ready_at().expect("the user's peer is never given up");
            book.next(now, false);
            book.failed(now, address(2));
        }
    }

    #[test]
    fn bad_and_own_addresses_are_refused_and_counted() {
        let (now, mut book) = (Instant::now(), book());
        book.add_own(address(1));
        for bad in [address(1), SocketAddr::from(([1, 2, 3, 4], 0))] {
            assert!(!book.add(now, bad, PeerSource::Exchange));
        }
        assert_eq!(book.refused(), 2);
        assert_eq!(book.next(now, false), None);
    }

    #[test]
    fn the_banned_stay_banned_in_either_direction() {
        let (now, mut book) = (Instant::now(), book());
        let id = PeerId::from_bytes([7; 20]);
        book.add(now, address(1), PeerSource::Tracker);
        book.ban(address(1), Some(id));
        assert!(book.is_banned(address(1)));
        assert!(!book.add(now, address(1), PeerSource::Tracker));
        assert_eq!(book.next(now, false), None);
        // Another port of the same host, but not another peer of this machine.
        assert!(book.is_banned(SocketAddr::from(([192, 0, 2, 1], 9))));
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        book.ban(local(1), Some(id));
        assert!(book.is_banned(local(1)) && !book.is_banned(local(2)));
        assert!(book.is_banned_id(local(2), id));
        book.check_invariants();
    }

    #[test]
    fn the_book_has_an_end() {
        let (now, mut book) = (Instant::now(), book());
        for n in 0..20_000_u32 {
            let [_, a, b, c] = n.to_be_bytes();
            book.add(now, SocketAddr::from(([9, a, b, c], 1)), PeerSource::Exchange);
        }
        assert_eq!(book.len(), MAX_ENTRIES);
    }
}
