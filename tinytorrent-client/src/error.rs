use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;
use tinytorrent_metainfo::LayoutError;
use tinytorrent_storage::StorageError;
use tinytorrent_types::InfoHashes;

/// Why there is no client.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is in use, is not ours, or its port needs rights that we do not have. Listen
    /// at another, or at port 0.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// Where to.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The runtime does not take a listening socket: it has no I/O, or no descriptor is left.
    #[error("cannot use a listening socket: {0}")]
    Socket(io::Error),
    /// The system gives no threads for the disk.
    #[error("cannot start the disk's threads: {0}")]
    Threads(io::Error),
}

/// Why a torrent was not added.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AddError {
    /// This client has a torrent with one of these hashes already. Stop that one first.
    #[error("torrent {0} is there already")]
    Duplicate(InfoHashes),
}

/// Why a torrent ended before its time. Cheap to clone.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum TorrentError {
    /// The metadata that the info-hash names is invalid. Whoever made the torrent is at fault; no
    /// peer can help.
    #[error("the info-hash names invalid metadata: {0}")]
    Metadata(Arc<tinytorrent_metainfo::Error>),
    /// The content cannot be read or written where it belongs.
    #[error(transparent)]
    Storage(#[from] Arc<StorageError>),
    /// The system gives no thread for a job that the torrent cannot go on without. Its limit of
    /// threads or its memory is used up; add the torrent again once there is more.
    #[error("cannot start a thread: {0}")]
    Thread(Arc<io::Error>),
    /// [`PathPolicy::Exact`](tinytorrent_metainfo::PathPolicy::Exact) is wanted, and a name would have
    /// to change.
    #[error(transparent)]
    Names(#[from] LayoutError),
    /// A file was selected that the torrent does not have.
    #[error("there is no file {index}: the torrent has {count}")]
    NoSuchFile {
        /// The index that was asked for.
        index: u32,
        /// Files there are.
        count: u32,
    },
    /// It was stopped, or its client was dropped.
    #[error("the torrent was stopped")]
    Stopped,
}
