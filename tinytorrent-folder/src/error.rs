use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Why a file below a [`Folder`](crate::Folder) could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe())]
pub struct Error {
    path: PathBuf,
    #[source]
    kind: ErrorKind,
}

/// The kinds of [`Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused.
    #[error("cannot {operation}: {source}")]
    Io {
        /// The refused operation.
        operation: Operation,
        /// The system's reason.
        source: io::Error,
    },
    /// A symbolic link stands where a file or a folder belongs; it may lead out of the folder.
    #[error("a symbolic link, which is not followed")]
    Link,
    /// Something that is no regular file stands where a file belongs: a folder, a pipe, a device.
    #[error("not a regular file")]
    NotAFile,
    /// An element is empty, `.` or `..`, or holds a separator or NUL; or there is no element.
    #[error("not a path below a folder")]
    InvalidPath,
}

/// An operation that the operating system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening a file or a folder.
    Open,
    /// Creating a file, a folder or a link.
    Create,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Bringing what was written to the medium.
    Sync,
    /// Asking for size and times.
    Examine,
    /// Setting the size, or reserving room.
    Allocate,
    /// Renaming.
    Rename,
    /// Removing.
    Remove,
}

impl Error {
    pub(crate) fn new(path: impl Into<PathBuf>, kind: ErrorKind) -> Self {
        Self { path: path.into(), kind }
    }

    pub(crate) fn io(operation: Operation, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::new(path, ErrorKind::Io { operation, source })
    }

    /// The file, folder or link that it is about.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The reason.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The reason and the path, for errors of another type.
    pub fn into_parts(self) -> (PathBuf, ErrorKind) {
        (self.path, self.kind)
    }

    /// `true` if the file does not exist: it is missing, a folder on the way to it is, or a file stands in
    /// the place of that folder.
    pub fn is_not_found(&self) -> bool {
        matches!(&self.kind, ErrorKind::Io { source, .. } if is_absence(source))
    }

    fn describe(&self) -> String {
        let path = self.path.display();
        match &self.kind {
            ErrorKind::Io { operation, source } => format!("cannot {operation} {path}: {source}"),
            ErrorKind::Link => format!("{path} is a symbolic link, which is not followed"),
            ErrorKind::NotAFile => format!("{path} is not a regular file"),
            ErrorKind::InvalidPath => format!("{path} is not a path below a folder"),
        }
    }
}

pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Open => "open",
            Operation::Create => "create",
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Sync => "sync",
            Operation::Examine => "examine",
            Operation::Allocate => "allocate",
            Operation::Rename => "rename",
            Operation::Remove => "remove",
        })
    }
}
