use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::seq::IteratorRandom;
use tinytorrent_types::{AddressScope, Host, Network};

use crate::{NodeId, NodeInfo};

mod bucket;
mod entry;
#[cfg(test)]
mod tests;

use bucket::Bucket;
pub(crate) use entry::Entry;

/// The nodes of a bucket (BEP 5, "Routing Table").
pub(crate) const K: usize = 8;

/// The time after its last answer for which a node is good (BEP 5).
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(15 * 60);

/// The routing table of one address family: nodes that have answered us, many near our id and few far away.
///
/// - Bucket `i` has nodes that share exactly `i` bits with our id, and the last one those that share more.
///   Only the last one splits.
/// - A node that has answered in the last 15 minutes keeps its place. Others get two more tries, then the best
///   of the bucket's spare nodes takes the place: one with an id for its address, in a part of the bucket that
///   no other node is in, with a short round trip.
/// - A host has one node here, a /24 or a /64 one in each bucket, and a /16 or a /32 of IPv6 two, so that an attacker
///   needs many networks. Addresses of a local network, where everybody is known, are told apart by their ports.
///
/// It is told what was heard, and names the node to ask next; it sends nothing.
#[derive(Debug)]
pub(crate) struct Table {
    own: NodeId,
    /// Never empty.
    buckets: Vec<Bucket>,
    /// The node of each host, in a bucket or among its spare nodes.
    hosts: HashMap<HostKey, NodeId>,
}

/// The holder of one node at most: a host, or an endpoint in a local network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum HostKey {
    Host(Host),
    Endpoint(SocketAddr),
}

impl HostKey {
    pub(crate) fn of(address: SocketAddr) -> Self {
        if AddressScope::of(address.ip()).is_local() {
            Self::Endpoint(address)
        } else {
            Self::Host(Host::of(address.ip()))
        }
    }
}

/// The holder of one node at most in a bucket or in a look-up: a /24, or a /64 of IPv6. `None` for local addresses.
pub(crate) fn subnet(ip: IpAddr) -> Option<SubnetKey> {
    let is_limited = !AddressScope::of(ip).is_local();
    is_limited.then(|| match ip.to_canonical() {
        IpAddr::V4(_) => SubnetKey::V4(Network::of(ip)),
        IpAddr::V6(_) => SubnetKey::V6(Host::of(ip)),
    })
}

/// A subnet that [`subnet`] tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SubnetKey {
    V4(Network),
    V6(Host),
}

/// A /16 or a /32 of IPv6, which one party may have. Three of eight random nodes are hardly ever in the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BlockKey {
    V4(u32),
    V6(u128),
}

/// The nodes of a block in a bucket or in a look-up.
pub(crate) const MOST_OF_A_BLOCK: usize = 2;

/// The block of an address; `None` for local ones.
pub(crate) fn block(ip: IpAddr) -> Option<BlockKey> {
    let is_limited = !AddressScope::of(ip).is_local();
    is_limited.then(|| match ip.to_canonical() {
        IpAddr::V4(ip) => BlockKey::V4(ip.to_bits() >> 16),
        IpAddr::V6(ip) => BlockKey::V6(ip.to_bits() >> 96),
    })
}

/// The fate of a node that has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It was there, and is fresh now.
    Refreshed,
    /// It has a place.
    Added,
    /// It waits for a place.
    Spare,
    /// There is no use for it.
    Refused,
}

impl Table {
    pub(crate) fn new(own: NodeId) -> Self {
        Self { own, buckets: vec![Bucket::default()], hosts: HashMap::new() }
    }

    /// Our id.
    pub(crate) fn own(&self) -> NodeId {
        self.own
    }

    /// Changes our id. Nodes for which there is no place any more are forgotten.
    pub(crate) fn set_own(&mut self, own: NodeId) {
        let old = std::mem::replace(self, Self::new(own));
        for entry in old.buckets.into_iter().flat_map(Bucket::into_entries) {
            self.insert(entry);
        }
    }

    /// A node has answered, after this time.
    pub(crate) fn on_answer(
        &mut self,
        now: Instant,
        node: NodeInfo,
        round_trip: Duration,
    ) -> Placed {
        if node.id == self.own {
            return Placed::Refused;
        }
        if let Some(entry) = self.entry_mut(node) {
            entry.on_answer(now, round_trip);
            return Placed::Refreshed;
        }
        // D-48: what was known of this endpoint is no longer so.
        if let Some(&known) = self.hosts.get(&HostKey::of(node.address))
            && self
                .bucket_of(known)
                .find(known)
                .is_some_and(|entry| entry.node.address == node.address)
        {
            self.remove(known);
        }
        self.insert(Entry::new(now, node, round_trip))
    }

    /// A node that we know has asked us something.
    pub(crate) fn on_query(&mut self, now: Instant, node: NodeInfo) {
        if let Some(entry) = self.entry_mut(node) {
            entry.queried_at = Some(now);
        }
    }

    /// True if a node would have a place, or be a spare one, if it answered.
    pub(crate) fn would_take(&self, node: NodeInfo) -> bool {
        node.id != self.own
            && !self.hosts.contains_key(&HostKey::of(node.address))
            && self.bucket_of(node.id).would_take(node)
    }

    /// A node has not answered in time.
    pub(crate) fn on_failure(&mut self, node: NodeInfo) {
        let Some(entry) = self.entry_mut(node) else { return };
        entry.failures = entry.failures.saturating_add(1);
        if entry.is_bad() {
            self.remove(node.id);
        }
    }

    /// Forgets nodes, spare ones as well.
    pub(crate) fn forget(&mut self, is_unwanted: impl Fn(&NodeInfo) -> bool) {
        let entries =
            self.buckets.iter().flat_map(|bucket| bucket.live.iter().chain(&bucket.spare));
        let unwanted = entries.map(|entry| entry.node).filter(|node| is_unwanted(node));
        for node in unwanted.collect::<Vec<_>>() {
            self.remove(node.id);
        }
    }

    /// The nodes closest to a target, the closest first, at most `most`. Those that failed to answer last
    /// come in only if there are too few others. Costs no more for a large table than for a small one.
    pub(crate) fn closest(&self, target: NodeId, most: usize) -> Vec<NodeInfo> {
        let mut nodes = Vec::with_capacity(most + K);
        self.gather(target, most, &mut nodes, |entry| entry.failures == 0);
        if nodes.len() < most {
            self.gather(target, most, &mut nodes, |entry| entry.failures > 0);
            nodes.sort_unstable_by_key(|node| node.id.distance(target));
        }
        nodes
    }

    /// Appends the closest nodes of a kind until there are `most`.
    fn gather(
        &self,
        target: NodeId,
        most: usize,
        nodes: &mut Vec<NodeInfo>,
        is_wanted: impl Fn(&Entry) -> bool,
    ) {
        for bucket in self.buckets_by_distance(target) {
            let before = nodes.len();
            nodes.extend(
                bucket.live.iter().filter(|entry| is_wanted(entry)).map(|entry| entry.node),
            );
            nodes[before..].sort_unstable_by_key(|node| node.id.distance(target));
            if nodes.len() >= most {
                nodes.truncate(most);
                return;
            }
        }
    }

    /// The buckets, each with nodes closer to the target than all those of the next ones.
    ///
    /// The nodes of a bucket are the first to differ from us in its bit. If the target differs from us there as
    /// well, they are closer to it than all that share more bits with us, and otherwise they are farther.
    fn buckets_by_distance(&self, target: NodeId) -> impl Iterator<Item = &Bucket> {
        let last = self.buckets.len() - 1;
        let is_closer = move |depth: &usize| self.own.bit(*depth) != target.bit(*depth);
        let closer = (0..last).filter(is_closer);
        let farther = (0..last).rev().filter(move |depth| !is_closer(depth));
        closer.chain([last]).chain(farther).map(|depth| &self.buckets[depth])
    }

    /// The node that has to be asked next: the one that failed or whose last answer is the oldest, if it is
    /// older than `age`, and a target in its bucket.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        age: Duration,
        rng: &mut impl rand::Rng,
    ) -> Option<(NodeInfo, NodeId)> {
        let due = self
            .buckets
            .iter_mut()
            .enumerate()
            .flat_map(|(depth, bucket)| bucket.live.iter_mut().map(move |entry| (depth, entry)))
            .filter(|(_, entry)| entry.is_due(now, age))
            .min_by_key(|(_, entry)| entry.asked_at.max(entry.answered_at));
        let (depth, entry) = due?;
        entry.asked_at = now;
        let node = entry.node;
        Some((node, self.own.random_sharing(depth, rng)))
    }

    /// A target in a random bucket that has room, if there is any.
    pub(crate) fn gap(&self, rng: &mut impl rand::Rng) -> Option<NodeId> {
        let with_room = self.buckets.iter().enumerate().filter(|(_, bucket)| bucket.live.len() < K);
        let (depth, _) = with_room.choose(rng)?;
        Some(self.own.random_sharing(depth, rng))
    }

    /// The nodes with a place.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(|bucket| &bucket.live)
    }

    /// The number of nodes with a place.
    pub(crate) fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.live.len()).sum()
    }

    /// The number of nodes that have answered in the last 15 minutes.
    pub(crate) fn good(&self, now: Instant) -> usize {
        self.entries().filter(|entry| entry.is_good(now)).count()
    }

    fn insert(&mut self, entry: Entry) -> Placed {
        let key = HostKey::of(entry.node.address);
        let id = entry.node.id;
        let is_known = self.hosts.contains_key(&key) || self.bucket_of(id).find(id).is_some();
        if id == self.own || is_known {
            return Placed::Refused;
        }
        while self.is_worth_a_split(entry.node) {
            self.split();
        }
        let placed = self.place(entry);
        if placed != Placed::Refused {
            self.hosts.insert(key, id);
        }
        placed
    }

    /// True if a node would have a place only if the last bucket were two.
    fn is_worth_a_split(&self, node: NodeInfo) -> bool {
        let is_last = self.depth_of(node.id) == self.buckets.len() - 1;
        is_last && self.buckets.len() < NodeId::BITS && self.bucket_of(node.id).is_full_for(node)
    }

    /// Splits the last bucket, which has nodes that share at least its number of bits.
    fn split(&mut self) {
        let depth = self.buckets.len() - 1;
        let entries = std::mem::take(&mut self.buckets[depth]).into_entries();
        self.buckets.push(Bucket::default());
        for entry in entries {
            if self.place(entry) == Placed::Refused {
                self.hosts.remove(&HostKey::of(entry.node.address));
            }
        }
    }

    /// Puts a node into its bucket, as it is.
    fn place(&mut self, entry: Entry) -> Placed {
        let depth = self.depth_of(entry.node.id);
        match self.buckets[depth].insert(entry) {
            bucket::Inserted::Added => Placed::Added,
            bucket::Inserted::Refused => Placed::Refused,
            bucket::Inserted::Full => match self.buckets[depth].insert_spare(entry) {
                Err(_) => Placed::Refused,
                Ok(replaced) => {
                    if let Some(replaced) = replaced {
                        self.hosts.remove(&HostKey::of(replaced.node.address));
                    }
                    Placed::Spare
                }
            },
        }
    }

    fn remove(&mut self, id: NodeId) {
        let depth = self.depth_of(id);
        if let Some(removed) = self.buckets[depth].remove(id, depth) {
            self.hosts.remove(&HostKey::of(removed.node.address));
        }
    }

    fn entry_mut(&mut self, node: NodeInfo) -> Option<&mut Entry> {
        let depth = self.depth_of(node.id);
        self.buckets[depth].find_mut(node.id).filter(|entry| entry.node.address == node.address)
    }

    fn bucket_of(&self, id: NodeId) -> &Bucket {
        &self.buckets[self.depth_of(id)]
    }

    fn depth_of(&self, id: NodeId) -> usize {
        self.own.shared_bits(id).min(self.buckets.len() - 1)
    }

    pub(crate) fn check_invariants(&self) {
        let mut hosts = HashMap::new();
        for (depth, bucket) in self.buckets.iter().enumerate() {
            bucket.check_invariants();
            for entry in bucket.live.iter().chain(&bucket.spare) {
                assert_eq!(self.depth_of(entry.node.id), depth);
                assert_ne!(entry.node.id, self.own);
                let twin = hosts.insert(HostKey::of(entry.node.address), entry.node.id);
                assert_eq!(twin, None, "a host has one node");
            }
        }
        assert_eq!(hosts, self.hosts);
    }
}
