//! The BitTorrent engine, without I/O.
//!
//! [`Swarm`] decides everything that a client decides about one torrent: connections, requests, the
//! peers to serve and to ban, announces. It does nothing: sockets, disk, clock and randomness stay with
//! the caller, and so do the bytes of the content.
//!
//! ```text
//!    sockets ──messages──▶ ┌───────┐ ──Action──▶ sockets, disk, trackers
//!    disk ──verdicts─────▶ │ Swarm │ ──Event───▶ the application
//!    trackers ──peers────▶ └───────┘ ──poll_timeout──▶ the clock
//! ```
//!
//! What it takes care of: rarest first with random ties, end game, pipelines that follow each
//! peer's rate (BEP 3), the fast extension (BEP 6), metadata from peers (BEP 9), tit for tat and
//! optimistic unchokes, blame by block, back-off, time-outs, rate limits, announces (BEP 12), peers by
//! TCP and uTP, and introductions of those that cannot be reached (BEP 55).
//! What it leaves to you: connecting and shaking hands, framing (`tinytorrent-wire`), storing
//! and hashing blocks, talking to trackers.
//!
//! # The loop
//!
//! **After every call that takes `now`: drain the actions, drain the events, sleep until
//! `poll_timeout`.**
//!
//! ```
//! use std::time::Instant;
//! use tinytorrent_swarm::{Action, SwarmConfig, ConnectionError, Content, Input, PeerSource, Swarm};
//! use tinytorrent_types::{Bitfield, Geometry, InfoHashV1, InfoHashes, PeerId};
//!
//! let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
//! let id = PeerId::generate(*b"abcdefghijkl");
//! let now = Instant::now();
//! let mut swarm = Swarm::new(now, SwarmConfig::new(hashes, id, 42));
//!
//! // 1. Say what the content is and what of it is there.
//! let geometry = Geometry::new(1 << 20, 1 << 18)?;
//! swarm.handle_input(now, Input::ContentReady(Content {
//!     have: Bitfield::new(geometry.piece_count()),
//!     wanted: Bitfield::full(geometry.piece_count()),
//!     geometry,
//!     partial: Vec::new(),
//!     info: Default::default(),
//!     is_private: false,
//! }));
//!
//! // 2. Tell it what happens.
//! let addresses = vec!["192.0.2.1:6881".parse()?];
//! swarm.handle_input(now, Input::PeersFound { source: PeerSource::User, addresses });
//!
//! // 3. Do what it says.
//! while let Some(action) = swarm.poll_action() {
//!     match action {
//!         Action::Connect { peer, address, info_hash, .. } => {
//!             // Connect, shake hands with `swarm.handshake()`, then say how it went.
//!             println!("{address} is for documentation only; {info_hash} is not asked for there");
//!             let error = ConnectionError::TimedOut;
//!             swarm.handle_input(now, Input::ConnectFailed { peer, error });
//!         }
//!         _ => {}
//!     }
//! }
//! while let Some(event) = swarm.poll_event() {
//!     println!("{event:?}");
//! }
//!
//! // 4. Come back in time.
//! let _wake_up = swarm.poll_timeout();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Same seed and same inputs, same outputs: a session that was recorded can be replayed (feature `record`).
//!
//! # Features
//!
//! - `record`: recordings of an engine, and their replay (module `record`).
//! - `serde`: `Serialize` for events, figures and views of peers, and `Deserialize` for all but events.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests need a first instant"))]

mod allowed_fast;
mod announce;
mod availability;
mod config;
mod contract;
mod download;
mod exchange;
mod extensions;
#[doc(hidden)]
pub mod fuzzing;
mod greeting;
mod hash_fetch;
mod hashes;
mod key;
mod limiter;
mod look_ups;
mod metadata;
mod outbox;
mod peer;
mod peers;
mod piece;
#[cfg(not(tinytorrent_planted))]
mod planted;
#[cfg(tinytorrent_planted)]
pub mod planted;
mod punching;
mod rate;
mod reading;
#[cfg(feature = "record")]
pub mod record;
mod roster;
#[cfg(feature = "serde")]
mod serialization;
mod slab;
mod stage;
mod super_seed;
mod swarm;
mod then;
mod timers;
mod tracker_exchange;
mod trackers;
mod upload;
mod web_seeds;

pub use announce::{AnnounceOutcome, AnnounceTask, ScrapeOutcome, ScrapeTask};
pub use config::{Sha1, SwarmConfig};
pub use contract::{
    Action, BlockVerdict, ChokeReason, ConnectionError, Content, DiskError, Event, FetchKey,
    FetchOutcome, FetchTask, Input, Introductions, LeaveReason, PeerFlow, PeerSource, PeerView,
    Route, Stats, Transport, Transports, WebSeedKey, WebSeedState, WebSeedView,
};
pub use key::PeerKey;
pub use look_ups::LookUpTask;
pub use reading::ReaderKey;
pub use swarm::Swarm;

// What the signatures above name of other crates.
#[doc(no_inline)]
pub use bytes::Bytes;
#[doc(no_inline)]
pub use tinytorrent_tracker::{
    AnnounceId, AnnounceRequest, AnnounceResponse, Failure, ScrapeId, ScrapeResponse,
    TrackerStatus, TrackerUrl,
};
#[doc(no_inline)]
pub use tinytorrent_types::{
    Bitfield, BlockDigest, BlockInfo, Geometry, InfoHashV1, InfoHashV2, InfoHashes, PeerId,
    PieceIndex, WireInfoHash,
};
#[doc(no_inline)]
pub use tinytorrent_wire::{
    DecodeError, Handshake, HandshakeError, HashRequest, Hashes, Message, PieceHeader,
    metadata::Demand as MetadataDemand, session::Violation,
};
#[doc(no_inline)]
pub use {tinytorrent_tracker as tracker, tinytorrent_wire as wire};
