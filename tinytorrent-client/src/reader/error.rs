use std::error::Error;
use std::io;
use std::sync::Arc;

use thiserror::Error;
use tinytorrent_storage::{Fault, StorageError};

use crate::TorrentError;

/// The reason why a file of a torrent cannot be read. Cheap to clone.
///
/// A [`Reader`](crate::Reader) wraps it into an [`io::Error`], whose [`get_ref`](io::Error::get_ref) gives it
/// back.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The torrent has ended, so that what is missing does not come any more.
    #[error("the torrent has ended: {0}")]
    Ended(TorrentError),
    /// The torrent has no such file.
    #[error("there is no file {index}: the torrent has {count}")]
    NoSuchFile {
        /// The index of the file.
        index: u32,
        /// The number of files in the torrent.
        count: u32,
    },
    /// The index is that of padding or of a symbolic link (BEP 47), which have no bytes of their own.
    #[error("file {index} is padding or a link")]
    NotAFile {
        /// The index of the file.
        index: u32,
    },
    /// The piece is not on disk and is not downloaded: no file in it was chosen, or its data was found to be
    /// gone. Choose the file, or check the torrent again.
    #[error("piece {piece} is missing, and is not among those to be downloaded")]
    NotWanted {
        /// The piece.
        piece: u32,
    },
    /// The bytes are on disk and cannot be read.
    #[error(transparent)]
    Storage(Arc<StorageError>),
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::Ended(_) => io::ErrorKind::ConnectionAborted,
            ReadError::NoSuchFile { .. } | ReadError::NotAFile { .. } => {
                io::ErrorKind::InvalidInput
            }
            ReadError::NotWanted { .. } => io::ErrorKind::NotFound,
            ReadError::Storage(storage) => kind_of(storage),
        };
        io::Error::new(kind, error)
    }
}

fn kind_of(error: &StorageError) -> io::ErrorKind {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match error.fault() {
        Fault::Missing => io::ErrorKind::NotFound,
        _ => source.map_or(io::ErrorKind::Other, io::Error::kind),
    }
}
