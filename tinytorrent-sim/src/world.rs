mod happening;
mod nat;
mod recording;
mod serving;
mod stranger;
mod watch;
mod web_seed;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tinytorrent_swarm::record::Recorded;
use tinytorrent_swarm::{
    Action, Content, Failure, Input, PeerKey, PeerSource, ScrapeOutcome, SwarmConfig,
};
use tinytorrent_types::{Bitfield, Geometry, InfoHashV1, InfoHashes, PeerId};
use tinytorrent_wire::{Handshake, Message};

use self::happening::{HASHING, Happening};
pub use self::nat::Nat;
use self::recording::Sinks;
pub use self::recording::Tape;
pub use self::stranger::Stranger;
use self::watch::Watched;
pub use self::watch::{Cause, Watch};
pub(crate) use self::web_seed::Running as RunningFetch;
pub use self::web_seed::WebServer;
use crate::node::Link;
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
    /// The happenings to come, in order of time and then of cause.
    queue: BTreeMap<(Instant, u64), (Node, Happening)>,
    sequence: u64,
    strangers: Vec<Stranger>,
    /// The strangers by their addresses.
    doors: HashMap<SocketAddr, usize>,
    watched: Option<Watched>,
    sinks: Sinks,
    /// The hashes of the torrent.
    pub hashes: InfoHashes,
    /// The torrent is private.
    pub is_private: bool,
    /// The address at which the nodes reach their tracker, if they know it. It is in their network at
    /// first: a tracker on the internet may not tell of them.
    pub tracker: Option<IpAddr>,
    /// One way, on every link.
    pub latency: Duration,
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
            queue: BTreeMap::new(),
            sequence: 0,
            strangers: Vec::new(),
            doors: HashMap::new(),
            watched: None,
            sinks: Sinks::default(),
            hashes: hashes(),
            is_private: false,
            tracker: Some([10, 255, 255, 254].into()),
            latency: Duration::from_millis(20),
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
        let mut config = SwarmConfig::new(self.hashes, peer_id(node), 1_000 + node as u64);
        // The port is that of `address_of`.
        config.listen_port(6881).sha1(scramble);
        tune(&mut config);
        let swarm = self.new_engine(node, &config);
        self.nodes.push(Simulated {
            swarm,
            address: address_of(node),
            geometry,
            events: Vec::new(),
            behaviour: Behaviour::Honest,
            uplink: None,
            served: 0,
            received: HashMap::new(),
            announces: Vec::new(),
            tracker_peers: Vec::new(),
            trackers: HashMap::new(),
            disconnected: Vec::new(),
            sent: Vec::new(),
            info: info(),
            nat: None,
            alias: None,
            web_seeds: HashMap::new(),
            fetches: HashMap::new(),
            links: HashMap::new(),
            strangers: HashSet::new(),
            due: None,
            uplink_free: self.now,
        });
        self.settle(node);
        node
    }

    /// Tells a node what the content is, and what it has of it.
    pub fn ready(&mut self, node: Node, have: Bitfield) {
        let geometry = self.nodes[node].geometry.clone();
        let content = Content {
            have,
            wanted: Bitfield::full(geometry.piece_count()),
            geometry,
            partial: Vec::new(),
            info: self.nodes[node].info.clone(),
            is_private: self.is_private,
        };
        self.input(node, Input::ContentReady(content));
    }

    /// Tells a node where others are, as the tracker would.
    pub fn introduce(&mut self, node: Node, to: &[Node]) {
        let addresses = to.iter().map(|&node| self.nodes[node].address).collect();
        let source = PeerSource::of_tracker(self.tracker);
        self.input(node, Input::PeersFound { source, addresses });
    }

    /// Something happens to a node.
    pub fn input(&mut self, node: Node, input: Input) {
        let now = self.now;
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
        let next = self.queue.first_key_value().map(|((at, _), _)| *at);
        let timeouts = self.nodes.iter().enumerate();
        let timeout = timeouts.filter_map(|(n, s)| Some((s.due?, n))).min();
        let at = [next, timeout.map(|(at, _)| at)].into_iter().flatten().min();
        let Some(at) = at.filter(|&at| at <= end) else {
            // A quiet world reaches the end too, so that the next run goes on from there.
            self.now = end;
            return false;
        };
        // The deadline of a swarm can be in the past, and the clock must not go back.
        self.now = self.now.max(at);
        // Deadlines come before happenings of the same instant, so that each run has one order.
        if let Some((_, node)) = timeout.filter(|(due, _)| *due <= at) {
            let now = self.now;
            self.engine(node, Cause::Time, |swarm| swarm.handle_timeout(now));
            self.settle(node);
        } else if let Some((_, (node, happening))) = self.queue.pop_first() {
            self.happen(node, happening);
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
        // Happenings of one instant keep the order of their causes, so that each run is the same.
        self.sequence += 1;
        self.queue.insert((at, self.sequence), (node, happening));
    }

    fn settle(&mut self, node: Node) {
        while let Some(action) = self.poll_action(node) {
            self.act(node, action);
        }
        while let Some(event) = self.poll_event(node) {
            self.nodes[node].events.push(event);
        }
        self.nodes[node].due = self.engine(node, Cause::Drained, |swarm| swarm.poll_timeout());
        // After each input by default, so that a failure points to its cause.
        self.inputs = self.inputs.wrapping_add(1);
        if self.inputs.is_multiple_of(self.check_every) {
            self.nodes[node].swarm.check_invariants();
        }
    }

    fn act(&mut self, node: Node, action: Action) {
        match action {
            Action::Connect { peer, address, route, info_hash } => {
                let handshake = Handshake { info_hash, ..self.handshake(node) };
                match self.nodes.iter().position(|other| other.address == address) {
                    Some(to) => {
                        // The other node has no key for the connection until it accepts.
                        self.nodes[node].links.insert(peer, Link { to, their_key: None });
                        self.dial_node(node, peer, to, route, handshake);
                    }
                    None => self.dial_stranger(node, peer, address),
                }
            }
            Action::Send { peer, message } => self.send(node, peer, message),
            Action::ServeBlock { peer, block } => self.serve(node, peer, block),
            Action::VerifyPiece { piece, digests } => {
                self.later(HASHING, node, Happening::Verdict { piece, digests });
            }
            Action::CheckMetadata { info } => {
                self.later(Duration::from_millis(2), node, Happening::Metadata { info });
            }
            // There are no hashes here: whoever asks is refused, and whatever comes is wrong.
            Action::ReadHashes { peer, request } => {
                self.input(node, Input::HashesRead { peer, request, hashes: None });
            }
            Action::CheckHashes { peer, hashes } => {
                let request = hashes.request;
                self.input(node, Input::HashesChecked { peer, request, is_right: false });
            }
            Action::Announce(task) => {
                self.nodes[node].announces.push(task.clone());
                self.later(self.latency, node, Happening::Tracker(task));
            }
            Action::Fetch(task) => self.begin_fetch(node, task),
            Action::GrantFetch { fetch, blocks } => self.grant_fetch(node, fetch, blocks),
            Action::CancelFetch { fetch } => self.cancel_fetch(node, fetch),
            Action::DoubtFiles { seed, piece } => self.doubt_files(node, seed, piece),
            // There is no DHT in these worlds.
            Action::LookUp(_) => {}
            Action::Scrape(task) => {
                let result = Err(Failure::Failed("there are no scrapes here".into()));
                self.input(node, Input::Scraped(ScrapeOutcome { id: task.id, result }));
            }
            Action::Disconnect { peer, reason } => {
                self.nodes[node].strangers.remove(&peer);
                if let Some(link) = self.nodes[node].links.remove(&peer) {
                    let address = self.nodes[link.to].address;
                    self.nodes[node].disconnected.push((address, reason));
                    // Without a key it was not answered yet, and then the answer closes the other
                    // end.
                    if let Some(key) = link.their_key {
                        self.later(self.latency, link.to, Happening::Closed { key });
                    }
                }
            }
        }
    }

    /// The handshake of a node, with the id that it gives.
    fn handshake(&self, node: Node) -> Handshake {
        let ours = self.nodes[node].swarm.handshake();
        Handshake { peer_id: self.nodes[node].alias.unwrap_or(ours.peer_id), ..ours }
    }

    fn send(&mut self, node: Node, peer: PeerKey, mut message: Message) {
        let Some(link) = self.nodes[node].links.get(&peer).copied() else { return };
        let address = self.nodes[link.to].address;
        match (self.nodes[node].behaviour, &message) {
            (Behaviour::Silent, _) | (Behaviour::AsksNothing, Message::Request(_)) => return,
            _ => {}
        }
        // Id 0 is the extension handshake (BEP 10), without which nobody asks for metadata.
        if self.nodes[node].behaviour == Behaviour::LiesAboutMetadata
            && let Message::Extended(extended) = &mut message
            && extended.id != 0
        {
            let mut lie = extended.payload.to_vec();
            if let Some(last) = lie.last_mut() {
                // The metadata is at the end of the message (BEP 9), behind a dictionary that stays
                // valid.
                *last ^= 0x55;
            }
            extended.payload = lie.into();
        }
        self.nodes[node].sent.push((address, message.clone()));
        if let Some(key) = link.their_key {
            self.later(self.latency, link.to, Happening::Arrives { key, message });
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
