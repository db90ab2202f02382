use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_types::compact::Family;
use tinytorrent_types::{AddressFilter, AddressVotes, canonical};

use crate::budget::Budget;
use crate::message::Message;
use crate::reach::Reach;
use crate::requests::{Overdue, Requests};
use crate::sampled::Sampled;
use crate::search::Search;
use crate::server::Server;
use crate::side::{Side, Sides};
use crate::subscription::Subscriptions;
use crate::{Event, NodeConfig, NodeId, NodeInfo, NodeStats, QueryId, SavedNodes, Transmit};

mod asking;
mod commands;
mod incoming;
mod upkeep;

/// A node of the DHT, without a clock and without sockets.
///
/// It serves IPv4 and IPv6 as two networks behind one face (BEP 32). The one rule: after each call that takes
/// `now`, drain [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event), then sleep until
/// [`poll_timeout`](Self::poll_timeout).
///
/// 1. Give it datagrams: [`handle_datagram`](Self::handle_datagram), and time:
///    [`handle_timeout`](Self::handle_timeout).
/// 2. Give it commands: [`find_peers`](Self::find_peers), [`announce`](Self::announce),
///    [`put`](Self::put) and others, whose results are events.
/// 3. Give it addresses to begin with: [`add_router`](Self::add_router), [`add_node`](Self::add_node), and what
///    [`save`](Self::save) returned in an earlier run.
///
/// ```
/// use std::time::Instant;
/// use tinytorrent_dht::{Event, Node, NodeConfig};
///
/// let mut now = Instant::now();
/// # let start = now;
/// let router = "10.0.0.1:6881".parse()?;
/// let mut node = Node::new(now, NodeConfig::new([7; 32]));
/// let mut other = Node::new(now, NodeConfig::new([8; 32]));
/// node.add_router(router);
/// let search = node.find_peers(now, [1; 20].into());
/// let found = loop {
///     // Here a driver would send and receive; `other` is at the address of the router.
///     while let Some(transmit) = node.poll_transmit() {
///         assert_eq!(transmit.to, router);
///         other.handle_datagram(now, "10.0.0.2:6881".parse()?, &transmit.bytes);
///     }
///     while let Some(transmit) = other.poll_transmit() {
///         node.handle_datagram(now, router, &transmit.bytes);
///     }
///     match node.poll_event() {
///         Some(Event::SearchEnded { report, .. }) => break report,
///         Some(_) => continue,
///         None => {
///             now = node.poll_timeout().expect("a node always has something to do").max(now);
///             node.handle_timeout(now);
///         }
///     }
/// #   assert!(now - start < std::time::Duration::from_secs(60));
/// };
/// assert_eq!(found.answers, 1);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    rng: StdRng,
    sides: Sides,
    votes: AddressVotes,
    reach: Reach,
    sampled: Sampled,
    routers: Vec<SocketAddr>,
    filter: AddressFilter,
    server: Server,
    requests: Requests<Purpose>,
    queries: Budget,
    searches: Searches,
    out: Outbox,
    stats: NodeStats,
}

/// The purpose of a query of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A look-up.
    Search(u64),
    /// Storing at the end of one.
    Store(u64),
    /// Keeping the table fresh.
    Upkeep,
    /// A query of the application to one node.
    Command(QueryId),
}

/// The searches, which take turns.
#[derive(Debug, Default)]
struct Searches {
    open: BTreeMap<u64, Search>,
    subscriptions: Subscriptions,
    next_id: u64,
    /// The search that had its turn last.
    turn: u64,
    /// A search has more to ask than the budget of queries allows.
    are_held: bool,
}

/// Output that the caller has not taken yet.
#[derive(Debug, Default)]
struct Outbox {
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

/// The datagrams that wait to be sent. A driver drains them after each call; one that does not loses answers.
const MOST_TRANSMITS: usize = 4_096;

impl Node {
    /// A node that begins to look for others.
    pub fn new(now: Instant, config: NodeConfig) -> Self {
        let mut rng = StdRng::from_seed(config.seed);
        let sides = Sides::new(|family| {
            let own = config.saved.id_of(family);
            let own = own.unwrap_or_else(|| NodeId::from_bytes(rng.random()));
            let known = config.saved.nodes.iter().filter(|node| node.family() == family).copied();
            config.has(family).then(|| Side::new(now, family, own, known.collect()))
        });
        let own = sides.iter().next().map_or(NodeId::from_bytes([0; 20]), |side| side.table.own());
        let mut split = || StdRng::from_seed(rng.random());
        let queries = u64::from(config.queries_per_second);
        Self {
            server: Server::new(now, &config, own, split()),
            requests: Requests::new(config.slow_after, config.lost_after, split()),
            queries: Budget::new(now, queries, queries.div_ceil(2)),
            reach: Reach::new(now, rng.random()),
            rng,
            sides,
            votes: AddressVotes::new(),
            sampled: Sampled::default(),
            routers: Vec::new(),
            filter: config.filter(),
            searches: Searches::default(),
            out: Outbox::default(),
            stats: NodeStats::default(),
            config,
        }
    }

    /// Takes a datagram that came from an address.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let from = canonical(from);
        self.stats.datagrams_in += 1;
        self.stats.bytes_in += datagram.len() as u64;
        // D-56
        if self.filter.blocks(from.ip()) {
            self.stats.avoided += 1;
            return;
        }
        let is_ours = self.sides.get(Family::of(from.ip())).is_some();
        if !is_ours || !self.filter.allows(from) {
            self.stats.malformed += 1;
            return;
        }
        match Message::decode(datagram) {
            Ok(message) => self.handle_message(now, from, &message),
            Err(error) => {
                self.stats.malformed += 1;
                if let Some(transaction) = error.answerable().filter(|_| !self.is_read_only()) {
                    let served = self.server.refuse(now, from, transaction);
                    self.deliver(from, served);
                }
            }
        }
        self.pump(now);
    }

    /// Does what is due. A call before [`poll_timeout`](Self::poll_timeout) changes nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((overdue, request)) = self.requests.poll(now) {
            self.on_overdue(overdue, request);
        }
        self.judge_reach(|reach| reach.handle_timeout(now));
        self.keep_up(now);
        self.begin_rounds(now);
        self.pump(now);
    }

    /// Takes the news that datagrams do not reach an address: an ICMP message, or an error of the socket. Only
    /// queries to it fail.
    pub fn handle_unreachable(&mut self, now: Instant, address: SocketAddr) {
        let address = canonical(address);
        for request in self.requests.fail(address) {
            self.on_overdue(Overdue::Lost, request);
        }
        self.pump(now);
    }

    /// The next datagram to send. There may be one after each call that takes `now`.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.transmits.pop_front()
    }

    /// The next event. There may be one after each call that takes `now`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// The time of the next [`handle_timeout`](Self::handle_timeout). It changes with each call that takes
    /// `now`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let upkeep = self.sides.iter().map(|side| side.next_upkeep.min(side.next_own));
        let held = self.searches.are_held.then(|| self.queries.ready_at(1)).flatten();
        let rounds = self.searches.subscriptions.next_timeout();
        upkeep.chain(self.requests.next_timeout()).chain(held).chain(rounds).min()
    }

    /// Our id in one of the two networks; `None` if the node is not in it.
    pub fn id(&self, family: Family) -> Option<NodeId> {
        self.sides.get(family).map(|side| side.table.own())
    }

    /// True if no query is answered: by choice, or because nobody can reach us.
    pub fn is_read_only(&self) -> bool {
        self.config.read_only || self.config.judges_reach && self.reach.is_lost()
    }

    /// Changes what is known of our reach, and tells what has come of it.
    fn judge_reach(&mut self, change: impl FnOnce(&mut Reach)) {
        let was_read_only = self.is_read_only();
        change(&mut self.reach);
        let is_read_only = self.is_read_only();
        if is_read_only != was_read_only {
            self.out.events.push_back(Event::ReachChanged { is_reachable: !is_read_only });
        }
    }

    /// The nodes of the table.
    pub fn nodes(&self) -> impl Iterator<Item = NodeInfo> {
        self.sides.iter().flat_map(|side| side.table.entries()).map(|entry| entry.node)
    }

    /// The number of nodes in the table that answered in the last 15 minutes.
    pub fn good_nodes(&self, now: Instant) -> usize {
        self.sides.iter().map(|side| side.table.good(now)).sum()
    }

    /// The ids and nodes to begin with in the next run.
    pub fn save(&self) -> SavedNodes {
        SavedNodes {
            id: self.id(Family::V4),
            id6: self.id(Family::V6),
            nodes: self.nodes().collect(),
        }
    }

    /// The figures.
    pub fn stats(&self) -> NodeStats {
        let nodes = |family| self.sides.get(family).map_or(0, |side| side.table.len());
        NodeStats {
            nodes_v4: nodes(Family::V4),
            nodes_v6: nodes(Family::V6),
            torrents: self.server.peers.torrents(),
            peers: self.server.peers.len(),
            items: self.server.items.len(),
            in_flight: self.requests.len(),
            blocked: self.server.floods.blocked(),
            is_read_only: self.is_read_only(),
            ..self.stats
        }
    }

    /// Checks what always holds between calls.
    ///
    /// # Panics
    /// If it does not: that is a defect of this crate.
    pub fn check_invariants(&self) {
        self.sides.iter().for_each(Side::check_invariants);
        self.server.check_invariants();
        self.requests.check_invariants();
        self.sampled.check_invariants();
        self.searches.open.values().for_each(Search::check_invariants);
        self.searches.subscriptions.check_invariants();
        assert!(self.out.transmits.len() <= MOST_TRANSMITS);
    }
}

impl Searches {
    /// The search that comes after the one that had its turn.
    fn next_turn(&self) -> Option<u64> {
        let after = self.open.range(self.turn + 1..).next();
        after.or_else(|| self.open.first_key_value()).map(|(id, _)| *id)
    }

    fn begin(&mut self, search: Search) -> u64 {
        self.next_id += 1;
        self.open.insert(self.next_id, search);
        self.next_id
    }
}
