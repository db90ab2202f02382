use core::ops::Range;
use std::fmt;
use std::io;

use tinytorrent_folder as folder;

use crate::FileIndex;
use crate::content::FaultKind;

/// A file that differs from the torrent. [`VerifyReport::path`](crate::VerifyReport::path) gives its path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileFault {
    /// The file.
    pub file: FileIndex,
    /// The kind of the fault.
    pub kind: FileFaultKind,
    /// Pieces of the file that are wrong or cannot be read, as ascending ranges that do not touch: a file
    /// can have millions of pieces that are missing. Files of v1 share pieces, so the fault may be in
    /// another file.
    pub pieces: Vec<Range<u32>>,
}

impl FileFault {
    /// The number of [`pieces`](Self::pieces).
    pub fn piece_count(&self) -> u32 {
        self.pieces.iter().map(|run| run.len() as u32).sum()
    }
}

/// The kinds of [`FileFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFaultKind {
    /// The file does not exist, or a folder, a pipe or a device is in its place. For a link of the
    /// torrent (BEP 47): there is no link.
    Missing,
    /// A symbolic link is in the place of the file or of a folder of its path, and was not followed.
    Link,
    /// The file is too short.
    Short,
    /// The file is too long. Its pieces may still be right.
    Long,
    /// The system refused to read the file, for this reason.
    Unreadable(io::ErrorKind),
    /// The file has wrong pieces. For a link of the torrent: it leads elsewhere.
    Wrong,
}

impl FileFaultKind {
    pub(super) fn of(error: folder::Error) -> Self {
        FaultKind::from(error).into()
    }
}

impl From<FaultKind> for FileFaultKind {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Missing => Self::Missing,
            FaultKind::Link => Self::Link,
            FaultKind::Short => Self::Short,
            FaultKind::Io(error) => Self::Unreadable(error.kind()),
        }
    }
}

impl fmt::Display for FileFaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Link => "a symbolic link, which is not followed",
            Self::Short => "too short",
            Self::Long => "too long",
            Self::Unreadable(reason) => return write!(f, "cannot be read: {reason}"),
            Self::Wrong => "wrong",
        })
    }
}
