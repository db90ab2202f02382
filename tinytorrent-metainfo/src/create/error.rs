use std::io;
use std::path::PathBuf;

use crate::content::FaultKind;
use crate::{Error, LayoutError};

/// Why no torrent could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The system refused to read a file or folder.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file vanished or shrank while it was read. Try again when nobody writes to it.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A name that a torrent cannot hold, as it is no UTF-8 on a system whose names are text.
    #[error("the name of {} cannot be written to a torrent", path.display())]
    Name {
        /// The file or folder.
        path: PathBuf,
    },
    /// A name that readers of v1 take for padding, so that they would not ask for the content: leave
    /// out what BitComet wrote, or make a v2 torrent.
    #[error("the name of {} means padding in a torrent", path.display())]
    Padding {
        /// The file.
        path: PathBuf,
    },
    /// There is no file, or all are empty.
    #[error("{} holds no content", path.display())]
    NoContent {
        /// The file or folder.
        path: PathBuf,
    },
    /// Links lead back to a folder on the way.
    #[error("{} leads back to a folder that holds it", path.display())]
    Loop {
        /// The link.
        path: PathBuf,
    },
    /// The piece length is no power of two from 16 KiB to 256 MiB.
    #[error("a piece length of {found} is no power of two from 16384 to 268435456")]
    PieceLength {
        /// What was asked for, in bytes.
        found: u64,
    },
    /// The files are too many, too large or too deep for a torrent.
    #[error("no torrent can hold this: {0}")]
    Layout(#[from] LayoutError),
    /// What was made breaks a limit of reading.
    #[error("no torrent can hold this: {0}")]
    Unreadable(Error),
    /// The observer ended it.
    #[error("cancelled")]
    Cancelled,
}

impl CreateError {
    pub(super) fn io(path: &std::path::Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn content(path: PathBuf, kind: FaultKind) -> Self {
        match kind {
            FaultKind::Missing | FaultKind::Link | FaultKind::Short => Self::Changed { path },
            FaultKind::Io(source) => Self::Io { path, source },
        }
    }
}
