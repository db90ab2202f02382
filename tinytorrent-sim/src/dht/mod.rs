mod attack;
mod links;
mod measure;
mod node;
mod population;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_dht::{Node, NodeId};

pub use self::attack::SybilIds;
use self::attack::Sybils;
pub use self::links::Links;
pub use self::measure::{LookUp, Search, TableHealth, torrent};
pub use self::node::DhtNode;
use crate::queue::Queue;

/// A network of DHT nodes on one virtual clock, with links that delay and lose datagrams.
///
/// Its nodes are those of `tinytorrent-dht`, each on a host of its own. One seed gives one history: addresses, ids,
/// round trips, losses and all randomness of the nodes come from it.
///
/// 1. [`populate`](Self::populate) makes nodes, each of which knows sixteen random others, as it would from an
///    earlier run; [`add`](Self::add) makes one more.
/// 2. [`run_for`](Self::run_for) lets them fill their tables: a warm-up of 15 minutes does.
/// 3. [`with`](Self::with) calls a node, [`silence`](Self::silence), [`churn`](Self::churn) and
///    [`add_sybils`](Self::add_sybils) do harm.
/// 4. [`look_up`](Self::look_up) measures, and [`DhtNode::events`] has what a node told.
///
/// ```
/// use std::time::Duration;
/// use tinytorrent_dht::Announce;
/// use tinytorrent_sim::{DhtWorld, Links, torrent};
///
/// let mut world = DhtWorld::new(1, Links::default());
/// world.populate(60, 0.2);
/// world.run_for(Duration::from_secs(60));
/// let announce = Announce { port: Some(7_000), is_seed: false };
/// world.announce(3, torrent(1), announce);
/// let found = world.look_up(9, torrent(1));
/// assert_eq!(found.peers, [(world.nodes[3].address.ip(), 7_000).into()]);
/// ```
#[derive(Debug)]
pub struct DhtWorld {
    /// The time that all nodes have.
    pub now: Instant,
    /// The time at which the world began.
    pub start: Instant,
    /// The nodes.
    pub nodes: Vec<DhtNode>,
    /// The links between all hosts.
    pub links: Links,
    /// Datagrams that were sent, lost ones and those to nobody too.
    pub datagrams: u64,
    seed: u64,
    /// The randomness of the world, and that of its links apart, so that a datagram more changes no other draw.
    rng: StdRng,
    wire: StdRng,
    queue: Queue<Instant, Happening>,
    hosts: HashMap<SocketAddr, Host>,
    sybils: Vec<Sybils>,
    /// The mean time for which a node stays.
    stay: Option<Duration>,
}

/// Something that happens at a time.
#[derive(Debug)]
enum Happening {
    /// A datagram arrives.
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// The timer of a node goes off.
    Timer { node: usize },
    /// A node leaves, and another one takes its place. Nothing happens if that was done before.
    Departure { node: usize, generation: u32 },
    /// Sybils ask the nodes around their target, to get into the tables.
    Advertisement { group: usize },
}

/// The host at an address.
#[derive(Debug, Clone, Copy)]
enum Host {
    Node(usize),
    /// One of a group of Sybils.
    Sybil(usize),
}

/// The time between two rounds in which Sybils ask the nodes around their target.
const ADVERTISED_EACH: Duration = Duration::from_secs(30);

/// The honest nodes around a target that Sybils ask in each round.
const ADVERTISED_TO: usize = 64;

impl DhtWorld {
    /// A world without nodes.
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the first one")]
    pub fn new(seed: u64, links: Links) -> Self {
        let now = Instant::now();
        let (nodes, queue, hosts, sybils) = Default::default();
        let mut rng = StdRng::seed_from_u64(seed);
        let wire = StdRng::from_seed(rng.random());
        let (start, datagrams, stay) = (now, 0, None);
        Self { now, start, nodes, links, datagrams, seed, rng, wire, queue, hosts, sybils, stay }
    }

    /// Calls a node, and sends what it has to send.
    pub fn with<R>(&mut self, node: usize, call: impl FnOnce(Instant, &mut Node) -> R) -> R {
        let result = call(self.now, &mut self.nodes[node].node);
        self.settle(node);
        result
    }

    /// Runs for some time.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until a condition holds. Returns false if it does not within the limit.
    pub fn run_until(&mut self, limit: Duration, mut until: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            if until(self) {
                return true;
            }
            if !self.step(end) {
                self.now = end;
                return until(self);
            }
        }
    }

    /// Silences a random share of the nodes that can be reached and may leave, all at once and without a word.
    /// They stay in the tables of others until those notice.
    pub fn silence(&mut self, share: f64) {
        for node in &mut self.nodes {
            if node.is_reachable() && !node.stays && self.rng.random_bool(share) {
                node.is_silent = true;
            }
        }
    }

    /// Adds Sybils around a target, in one /16, and returns their addresses. They begin to ask the nodes around the
    /// target at once, and go on.
    pub fn add_sybils(
        &mut self,
        target: NodeId,
        network: [u8; 2],
        ids: SybilIds,
        count: usize,
    ) -> Vec<SocketAddr> {
        let group = self.sybils.len();
        let sybils = Sybils::new(target, network, ids, count, &mut self.rng);
        let addresses: Vec<_> = sybils.members.iter().map(|member| member.address).collect();
        self.hosts.extend(addresses.iter().map(|address| (*address, Host::Sybil(group))));
        self.sybils.push(sybils);
        self.queue.push(self.now, Happening::Advertisement { group });
        addresses
    }

    /// Delivers a datagram at once, from whatever address.
    pub fn inject(&mut self, from: SocketAddr, node: usize, bytes: &[u8]) {
        self.nodes[node].node.handle_datagram(self.now, from, bytes);
        self.settle(node);
    }

    /// The nodes closest to a target, of those that everybody can reach.
    pub fn closest(&self, target: NodeId, count: usize) -> Vec<usize> {
        let mut nodes: Vec<_> = (0..self.nodes.len())
            .filter(|node| self.nodes[*node].is_reachable())
            .map(|node| (self.nodes[node].info().id.distance(target), node))
            .collect();
        if count < nodes.len() {
            nodes.select_nth_unstable(count);
            nodes.truncate(count);
        }
        nodes.sort_unstable();
        nodes.into_iter().map(|(_, node)| node).collect()
    }

    /// A random node that can be reached or not, but is not silent.
    pub fn random_node(&mut self) -> usize {
        loop {
            let node = self.rng.random_range(0..self.nodes.len());
            if !self.nodes[node].is_silent {
                return node;
            }
        }
    }

    /// Checks what always holds of each node.
    ///
    /// # Panics
    /// If it does not.
    pub fn check_invariants(&self) {
        self.nodes.iter().for_each(|node| node.node.check_invariants());
    }

    /// Does what is next, if it is not after the end. Returns false if nothing is.
    pub(crate) fn step(&mut self, end: Instant) -> bool {
        let Some((at, happening)) = self.queue.pop(end) else { return false };
        self.now = self.now.max(at);
        match happening {
            Happening::Datagram { from, to, bytes } => self.deliver(from, to, &bytes),
            Happening::Timer { node } => {
                let peer = &mut self.nodes[node];
                if !peer.is_silent && peer.wakes_at == Some(at) {
                    peer.wakes_at = None;
                    peer.node.handle_timeout(self.now);
                    self.settle(node);
                }
            }
            Happening::Departure { node, generation } => {
                if self.nodes[node].generation == generation && !self.nodes[node].stays {
                    self.replace(node);
                }
            }
            Happening::Advertisement { group } => self.advertise(group),
        }
        true
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        match self.hosts.get(&to) {
            Some(&Host::Node(node)) => {
                let peer = &mut self.nodes[node];
                let is_let_in = peer.nat.as_ref().is_none_or(|nat| nat.admits(self.now, from));
                if !peer.is_silent && is_let_in {
                    peer.node.handle_datagram(self.now, from, bytes);
                    self.settle(node);
                }
            }
            Some(&Host::Sybil(group)) => {
                if let Some(answer) = self.sybils[group].answer(to, from, bytes) {
                    self.send(to, from, answer);
                }
            }
            None => {}
        }
    }

    /// Takes what a node has to send and to tell.
    fn settle(&mut self, node: usize) {
        let now = self.now;
        let peer = &mut self.nodes[node];
        while let Some(event) = peer.node.poll_event() {
            peer.events.push((now, event));
        }
        let wakes_at = peer.node.poll_timeout().map(|timeout| timeout.max(now));
        if let Some(at) = wakes_at.filter(|_| peer.wakes_at != wakes_at) {
            peer.wakes_at = wakes_at;
            self.queue.push(at, Happening::Timer { node });
        }
        let from = peer.address;
        while let Some(transmit) = self.nodes[node].node.poll_transmit() {
            let peer = &mut self.nodes[node];
            if peer.is_silent {
                continue;
            }
            if let Some(nat) = &mut peer.nat {
                nat.on_sent(now, transmit.to);
            }
            if let Some(lie) = peer.spoofed {
                let forged = attack::forged_answer(lie, &mut self.rng);
                self.queue
                    .push(now, Happening::Datagram { from: transmit.to, to: from, bytes: forged });
            }
            self.send(from, transmit.to, transmit.bytes);
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.datagrams += 1;
        if let Some(delay) = self.links.draw(self.seed, from.ip(), to.ip(), &mut self.wire) {
            self.queue.push(self.now + delay, Happening::Datagram { from, to, bytes });
        }
    }

    fn advertise(&mut self, group: usize) {
        let nodes = self.closest(self.sybils[group].target, ADVERTISED_TO);
        for member in 0..self.sybils[group].members.len() {
            let query = self.sybils[group].advertisement(member);
            let from = self.sybils[group].members[member].address;
            for node in &nodes {
                self.send(from, self.nodes[*node].address, query.clone());
            }
        }
        self.queue.push(self.now + ADVERTISED_EACH, Happening::Advertisement { group });
    }
}
