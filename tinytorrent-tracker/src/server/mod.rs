//! A tracker: its swarms, its protocols over UDP and HTTP, and with the feature `server` its sockets
//! on tokio.
//!
//! | you build | you need |
//! |---|---|
//! | a tracker on tokio, on a LAN or in public | `TrackerServer` (feature `server`) |
//! | a tracker on threads, on another runtime, or in a web server of yours | [`Tracker`]: from a datagram or a request target to the reply |
//! | a tracker with a protocol of its own | [`Swarms`] and [`ConnectionIds`] |
//!
//! Without the feature nothing here has a socket, reads a clock or starts a thread. A whole tracker
//! over UDP on two threads, which admits two torrents:
//!
//! ```no_run
//! use std::net::UdpSocket;
//! use std::time::Instant;
//! use tinytorrent_tracker::server::{ServerConfig, Tracker};
//! use tinytorrent_tracker::udp::MAX_DATAGRAM;
//! use tinytorrent_tracker::Refusal;
//! use tinytorrent_types::WireInfoHash;
//!
//! # fn random() -> u64 { 4 }
//! # fn main() -> std::io::Result<()> {
//! let listed = [[1; 20], [2; 20]].map(WireInfoHash::from_bytes);
//! let tracker = Tracker::new(ServerConfig::default(), random(), Instant::now())
//!     .with_admission(move |_from, request| match listed.contains(&request.info_hash) {
//!         true => Ok(()),
//!         false => Err(Refusal::new("this torrent is not on our list")),
//!     });
//! let socket = UdpSocket::bind("[::1]:6969")?;
//! std::thread::scope(|threads| {
//!     for _ in 0..2 {
//!         threads.spawn(|| {
//!             let (mut datagram, mut reply) = (vec![0; MAX_DATAGRAM], Vec::new());
//!             loop {
//!                 // Such as an ICMP message for an earlier reply: nothing to do with the next.
//!                 let Ok((length, from)) = socket.recv_from(&mut datagram) else { continue };
//!                 reply.clear();
//!                 tracker.handle_datagram(Instant::now(), from, &datagram[..length], &mut reply);
//!                 if !reply.is_empty() {
//!                     // A reply that is lost is asked for again (BEP 15, "Time outs").
//!                     let _ = socket.send_to(&reply, from);
//!                 }
//!             }
//!         });
//!     }
//! });
//! # Ok(())
//! # }
//! ```

mod admission;
mod ages;
mod config;
mod connection_id;
#[cfg(feature = "server")]
mod driver;
mod figures;
mod members;
mod owners;
mod ranges;
mod roles;
mod shares;
mod swarm;
mod swarms;
mod tracker;

pub use admission::Request;
pub use config::ServerConfig;
pub use connection_id::ConnectionIds;
#[cfg(feature = "server")]
pub use driver::TrackerServer;
pub use figures::{Figures, Totals};
pub use swarms::Swarms;
pub use tracker::Tracker;
