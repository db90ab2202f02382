//! A BitTorrent client on tokio, composed of the tinytorrent crates.
//!
//! It adds what those leave out, effects, and nothing that decides: sockets, tasks, the clock, and
//! handles for the application. What it decides is decided by `tinytorrent-swarm`, what reaches
//! the disk by `tinytorrent-storage`.
//!
//! ```text
//!   peers ──sockets──▶ connections ──frames──▶ ┌────────┐ ──blocks──▶ Disk (own threads)
//!                                  ◀─messages─ │ driver │ ◀─verdicts─
//!   Torrent handles ──commands───────────────▶ │ Swarm  │ ──announces─▶ TrackerClient
//!                   ◀─events, state────────────└────────┘ ◀─peers──────
//! ```
//!
//! # How to use it
//!
//! Both flavours of tokio's runtime will do. With `new_current_thread` all sockets share one
//! thread, which is the cheapest and on most machines the quickest way, as hashing and writing
//! have threads of their own.
//!
//! ```no_run
//! use tinytorrent_client::{Client, ClientOptions, Event, SwarmEvent, TorrentOptions};
//! use tinytorrent_metainfo::Metainfo;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // 1. One client for the program: its peer id, its sockets, its budget of memory.
//! let client = Client::start(ClientOptions::default())?;
//!
//! // 2. A torrent, from a .torrent file, a magnet link or an info-hash. This returns at once.
//! let metainfo = Metainfo::from_bytes(&std::fs::read("a.torrent")?)?;
//! let torrent = client.add(&metainfo, TorrentOptions::new("downloads"))?;
//!
//! // 3. Watch it, if you like.
//! let mut events = torrent.events();
//! tokio::spawn(async move {
//!     while let Some(event) = events.next().await {
//!         if let Event::Swarm(SwarmEvent::PeerBanned { address, piece }) = event {
//!             println!("{address} sent a wrong piece {piece}");
//!         }
//!     }
//! });
//!
//! // 4. Wait until every wanted piece is verified and on the disk.
//! torrent.finished().await?;
//!
//! // 5. End it in good order: trackers and resume data know.
//! let stats = torrent.stop().await;
//! println!("{} bytes received", stats.downloaded);
//! # Ok(())
//! # }
//! ```
//!
//! # What it is careful about
//!
//! - A block is copied once, out of the kernel; buffers are used again, and memory does not grow
//!   with the number of peers' promises. A slow disk makes the engine ask for less, a busy owner
//!   makes sockets wait, a peer that does not read is let go.
//! - Strangers cost a few hundred bytes until they name a torrent, have ten seconds for it, and
//!   push each other out, not others.
//! - A kill at any moment costs a little progress. [`Torrent::stop`] ends within 5 s, whatever
//!   trackers and disks do.

mod client;
mod client_options;
mod connection;
mod driver;
mod encryption;
mod error;
mod event;
mod listener;
mod options;
mod registry;
mod resources;
mod source;
mod threads;
mod torrent;

pub use client::Client;
pub use client_options::ClientOptions;
pub use encryption::Encryption;
pub use error::{AddError, ClientError, TorrentError};
pub use event::{Event, Events};
pub use options::TorrentOptions;
pub use source::{PeerAddress, Source};
pub use tinytorrent_swarm::{Event as SwarmEvent, LeaveReason, Stats};
pub use torrent::{State, Torrent};
