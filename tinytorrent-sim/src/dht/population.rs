use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use tinytorrent_dht::{Family, Node, NodeConfig, NodeId, NodeInfo, SavedNodes};
use tinytorrent_types::AddressScope;

use super::node::Nat;
use super::{DhtNode, DhtWorld, Happening, Host};

/// A node that is to be made.
#[derive(Debug, Clone, Copy)]
struct Plan {
    info: NodeInfo,
    is_behind_nat: bool,
}

/// The nodes that a new one knows of.
const KNOWN: usize = 16;

/// The time over which the starts of nodes are spread: an interval of upkeep, or all would ask at once for ever.
const STARTS: Duration = Duration::from_secs(5);

/// Nodes that come and go.
impl DhtWorld {
    /// Makes nodes, a share of which are behind NATs and say that they are read-only (BEP 43). Each knows sixteen
    /// random ones of those that can be reached.
    pub fn populate(&mut self, count: usize, read_only: f64) {
        let plans: Vec<_> = (0..count)
            .map(|_| {
                let is_behind_nat = self.rng.random_bool(read_only);
                Plan { info: self.new_host(), is_behind_nat }
            })
            .collect();
        let reachable: Vec<_> =
            plans.iter().filter(|plan| !plan.is_behind_nat).map(|plan| plan.info).collect();
        for plan in plans {
            let known = pick(&reachable, plan.info, &mut self.rng);
            let start = self.now + STARTS.mul_f64(self.rng.random());
            let peer = self.make(start, plan, known, |_| {});
            self.enter(peer, None);
        }
    }

    /// Adds a node with settings of its own, which knows sixteen random ones, and returns its index.
    pub fn add(&mut self, change: impl FnOnce(&mut NodeConfig)) -> usize {
        let info = self.new_host();
        let known = self.some_nodes(info);
        let peer = self.make(self.now, Plan { info, is_behind_nat: false }, known, change);
        self.enter(peer, None)
    }

    /// Adds a node at this address, which knows sixteen random ones and stays, and returns its index.
    pub(crate) fn add_at(&mut self, address: SocketAddr, is_behind_nat: bool) -> usize {
        let info = NodeInfo { id: NodeId::for_address(address.ip(), &mut self.rng), address };
        let known = self.some_nodes(info);
        let mut peer = self.make(self.now, Plan { info, is_behind_nat }, known, |_| {});
        peer.stays = true;
        self.enter(peer, None)
    }

    /// Makes nodes come and go from now on: each stays for a random time with this mean, distributed exponentially.
    /// Then another one, of another host, has its place, which knows sixteen random nodes.
    pub fn churn(&mut self, mean: Duration) {
        self.stay = Some(mean);
        for node in 0..self.nodes.len() {
            self.plan_departure(node);
        }
    }

    pub(super) fn plan_departure(&mut self, node: usize) {
        if let Some(mean) = self.stay {
            let share: f64 = 1.0 - self.rng.random::<f64>();
            let generation = self.nodes[node].generation;
            let at = self.now + mean.mul_f64(-share.ln());
            self.queue.push(at, Happening::Departure { node, generation });
        }
    }

    /// Puts another node into the place of one.
    pub(super) fn replace(&mut self, node: usize) {
        let old = &self.nodes[node];
        let (is_behind_nat, address) = (old.nat.is_some(), old.address);
        self.hosts.remove(&address);
        let info = self.new_host();
        let known = self.some_nodes(info);
        let peer = self.make(self.now, Plan { info, is_behind_nat }, known, |_| {});
        self.enter(peer, Some(node));
    }

    fn some_nodes(&mut self, but: NodeInfo) -> Vec<NodeInfo> {
        let mut known = Vec::new();
        // Few worlds are so empty that these tries do not find enough.
        for _ in 0..4 * KNOWN {
            if self.nodes.is_empty() || known.len() == KNOWN {
                break;
            }
            let node = &self.nodes[self.rng.random_range(0..self.nodes.len())];
            let info = node.info();
            if node.is_reachable() && info != but && !known.contains(&info) {
                known.push(info);
            }
        }
        known
    }

    fn make(
        &mut self,
        start: Instant,
        plan: Plan,
        known: Vec<NodeInfo>,
        change: impl FnOnce(&mut NodeConfig),
    ) -> DhtNode {
        let mut config = NodeConfig::new(self.rng.random());
        let id = Some(plan.info.id);
        config.only(Family::V4).read_only(plan.is_behind_nat).saved(SavedNodes {
            id,
            id6: None,
            nodes: known,
        });
        change(&mut config);
        DhtNode {
            node: Node::new(start, config),
            address: plan.info.address,
            events: Vec::new(),
            born: start,
            is_silent: false,
            stays: false,
            spoofed: None,
            nat: plan.is_behind_nat.then(Nat::default),
            wakes_at: None,
            generation: 0,
        }
    }

    /// Gives a node a place, a new one or that of another.
    fn enter(&mut self, mut peer: DhtNode, place: Option<usize>) -> usize {
        let (address, born) = (peer.address, peer.born);
        peer.wakes_at = Some(born);
        let node = match place {
            Some(node) => {
                peer.generation = self.nodes[node].generation + 1;
                self.nodes[node] = peer;
                node
            }
            None => {
                self.nodes.push(peer);
                self.nodes.len() - 1
            }
        };
        self.hosts.insert(address, Host::Node(node));
        self.queue.push(born, Happening::Timer { node });
        self.plan_departure(node);
        node
    }

    /// A random address on the internet that nobody has, and an id that fits it.
    fn new_host(&mut self) -> NodeInfo {
        loop {
            let ip = IpAddr::V4(Ipv4Addr::from_bits(self.rng.random()));
            let address = SocketAddr::new(ip, 6881);
            let is_public = AddressScope::of(ip).is_public();
            if is_public && !self.hosts.contains_key(&address) {
                return NodeInfo { id: NodeId::for_address(ip, &mut self.rng), address };
            }
        }
    }
}

/// Some nodes of a list, but one.
fn pick(nodes: &[NodeInfo], but: NodeInfo, rng: &mut StdRng) -> Vec<NodeInfo> {
    let mut picked: Vec<NodeInfo> = Vec::new();
    for _ in 0..4 * KNOWN {
        if nodes.is_empty() || picked.len() == KNOWN {
            break;
        }
        let node = nodes[rng.random_range(0..nodes.len())];
        if node != but && !picked.contains(&node) {
            picked.push(node);
        }
    }
    picked
}
