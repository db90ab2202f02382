use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::content::FaultKind;
use crate::{Error, LayoutError};

/// An error of creating a torrent.
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
    /// Some files or folders cannot be part of a torrent. They are found before anything is hashed.
    #[error("{0}")]
    Refused(Refusals),
    /// A file was removed or changed while it was read. Try again when no program writes to it.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The name of the torrent, or of a file in a list, cannot be the name of a file or folder.
    #[error("the name {name:?} cannot be used: {fault}")]
    Name {
        /// The name, as text.
        name: String,
        /// The reason.
        fault: NameFault,
    },
    /// A list of files has no name of its own, and the options have none.
    #[error("a list of files needs a name for the torrent")]
    NoName,
    /// The folder or list has no file, or all files are empty.
    #[error("{} holds no content", path.display())]
    NoContent {
        /// The file or folder; for a list, the name of the torrent.
        path: PathBuf,
    },
    /// The piece length is not a power of two from 16 KiB to 256 MiB.
    #[error("a piece length of {found} is not a power of two from 16384 to 268435456")]
    PieceLength {
        /// The piece length in the options, in bytes.
        found: u64,
    },
    /// The files are too many or too large for a torrent.
    #[error("no torrent can hold this: {0}")]
    Layout(#[from] LayoutError),
    /// The torrent would exceed a limit of reading. Larger pieces may help.
    #[error("no torrent can hold this: {0}")]
    Unreadable(Error),
    /// The observer ended the task.
    #[error("cancelled")]
    Cancelled,
}

/// A reason why a text cannot be the name of a torrent, or of a file in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// The text is `.` or `..`.
    #[error("it means the current folder or its parent")]
    Dots,
    /// The text has a `/` or NUL.
    #[error("it has a separator or NUL")]
    Separator,
    /// The text has more than 255 bytes, the limit of common file systems.
    #[error("it is longer than 255 bytes")]
    TooLong,
    /// The name of the file or folder is not UTF-8, as BEP 3 requires.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// The path in a list has an empty element, as `/a`, `a//b` and `a/` have.
    #[error("an element of it is empty")]
    EmptyElement,
    /// Another file of the list has this name, or has it as the name of its folder.
    #[error("another file has it, or is in a folder of that name")]
    Taken,
}

/// The first [`MAX`](Self::MAX) files and folders that cannot be part of a torrent, with reasons, and
/// the number of all.
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

/// A reason why a file, folder or link cannot be part of a torrent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The system refused to read it.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The name, or the target of the link, is not UTF-8, as BEP 3 requires.
    #[error("has a name that is not UTF-8; rename it")]
    NotUtf8,
    /// Readers of v1 take the name for padding, and would not request the content. Remove files that
    /// BitComet wrote, or create a v2 torrent.
    #[error("has a name that means padding in a torrent")]
    Padding,
    /// A path in a list names a folder, a pipe, a socket or a device.
    #[error("is not a file; a list has files alone")]
    NotAFile,
    /// The path has more than [`MAX_DEPTH`](crate::MAX_DEPTH) elements.
    #[error("lies more than {} folders deep", crate::MAX_DEPTH)]
    TooDeep,
    /// The link leads to a folder that contains the link.
    #[error("is a link to a folder that contains it")]
    Loop,
    /// The target of the link does not exist.
    #[error("is a link to a file that does not exist")]
    Dangling,
    /// The link is absolute, leads out of the folder or to the folder itself, so a torrent cannot have
    /// it (BEP 47).
    #[error("is a link that leads out of the folder; follow or skip links")]
    Outside,
}

impl Refusals {
    /// Refusals that are kept: enough to see a pattern, few enough for a screen.
    pub const MAX: usize = 20;

    /// The first refusals, in the order in which they were found.
    pub fn list(&self) -> &[Refusal] {
        &self.list
    }

    /// The number of all refusals.
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

impl RefusalReason {
    /// The fault of a file that was there when it was found.
    pub(super) fn into_fault(self) -> FaultKind {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::NotFound => FaultKind::Missing,
            Self::Io(error) => FaultKind::Io(error),
            _ => FaultKind::Missing,
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
            // The file was there, complete and no link, when it was found.
            FaultKind::Missing | FaultKind::Link | FaultKind::Short => Self::Changed { path },
            FaultKind::Io(source) => Self::Io { path, source },
        }
    }
}
