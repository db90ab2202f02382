use std::sync::Arc;
use std::time::Duration;

use tinytorrent_types::compact::Family;
use tinytorrent_types::{AddressFilter, IpRanges};
#[cfg(feature = "tokio")]
use {
    crate::NodeId,
    rand::{RngExt, SeedableRng, rngs::StdRng},
};

use crate::SavedNodes;

/// Settings of a [`Node`](crate::Node).
///
/// # Defaults
/// - Both families, queries are answered.
/// - Eight queries of a look-up in flight, at most 1 s until a node is slow, 15 s until a query is lost, 100
///   queries a second in all.
/// - Answers of 64 KiB a second, and 5 queries a second of a host.
/// - 2,000 torrents of 500 peers each for 40 minutes, 1,000 items for 2 hours.
/// - One node of the table is asked each 5 s.
///
/// A time of more than a day is taken as a day.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    pub(crate) seed: [u8; 32],
    pub(crate) v4: bool,
    pub(crate) v6: bool,
    pub(crate) read_only: bool,
    pub(crate) judges_reach: bool,
    pub(crate) saved: SavedNodes,
    pub(crate) version: Option<[u8; 4]>,
    pub(crate) branching: usize,
    pub(crate) slow_after: Duration,
    pub(crate) lost_after: Duration,
    pub(crate) queries_per_second: u32,
    pub(crate) answer_bytes_per_second: u32,
    pub(crate) queries_per_host: u32,
    pub(crate) max_torrents: usize,
    pub(crate) max_peers_each: usize,
    pub(crate) peer_lifetime: Duration,
    pub(crate) max_items: usize,
    pub(crate) item_lifetime: Duration,
    pub(crate) upkeep_interval: Duration,
    pub(crate) sample_interval: Duration,
    blocked: Option<Arc<IpRanges>>,
}

impl NodeConfig {
    /// Default settings. All randomness comes from `seed`: ids, transaction ids and the secret of the tokens.
    /// It has to be random and secret, or others can answer for nodes that we ask.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            v4: true,
            v6: true,
            read_only: false,
            judges_reach: true,
            saved: SavedNodes::default(),
            version: Some(*b"TT\0\x01"),
            branching: 8,
            slow_after: Duration::from_secs(1),
            lost_after: Duration::from_secs(15),
            queries_per_second: 100,
            answer_bytes_per_second: 64 * 1024,
            queries_per_host: 5,
            max_torrents: 2_000,
            max_peers_each: 500,
            peer_lifetime: Duration::from_secs(40 * 60),
            max_items: 1_000,
            item_lifetime: Duration::from_secs(2 * 60 * 60),
            upkeep_interval: Duration::from_secs(5),
            sample_interval: Duration::from_secs(60 * 60),
            blocked: None,
        }
    }

    /// Another seed. All randomness comes from it, so that two nodes with one seed have the same ids.
    pub fn seed(&mut self, seed: [u8; 32]) -> &mut Self {
        self.seed = seed;
        self
    }

    /// One family only, for a host that has no address of the other. Default: both. A family without a network
    /// costs a few datagrams that go nowhere.
    pub fn only(&mut self, family: Family) -> &mut Self {
        (self.v4, self.v6) = (family == Family::V4, family == Family::V6);
        self
    }

    /// True if no query is answered, and others are told so (BEP 43): for hosts that nobody can reach, and for
    /// those that are short of energy. Default: false.
    pub fn read_only(&mut self, is_read_only: bool) -> &mut Self {
        self.read_only = is_read_only;
        self
    }

    /// True if no query is answered while nobody on the internet can reach us, which is judged by the queries of
    /// strangers (BEP 43). Default: true. Who knows that the port is open has no use for it.
    pub fn judges_reach(&mut self, does_judge: bool) -> &mut Self {
        self.judges_reach = does_judge;
        self
    }

    /// The ids and nodes of an earlier run. Default: none. With them the first look-up needs no routers.
    pub fn saved(&mut self, saved: SavedNodes) -> &mut Self {
        self.saved = saved;
        self
    }

    /// The addresses that the user avoids; see [`Node::set_blocked`](crate::Node::set_blocked). Default: none.
    pub fn blocked(&mut self, ranges: Option<Arc<IpRanges>>) -> &mut Self {
        self.blocked = ranges;
        self
    }

    /// The software as messages tell it: two letters, and a version of two bytes. Default: this library.
    /// `None` tells nothing.
    pub fn version(&mut self, version: Option<[u8; 4]>) -> &mut Self {
        self.version = version;
        self
    }

    /// The queries of a look-up in flight. Default: 8. More make it faster, and ask nodes in vain: of 10,000 nodes
    /// with many dead ones, 8 took a third less time to the first peers than 4, with a fifth more queries.
    pub fn branching(&mut self, queries: usize) -> &mut Self {
        self.branching = queries.clamp(1, 64);
        self
    }

    /// The longest time until a node is slow and makes room for another query, and the time after which its answer
    /// does not count any more. Defaults: 1 s and 15 s.
    ///
    /// A node is slow sooner where round trips are short: after their mean of late and four deviations. Nobody is
    /// waited for in the end for longer than twice that or the first of these times, whichever is longer, unless
    /// there is no answer at all. A shorter first one asks more nodes.
    pub fn timeouts(&mut self, slow: Duration, lost: Duration) -> &mut Self {
        self.slow_after = slow.clamp(SHORTEST, LONGEST);
        self.lost_after = lost.clamp(self.slow_after, LONGEST);
        self
    }

    /// The queries a second that we send in all. Default: 100, with half a second of them at once. Look-ups
    /// share them in turns; fewer make many torrents slow to start.
    pub fn queries_per_second(&mut self, queries: u32) -> &mut Self {
        self.queries_per_second = queries.max(1);
        self
    }

    /// The bytes a second of our answers. Default: 64 KiB, with a second of them at once. Queries beyond that
    /// have no answer, so that nobody can use us to flood a third party with more.
    pub fn answer_bytes_per_second(&mut self, bytes: u32) -> &mut Self {
        self.answer_bytes_per_second = bytes;
        self
    }

    /// The queries a second of one host, over ten seconds, after which it is blocked for five minutes.
    /// Default: 5. Many nodes behind one address need more.
    pub fn queries_per_host(&mut self, queries: u32) -> &mut Self {
        self.queries_per_host = queries.max(1);
        self
    }

    /// The most torrents, and the most peers of each. Defaults: 2,000 and 500. A peer takes some 200 bytes.
    pub fn max_peers(&mut self, torrents: usize, peers_each: usize) -> &mut Self {
        (self.max_torrents, self.max_peers_each) = (torrents, peers_each);
        self
    }

    /// The time for which a peer stays after its announcement. Default: 40 minutes; others announce each 15 to
    /// 30.
    pub fn peer_lifetime(&mut self, lifetime: Duration) -> &mut Self {
        self.peer_lifetime = lifetime.clamp(SHORTEST, LONGEST);
        self
    }

    /// The most items (BEP 44). Default: 1,000, of up to 1.2 KiB each.
    pub fn max_items(&mut self, items: usize) -> &mut Self {
        self.max_items = items;
        self
    }

    /// The time for which an item stays after it was put. Default: 2 hours (BEP 44).
    pub fn item_lifetime(&mut self, lifetime: Duration) -> &mut Self {
        self.item_lifetime = lifetime.clamp(SHORTEST, LONGEST);
        self
    }

    /// The time between two queries that keep the table fresh. Default: 5 s, which asks each of 180 nodes in
    /// 15 minutes. More lets nodes go stale.
    pub fn upkeep_interval(&mut self, interval: Duration) -> &mut Self {
        self.upkeep_interval = interval.clamp(SHORTEST, LONGEST);
        self
    }

    /// The time for which the sample of our torrents stays the same (BEP 51). Default: one hour, at most six.
    pub fn sample_interval(&mut self, interval: Duration) -> &mut Self {
        self.sample_interval = interval.min(Duration::from_secs(6 * 60 * 60));
        self
    }

    /// The settings of several nodes of one host (BEP 45): these, each with chance of its own, and with an id that
    /// differs from those of the others in its first bits.
    #[cfg(feature = "tokio")]
    pub(crate) fn spread(self) -> impl Iterator<Item = Self> {
        // Not the seed itself, whose first numbers a node makes public as its id.
        let mut rng = StdRng::from_seed(self.seed.map(|byte| !byte));
        let mut id_of = |id: Option<NodeId>| id.unwrap_or_else(|| NodeId::from_bytes(rng.random()));
        let (id, id6) = (id_of(self.saved.id), id_of(self.saved.id6));
        (0..=u16::MAX).map(move |n| {
            let nodes = if n == 0 { self.saved.nodes.clone() } else { Vec::new() };
            let [id, id6] = [id, id6].map(|id| Some(id.flipped(n)));
            let saved = SavedNodes { id, id6, nodes };
            Self { seed: rng.random(), saved, ..self.clone() }
        })
    }

    /// The filter of all addresses.
    pub(crate) fn filter(&self) -> AddressFilter {
        let mut filter = AddressFilter::new();
        filter.block(self.blocked.clone());
        filter
    }

    pub(crate) fn has(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }
}

/// Less would be a busy loop.
const SHORTEST: Duration = Duration::from_millis(1);

/// More is no setting of a node that is in use.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_several_nodes_are_far_apart() {
        // D-71
        let mut config = NodeConfig::new([7; 32]);
        let id = NodeId::from_bytes([9; 20]);
        config.saved(SavedNodes { id: Some(id), ..SavedNodes::default() });
        let spread: Vec<_> = config.spread().take(256).collect();
        assert_eq!(spread[0].saved.id, Some(id), "the first one keeps its id");
        for (at, one) in spread.iter().enumerate() {
            for other in &spread[..at] {
                assert_ne!(one.seed, other.seed);
                assert!(one.saved.id.unwrap().shared_bits(other.saved.id.unwrap()) < 8);
                assert!(one.saved.id6.unwrap().shared_bits(other.saved.id6.unwrap()) < 8);
            }
        }
        assert!(spread[0].saved.id.unwrap().shared_bits(spread[1].saved.id.unwrap()) == 0);
    }
}
