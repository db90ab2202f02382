mod acting;
mod crash;
mod dht;
mod disk;
mod happening;
mod hashing;
mod links;
mod nat;
mod recording;
mod schedule;
mod serving;
mod stranger;
mod tracking;
mod watch;
mod web_seed;
mod witness;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tinytorrent_swarm::record::Recorded;
use tinytorrent_swarm::{Content, Event, Input, PeerSource, SwarmConfig};
use tinytorrent_types::{Bitfield, BlockInfo, Geometry, InfoHashV1, InfoHashes, PeerId};
use tinytorrent_wire::HashRequest;

pub use self::crash::Recovery;
use self::dht::Dht;
pub use self::disk::Disk;
use self::happening::Happening;
pub use self::nat::Nat;
use self::recording::Sinks;
pub use self::recording::Tape;
use self::schedule::{Due, Schedule, Turn};
pub use self::stranger::Stranger;
pub use self::tracking::{Tracker, TrackerState};
use self::watch::Watched;
pub use self::watch::{Cause, Watch};
pub(crate) use self::web_seed::Running as RunningFetch;
pub use self::web_seed::WebServer;
use self::witness::Witnessed;
pub use self::witness::{Seen, Witness};
use crate::node::{Access, Kept};
use crate::{Behaviour, Simulated};

/// The number of a node in its world.
pub type Node = usize;

/// Some swarms, the links between them, and the one clock.
#[derive(Debug)]
pub struct World {
    /// The instant that all nodes live in.
    pub now: Instant,
    /// Its beginning.
    pub start: Instant,
    /// The swarms, by [`Node`].
    pub nodes: Vec<Simulated>,
    schedule: Schedule,
    /// The nodes by their addresses.
    addresses: HashMap<SocketAddr, Node>,
    strangers: Vec<Stranger>,
    /// The strangers by their addresses.
    doors: HashMap<SocketAddr, usize>,
    watched: Option<Watched>,
    sinks: Sinks,
    witness: Witnessed,
    dht: Option<Dht>,
    /// The trackers that keep a list of those who announce themselves, by URL. Others answer as each node has it.
    pub trackers: HashMap<String, Tracker>,
    /// All that links and nodes do by chance.
    chance: StdRng,
    /// The hashes of the torrent.
    pub hashes: InfoHashes,
    /// Hashes of its pieces that whoever has only a link needs (BEP 52).
    layers: Vec<HashRequest>,
    /// The torrent is private.
    pub is_private: bool,
    /// The address at which the nodes reach their tracker, if they know it. It is in their network at
    /// first: a tracker on the internet may not tell of them.
    pub tracker: Option<IpAddr>,
    /// One way, on every link.
    pub latency: Duration,
    /// The most by which a message may be later than that, each as chance has it.
    pub jitter: Duration,
    /// The part of messages that is lost at first, and comes a time-out later, with all that are behind it.
    pub loss: f64,
    /// Bytes a second from each node, over all its links.
    pub uplink: u64,
    /// Checks the invariants of a node after each so many inputs; zero for never. More makes large worlds
    /// quicker.
    pub check_every: u32,
    inputs: u32,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// No node yet.
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the first one")]
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            nodes: Vec::new(),
            schedule: Schedule::default(),
            addresses: HashMap::new(),
            strangers: Vec::new(),
            doors: HashMap::new(),
            watched: None,
            sinks: Sinks::default(),
            witness: Witnessed::default(),
            dht: None,
            trackers: HashMap::new(),
            chance: StdRng::seed_from_u64(0),
            hashes: hashes(),
            layers: Vec::new(),
            is_private: false,
            tracker: Some([10, 255, 255, 254].into()),
            latency: Duration::from_millis(20),
            jitter: Duration::ZERO,
            loss: 0.0,
            uplink: 10_000_000,
            check_every: 1,
            inputs: 0,
        }
    }

    /// A node that knows the content and has these pieces of it, one character each: `#` or `.`;
    /// or all, or none.
    pub fn add(
        &mut self,
        geometry: Geometry,
        have: &str,
        tune: impl FnOnce(&mut SwarmConfig),
    ) -> Node {
        let mut field = Bitfield::new(geometry.piece_count());
        for piece in geometry.pieces() {
            let wanted = match have {
                "all" => true,
                "none" => false,
                pieces => pieces.as_bytes()[piece.as_usize()] == b'#',
            };
            if wanted {
                field.insert(piece);
            }
        }
        let node = self.add_unready(geometry, tune);
        self.ready(node, field);
        node
    }

    /// A node that does not know the content yet.
    pub fn add_unready(&mut self, geometry: Geometry, tune: impl FnOnce(&mut SwarmConfig)) -> Node {
        let node = self.nodes.len();
        self.addresses.insert(address_of(node), node);
        let mut config = SwarmConfig::new(self.hashes, peer_id(node), 1_000 + node as u64);
        // The port is that of `address_of`.
        config.listen_port(6881).sha1(scramble);
        tune(&mut config);
        let swarm = self.new_engine(node, &config);
        self.nodes.push(Simulated {
            swarm,
            config,
            address: address_of(node),
            geometry,
            events: Vec::new(),
            behaviour: Behaviour::Honest,
            uplink: None,
            access: Access::default(),
            disk: Disk::default(),
            served: 0,
            received: HashMap::new(),
            life: 0,
            kept: Kept::default(),
            introduced: Vec::new(),
            announces: Vec::new(),
            tracker_peers: Vec::new(),
            trackers: HashMap::new(),
            disconnected: Vec::new(),
            sent: Vec::new(),
            info: info(),
            lacking: Vec::new(),
            nat: None,
            alias: None,
            web_seeds: HashMap::new(),
            fetches: HashMap::new(),
            links: HashMap::new(),
            strangers: HashSet::new(),
            due: None,
        });
        self.saw(node, Seen::Began);
        self.settle(node);
        node
    }

    /// Moves a node to another address.
    pub fn set_address(&mut self, node: Node, address: SocketAddr) {
        let before = std::mem::replace(&mut self.nodes[node].address, address);
        self.addresses.remove(&before);
        self.addresses.insert(address, node);
    }

    /// Has the links, and all else that is left to chance, draw other numbers.
    pub fn set_chance(&mut self, seed: u64) {
        self.chance = StdRng::seed_from_u64(seed);
    }

    /// The node at this address.
    pub fn node_at(&self, address: SocketAddr) -> Option<Node> {
        self.addresses.get(&address).copied()
    }

    /// Tells a node what the content is, and what it has of it.
    pub fn ready(&mut self, node: Node, have: Bitfield) {
        self.recover(node, have, Vec::new(), None);
    }

    /// The same, with blocks of unfinished pieces, and the pieces that are wanted if not all are.
    fn recover(
        &mut self,
        node: Node,
        have: Bitfield,
        partial: Vec<BlockInfo>,
        wanted: Option<Bitfield>,
    ) {
        let geometry = self.nodes[node].geometry.clone();
        self.nodes[node].kept.have.get_or_insert_with(|| have.clone());
        let content = Content {
            have,
            wanted: wanted.unwrap_or_else(|| Bitfield::full(geometry.piece_count())),
            geometry,
            partial,
            info: self.nodes[node].info.clone(),
            is_private: self.is_private,
        };
        self.input(node, Input::ContentReady(content));
    }

    /// Tells a node where others are, as the tracker would.
    pub fn introduce(&mut self, node: Node, to: &[Node]) {
        let addresses: Vec<_> = to.iter().map(|&node| self.nodes[node].address).collect();
        self.nodes[node].introduced.extend(&addresses);
        let source = PeerSource::of_tracker(self.tracker);
        self.input(node, Input::PeersFound { source, addresses });
    }

    /// Something happens to a node.
    pub fn input(&mut self, node: Node, input: Input) {
        let now = self.now;
        self.saw(node, Seen::Input(&input));
        if self.is_watched(node) {
            // The original is freed by whoever made it.
            self.engine(node, Cause::of(&input), |swarm| {
                swarm.handle_input(now, watch::copy_of_input(&input));
            });
        } else {
            self.nodes[node].swarm.handle_input(now, input);
        }
        self.settle(node);
    }

    /// Does something with a node's swarm, and what follows from it.
    pub fn with(&mut self, node: Node, act: impl FnOnce(&mut Recorded, Instant)) {
        let now = self.now;
        self.engine(node, Cause::Told, |swarm| act(swarm, now));
        self.settle(node);
    }

    /// Runs until nothing is to happen any more, or until the time is up. `true` if `until`.
    pub fn run(&mut self, limit: Duration, mut until: impl FnMut(&World) -> bool) -> bool {
        let end = self.now + limit;
        let mut steps_at_once = 0;
        loop {
            if until(self) {
                return true;
            }
            let before = self.now;
            if !self.step(end) {
                return false;
            }
            steps_at_once = if self.now == before { steps_at_once + 1 } else { 0 };
            // A deadline that stays due would keep the test running for ever.
            assert!(steps_at_once < 100_000, "the world does not get on");
        }
    }

    /// Does what is next. `false` if nothing is, before the end.
    pub fn step(&mut self, end: Instant) -> bool {
        let next = self.schedule.next_at().map_or(end, |at| at.min(end));
        if self.dht_step(next) {
            return true;
        }
        let Some((at, turn)) = self.schedule.next(end) else {
            // A quiet world reaches the end too, so that the next run goes on from there.
            self.now = end;
            return false;
        };
        // The deadline of a swarm can be in the past, and the clock must not go back.
        self.now = self.now.max(at);
        match turn {
            Turn::Deadline(node) => {
                let now = self.now;
                self.saw(node, Seen::Woken);
                self.engine(node, Cause::Time, |swarm| swarm.handle_timeout(now));
                self.settle(node);
            }
            Turn::Happening(Due { node, life, happening }) => {
                match self.nodes[node].access.asleep_until {
                    Some(until) if until > self.now => self.at(until, node, happening),
                    _ if life == self.nodes[node].life => self.happen(node, happening),
                    _ => self.is_missed(happening),
                }
            }
        }
        true
    }

    /// Returns true if every node has all pieces that it wants.
    pub fn all_finished(&self) -> bool {
        self.nodes.iter().all(|node| node.swarm.is_finished())
    }

    /// The time for which the world has run.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    fn later(&mut self, delay: Duration, node: Node, happening: Happening) {
        self.at(self.now + delay, node, happening);
    }

    fn at(&mut self, at: Instant, node: Node, happening: Happening) {
        // A node may be told of something before it is there.
        let life = self.nodes.get(node).map_or(0, |simulated| simulated.life);
        self.schedule.add(at, Due { node, life, happening });
    }

    fn settle(&mut self, node: Node) {
        while let Some(action) = self.poll_action(node) {
            self.saw(node, Seen::Action(&action));
            self.act(node, action);
        }
        while let Some(event) = self.poll_event(node) {
            self.saw(node, Seen::Event(&event));
            if let Event::DhtNodeFound { address } = event {
                self.hear_of_dht_node(node, address);
            }
            self.nodes[node].events.push(event);
        }
        let due = self.engine(node, Cause::Drained, |swarm| swarm.poll_timeout());
        self.set_due(node, due);
        // After each input by default, so that a failure points to its cause.
        self.inputs = self.inputs.wrapping_add(1);
        if self.inputs.is_multiple_of(self.check_every) {
            self.nodes[node].swarm.check_invariants();
        }
    }

    fn set_due(&mut self, node: Node, due: Option<Instant>) {
        let asleep = self.nodes[node].access.asleep_until.filter(|until| *until > self.now);
        let due = due.map(|due| asleep.map_or(due, |until| due.max(until)));
        let before = std::mem::replace(&mut self.nodes[node].due, due);
        if before != due {
            self.schedule.set_deadline(node, before, due);
        }
    }
}

/// Stands for SHA-1 where sets of pieces are drawn: any function will do that spreads them.
pub fn scramble(bytes: &[u8]) -> [u8; 20] {
    let fold = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold);
    std::array::from_fn(|_| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 56) as u8
    })
}

/// The id of a node.
pub fn peer_id(node: Node) -> PeerId {
    let mut id = *b"-XX0000-000000000000";
    id[12..].copy_from_slice(&(node as u64).to_be_bytes());
    PeerId::from_bytes(id)
}

/// The torrent of this world.
pub fn hashes() -> InfoHashes {
    InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]))
}

/// The address at which a node listens.
pub fn address_of(node: Node) -> SocketAddr {
    SocketAddr::from(([10, 0, (node >> 8) as u8, node as u8], 6881))
}

/// Something of more than one block that stands for an info dictionary.
pub fn info() -> Bytes {
    Bytes::from((0..40_000_u32).map(|n| (n / 8) as u8).collect::<Vec<_>>())
}
