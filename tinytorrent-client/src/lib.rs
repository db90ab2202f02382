//! A BitTorrent client on tokio, composed of the tinytorrent crates.

mod client;
mod client_options;
mod connection;
mod driver;
mod error;
mod event;
mod listener;
mod options;
mod registry;
mod source;
mod torrent;

pub use client::Client;
pub use client_options::ClientOptions;
pub use error::{AddError, ClientError, TorrentError};
pub use event::{Event, Events};
pub use options::TorrentOptions;
pub use source::{PeerAddress, Source};
pub use tinytorrent_swarm::{Event as SwarmEvent, LeaveReason, Stats};
pub use torrent::{State, Torrent};
