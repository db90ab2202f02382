use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

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
        /// The system's reason.
        source: io::Error,
    },
    /// The path names a pipe, a socket or a device.
    #[error("{} is neither a file nor a folder", path.display())]
    NotAFile {
        /// The path as it was given.
        path: PathBuf,
    },
    /// Files and folders that cannot be part of the torrent. They are found before anything is hashed.
    #[error("{0}")]
    Refused(Refusals),
    /// A file vanished or changed while it was read. Try again when nobody writes to it.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The name of the torrent, given or taken from the path, cannot be that of a file or folder.
    #[error("the name {name:?} cannot be used: {fault}")]
    Name {
        /// The name, as text.
        name: String,
        /// The reason.
        fault: NameFault,
    },
    /// There is no file, or all are empty.
    #[error("{} holds no content", path.display())]
    NoContent {
        /// The file or folder.
        path: PathBuf,
    },
    /// The piece length is no power of two from 16 KiB to 256 MiB.
    #[error("a piece length of {found} is no power of two from 16384 to 268435456")]
    PieceLength {
        /// The piece length that was asked for, in bytes.
        found: u64,
    },
    /// The files are too many or too large for a torrent.
    #[error("no torrent can hold this: {0}")]
    Layout(#[from] LayoutError),
    /// The torrent would break a limit of reading; larger pieces may help.
    #[error("no torrent can hold this: {0}")]
    Unreadable(Error),
    /// The observer ended it.
    #[error("cancelled")]
    Cancelled,
}

/// The reason why a text cannot be the name of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// No character.
    #[error("it is empty")]
    Empty,
    /// `.` or `..`.
    #[error("it stands for a folder on the way")]
    Dots,
    /// A `/` or NUL.
    #[error("it holds a separator or NUL")]
    Separator,
    /// Beyond 255 bytes, which no common file system holds.
    #[error("it is longer than 255 bytes")]
    TooLong,
    /// Bytes that are not UTF-8 (BEP 3 has all text in UTF-8).
    #[error("it is not UTF-8")]
    NotUtf8,
}

/// Files and folders that cannot be part of a torrent, each with its reason: the first
/// [`MAX`](Self::MAX), and the number of all.
#[derive(Debug, Default)]
pub struct Refusals {
    list: Vec<Refusal>,
    count: usize,
}

/// A file, folder or link that cannot be part of a torrent.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// The file, folder or link.
    pub path: PathBuf,
    /// The reason.
    pub reason: RefusalReason,
}

/// The reason why something cannot be part of a torrent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The system refused to read it.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// Its name, or the target of the link, is not UTF-8, as all text of a torrent has to be (BEP 3).
    #[error("has a name that is not UTF-8; rename it")]
    NotUtf8,
    /// It has a name that readers of v1 take for padding, so that they would not ask for the content:
    /// leave out what BitComet wrote, or make a v2 torrent.
    #[error("has a name that means padding in a torrent")]
    Padding,
    /// Its path has more than [`MAX_DEPTH`](crate::MAX_DEPTH) elements.
    #[error("lies more than {} folders deep", crate::MAX_DEPTH)]
    TooDeep,
    /// A link to a folder that holds the link.
    #[error("is a link that leads back to a folder that holds it")]
    Loop,
    /// A link whose target does not exist.
    #[error("is a link that leads nowhere")]
    Dangling,
    /// A link that a torrent cannot hold, as it is absolute, leads out of the folder or to the folder
    /// itself (BEP 47).
    #[error("is a link that leads out of the folder; follow or skip links")]
    Outside,
}

impl Refusals {
    /// Entries that are kept. Enough to see a pattern, few enough for a screen.
    pub const MAX: usize = 20;

    /// The first of them, in the order in which they were met.
    pub fn list(&self) -> &[Refusal] {
        &self.list
    }

    /// The number of all.
    pub fn count(&self) -> usize {
        self.count
    }

    pub(super) fn push(&mut self, path: PathBuf, reason: RefusalReason) {
        self.count += 1;
        if self.list.len() < Self::MAX {
            self.list.push(Refusal { path, reason });
        }
    }

    pub(super) fn into_result(self) -> Result<(), CreateError> {
        if self.count == 0 { Ok(()) } else { Err(CreateError::Refused(self)) }
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, refusal) in self.list.iter().enumerate() {
            let separator = if at > 0 { "; " } else { "" };
            write!(f, "{separator}{} {}", refusal.path.display(), refusal.reason)?;
        }
        match self.count - self.list.len() {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl From<tinytorrent_folder::Error> for RefusalReason {
    fn from(error: tinytorrent_folder::Error) -> Self {
        match error.into_parts().1 {
            tinytorrent_folder::ErrorKind::Io { source, .. } => Self::Io(source),
            kind => Self::Io(io::Error::other(kind.to_string())),
        }
    }
}

impl CreateError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn content(path: PathBuf, kind: FaultKind) -> Self {
        match kind {
            FaultKind::Missing | FaultKind::Link | FaultKind::Short => Self::Changed { path },
            FaultKind::Io(source) => Self::Io { path, source },
        }
    }
}
