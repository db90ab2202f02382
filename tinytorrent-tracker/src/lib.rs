//! BitTorrent trackers over UDP and HTTP, for clients and for servers.
//!
//! | you build | you need | here |
//! |---|---|---|
//! | a client | the times, trackers and events of announces | [`Schedule`] |
//! | a client without tokio | UDP with retransmission and connection ids, as a machine | [`udp::Exchange`] |
//! | a proxy, a test | codecs of datagrams and queries | [`udp`], [`http`] |
//! | a tracker without tokio | the swarms, and the reply to each request | [`server::Tracker`] |
//! | a client on tokio | announce and scrape over the network | `client::TrackerClient` (feature `client`) |
//! | a tracker on tokio | sockets for both protocols | `server::TrackerServer` (feature `server`) |
//!
//! Without features this crate opens no socket, reads no clock and no randomness: time is an
//! argument, and the seed of random numbers is a setting.
//!
//! The one rule of the machines: after each input, drain all outputs.
//!
//! ```
//! use std::time::Instant;
//! use tinytorrent_tracker::{AnnounceRequest, AnnounceResponse, Schedule, ScheduleConfig};
//! use tinytorrent_types::{PeerId, WireInfoHash};
//!
//! # fn perform(_: &tinytorrent_tracker::TrackerUrl, _: AnnounceRequest)
//! #     -> Result<AnnounceResponse, tinytorrent_tracker::Failure> { Ok(Default::default()) }
//! let torrent = WireInfoHash::from_bytes([1; 20]);
//! let ourselves = PeerId::generate(*b"abcdefghijkl");
//! let tiers = [["http://tracker.example/announce"]];
//! let mut schedule = Schedule::new(ScheduleConfig::new(1), tiers, Instant::now());
//! // Whenever `schedule.poll_timeout()` has come:
//! while let Some(announce) = schedule.poll_announce(Instant::now()) {
//!     let mut request = AnnounceRequest::new(torrent, ourselves, 6881, 0x1234_5678);
//!     announce.apply_to(&mut request);
//!     let outcome = perform(&announce.url, request);
//!     schedule.handle_outcome(Instant::now(), announce.id, outcome.as_ref());
//! }
//! ```

mod announce;
#[cfg(feature = "client")]
pub mod client;
mod dns_preferences;
mod failure;
pub mod http;
mod schedule;
mod scrape;
#[cfg(feature = "serde")]
mod serialization;
pub mod server;
mod tracker_url;
pub mod udp;

pub use announce::{
    AnnounceEvent, AnnounceRequest, AnnounceResponse, Dropped, NamedPeer, Peer, UNKNOWN_LEFT,
};
pub use dns_preferences::DnsPreferences;
pub use failure::{Deviation, Failure, Refusal, RetryIn};
pub use schedule::{
    AnnounceId, AnnounceMode, OutcomeEffect, Schedule, ScheduleConfig, ScheduledAnnounce,
    ScheduledScrape, ScrapeId, ScrapeStatus, TrackerId, TrackerState, TrackerStatus, TrackerTotals,
};
pub use scrape::{ScrapeResponse, SwarmCounts};
pub use tracker_url::{Scheme, TrackerUrl, UrlError, UrlErrorKind};

// What the signatures above name of other crates.
#[cfg(feature = "client")]
#[doc(no_inline)]
pub use bytes::Bytes;
#[cfg(feature = "client")]
#[doc(no_inline)]
pub use hyper::Error as HyperError;
#[doc(no_inline)]
pub use tinytorrent_bencode::{Error as BencodeError, Kind};
#[doc(no_inline)]
pub use tinytorrent_types::{
    AddressFilter, InfoHashV1, InfoHashV2, InfoHashes, PeerId, WireInfoHash, compact,
};
