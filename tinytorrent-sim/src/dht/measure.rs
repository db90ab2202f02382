use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_dht::{
    Announce, Event, Family, Node, NodeId, SearchId, SearchReport, WireInfoHash,
};

use super::DhtWorld;

/// A search that was begun.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    node: usize,
    id: SearchId,
    begun: Instant,
    /// The index of the first event that may belong to it.
    first_event: usize,
}

/// The outcome of a search.
#[derive(Debug, Clone)]
pub struct LookUp {
    /// The node that searched.
    pub node: usize,
    /// The time from its begin to the first peers; `None` if it found none.
    pub first: Option<Duration>,
    /// The time from its begin to its end.
    pub took: Duration,
    /// The peers, sorted.
    pub peers: Vec<SocketAddr>,
    /// Its report.
    pub report: SearchReport,
}

/// A look-up has to end before.
const LONGEST: Duration = Duration::from_secs(120);

impl DhtWorld {
    /// Looks up the peers of a torrent, to the end.
    ///
    /// # Panics
    /// If the look-up does not end within two minutes.
    pub fn look_up(&mut self, node: usize, hash: WireInfoHash) -> LookUp {
        self.search(node, |now, node| node.find_peers(now, hash))
    }

    /// Announces a node, to the end.
    ///
    /// # Panics
    /// If the look-up does not end within two minutes.
    pub fn announce(&mut self, node: usize, hash: WireInfoHash, announce: Announce) -> LookUp {
        self.search(node, |now, node| node.announce(now, hash, announce))
    }

    /// Runs a search of a node to its end. What others do meanwhile goes on.
    ///
    /// # Panics
    /// If it does not end within two minutes.
    pub fn search(
        &mut self,
        node: usize,
        begin: impl FnOnce(Instant, &mut Node) -> SearchId,
    ) -> LookUp {
        let search = self.begin(node, begin);
        let mut outcome = None;
        // Looking through all events after each step would take most of the time.
        let mut seen = usize::MAX;
        self.run_until(LONGEST, |world| {
            let count = world.nodes[node].events.len();
            if std::mem::replace(&mut seen, count) != count {
                outcome = world.outcome(search);
            }
            outcome.is_some()
        });
        outcome.expect("a look-up ends")
    }

    /// Begins a search of a node.
    pub fn begin(
        &mut self,
        node: usize,
        begin: impl FnOnce(Instant, &mut Node) -> SearchId,
    ) -> Search {
        let (begun, first_event) = (self.now, self.nodes[node].events.len());
        let id = self.with(node, begin);
        Search { node, id, begun, first_event }
    }

    /// The outcome of a search; `None` if it is not over.
    pub fn outcome(&self, search: Search) -> Option<LookUp> {
        let (mut first, mut peers) = (None, Vec::new());
        for (at, event) in &self.nodes[search.node].events[search.first_event..] {
            match event {
                Event::PeersFound { search: id, peers: some, .. } if *id == search.id => {
                    first.get_or_insert(*at - search.begun);
                    peers.extend_from_slice(some);
                }
                Event::SearchEnded { search: id, report } if *id == search.id => {
                    peers.sort();
                    let (took, report) = (*at - search.begun, report.clone());
                    return Some(LookUp { node: search.node, first, took, peers, report });
                }
                _ => {}
            }
        }
        None
    }

    /// The share of the nodes truly closest to the target of a look-up that it ended with. `node`, who looked, is
    /// not counted.
    pub fn agreement(&self, node: usize, target: NodeId, report: &SearchReport) -> f64 {
        let found: HashSet<_> = report.closest.iter().map(|node| node.address).collect();
        let closest = self.closest(target, 9);
        let others: Vec<_> = closest.into_iter().filter(|other| *other != node).take(8).collect();
        let right = others.iter().filter(|other| found.contains(&self.nodes[**other].address));
        right.count() as f64 / others.len().max(1) as f64
    }

    /// The state of the table of a node: how full and how fresh it is.
    pub fn table(&self, node: usize) -> TableHealth {
        let own = self.nodes[node].info().id;
        let alive: HashSet<_> = self.reachable().collect();
        let (mut possible, mut held) = ([0_usize; NodeId::BITS + 1], [0_usize; NodeId::BITS + 1]);
        alive.iter().filter(|id| **id != own).for_each(|id| possible[own.shared_bits(*id)] += 1);
        let entries: Vec<_> = self.nodes[node].node.nodes().map(|node| node.id).collect();
        let fresh: Vec<_> = entries.iter().filter(|id| alive.contains(id)).collect();
        fresh.iter().for_each(|id| held[own.shared_bits(**id)] += 1);
        let places = |counts: [usize; NodeId::BITS + 1]| -> usize {
            counts.into_iter().map(|count| count.min(8)).sum()
        };
        TableHealth {
            full: places(held) as f64 / places(possible).max(1) as f64,
            fresh: fresh.len() as f64 / entries.len().max(1) as f64,
        }
    }

    fn reachable(&self) -> impl Iterator<Item = NodeId> {
        let nodes = self.nodes.iter().filter(|node| node.is_reachable());
        nodes.filter_map(|node| node.node.id(Family::V4))
    }
}

/// The state of a table.
#[derive(Debug, Clone, Copy)]
pub struct TableHealth {
    /// Nodes of it that are there, as a share of the most that its buckets could have in this world.
    pub full: f64,
    /// The share of its nodes that are there.
    pub fresh: f64,
}

/// The torrent with this number.
pub fn torrent(n: u32) -> WireInfoHash {
    let mut rng = StdRng::seed_from_u64(0x7072_6f74_0000_0000 | u64::from(n));
    WireInfoHash::from_bytes(rng.random())
}
