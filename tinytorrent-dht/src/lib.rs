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
//! on them (BEP 42). It hands out peers with each answer, waits for silent nodes about as long as answers take of
//! late, and ends a look-up when the closest nodes have answered. It answers others within a budget of bytes, and
//! nobody while nobody can reach it (BEP 43).
//!
//! The loop of a driver, here of two nodes on sockets of the standard library. `DhtNode` is such a loop on tokio.
//!
//! ```
//! use std::net::UdpSocket;
//! use std::time::{Duration, Instant};
//! use tinytorrent_dht::{Event, Node, NodeConfig};
//!
//! /// Sends what is to be sent, and takes a datagram, or the time if none comes.
//! fn turn(node: &mut Node, socket: &UdpSocket) -> std::io::Result<()> {
//!     let mut buffer = [0; 1_500];
//!     let received = socket.recv_from(&mut buffer);
//!     let now = Instant::now();
//!     match received {
//!         Ok((length, from)) => node.handle_datagram(now, from, &buffer[..length]),
//!         // A call before `poll_timeout` changes nothing.
//!         Err(_) => node.handle_timeout(now),
//!     }
//!     while let Some(transmit) = node.poll_transmit() {
//!         socket.send_to(&transmit.bytes, transmit.to)?;
//!     }
//!     Ok(())
//! }
//!
//! let sockets = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
//! for socket in &sockets {
//!     socket.set_read_timeout(Some(Duration::from_millis(5)))?;
//! }
//! // Seeds have to be random and secret: `rand::random()`.
//! let mut nodes = [[1; 32], [2; 32]].map(|seed| Node::new(Instant::now(), NodeConfig::new(seed)));
//! // A program has the names of routers looked up, or saved nodes.
//! nodes[0].add_router(sockets[1].local_addr()?);
//! nodes[0].find_peers(Instant::now(), [3; 20].into());
//! let report = loop {
//!     for (node, socket) in nodes.iter_mut().zip(&sockets) {
//!         turn(node, socket)?;
//!     }
//!     match nodes[0].poll_event() {
//!         Some(Event::PeersFound { peers, .. }) => println!("{peers:?}"),
//!         Some(Event::SearchEnded { report, .. }) => break report,
//!         _ => {}
//!     }
//! };
//! assert_eq!((report.answers, report.peers), (1, 0));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Limits
//!
//! | of | default | setting |
//! |---|---|---|
//! | our answers | 64 KiB a second; silence beyond | [`answer_bytes_per_second`](NodeConfig::answer_bytes_per_second) |
//! | queries of a host | 5 a second over ten; then five minutes of silence | [`queries_per_host`](NodeConfig::queries_per_host) |
//! | our queries | 100 a second; look-ups take turns | [`queries_per_second`](NodeConfig::queries_per_second) |
//! | queries of a look-up in flight | 8 | [`branching`](NodeConfig::branching) |
//! | peers kept for others | 2,000 torrents of 500 each, 40 minutes | [`max_peers`](NodeConfig::max_peers), [`peer_lifetime`](NodeConfig::peer_lifetime) |
//! | items kept for others | 1,000, 2 hours | [`max_items`](NodeConfig::max_items), [`item_lifetime`](NodeConfig::item_lifetime) |
//! | datagrams | 1,500 bytes in, 1,024 out | none |
//! | the table | 8 nodes in each of 160 buckets, and 8 that wait | none |
//!
//! A full table and 10,000 peers take about 2 MiB. [`NodeStats`] tells what the limits have cost.
//!
//! # Errors
//!
//! A node has no errors: what others do wrong is answered as the BEPs say, or not at all, and counted. Errors come
//! from what can be used alone: [`MessageError`](message::MessageError) with its place in the datagram,
//! [`ItemError`] for items that are too long or wrongly signed, [`BencodeError`] for saved nodes, and
//! `std::io::Error` where sockets are opened.
//!
//! # Other implementations
//!
//! | | this crate | [mainline] 8 | [librqbit-dht] 9.1 | [libtorrent] 2 |
//! |---|---|---|---|---|
//! | form | machine without I/O; task on tokio | thread; handle for async | tasks on tokio | part of a session, C++ |
//! | IPv6 (BEP 32) | yes | no | yes | yes |
//! | ids that fit addresses (BEP 42) | yes | yes | no | yes |
//! | items (BEP 44) | yes | yes | no | yes |
//! | counts of swarms (BEP 33) | yes | no | no | answers alone |
//! | samples (BEP 51) | yes | no | no | yes |
//! | limits of what others cost | bytes, hosts, stores | stores | stores | bytes, hosts, stores |
//! | licence | MIT or Apache-2.0 | MIT | Apache-2.0 | BSD |
//!
//! mainline estimates the size of the network and has been in wide use for mutable items; libtorrent has been run by
//! millions for two decades. This crate is new. Figures are in [docs/performance/dht.md].
//!
//! [mainline]: https://docs.rs/mainline
//! [librqbit-dht]: https://docs.rs/librqbit-dht
//! [libtorrent]: https://libtorrent.org
//! [docs/performance/dht.md]: https://github.com/tinytorrent/tinytorrent/blob/main/docs/performance/dht.md
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
mod round_trips;
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
