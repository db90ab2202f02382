use std::fmt;
use std::io;
use std::path::PathBuf;

use tinytorrent_folder as folder;

use crate::FileIndex;
use crate::content::FaultKind;

/// A file that is not as the torrent says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileFault {
    /// The file.
    pub file: FileIndex,
    /// Its path below the folder.
    pub path: PathBuf,
    /// The fault.
    pub kind: FileFaultKind,
    /// Its pieces that are wrong or cannot be read, ascending; pieces are shared between v1 files,
    /// so the fault may lie in a neighbour.
    pub pieces: Vec<u32>,
}

/// The kinds of [`FileFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFaultKind {
    /// There is no such file, but perhaps a folder, a pipe or a device. Of a symbolic link (BEP 47):
    /// there is none.
    Missing,
    /// A symbolic link stands in its place or on the way to it, and was not followed.
    Link,
    /// It ends too early.
    Short,
    /// It is longer than it should be; no piece is wrong for that.
    Long,
    /// The system refused to read it, for this reason.
    Unreadable(io::ErrorKind),
    /// It holds pieces that are wrong. Of a symbolic link: it leads elsewhere.
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
