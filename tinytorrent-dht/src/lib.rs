//! The BitTorrent Mainline DHT (BEP 5), without sockets, clocks and randomness of its own.
//!
//! | you build | you need | here |
//! |---|---|---|
//! | a client | a node that finds peers, announces, stores and answers | [`Node`] |
//! | anything on tokio that wants the DHT alone | a node on sockets of its own | `DhtNode` (feature `tokio`) |
//! | a crawler, a test | messages as values, read from datagrams and written to them | [`message`] |
//! | anything that speaks to nodes | ids, their distance, and ids that fit an address (BEP 42) | [`NodeId`] |
//! | anything that stores values | items with their hashes and signatures (BEP 44) | [`Item`] |
//! | a torrent that changes | the torrent that a key names, followed and published (BEP 46) | [`Item::torrent`], [`Node::follow`], [`Node::publish`] |
//! | a count of a swarm | filters of addresses, joined and estimated (BEP 33) | [`Bloom`] |
//!
//! ```text
//!  datagrams ──▶ handle_datagram ──▶ ┌──────┐ ──▶ poll_transmit ──▶ datagrams
//!  time      ──▶ handle_timeout  ──▶ │ Node │ ──▶ poll_event    ──▶ peers, items, ends of look-ups
//!  commands  ──▶ find_peers, …   ──▶ └──────┘ ──▶ poll_timeout  ──▶ when to call again
//! ```
//!
//! One node serves IPv4 and IPv6 as two networks (BEP 32), with ids that fit its addresses once others agree
//! on them (BEP 42). It hands out peers with each answer, waits a second at most for silent nodes, and ends a
//! look-up when the closest nodes have answered. It answers others within a budget of bytes.
//!
//! # Features
//!
//! - `mutable`: mutable items (BEP 44), whose signatures are made and verified.
//! - `tokio`: `DhtNode`, a node on sockets of its own.

mod bloom;
mod budget;
mod config;
#[cfg(feature = "tokio")]
mod driver;
mod event;
mod flood;
mod holders;
mod item;
mod item_store;
mod lookup;
pub mod message;
mod node;
mod node_id;
mod peer_store;
mod reach;
mod requests;
mod sampled;
mod saved;
mod search;
mod server;
mod side;
mod subscription;
mod table;
mod tokens;
mod torrent_item;

pub use bloom::Bloom;
pub use config::NodeConfig;
#[cfg(feature = "tokio")]
pub use driver::{DhtNode, Inlet, Lookup, NodeEvents, ROUTERS, SharedSocket};
pub use event::{
    Announce, Event, NodeAnswer, NodeStats, OwnedSample, QueryId, Scrape, SearchId, SearchReport,
    Transmit,
};
pub use item::{Item, ItemError, MutablePart};
pub use message::NodeInfo;
pub use node::Node;
pub use node_id::{Distance, NodeId};
pub use saved::SavedNodes;
pub use subscription::Follow;

// What the signatures above name of other crates.
#[doc(no_inline)]
pub use tinytorrent_bencode::{Error as BencodeError, Raw};
#[doc(no_inline)]
pub use tinytorrent_types::{HexError, WireInfoHash, compact::Family};
