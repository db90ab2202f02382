//! Plans of worlds: who is there, and what happens to them, all drawn from one number.

mod draw;
mod incident;
mod name;
mod play;
mod shrink;
mod verdict;

use std::time::Duration;

use tinytorrent_types::Geometry;

pub use self::incident::{Fault, Incident};
pub use self::name::{NameError, WorldName};
pub use self::play::Outcome;
use crate::{Behaviour, Disk, WebServer};

/// A world that is yet to be played.
///
/// ```
/// use tinytorrent_sim::Plan;
///
/// let plan = Plan::draw(7);
/// let outcome = plan.play();
/// assert!(outcome.breach.is_none(), "{outcome:?}");
/// // The same number tells the same story.
/// assert_eq!(outcome, plan.play());
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    /// The number and the omissions that make this plan again.
    pub name: WorldName,
    /// The shape of the content.
    pub geometry: Geometry,
    /// The links between all.
    pub network: Network,
    /// Nodes, in the order of their arrival.
    pub members: Vec<Member>,
    /// Incidents, in order of time.
    pub faults: Vec<Fault>,
    /// The interval of the trackers, by number; there may be none.
    pub trackers: Vec<Duration>,
    /// The DHT, if there is one.
    pub dht: Option<DhtNodes>,
    /// The torrent is one of v1 and v2, with so many pieces in each file.
    pub pieces_with_hashes: Option<u32>,
    /// The time after the last incident in which downloads may end.
    pub patience: Duration,
}

/// The links of a world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    /// One way, on every link.
    pub latency: Duration,
    /// The most by which a message may be later.
    pub jitter: Duration,
    /// The part of messages that is lost at first.
    pub loss: f64,
}

/// The nodes of a world's DHT that are no peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DhtNodes {
    /// Their number.
    pub count: usize,
    /// The mean time for which each stays; `None` for ever.
    pub stay: Option<Duration>,
}

/// A node of a plan.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its number in the plan as it was drawn.
    pub number: usize,
    /// The time of its arrival.
    pub arrives: Duration,
    /// The content that it has.
    pub role: Role,
    /// Its behaviour.
    pub behaviour: Behaviour,
    /// The members that it is told of when it arrives, by their numbers.
    pub knows: Vec<usize>,
    /// It is told of others by the trackers of the world.
    pub is_tracked: bool,
    /// It looks for others in the DHT of the world.
    pub is_in_dht: bool,
    /// Nobody can connect to it.
    pub is_behind_nat: bool,
    /// Its place in the network.
    pub access: MemberAccess,
    /// Its disk.
    pub disk: Disk,
    /// The time between two records of its content, if it keeps any.
    pub records: Option<Duration>,
    /// The choices of its user.
    pub choices: Choices,
    /// A web seed that it knows.
    pub web_seed: Option<WebServer>,
}

/// The content that a member has at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All of it.
    Seed,
    /// All of it, and it super seeds (BEP 16).
    SuperSeed,
    /// Some pieces: of each hundred so many, drawn anew for each member.
    Leech(u8),
    /// Not even the metadata (BEP 9).
    Link,
}

impl Role {
    /// Returns true if it has all.
    pub fn is_seed(self) -> bool {
        matches!(self, Self::Seed | Self::SuperSeed)
    }
}

/// The place of a member in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberAccess {
    /// Bytes a second from it.
    pub uplink: u64,
    /// Bytes a second to it.
    pub downlink: Option<u64>,
    /// The time that messages take beyond the latency of the world.
    pub distance: Duration,
}

/// The choices of a member's user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choices {
    /// Connections at most.
    pub max_peers: usize,
    /// Peers served at a time.
    pub upload_slots: usize,
    /// Bytes that may wait for the disk.
    pub store_budget: u64,
    /// Bytes a second to ask for.
    pub download_limit: Option<u64>,
    /// Bytes a second to send.
    pub upload_limit: Option<u64>,
    /// In order.
    pub sequential: bool,
    /// Peers tell it of others (BEP 11).
    pub exchange: bool,
}

impl Member {
    /// Returns true if it does as the engine says.
    pub fn is_honest(&self) -> bool {
        self.behaviour == Behaviour::Honest
    }
}
