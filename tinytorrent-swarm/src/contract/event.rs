use std::net::{IpAddr, SocketAddr};

use tinytorrent_tracker::{Failure, TrackerUrl};
use tinytorrent_types::{PeerId, PieceIndex};

use super::{DiskError, LeaveReason};
use crate::PeerKey;

/// Something that the application may want to know.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// A peer shook hands.
    PeerJoined {
        /// Its connection.
        peer: PeerKey,
        /// Its address.
        address: SocketAddr,
        /// The id that it gave.
        id: PeerId,
    },
    /// A connection ended, or never came to be.
    PeerLeft {
        /// Its connection.
        peer: PeerKey,
        /// Its address.
        address: SocketAddr,
        /// The reason.
        reason: LeaveReason,
    },
    /// A peer sent what is provably wrong. It will not be talked to again.
    PeerBanned {
        /// Its address.
        address: SocketAddr,
        /// The piece that proved it.
        piece: PieceIndex,
    },
    /// The metadata has a size, and some of it is here.
    MetadataProgress {
        /// Bytes that are here.
        bytes: u64,
        /// Bytes in all, as most peers say.
        total: u64,
    },
    /// A peer announces metadata that is larger than [`SwarmConfig::max_metadata`](crate::SwarmConfig::max_metadata), which
    /// may be true. Told once.
    MetadataTooLarge {
        /// Bytes that it announces.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A piece was found wrong.
    PieceFailed {
        /// The piece.
        piece: PieceIndex,
    },
    /// A piece is verified and on the disk.
    PieceCompleted {
        /// The piece.
        piece: PieceIndex,
    },
    /// Every wanted piece is verified.
    Finished,
    /// Pieces are wanted that are missing, after all wanted ones had been verified.
    Unfinished,
    /// Enough peers agree that they see us at this address, or that it has become another one.
    OwnAddressAgreed {
        /// Our address on the public internet.
        ip: IpAddr,
    },
    /// A tracker answered.
    TrackerAnswered {
        /// Its URL.
        url: TrackerUrl,
        /// Number of peers in the answer.
        peers: usize,
    },
    /// A tracker did not answer, or refused.
    TrackerFailed {
        /// Its URL.
        url: TrackerUrl,
        /// The reason.
        failure: Failure,
    },
    /// A tracker was scraped. Its status has the counts.
    TrackerScraped {
        /// Its URL.
        url: TrackerUrl,
    },
    /// A tracker could not be scraped, or refused.
    ScrapeFailed {
        /// Its URL.
        url: TrackerUrl,
        /// The reason.
        failure: Failure,
    },
    /// A peer has a node of the DHT (BEP 5). A DHT may ping it.
    DhtNodeFound {
        /// The address of the node, which nobody has checked.
        address: SocketAddr,
    },
    /// A piece cannot be read any more, and is not served.
    PieceLost {
        /// The piece.
        piece: PieceIndex,
    },
    /// The torrent stopped by itself, since the disk failed.
    Paused {
        /// The failure of the disk.
        error: DiskError,
    },
}
