use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tinytorrent_swarm::record::Recorded;
use tinytorrent_swarm::{
    AnnounceTask, Event, FetchKey, LeaveReason, PeerKey, SwarmConfig, WebSeedKey,
};
use tinytorrent_tracker::AnnounceResponse;
use tinytorrent_types::{Bitfield, BlockInfo, Geometry, PeerId};
use tinytorrent_wire::{HashRequest, Message};

use crate::world::RunningFetch;
use crate::{Disk, Nat, Node, WebServer};

/// A swarm in its world, and all that was seen of it.
#[derive(Debug)]
pub struct Simulated {
    /// The engine.
    pub swarm: Recorded,
    /// The configuration with which it begins, at first and after each crash.
    pub(crate) config: SwarmConfig,
    /// The address at which it listens.
    pub address: SocketAddr,
    /// The shape of the content.
    pub geometry: Geometry,
    /// All it told its application.
    pub events: Vec<Event>,
    /// Its behaviour towards others.
    pub behaviour: Behaviour,
    /// Bytes a second from it, over all its links, if not those of the [`World`](crate::World).
    pub uplink: Option<u64>,
    /// Its place in the network.
    pub access: Access,
    /// The speed and the health of its disk.
    pub disk: Disk,
    /// Blocks that it has served.
    pub served: u32,
    /// The blocks that its disk holds.
    pub received: HashMap<BlockInfo, Quality>,
    /// The number of its crashes.
    pub(crate) life: u32,
    /// All that a crash leaves.
    pub(crate) kept: Kept,
    /// All that it was told of others, before it crashed.
    pub(crate) introduced: Vec<SocketAddr>,
    /// All it told its trackers.
    pub announces: Vec<AnnounceTask>,
    /// Peers that its trackers tell of.
    pub tracker_peers: Vec<SocketAddr>,
    /// The answers of trackers that tell something else, by URL.
    pub trackers: HashMap<String, AnnounceResponse>,
    /// The peers that it left, and the reasons.
    pub disconnected: Vec<(SocketAddr, LeaveReason)>,
    /// All it said to peers.
    pub sent: Vec<(SocketAddr, Message)>,
    /// The bytes that it takes for the info dictionary.
    pub info: Bytes,
    /// The hashes that it still needs to look at content.
    pub(crate) lacking: Vec<HashRequest>,
    /// The NAT in front of it.
    pub nat: Option<Nat>,
    /// The id that it gives in handshakes, if it is not its own.
    pub alias: Option<PeerId>,
    /// The servers of its web seeds.
    pub web_seeds: HashMap<WebSeedKey, WebServer>,
    /// Fetches from them under way.
    pub(crate) fetches: HashMap<FetchKey, RunningFetch>,
    pub(crate) links: HashMap<PeerKey, Link>,
    /// Connections to strangers, or under way to them.
    pub(crate) strangers: HashSet<PeerKey>,
    /// The next deadline of the engine.
    pub(crate) due: Option<Instant>,
}

/// The place of a node in the network, and its state there.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The time that each message takes beyond the latency of the world, on its way to the node or from it.
    pub distance: Duration,
    /// Bytes a second to the node, over all its links; `None` if others are the only limit.
    pub downlink: Option<u64>,
    /// Nothing gets through until then. What was sent arrives afterwards.
    pub(crate) cut_off_until: Option<Instant>,
    /// Its process does not run until then.
    pub(crate) asleep_until: Option<Instant>,
    /// Its process is gone, and its host says so to whoever asks.
    pub(crate) is_down: bool,
    /// The blocks that wait for its uplink, behind the one that is being sent.
    pub(crate) line: VecDeque<InLine>,
    pub(crate) is_sending: bool,
    /// The instant at which all that is under way to it is in.
    pub(crate) downlink_free: Option<Instant>,
}

/// A block that waits for the uplink, which it takes so long.
#[derive(Debug, Clone)]
pub(crate) struct InLine {
    pub(crate) key: PeerKey,
    pub(crate) block: BlockInfo,
    pub(crate) cost: Duration,
}

/// The content on a disk, as a record of before says, which a crash leaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    /// The time between two records, if there are more than the first.
    pub(crate) every: Option<Duration>,
    /// Verified pieces; `None` as long as there is no record.
    pub(crate) have: Option<Bitfield>,
    /// The blocks of the others.
    pub(crate) blocks: Vec<BlockInfo>,
    /// The info dictionary is kept.
    pub(crate) has_info: bool,
    /// The pieces that are wanted, if that was chosen.
    pub(crate) wanted: Option<Bitfield>,
}

/// The behaviour of a node towards others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// As the engine says.
    Honest,
    /// Sends wrong bytes in every n-th block.
    Corrupt(u32),
    /// Sends so many wrong blocks, and answers nothing from then on.
    Spoils(u32),
    /// Takes requests and answers none.
    Stalls,
    /// Serves so many blocks, and answers nothing from then on.
    StallsAfter(u32),
    /// Serves one block in so many seconds.
    Trickles(u32),
    /// Rejects every request (BEP 6).
    Rejects,
    /// Chokes as soon as it is asked, answers nothing, and unchokes a moment later.
    Flaps,
    /// Takes connections, speaks, and reads nothing that it is sent.
    ReadsNothing,
    /// Chokes as soon as it is asked, and owes what it was asked for from then on.
    ChokesOwing,
    /// Closes the connection as soon as it is asked.
    Leaves,
    /// Is interested, and asks for nothing.
    AsksNothing,
    /// Shakes hands and says nothing.
    Silent,
    /// Takes connections and makes them, and never shakes hands.
    NeverGreets,
    /// Cannot be connected to.
    Unreachable,
    /// Claims to have metadata, and sends garbage.
    LiesAboutMetadata,
    /// Sends wrong hashes of pieces (BEP 52).
    LiesAboutHashes,
    /// Rejects every request for hashes.
    RejectsHashes,
    /// Takes requests for hashes and answers none.
    HoldsHashesBack,
}

impl Behaviour {
    /// Ways in which a peer that says it has everything keeps others from getting it.
    pub const ATTACKS: [Self; 17] = [
        Self::Corrupt(1),
        Self::Corrupt(3),
        Self::Corrupt(16),
        Self::Spoils(1),
        Self::Spoils(7),
        Self::Stalls,
        Self::StallsAfter(1),
        Self::StallsAfter(7),
        Self::Trickles(3),
        Self::Trickles(9),
        Self::Rejects,
        Self::Flaps,
        Self::ChokesOwing,
        Self::Leaves,
        Self::Silent,
        Self::NeverGreets,
        Self::Unreachable,
    ];
}

/// Of a block: whether it is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quality {
    /// As the torrent has it.
    Right,
    /// Something else, of this sender's making.
    Wrong(u8),
}

impl Simulated {
    pub(crate) fn quality(&self, block: BlockInfo) -> Quality {
        let position = block.piece().get() * 64 + block.number();
        let is_wrong = match self.behaviour {
            Behaviour::Corrupt(every) => position.is_multiple_of(every),
            Behaviour::Spoils(_) => true,
            _ => false,
        };
        if is_wrong {
            // Each sender has wrong bytes of its own, so that digests tell who sent a block.
            Quality::Wrong(self.address.ip().to_string().bytes().last().unwrap_or(1))
        } else {
            Quality::Right
        }
    }

    /// Peers that were banned.
    pub fn banned(&self) -> Vec<SocketAddr> {
        let banned = self.events.iter().filter_map(|event| match event {
            Event::PeerBanned { address, .. } => Some(*address),
            _ => None,
        });
        banned.collect()
    }

    /// Returns true if it told its application of such an event.
    pub fn has_event(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(wanted)
    }

    /// Messages sent of one kind.
    pub fn count_sent(&self, name: &str) -> usize {
        self.sent.iter().filter(|(_, message)| message.name() == name).count()
    }
}

/// The far end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) to: Node,
    /// The far end's key of it, and the life to which the key belongs, once it was let in.
    pub(crate) their_key: Option<PeerKey>,
    pub(crate) their_life: u32,
    /// The arrival of the last message that was sent: none arrives before those that were sent before.
    pub(crate) arrived: Option<Instant>,
    /// Nothing gets through any more, and nobody says so.
    pub(crate) is_dead: bool,
}

impl Link {
    pub(crate) fn to(node: Node) -> Self {
        Self { to: node, their_key: None, their_life: 0, arrived: None, is_dead: false }
    }
}
