mod entry;
mod queue;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tinytorrent_types::{
    AddressFilter, AddressVerdict, Crowd, IpRanges, PeerId, WireInfoHash, canonical,
};

pub(crate) use self::entry::Candidate;
use self::entry::{Entry, Introducer, State, Use, class};
use self::queue::Queue;
use super::bans::Bans;
use super::priority::priority;
use super::told::Told;
use crate::PeerKey;
use crate::contract::{PeerSource, Transport};
use crate::planted::{Bug, is_planted};

/// Every address that may be a peer, in the order in which to try them, and those never to be tried
/// again.
///
/// ```text
///   Waiting ──next──▶ Busy ──failed──▶ Waiting, later each time, then forgotten
///      ▲                │──left────▶ Waiting
///      │                └──ban─────▶ forgotten, and not taken again
///    found
/// ```
#[derive(Debug)]
pub(crate) struct PeerBook {
    entries: BTreeMap<SocketAddr, Entry>,
    /// Entries of which other peers told.
    exchanged: Told,
    /// All entries, counted by network.
    crowd: Crowd,
    /// The waiting entries.
    queue: Queue,
    filter: AddressFilter,
    bans: Bans,
    /// Our own address in each family, once it is known: it orders those of peers (BEP 40).
    own: [Option<SocketAddr>; 2],
    /// A counter that is scrambled, to order entries where BEP 40 cannot.
    found: u64,
    refused: u64,
}

/// Addresses to remember: each costs about 100 bytes, and a busy swarm refills it at any time.
const MAX_ENTRIES: usize = 4_000;

/// Failures after which an address that a stranger told of is forgotten.
const MAX_FAILURES: u16 = 5;

/// Addresses of a network that are tried before further ones of others.
const FIRST: u16 = 16;

/// Time for which a seed is put aside that is not needed, unless it is recalled. Then it is forgotten: a torrent that seeds
/// for days would collect all who ever had it.
const ASIDE: Duration = Duration::from_secs(15 * 60);

/// Addresses that are known at most for one to be put aside: those of leeches are to have room.
const MOST_PUT_ASIDE: usize = MAX_ENTRIES / 2;

/// Wait for an address whose network has all the places that it gets, or that somebody says is his.
const PUT_OFF: Duration = Duration::from_secs(5);

impl PeerBook {
    pub(crate) fn new(filter: AddressFilter) -> Self {
        Self {
            entries: BTreeMap::new(),
            exchanged: Told::default(),
            crowd: Crowd::new(),
            queue: Queue::default(),
            filter,
            bans: Bans::default(),
            own: [None; 2],
            found: 0,
            refused: 0,
        }
    }

    /// The number of addresses that are known.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Addresses that were told and not taken: bad ones, own ones, and those beyond the limit.
    #[cfg(test)]
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Counts an address that is not taken because of who tells of it.
    pub(crate) fn refuse(&mut self) {
        self.refused += 1;
    }

    /// Whoever is at this address says that it is us; that may be said at any number of addresses.
    pub(crate) fn shun(&mut self, address: SocketAddr) {
        self.remove(address);
        self.bans.add_place(canonical(address));
    }

    /// Remembers an address. `true` if it is news.
    pub(crate) fn add(&mut self, now: Instant, address: SocketAddr, source: PeerSource) -> bool {
        let address = canonical(address);
        if self.entries.contains_key(&address) {
            self.confirm(address, source);
            return false;
        }
        let has_room = match source {
            PeerSource::User => true,
            PeerSource::Exchange if !self.exchanged.has_room(address) => false,
            _ => self.entries.len() < MAX_ENTRIES,
        };
        // Counted, not stored: whoever floods us with addresses fills no memory.
        if !has_room || !self.filter.allows(address) || self.bans.has_address(address) {
            self.refused += 1;
            return false;
        }
        let entry = Entry::new(source, self.crowd.share(address.ip()).network);
        self.entries.insert(address, entry);
        self.crowd.add(address.ip());
        if source == PeerSource::Exchange {
            self.exchanged.add(address);
        }
        self.wait(address, now);
        true
    }

    /// Somebody tells of an address that is known: whose word comes first counts.
    fn confirm(&mut self, address: SocketAddr, source: PeerSource) {
        let Some(entry) = self.entries.get_mut(&address) else { return };
        // Any stranger can repeat an address; only a better word changes what is known.
        if class(source) >= class(entry.source) {
            return;
        }
        if entry.source == PeerSource::Exchange {
            self.exchanged.remove(address);
        }
        entry.source = source;
        if let State::Waiting(at, _) = entry.state {
            self.wait(address, at);
        }
    }

    /// The next address to try, busy from now on. With `spare_seeds`, what is known to be a seed is put aside
    /// instead, until it is recalled, or forgotten after a quarter of an hour.
    pub(crate) fn next(&mut self, now: Instant, spare_seeds: bool) -> Option<Candidate> {
        while let Some(address) = self.queue.pop(now) {
            let is_full = self.entries.len() > MOST_PUT_ASIDE;
            self.set_state(address, State::Busy);
            let Some(entry) = self.entries.get_mut(&address) else { continue };
            // Another address of its host may have been banned since it was told.
            let is_banned = self.bans.has_address(address);
            let is_spared = spare_seeds && entry.use_of_it != Use::Any;
            if !is_banned && !is_spared {
                return Some(entry.candidate(address));
            }
            // Nobody but the user and his link would tell of theirs again.
            let is_kept = matches!(entry.source, PeerSource::User | PeerSource::Magnet);
            let is_over = entry.use_of_it == Use::SpareSeed && !is_kept;
            if is_banned || is_full || is_over || is_planted(Bug::ForgetsSeeds) {
                self.remove(address);
            } else {
                entry.use_of_it = Use::SpareSeed;
                self.wait(address, now + ASIDE);
            }
        }
        None
    }

    /// The instant from which the next waiting address may be tried.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        self.queue.ready_at()
    }

    /// An address that was to be tried can be in a moment.
    pub(crate) fn put_back(&mut self, now: Instant, address: SocketAddr) {
        self.wait(canonical(address), now);
    }

    /// An address that was to be tried cannot be for now.
    pub(crate) fn put_off(&mut self, now: Instant, address: SocketAddr) {
        self.wait(canonical(address), now + PUT_OFF);
    }

    /// Somebody says that he is at an address that was to be tried: it can be then, at the latest.
    pub(crate) fn put_off_as_claimed(
        &mut self,
        now: Instant,
        address: SocketAddr,
        until: Option<Instant>,
    ) {
        let address = canonical(address);
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.claimed_since.get_or_insert(now);
        }
        let later = now + PUT_OFF;
        self.wait(address, until.map_or(later, |until| until.min(later)));
    }

    /// Takes out an address before its turn, busy from now on. `None` if it is not known, banned, or busy.
    pub(crate) fn take(&mut self, address: SocketAddr) -> Option<Candidate> {
        let address = canonical(address);
        let entry = self.entries.get(&address).filter(|entry| entry.state != State::Busy)?;
        let candidate = entry.candidate(address);
        if self.bans.has_address(address) {
            return None;
        }
        self.dequeue(address);
        self.set_state(address, State::Busy);
        Some(candidate)
    }

    /// Notes that this peer told of an address, and could introduce us to the one there.
    pub(crate) fn note_introducer(&mut self, address: SocketAddr, introducer: PeerKey) {
        if let Some(entry) = self.entries.get_mut(&canonical(address)) {
            entry.introducer = Introducer::Willing(introducer);
        }
    }

    /// Notes that the introducer of an address is not to be asked again, unless we get there.
    pub(crate) fn note_asked(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&canonical(address))
            && let Introducer::Willing(introducer) = entry.introducer
        {
            entry.introducer = Introducer::Asked(introducer);
        }
    }

    /// The peer to ask for an introduction to the one at an address. It may be gone.
    pub(crate) fn introducer(&self, address: SocketAddr) -> Option<PeerKey> {
        match self.entries.get(&canonical(address))?.introducer {
            Introducer::Willing(introducer) => Some(introducer),
            Introducer::Nobody | Introducer::Asked(_) => None,
        }
    }

    /// Returns true if no peer but ourselves can be at an address, or no peer at all.
    pub(crate) fn judge(&self, address: SocketAddr) -> AddressVerdict {
        if self.is_own(address) { AddressVerdict::Own } else { self.filter.judge(address) }
    }

    /// A peer came to us: it is busy, and its address is not tried.
    pub(crate) fn came(&mut self, address: SocketAddr) {
        let address = canonical(address);
        if self.entries.contains_key(&address) {
            self.dequeue(address);
            self.set_state(address, State::Busy);
        }
    }

    /// A connection could not be made, or has led to nothing; the peer may have hung up in the middle of the handshake.
    pub(crate) fn failed(&mut self, now: Instant, address: SocketAddr, has_hung_up: bool) {
        let address = canonical(address);
        let Some(entry) = self.entries.get_mut(&address) else { return };
        // A visit that ends at once is as good as a refusal, and must not be repeated each second.
        let wait = entry.note_failure(has_hung_up);
        let has_failed_often = entry.failures >= MAX_FAILURES || is_planted(Bug::NeverRetries);
        if has_failed_often && entry.source != PeerSource::User {
            self.remove(address);
        } else {
            self.wait(address, now + wait);
        }
    }

    /// A connection with handshakes ended; the peer may be gone back to.
    pub(crate) fn left(&mut self, now: Instant, address: SocketAddr, is_seed: bool) {
        let address = canonical(address);
        if let Some(entry) = self.entries.get_mut(&address)
            && entry.state == State::Busy
        {
            entry.use_of_it = if is_seed { Use::Seed } else { Use::Any };
            let wait = entry.note_end();
            self.wait(address, now + wait);
        }
    }

    /// We left a peer for reasons of our own: it may be gone back to at once.
    pub(crate) fn released(&mut self, now: Instant, address: SocketAddr) {
        let address = canonical(address);
        if self.entries.get(&address).is_some_and(|entry| entry.state == State::Busy) {
            self.wait(address, now);
        }
    }

    /// Something is wanted again: seeds that had nothing more for us may be gone back to at once. A walk over all
    /// entries.
    pub(crate) fn recall_seeds(&mut self, now: Instant) {
        let seeds = self.entries.iter_mut().filter(|(_, entry)| entry.use_of_it != Use::Any);
        let sooner = seeds.filter_map(|(address, entry)| {
            entry.use_of_it = Use::Seed;
            let State::Waiting(until, _) = entry.state else { return None };
            let at = now + entry.rest();
            (at < until).then_some((*address, at))
        });
        for (address, at) in sooner.collect::<Vec<_>>() {
            self.wait(address, at);
        }
    }

    /// A peer proved useful: what went wrong before is forgiven.
    pub(crate) fn proved(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&canonical(address)) {
            entry.failures = 0;
        }
    }

    /// A peer shook hands about the torrent of this hash, over this transport.
    pub(crate) fn greeted(&mut self, address: SocketAddr, hash: WireInfoHash, by: Transport) {
        if let Some(entry) = self.entries.get_mut(&canonical(address)) {
            entry.note_visit(hash, by);
        }
    }

    /// Others see us at this address: from now on it orders the addresses that are told or come back.
    pub(crate) fn set_own(&mut self, address: SocketAddr) {
        let address = canonical(address);
        self.own[usize::from(address.is_ipv6())] = Some(address);
    }

    /// Returns true if others see us at this address.
    pub(crate) fn is_own(&self, address: SocketAddr) -> bool {
        let address = canonical(address);
        self.own[usize::from(address.is_ipv6())] == Some(address)
    }

    /// Forgets all addresses of these sources.
    pub(crate) fn forget(&mut self, is_unwanted: impl Fn(PeerSource) -> bool) {
        self.remove_if(|_, source| is_unwanted(source));
    }

    /// Changes the addresses that the user avoids, and forgets them.
    pub(crate) fn block(&mut self, ranges: Option<Arc<IpRanges>>) {
        self.filter.block(ranges.clone());
        if let Some(ranges) = ranges {
            self.remove_if(|address, _| ranges.contains(address.ip()));
        }
    }

    /// Returns true if the user avoids this address.
    pub(crate) fn blocks(&self, address: SocketAddr) -> bool {
        self.filter.blocks(address.ip())
    }

    fn remove_if(&mut self, is_unwanted: impl Fn(SocketAddr, PeerSource) -> bool) {
        let unwanted =
            self.entries.iter().filter(|(address, entry)| is_unwanted(**address, entry.source));
        for address in unwanted.map(|(address, _)| *address).collect::<Vec<_>>() {
            self.remove(address);
        }
    }

    /// The connection will not be tried again, for it leads nowhere useful.
    pub(crate) fn remove(&mut self, address: SocketAddr) {
        let address = canonical(address);
        self.dequeue(address);
        let Some(entry) = self.entries.remove(&address) else { return };
        self.crowd.remove(address.ip());
        if entry.source == PeerSource::Exchange {
            self.exchanged.remove(address);
        }
    }

    /// Never again, neither outgoing nor incoming.
    pub(crate) fn ban(&mut self, address: SocketAddr, id: Option<PeerId>) {
        let address = canonical(address);
        self.remove(address);
        self.bans.add(address, id);
    }

    /// Returns true if this address is banned.
    pub(crate) fn is_banned(&self, address: SocketAddr) -> bool {
        self.bans.has_address(canonical(address))
    }

    /// Returns true if a peer of this name was banned here, where addresses do not tell peers apart.
    pub(crate) fn is_banned_name(&self, address: SocketAddr, id: PeerId) -> bool {
        self.bans.has_name(address, id)
    }

    fn wait(&mut self, address: SocketAddr, until: Instant) {
        let Some(entry) = self.entries.get(&address) else { return };
        self.found += 1;
        let own = self.own[usize::from(address.is_ipv6())];
        // The first ones of all networks, then the next ones: a network with many addresses holds up no other.
        let in_network = u64::from(entry.neighbours / FIRST) << 32;
        let order = match (entry.source, own.and_then(|own| priority(own, address))) {
            // The user's peers come as they were told.
            (PeerSource::User, _) => self.found,
            (_, Some(priority)) => in_network | u64::from(u32::MAX - priority),
            // An order that nobody can foresee does as well, at our end.
            (_, None) => in_network | self.found.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32,
        };
        let rank = (class(entry.source), order);
        self.dequeue(address);
        self.queue.insert(address, until, rank);
        self.set_state(address, State::Waiting(until, rank));
    }

    fn dequeue(&mut self, address: SocketAddr) {
        if let Some(State::Waiting(at, rank)) = self.entries.get(&address).map(|entry| entry.state)
        {
            self.queue.remove(address, at, rank);
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
            State::Busy => None,
        });
        self.queue.check_invariants(waiting);
        let exchanged = self.entries.values().filter(|e| e.source == PeerSource::Exchange);
        assert_eq!(exchanged.count(), self.exchanged.len());
    }
}

#[cfg(test)]
mod tests;
