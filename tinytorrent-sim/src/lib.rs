//! Worlds of BitTorrent swarms in virtual time: links with a delay, slow uplinks, liars.
//!
//! [`DhtWorld`] is that of the DHT, and [`utp`] that of single links.
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
    Choices, Fault, Incident, Member, MemberAccess, NameError, Network, Outcome, Plan, Role,
    WorldName,
};
pub use world::{
    Cause, Disk, Nat, Node, Recovery, Seen, Stranger, Tape, Tracker, TrackerState, Watch,
    WebServer, Witness, World, address_of, hashes, info, peer_id, scramble,
};
