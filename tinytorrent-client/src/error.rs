use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use tinytorrent_metainfo::{LayoutError, MagnetError};
use tinytorrent_storage::StorageError;
use tinytorrent_types::InfoHashes;

/// An error that kept a client from starting.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is in use, does not belong to this machine, or its port needs more rights. Listen
    /// at another address, or at port 0.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The runtime cannot use a listening socket: it has no I/O, or no descriptor is left.
    #[error("cannot use a listening socket: {0}")]
    Socket(io::Error),
    /// Another client keeps its session in this folder, in this process or another one. End that one first,
    /// or choose another folder.
    #[error("the session in {} is in use by another client", folder.display())]
    SessionInUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder of the kept session cannot be read.
    #[error("cannot read the kept session: {0}")]
    Session(#[from] StorageError),
    /// The system cannot start the disk's threads.
    #[error("cannot start the disk's threads: {0}")]
    Threads(io::Error),
}

/// An error that kept a torrent from being added.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AddError {
    /// The client has a torrent with one of these hashes already. Stop that one first.
    #[error("torrent {0} was added already")]
    Duplicate(InfoHashes),
    /// The source is no torrent.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The client was shut down.
    #[error("the client was shut down")]
    ShutDown,
}

/// The reason for which a value is no [`Source`](crate::Source).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The text is neither a usable magnet link nor an info-hash.
    #[error("it is neither an info-hash nor a usable magnet link: {0}")]
    Magnet(#[from] MagnetError),
    /// The bytes are no torrent file.
    #[error("it is no torrent file: {0}")]
    Metainfo(#[from] tinytorrent_metainfo::Error),
}

impl From<Infallible> for SourceError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The reason for which a torrent ended. Cheap to clone.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum TorrentError {
    /// The metadata has the right info-hash and is invalid. The torrent was made wrong, and no peer
    /// can have better metadata.
    #[error("the info-hash names invalid metadata: {0}")]
    Metadata(Arc<tinytorrent_metainfo::Error>),
    /// A piece of a hybrid torrent satisfies its v1 hash and not its v2 hash, or the other way round,
    /// so that no content can be right (BEP 52, "upgrade path"). Whoever made the torrent is at fault;
    /// no peer can help.
    #[error("the v1 and v2 hashes of piece {piece} belong to different contents")]
    Inconsistent {
        /// The piece.
        piece: u32,
    },
    /// The content cannot be opened, read or written in its folder.
    #[error(transparent)]
    Storage(#[from] Arc<StorageError>),
    /// The system cannot start a thread for a job that the torrent depends on. Its limit of threads
    /// or its memory is used up. Add the torrent again once some of it is free.
    #[error("cannot start a thread: {0}")]
    Thread(Arc<io::Error>),
    /// A job that the torrent depends on panicked, which is a bug of this library.
    #[error("a job of the torrent panicked")]
    JobPanicked,
    /// The options demand [`PathPolicy::Exact`](tinytorrent_metainfo::PathPolicy::Exact), and a name
    /// would have to change.
    #[error(transparent)]
    Names(#[from] LayoutError),
    /// A file of the content would lie in a folder that contents are
    /// [kept out of](crate::ClientOptions::keep_out). Another folder for the content helps.
    #[error("a file of it would lie in {folder:?}, which is no place for contents")]
    KeptOut {
        /// The folder.
        folder: PathBuf,
    },
    /// The content has the name of a file that is kept beside contents, such as the resume data of another
    /// torrent. Whoever made the torrent is at fault.
    #[error("it is named like a file of ours: {path:?}")]
    NameOfOurs {
        /// The path that the content would have.
        path: PathBuf,
    },
    /// The content was the program's own in an earlier run, and nothing has opened it in this one; see
    /// [`TorrentOptions::content`](crate::TorrentOptions::content). Start the client with
    /// [`ClientOptions::content`](crate::ClientOptions::content).
    #[error("its content is not in files, and the program has not opened it")]
    NoContent,
    /// The options select a file that the torrent does not have.
    #[error("there is no file {index}: the torrent has {count}")]
    NoSuchFile {
        /// The index of the selected file.
        index: u32,
        /// The number of files in the torrent.
        count: u32,
    },
    /// The torrent was stopped.
    #[error("the torrent was stopped")]
    Stopped,
}

/// The reason for which the files of a torrent were not changed, or not checked. Cheap to clone.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The disk or a file is at fault, or the content is read-only.
    #[error(transparent)]
    Storage(Arc<StorageError>),
    /// A file would lie in a folder that contents are [kept out of](crate::ClientOptions::keep_out).
    #[error("a file of it would lie in {folder:?}, which is no place for contents")]
    KeptOut {
        /// The folder.
        folder: PathBuf,
    },
    /// The torrent does not have this file.
    #[error("there is no file {index}: the torrent has {count}")]
    NoSuchFile {
        /// The index that was asked for.
        index: u32,
        /// The number of files in the torrent.
        count: u32,
    },
    /// The check or the move was ended before it was done.
    #[error("it was cancelled")]
    Cancelled,
    /// The torrent has ended before.
    #[error("the torrent has ended: {0}")]
    Ended(TorrentError),
}

impl From<StorageError> for TorrentError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Inconsistent { piece } => TorrentError::Inconsistent { piece },
            StorageError::ReservedName { path } => TorrentError::NameOfOurs { path },
            error => TorrentError::Storage(Arc::new(error)),
        }
    }
}
