use std::net::SocketAddr;
use std::sync::Arc;

use tinytorrent_metainfo::{Info, Metainfo};
use tinytorrent_swarm::{AnnounceOutcome, PeerSource};

use super::content::{OpenFailure, Opened};
use super::metadata::BadMetadata;
use crate::{Event, PeerAddress};

/// The result of a job that ran beside the driver.
pub(super) enum JobOutcome {
    /// Names of peers were resolved.
    Resolved { source: PeerSource, addresses: Vec<SocketAddr> },
    /// A tracker answered, or failed.
    Announced(AnnounceOutcome),
    /// The metadata of an earlier run was looked for. The peers of the magnet link come with it.
    MetadataLoaded { metainfo: Option<Box<Metainfo>>, link_peers: Vec<PeerAddress> },
    /// Metadata from peers was checked and, if right, saved.
    MetadataChecked(Result<Arc<Info>, BadMetadata>),
    /// Piece layers were saved, with the torrent that they belong to.
    LayersSaved(Arc<Metainfo>),
    /// The content was opened and checked.
    Opened(Result<Box<Opened>, OpenFailure>),
    /// Oversized files were cut: an event for each.
    Cut(Vec<Event>),
}
