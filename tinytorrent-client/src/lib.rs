//! A BitTorrent client on tokio, composed of the tinytorrent crates.
//!
//! It adds the effects that those crates leave out: sockets, tasks, the clock, and handles for the
//! application. Decisions are made by `tinytorrent-swarm`, and files are read and written by
//! `tinytorrent-storage`.
//!
//! ```text
//!   peers ──sockets──▶ connections ──frames──▶ ┌────────┐ ──blocks──▶ Disk (own threads)
//!                                  ◀─messages─ │ driver │ ◀─verdicts─
//!   Torrent handles ──changes────────────────▶ │ Swarm  │ ──announces─▶ TrackerClient
//!                   ◀─events, values───────────└────────┘ ◀─peers──────
//!                                                         ──look-ups──▶ DhtNode, one for all torrents
//!                                                         ──hashes────▶ LsdNode, one for all torrents
//! ```
//!
//! # How to use it
//!
//! Both flavours of tokio's runtime work. With `new_current_thread` all sockets share one thread.
//! This costs the least, and is the fastest on most machines, since hashing and writing have
//! threads of their own.
//!
//! ```no_run
//! use tinytorrent_client::{Client, ClientOptions, Event, SwarmEvent, TorrentOptions};
//! use tokio::io::AsyncReadExt;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // 1. One client for the program: its peer id, its sockets, its budget of memory.
//! let client = Client::start(ClientOptions::default())?;
//!
//! // 2. A torrent, from a .torrent file, a magnet link or an info-hash. This returns at once.
//! let torrent = client.add(std::fs::read("a.torrent")?, TorrentOptions::new("downloads"))?;
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
//! // 4. Look at it, whenever you like. Nothing is waited for.
//! for peer in torrent.peers() {
//!     println!("{} sends {} bytes a second", peer.peer.address, peer.peer.download_rate);
//! }
//!
//! // 5. Read a file while it is downloaded. What is read next is downloaded first.
//! let mut reader = torrent.reader(0).await?;
//! let mut start = [0; 16];
//! reader.read_exact(&mut start).await?;
//!
//! // 6. Wait until every wanted piece is verified and on the disk.
//! torrent.finished().await?;
//!
//! // 7. Stop it: trackers are notified, and the resume data is saved.
//! let stats = torrent.stop().await;
//! println!("{} bytes received", stats.downloaded);
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - [`ClientOptions::memory`] bounds what others make a client hold, and [`Client::memory`] shows it.
//!   While the disk is slow, the engine requests fewer blocks. While the driver is busy, sockets are
//!   not read. A peer that does not read its answers is not read either, and blocks for it stay on the
//!   disk. With all memory spent by others, a peer is still read and served, block by block.
//! - An incoming connection costs a few hundred bytes until it has named a torrent, and 4 KiB at most.
//!   It has ten seconds to do so. If there are too many, the slowest of the host and network with the
//!   most of them is closed. A host has a limited number of key exchanges (MSE) a second.
//! - Connections of all torrents are limited by [`ClientOptions::max_connections`]. Running out of
//!   descriptors ends no torrent: for a socket, the files that were used longest ago are closed, and for
//!   a file, the connections of least use. What still finds no descriptor waits: connects, files, announces.
//! - A private torrent (BEP 27) has peers from its trackers alone, from the moment that this is known: it is neither
//!   looked up in the DHT nor announced there, nor in the local network. A client of private torrents alone sends the DHT nothing.
//! - A kill at any moment costs a little progress. [`Torrent::stop`] returns within 5 s, however
//!   slow trackers and disks are.
//!
//! # Logs
//!
//! Log lines are events of [`tracing`](https://docs.rs/tracing), in spans that say what they are about: `torrent`
//! with the first digits of its info-hash in `hash`, and within it `peer` with its `address`, or `tracker` with its
//! `host`. The spans have the level `ERROR`, so that each filter that lets a line through shows its spans. `WARN`
//! is what an operator should see, `DEBUG` the decisions with their reasons. Without a subscriber, nothing of it
//! is kept.
//!
//! # Features
//!
//! - `mutable`: torrents that the owner of a key names in the DHT (BEP 46); see `Client::follow`.
//! - `port-mapping`: the gateway of the local network maps the ports of the listener, by PCP, NAT-PMP or UPnP; see
//!   `Client::port_mappings`.
//! - `record`: recordings of the engine, for replays; see `TorrentOptions::record`.
//! - `serde`: `Serialize` for events, errors and everything that handles show, and `Deserialize` for what is
//!   plain data. Errors are their messages, times are numbers of seconds, and paths are text. Values for tests
//!   are made by `new` or `default`, and their fields are public.

mod bound_sockets;
mod client;
mod client_limits;
mod client_options;
mod conductor;
mod connection;
mod content;
mod datagrams;
mod dht;
mod dialer;
mod driver;
mod encryption;
mod error;
mod event;
mod figures;
mod filter;
mod listener;
mod local_network;
mod lsd;
mod memory;
mod network_options;
mod options;
mod places;
#[cfg(feature = "port-mapping")]
mod port_mapping;
mod priority;
mod reader;
#[cfg(feature = "record")]
mod recording;
mod registry;
mod relay;
mod removal;
mod resources;
#[cfg(feature = "serde")]
mod serialization;
mod session;
mod sockets;
mod source;
mod spans;
mod threads;
mod told_port;
mod torrent;

#[cfg(feature = "mutable")]
mod updates;
mod view;
mod web_seed;

pub use client::Client;
pub use client_limits::ClientLimits;
pub use client_options::ClientOptions;
pub use content::ContentRequest;
pub use encryption::Encryption;
pub use error::{AddError, ClientError, FilesError, SourceError, TorrentError};
pub use event::{ClientEvents, Event, Events, Missed, Snapshot, TorrentEvent};
pub use figures::{Counts, FigureDetail, Figures, Metric, MetricKind, Sample};
pub use memory::MemoryStats;
pub use options::TorrentOptions;
pub use priority::Priority;
pub use reader::{ReadError, Reader};
pub use removal::{Removal, RemoveError, Removed};
pub use source::{PeerAddress, Source};
#[cfg(feature = "port-mapping")]
pub use tinytorrent_portmap::{MappingProtocol, PortMapping, Transport as MappedTransport};
pub use tinytorrent_storage::DiskFigures;
pub use tinytorrent_swarm::{
    ChokeReason, ConnectionError, DiskError, Event as SwarmEvent, LeaveReason, PeerFlow,
    PeerSource, PeerView, Stats, Transport,
};
pub use tinytorrent_tracker::{TrackerState, TrackerTotals};
pub use torrent::{CheckScope, PauseReason, State, Torrent};
#[cfg(feature = "mutable")]
pub use updates::{Update, Updates};
pub use view::{FileInfo, History, Limits, PeerInfo, PieceInfo, ScrapeInfo, TrackerInfo};
pub use web_seed::{WebSeedInfo, WebSeedProtocol, WebSeedSource, WebSeedState};

// What the signatures above name of other crates.
#[doc(no_inline)]
pub use tinytorrent_dht::{DhtNode, NodeConfig as DhtConfig};
#[doc(no_inline)]
pub use tinytorrent_metainfo::{
    Error as MetainfoError, FileIndex, FileSelection, HostPort, HostPortError, Info, KeyMagnet,
    LayoutError, Magnet, MagnetError, MagnetLink, Metainfo, PathChange, PathChangeKind, PathPolicy,
};
#[doc(no_inline)]
pub use tinytorrent_net::{Binding, Network, Proxy};
#[doc(no_inline)]
pub use tinytorrent_storage::{
    Content, Fault, FilePool, FilesElsewhere, MemoryContent, MoveProgress, StorageError,
};
#[doc(no_inline)]
pub use tinytorrent_swarm::PeerKey;
#[doc(no_inline)]
pub use tinytorrent_tracker::{Failure as TrackerFailure, TrackerUrl};
#[doc(no_inline)]
pub use tinytorrent_types::{
    Bitfield, GeometryError, InfoHashV1, InfoHashV2, InfoHashes, IpRanges, PeerId, PieceIndex,
};
#[doc(no_inline)]
pub use tinytorrent_webseed::{WebSeedUrl, WebSeedUrlError};
#[doc(no_inline)]
pub use tinytorrent_wire::{DecodeError, HandshakeError, session::Violation};
