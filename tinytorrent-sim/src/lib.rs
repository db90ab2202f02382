//! Worlds of BitTorrent swarms in virtual time: links that lose and delay, disks that fail, crashes, liars.
//!
//! | you want | you need |
//! |---|---|
//! | to see whether the engine keeps its laws in any world | [`Plan`]: a world that is drawn from a number |
//! | the same for laws of your own | [`Plan::play_before`] a [`Witness`] |
//! | a scene of your own, with whom and what you like, a DHT and hashes of v2 too | [`World`] |
//! | a network of the DHT | [`DhtWorld`] |
//! | a link that uTP and TCP share | [`utp`] |
//!
//! Hours of a swarm pass in milliseconds, and the same world always tells the same story. Content
//! is not moved: a block is right or wrong by what its sender is, which is all that the engine
//! ever learns of it.
//!
//! ```
//! use std::time::Duration;
//! use tinytorrent_sim::World;
//! use tinytorrent_types::Geometry;
//!
//! let geometry = Geometry::new(10 << 20, 1 << 18)?;
//! let mut world = World::new();
//! let seed = world.add(geometry.clone(), "all", |_| {});
//! let leech = world.add(geometry, "none", |config| {
//!     config.download_limit(Some(1 << 20));
//! });
//! world.introduce(leech, &[seed]);
//! assert!(world.run(Duration::from_secs(60), World::all_finished));
//! assert!(world.elapsed() > Duration::from_secs(8));
//! # Ok::<(), tinytorrent_types::GeometryError>(())
//! ```
//!
//! A law of one's own, in the worlds of twenty numbers: nobody is asked for a block in the first two milliseconds.
//!
//! ```
//! use std::time::Duration;
//! use tinytorrent_sim::{Action, Message, Node, Plan, Seen, Witness, World};
//!
//! struct Patience;
//!
//! impl Witness for Patience {
//!     fn see(&mut self, world: &World, node: Node, seen: &Seen<'_>) {
//!         if let Seen::Action(Action::Send { message: Message::Request(_), .. }) = seen {
//!             assert!(world.elapsed() > Duration::from_millis(2), "node {node}");
//!         }
//!     }
//! }
//!
//! for number in 0..20 {
//!     let outcome = Plan::draw(number).play_before(Patience);
//!     assert_eq!(outcome.breach, None, "world {number}");
//! }
//! ```

mod dht;
mod laws;
mod node;
mod plan;
mod queue;
pub mod utp;
mod world;

pub use dht::{DhtNode, DhtWorld, Links, LookUp, Search, SybilIds, TableHealth, torrent};
pub use laws::{Breach, Law, Laws, Terms};
pub use node::{Access, Behaviour, Quality, Simulated};
pub use plan::{
    Choices, DhtNodes, Fault, Incident, Member, MemberAccess, NameError, Network, Outcome, Plan,
    Role, WorldName,
};
pub use tinytorrent_swarm::record::Recorded;
pub use tinytorrent_swarm::{
    Action, AnnounceTask, BlockVerdict, Event, Input, LeaveReason, PeerKey, Swarm, SwarmConfig,
    WebSeedKey,
};
pub use tinytorrent_tracker::AnnounceResponse;
pub use tinytorrent_types::{Bitfield, BlockInfo, Geometry, InfoHashes, PeerId, PieceIndex};
pub use tinytorrent_wire::{Message, PieceHeader, Reserved};
pub use world::{
    Cause, Disk, Nat, Node, Recovery, Seen, Stranger, Tape, Tracker, TrackerState, Watch,
    WebServer, Witness, World, address_of, hashes, info, peer_id, scramble,
};
