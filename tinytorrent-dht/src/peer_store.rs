use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::seq::IteratorRandom;
use tinytorrent_types::WireInfoHash;
use tinytorrent_types::compact::Family;

use crate::bloom::BloomBits;
use crate::{Bloom, Distance, NodeId};

/// The peers that were announced to us.
///
/// - A peer is one address of a torrent; a second announcement replaces its port and its time (D-57).
/// - Peers leave after a time. The number of torrents, and of peers of each, is bounded. When there are too
///   many torrents, one with the fewest peers leaves, and of those the one farthest from our id (D-59).
/// - A torrent that is full takes no further peer, and says so beforehand (D-58).
#[derive(Debug)]
pub(crate) struct PeerStore {
    own: NodeId,
    limits: PeerLimits,
    torrents: HashMap<WireInfoHash, Torrent>,
    /// All peers, by the time at which they leave.
    expiries: BTreeSet<(Instant, WireInfoHash, IpAddr)>,
    /// All torrents, the least useful first.
    ranks: BTreeSet<Rank>,
}

/// The limits of a [`PeerStore`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerLimits {
    pub(crate) torrents: usize,
    pub(crate) peers_each: usize,
    pub(crate) lifetime: Duration,
}

#[derive(Debug, Default)]
struct Torrent {
    v4: Vec<Peer>,
    v6: Vec<Peer>,
}

#[derive(Debug, Clone, Copy)]
struct Peer {
    address: SocketAddr,
    is_seed: bool,
    bits: BloomBits,
    leaves_at: Instant,
}

/// The usefulness of a torrent: its peers, then how close it is.
type Rank = (usize, Reverse<Distance>, WireInfoHash);

impl PeerStore {
    pub(crate) fn new(own: NodeId, limits: PeerLimits) -> Self {
        let (torrents, expiries, ranks) = Default::default();
        Self { own, limits, torrents, expiries, ranks }
    }

    /// Changes our id, by whose distance torrents are judged.
    pub(crate) fn set_own(&mut self, own: NodeId) {
        self.own = own;
        let torrents = std::mem::take(&mut self.torrents);
        self.ranks = torrents.iter().map(|(hash, torrent)| self.rank(*hash, torrent)).collect();
        self.torrents = torrents;
    }

    /// True if a peer of this address would be stored now.
    pub(crate) fn would_accept(&self, hash: WireInfoHash, ip: IpAddr) -> bool {
        let Some(torrent) = self.torrents.get(&hash) else {
            return self.limits.peers_each > 0
                && (self.has_room() || self.is_better_than_the_least(hash));
        };
        let ip = ip.to_canonical();
        torrent.len() < self.limits.peers_each
            || torrent.of(Family::of(ip)).iter().any(|peer| peer.address.ip() == ip)
    }

    /// Stores a peer, and returns false if it was refused.
    pub(crate) fn announce(
        &mut self,
        now: Instant,
        hash: WireInfoHash,
        address: SocketAddr,
        is_seed: bool,
    ) -> bool {
        let ip = address.ip().to_canonical();
        if !self.would_accept(hash, ip) {
            return false;
        }
        if !self.torrents.contains_key(&hash) && !self.has_room() {
            self.remove_least();
        }
        let leaves_at = now + self.limits.lifetime;
        let bits = BloomBits::of(ip);
        let peer = Peer { address: SocketAddr::new(ip, address.port()), is_seed, bits, leaves_at };
        let mut torrent = self.take(hash);
        let peers = torrent.of_mut(Family::of(ip));
        match peers.iter_mut().find(|known| known.address.ip() == ip) {
            Some(known) => {
                self.expiries.remove(&(known.leaves_at, hash, ip));
                *known = peer;
            }
            None => peers.push(peer),
        }
        self.expiries.insert((leaves_at, hash, ip));
        self.put(hash, torrent);
        true
    }

    /// Removes the peers whose time has come.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(&(at, hash, ip)) = self.expiries.first() {
            if at > now {
                break;
            }
            self.expiries.pop_first();
            let mut torrent = self.take(hash);
            torrent.of_mut(Family::of(ip)).retain(|peer| peer.address.ip() != ip);
            self.put(hash, torrent);
        }
    }

    /// Peers of a torrent from a random place on, at most `most` of them.
    pub(crate) fn peers(
        &self,
        hash: WireInfoHash,
        family: Family,
        no_seeds: bool,
        most: usize,
        rng: &mut impl rand::Rng,
    ) -> Vec<SocketAddr> {
        let peers = self.torrents.get(&hash).map_or(&[][..], |torrent| torrent.of(family));
        if peers.is_empty() {
            return Vec::new();
        }
        // From a random place on, so that a torrent of many peers costs no more than it gives.
        let (before, from) = peers.split_at(rng.random_range(0..peers.len()));
        let mut chosen = Vec::with_capacity(most.min(peers.len()));
        for part in [from, before] {
            let wanted = part.iter().filter(|peer| !(no_seeds && peer.is_seed));
            let room = most - chosen.len();
            chosen.extend(wanted.take(room).map(|peer| peer.address));
        }
        chosen
    }

    /// The filters of the seeds and of the other peers of a torrent (BEP 33). `None` if it has none.
    pub(crate) fn blooms(&self, hash: WireInfoHash) -> Option<(Bloom, Bloom)> {
        let torrent = self.torrents.get(&hash)?;
        let (mut seeds, mut peers) = (Bloom::new(), Bloom::new());
        for peer in torrent.v4.iter().chain(&torrent.v6) {
            if peer.is_seed { &mut seeds } else { &mut peers }.set(peer.bits);
        }
        Some((seeds, peers))
    }

    /// The bytes of random torrents, at most `most` of them (BEP 51). Costs time for each torrent.
    pub(crate) fn sample(&self, most: usize, rng: &mut impl rand::Rng) -> Vec<u8> {
        let chosen = self.torrents.keys().sample(rng, most);
        chosen.into_iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// The number of torrents.
    pub(crate) fn torrents(&self) -> usize {
        self.torrents.len()
    }

    /// The number of peers of all torrents.
    pub(crate) fn len(&self) -> usize {
        self.expiries.len()
    }

    fn has_room(&self) -> bool {
        self.torrents.len() < self.limits.torrents
    }

    /// True if a new torrent is more useful than the least of those that are there.
    fn is_better_than_the_least(&self, hash: WireInfoHash) -> bool {
        let rank = (1, Reverse(self.own.distance(hash.into())), hash);
        self.ranks.first().is_some_and(|least| *least < rank)
    }

    fn remove_least(&mut self) {
        let Some((_, _, hash)) = self.ranks.first().copied() else { return };
        let torrent = self.take(hash);
        for peer in torrent.v4.iter().chain(&torrent.v6) {
            self.expiries.remove(&(peer.leaves_at, hash, peer.address.ip()));
        }
    }

    /// Takes a torrent out, to change it.
    fn take(&mut self, hash: WireInfoHash) -> Torrent {
        let Some(torrent) = self.torrents.remove(&hash) else { return Torrent::default() };
        self.ranks.remove(&self.rank(hash, &torrent));
        torrent
    }

    /// Puts a torrent back, if it has peers.
    fn put(&mut self, hash: WireInfoHash, torrent: Torrent) {
        if torrent.len() > 0 {
            self.ranks.insert(self.rank(hash, &torrent));
            self.torrents.insert(hash, torrent);
        }
    }

    fn rank(&self, hash: WireInfoHash, torrent: &Torrent) -> Rank {
        (torrent.len(), Reverse(self.own.distance(hash.into())), hash)
    }

    pub(crate) fn check_invariants(&self) {
        let (mut peers, mut ranks) = (BTreeSet::new(), BTreeSet::new());
        for (hash, torrent) in &self.torrents {
            assert!((1..=self.limits.peers_each).contains(&torrent.len()));
            ranks.insert(self.rank(*hash, torrent));
            for (family, list) in [(Family::V4, &torrent.v4), (Family::V6, &torrent.v6)] {
                for peer in list {
                    assert_eq!(Family::of(peer.address.ip()), family);
                    assert!(peers.insert((peer.leaves_at, *hash, peer.address.ip())));
                }
            }
        }
        assert_eq!(peers, self.expiries);
        assert_eq!(ranks, self.ranks);
        assert!(self.torrents.len() <= self.limits.torrents);
    }
}

impl Torrent {
    fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    fn of(&self, family: Family) -> &[Peer] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn of_mut(&mut self, family: Family) -> &mut Vec<Peer> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const LIMITS: PeerLimits =
        PeerLimits { torrents: 3, peers_each: 4, lifetime: Duration::from_secs(40 * 60) };

    fn hash(n: u8) -> WireInfoHash {
        WireInfoHash::from_bytes([n; 20])
    }

    fn peer(n: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, n], port))
    }

    fn store() -> PeerStore {
        PeerStore::new(NodeId::from_bytes([0; 20]), LIMITS)
    }

    fn all(store: &PeerStore, hash: WireInfoHash, no_seeds: bool) -> Vec<SocketAddr> {
        let mut rng = StdRng::from_seed([1; 32]);
        let mut peers = store.peers(hash, Family::V4, no_seeds, 99, &mut rng);
        peers.sort();
        peers
    }

    #[test]
    fn a_second_announcement_replaces_the_first_one() {
        // D-57
        let (now, mut store) = (Instant::now(), store());
        assert!(store.announce(now, hash(1), peer(1, 80), false));
        assert!(store.announce(now + Duration::from_secs(60), hash(1), peer(1, 81), false));
        assert_eq!(all(&store, hash(1), false), [peer(1, 81)]);
        store.expire(now + LIMITS.lifetime);
        assert_eq!(store.len(), 1, "its time counts from the second one");
        store.expire(now + LIMITS.lifetime + Duration::from_secs(60));
        assert_eq!((store.len(), store.torrents()), (0, 0));
        store.check_invariants();
    }

    #[test]
    fn a_full_torrent_takes_nobody_but_those_it_has() {
        // D-58
        let (now, mut store) = (Instant::now(), store());
        for n in 0..4 {
            assert!(store.would_accept(hash(1), peer(n, 1).ip()));
            assert!(store.announce(now, hash(1), peer(n, 1), false));
        }
        assert!(!store.would_accept(hash(1), peer(4, 1).ip()));
        assert!(!store.announce(now, hash(1), peer(4, 1), false));
        assert!(store.announce(now, hash(1), peer(3, 2), false));
        store.check_invariants();
    }

    #[test]
    fn the_torrent_with_fewest_peers_leaves_and_then_the_farthest() {
        // D-59
        let (now, mut store) = (Instant::now(), store());
        store.announce(now, hash(9), peer(1, 1), false);
        store.announce(now, hash(9), peer(2, 1), false);
        store.announce(now, hash(2), peer(1, 1), false);
        store.announce(now, hash(3), peer(1, 1), false);
        assert!(!store.would_accept(hash(4), peer(1, 1).ip()), "it is farther than the others");
        assert!(!store.announce(now, hash(4), peer(1, 1), false));
        assert!(store.announce(now, hash(1), peer(1, 1), false));
        assert_eq!(all(&store, hash(3), false), []);
        assert_eq!(all(&store, hash(9), false).len(), 2);
        store.set_own(NodeId::from_bytes([4; 20]));
        store.check_invariants();
        assert!(store.would_accept(hash(4), peer(1, 1).ip()));
    }

    #[test]
    fn seeds_are_told_apart() {
        // D-61
        let (now, mut store) = (Instant::now(), store());
        store.announce(now, hash(1), peer(1, 1), true);
        store.announce(now, hash(1), peer(2, 1), false);
        store.announce(now, hash(1), "[2001::1]:5".parse().unwrap(), false);
        assert_eq!(all(&store, hash(1), true), [peer(2, 1)]);
        assert_eq!(all(&store, hash(1), false), [peer(1, 1), peer(2, 1)]);
        let (seeds, peers) = store.blooms(hash(1)).unwrap();
        assert_eq!((seeds.estimate().round(), peers.estimate().round()), (1.0, 2.0));
        assert!(seeds.may_contain(peer(1, 1).ip()) && !peers.may_contain(peer(1, 1).ip()));
        assert!(store.blooms(hash(2)).is_none());
    }

    #[test]
    fn peers_and_samples_are_no_more_than_asked_for() {
        // D-24
        let (now, mut store) = (Instant::now(), store());
        let mut rng = StdRng::from_seed([1; 32]);
        (0..4).for_each(|n| _ = store.announce(now, hash(1), peer(n, 1), false));
        store.announce(now, hash(2), peer(1, 1), false);
        assert_eq!(store.peers(hash(1), Family::V4, false, 3, &mut rng).len(), 3);
        assert_eq!(store.peers(hash(1), Family::V6, false, 3, &mut rng).len(), 0);
        assert_eq!(store.sample(9, &mut rng).len(), 40);
        assert_eq!(store.sample(1, &mut rng).len(), 20);
    }

    proptest! {
        #[test]
        fn books_agree_after_any_operations(steps in prop::collection::vec((0..8u8, 0..8u8, 0..2_000u64), 0..80)) {
            let (mut now, mut store) = (Instant::now(), store());
            for (torrent, host, wait) in steps {
                now += Duration::from_secs(wait);
                store.expire(now);
                let (hash, address) = (hash(torrent), peer(host, 1));
                let told = store.would_accept(hash, address.ip());
                prop_assert_eq!(store.announce(now, hash, address, host % 2 == 0), told);
                prop_assert_eq!(all(&store, hash, false).contains(&address), told);
                store.check_invariants();
            }
        }
    }
}
