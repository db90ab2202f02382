//! Nodes in virtual time, with links that delay and lose datagrams.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_dht::message::MAX_WRITTEN;
use tinytorrent_dht::{Event, Node, NodeConfig, NodeId, NodeInfo, SavedNodes};

type Forbids = Box<dyn Fn(IpAddr) -> bool>;

pub struct World {
    pub now: Instant,
    pub nodes: Vec<Peer>,
    by_address: HashMap<SocketAddr, usize>,
    wire: BinaryHeap<Reverse<(Instant, u64)>>,
    in_flight: HashMap<u64, (SocketAddr, SocketAddr, Vec<u8>)>,
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    serial: u64,
    pub rng: StdRng,
    /// Of a thousand datagrams, so many are lost.
    pub lost_of_1000: u32,
    /// The least time of a datagram on its way; the most is four times as long.
    pub delay: Duration,
    /// A node, and where it must send nothing.
    forbidden: Option<(usize, Forbids)>,
    /// Datagrams by sender and receiver that were delivered or not.
    pub sent: u64,
}

pub struct Peer {
    pub node: Node,
    pub address: SocketAddr,
    pub events: Vec<(Instant, Event)>,
    /// It receives nothing.
    pub is_dead: bool,
    /// It receives from those alone whom it has sent something.
    pub is_behind_nat: bool,
    contacted: HashSet<SocketAddr>,
    /// The time of its one timer that counts.
    wakes_at: Option<Instant>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let now = Instant::now();
        let (nodes, by_address, wire, in_flight, timers) = Default::default();
        let rng = StdRng::seed_from_u64(seed);
        let delay = Duration::from_millis(20);
        Self {
            now,
            nodes,
            by_address,
            wire,
            in_flight,
            timers,
            serial: 0,
            rng,
            lost_of_1000: 0,
            delay,
            forbidden: None,
            sent: 0,
        }
    }

    /// Adds a node at an address on the internet, in a /16 or a /32 of its own.
    pub fn add(&mut self, is_v6: bool, change: impl FnOnce(&mut NodeConfig)) -> usize {
        let n = self.nodes.len() as u32 + 1;
        let ip = if is_v6 {
            IpAddr::V6((((0x2606_0000_u128 + u128::from(n)) << 96) | 1).into())
        } else {
            IpAddr::V4((((20 + n % 64) << 24) | ((n / 64) << 16) | 1).into())
        };
        self.add_at(SocketAddr::new(ip, 6881), change)
    }

    pub fn add_at(&mut self, address: SocketAddr, change: impl FnOnce(&mut NodeConfig)) -> usize {
        let mut config = NodeConfig::new(self.rng.random());
        let id = Some(NodeId::for_address(address.ip(), &mut self.rng));
        config.saved(SavedNodes { id, id6: id, nodes: Vec::new() });
        change(&mut config);
        let node = Node::new(self.now, config);
        let index = self.nodes.len();
        let peer = Peer {
            node,
            address,
            events: Vec::new(),
            is_dead: false,
            is_behind_nat: false,
            contacted: HashSet::new(),
            wakes_at: Some(self.now),
        };
        self.nodes.push(peer);
        self.by_address.insert(address, index);
        self.timers.push(Reverse((self.now, index)));
        index
    }

    /// A network of nodes that know each other, the first of which is everybody's router.
    pub fn network(seed: u64, count: usize) -> Self {
        let mut world = Self::new(seed);
        for _ in 0..count {
            let index = world.add(false, |_| {});
            let router = world.nodes[0].address;
            if index > 0 {
                world.nodes[index].node.add_router(router);
            }
        }
        world.nodes[0].node.set_read_only(false);
        world.run_for(Duration::from_secs(60));
        world
    }

    /// Calls a node, and takes what it has to send.
    pub fn with<R>(&mut self, index: usize, call: impl FnOnce(Instant, &mut Node) -> R) -> R {
        let result = call(self.now, &mut self.nodes[index].node);
        self.drain(index);
        result
    }

    /// Fails the test if the node sends anything to such an address from now on.
    pub fn forbid(&mut self, index: usize, forbids: impl Fn(IpAddr) -> bool + 'static) {
        self.forbidden = Some((index, Box::new(forbids)));
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until a condition holds, and fails after too long a time.
    #[track_caller]
    pub fn run_until(&mut self, mut is_reached: impl FnMut(&World) -> bool) {
        let end = self.now + Duration::from_secs(300);
        while !is_reached(self) {
            assert!(self.step(end), "it never came");
        }
    }

    fn step(&mut self, end: Instant) -> bool {
        let datagram = self.wire.peek().map(|Reverse((at, _))| *at);
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let Some(at) = datagram.into_iter().chain(timer).min().filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(at);
        if datagram == Some(at) {
            let Reverse((_, serial)) = self.wire.pop().expect("it is there");
            let (from, to, bytes) = self.in_flight.remove(&serial).expect("it is on its way");
            self.deliver(from, to, &bytes);
        } else {
            let Reverse((_, index)) = self.timers.pop().expect("it is there");
            if !self.nodes[index].is_dead && self.nodes[index].wakes_at == Some(at) {
                self.nodes[index].wakes_at = None;
                self.nodes[index].node.handle_timeout(self.now);
                self.drain(index);
            }
        }
        true
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some(&index) = self.by_address.get(&to) else { return };
        let peer = &mut self.nodes[index];
        if peer.is_dead || peer.is_behind_nat && !peer.contacted.contains(&from) {
            return;
        }
        peer.node.handle_datagram(self.now, from, bytes);
        self.drain(index);
    }

    fn drain(&mut self, index: usize) {
        let peer = &mut self.nodes[index];
        while let Some(event) = peer.node.poll_event() {
            peer.events.push((self.now, event));
        }
        let timeout = peer.node.poll_timeout().expect("a node always has something to do");
        let wakes_at = timeout.max(self.now);
        if peer.wakes_at != Some(wakes_at) {
            peer.wakes_at = Some(wakes_at);
            self.timers.push(Reverse((wakes_at, index)));
        }
        while let Some(transmit) = self.nodes[index].node.poll_transmit() {
            // D-35
            assert!(transmit.bytes.len() <= MAX_WRITTEN);
            if let Some((node, forbids)) = &self.forbidden {
                assert!(*node != index || !forbids(transmit.to.ip()), "{}", transmit.to);
            }
            self.nodes[index].contacted.insert(transmit.to);
            self.sent += 1;
            if self.rng.random_range(0..1_000) < self.lost_of_1000 {
                continue;
            }
            let delay = self.delay.mul_f64(self.rng.random_range(1.0..4.0));
            self.serial += 1;
            self.wire.push(Reverse((self.now + delay, self.serial)));
            let datagram = (self.nodes[index].address, transmit.to, transmit.bytes);
            self.in_flight.insert(self.serial, datagram);
        }
    }

    /// Sends a datagram from an address that has no node.
    pub fn inject(&mut self, from: SocketAddr, to: usize, bytes: &[u8]) {
        let address = self.nodes[to].address;
        self.deliver(from, address, bytes);
    }

    pub fn info(&self, index: usize) -> NodeInfo {
        let peer = &self.nodes[index];
        let family = tinytorrent_dht::Family::of(peer.address.ip());
        NodeInfo { id: peer.node.id(family).expect("it has one"), address: peer.address }
    }

    /// The nodes closest to a target of those that are there, without the router, which is in no table.
    pub fn closest(&self, target: NodeId, count: usize) -> Vec<usize> {
        let alive = (1..self.nodes.len())
            .filter(|&index| !self.nodes[index].is_dead && !self.nodes[index].is_behind_nat);
        let by_distance: BTreeMap<_, _> =
            alive.map(|index| (self.info(index).id.distance(target), index)).collect();
        by_distance.into_values().take(count).collect()
    }

    pub fn check_invariants(&self) {
        self.nodes.iter().for_each(|peer| peer.node.check_invariants());
    }
}
