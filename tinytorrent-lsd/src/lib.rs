//! Local service discovery of BitTorrent (BEP 14) as a pure machine: peers of the same network, by multicast.
//!
//! Clients announce their torrents to a multicast group of the local network, and connect to those who announce the
//! same ones. [`Lsd`] decides when to announce what, and whom to believe; it has neither sockets nor a clock. With the
//! feature `tokio`, `LsdNode` runs it on all interfaces of the machine.
//!
//! - A torrent is announced at the start, when our addresses change, when a new neighbour announces it, and else every
//!   five minutes; at most once a minute. Many torrents share a datagram of 1,400 bytes.
//! - Only hosts of our own networks are believed, and only of themselves: the peer is the sender of the datagram.
//! - Nobody learns of torrents that were not added. A private torrent must not be added (BEP 27).
//! - Memory is limited: 64 neighbours a torrent, 4 of them on one host. However many datagrams come, at most one a
//!   minute and torrent is sent.
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tinytorrent_lsd::{LsdConfig, LsdNode};
//!
//! // The client accepts connections at port 6881 of all addresses.
//! let seed = [0; 32]; // has to be random: `rand::random()`
//! let config = LsdConfig::new(seed, |address| (!address.is_loopback()).then_some(6881));
//! let (node, task) = LsdNode::new(config, |found| println!("{} has {}", found.address, found.hash));
//! tokio::spawn(task);
//! node.insert("c9e15763f722f23e98a29decdfae341b98d53056".parse()?);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "tokio")]
mod driver;
mod heard;
mod link;
mod machine;
pub mod message;
mod schedule;

#[cfg(feature = "tokio")]
pub use driver::{LsdConfig, LsdNode};
pub use link::{Link, Net};
pub use machine::{Found, LinkId, Lsd, Transmit};
pub use message::Family;
