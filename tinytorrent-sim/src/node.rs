use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use tinytorrent_swarm::record::Recorded;
use tinytorrent_swarm::{AnnounceTask, Event, FetchKey, LeaveReason, PeerKey, WebSeedKey};
use tinytorrent_tracker::AnnounceResponse;
use tinytorrent_types::{BlockInfo, Geometry, PeerId};
use tinytorrent_wire::Message;

use crate::world::RunningFetch;
use crate::{Nat, Node, WebServer};

/// A swarm in its world, and all that was seen of it.
#[derive(Debug)]
pub struct Simulated {
    /// The engine.
    pub swarm: Recorded,
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
    /// Blocks that it has served.
    pub served: u32,
    /// The blocks that its disk holds.
    pub received: HashMap<BlockInfo, Quality>,
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
    /// The instant at which all that was handed to its uplink is out.
    pub(crate) uplink_free: Instant,
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
    pub(crate) their_key: Option<PeerKey>,
}
