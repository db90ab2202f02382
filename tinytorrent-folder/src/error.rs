use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// A failed access to a file below a [`Folder`](crate::Folder), with the path.
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
    /// A symbolic link is in the place of a file or a folder; it may lead out of the folder.
    #[error("a symbolic link, which is not followed")]
    Link,
    /// A folder, a pipe, a socket or a device is in the place of a file.
    #[error("not a regular file")]
    NotAFile,
    /// An element is empty, `.` or `..`, or has a separator or NUL; or the path has no element.
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
    /// Flushing written data to the medium.
    Sync,
    /// Reading size and times.
    Examine,
    /// Setting the size, or reserving space.
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

    /// The file, folder or link that could not be reached.
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

    /// Returns true if the file does not exist: it is missing, a folder of its path is missing, or a file
    /// is in the place of such a folder.
    pub fn is_not_found(&self) -> bool {
        matches!(&self.kind, ErrorKind::Io { source, .. } if is_absence(source))
    }

    /// Returns true if no file descriptor is left; see [`is_out_of_descriptors`].
    pub fn is_out_of_descriptors(&self) -> bool {
        matches!(&self.kind, ErrorKind::Io { source, .. } if is_out_of_descriptors(source))
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

/// Returns true for the error of a call that found no file descriptor left, in the process or in the
/// system. It says nothing about the file, nor about the peer of a socket: the same call may succeed as
/// soon as another file or socket is closed.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    #[cfg(unix)]
    let codes = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(|e| e.raw_os_error());
    // `ERROR_TOO_MANY_OPEN_FILES`, and `WSAEMFILE` for sockets.
    #[cfg(not(unix))]
    let codes = [4, 10024];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// Returns `true` if a folder is not removed because it has entries.
pub(crate) fn is_occupied(error: &io::Error) -> bool {
    // Some systems give `EEXIST`.
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_descriptors_is_told_from_other_errors() {
        let open = |source| Error::io(Operation::Open, "a", source);
        assert!(!open(io::ErrorKind::NotFound.into()).is_out_of_descriptors());
        assert!(!open(io::Error::other("files")).is_out_of_descriptors());
        #[cfg(unix)]
        for errno in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE] {
            assert!(open(errno.into()).is_out_of_descriptors());
        }
    }
}
