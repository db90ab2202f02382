use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;
use tinytorrent_folder::{self as folder, ErrorKind, Operation};

/// Why content could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The operating system refused.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: Operation,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A symbolic link stands where a file or a folder of the content belongs. It is not followed,
    /// as it may lead out of the root.
    #[error("{} is a symbolic link, which is not followed", path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// Something that is no regular file stands where a file of the content belongs.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// What stands there.
        path: PathBuf,
    },
    /// The disk does not hold the name, or takes another's for equal, and no other name is wanted.
    #[error("the disk cannot hold the name of {}", path.display())]
    NameNotHeld {
        /// The file.
        path: PathBuf,
    },
    /// The file is absent, or ends before the data that was asked for.
    #[error("{} has no data at byte {offset}", path.display())]
    MissingData {
        /// The file.
        path: PathBuf,
        /// The first byte that is missing.
        offset: u64,
    },
    /// A range that is not within the content; a mistake of the caller.
    #[error("{length} bytes at byte {offset} are not within the content")]
    OutOfRange {
        /// Where the range begins in the content.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// The storage was opened for reading.
    #[error("the storage was opened for reading only")]
    ReadOnly,
    /// A piece of a hybrid has the SHA-1 that the torrent says, but not the merkle root, or the other
    /// way round: no content can be right (BEP 52, "upgrade path").
    #[error("the v1 and v2 hashes of piece {piece} belong to different contents")]
    Inconsistent {
        /// The piece.
        piece: u32,
    },
    /// Not all blocks of the piece were stored before it was to be verified; a mistake of the
    /// caller.
    #[error("{missing} blocks of the piece were never stored")]
    IncompletePiece {
        /// How many blocks there are none of.
        missing: u32,
    },
}

/// What a user can do about a [`StorageError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// No room on the device, a quota is used up, or a file may not be so large.
    DiskFull,
    /// The user may not read or write there, or the file system is read-only.
    Denied,
    /// Files are gone or shorter than they were.
    Missing,
    /// The device or the file system failed.
    Device,
    /// Something else stands in the way of the content, such as a symbolic link.
    Obstructed,
    /// The torrent contradicts itself, which only its maker can mend.
    Torrent,
    /// A mistake of the calling program.
    Caller,
}

impl StorageError {
    /// What a user can do about it.
    pub fn fault(&self) -> Fault {
        match self {
            StorageError::Io { source, .. } => io_fault(source),
            StorageError::SymbolicLink { .. }
            | StorageError::NotAFile { .. }
            | StorageError::NameNotHeld { .. } => Fault::Obstructed,
            StorageError::MissingData { .. } => Fault::Missing,
            StorageError::Inconsistent { .. } => Fault::Torrent,
            StorageError::OutOfRange { .. }
            | StorageError::ReadOnly
            | StorageError::IncompletePiece { .. } => Fault::Caller,
        }
    }

    /// The file or folder it is about, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            StorageError::Io { path, .. }
            | StorageError::SymbolicLink { path }
            | StorageError::NotAFile { path }
            | StorageError::NameNotHeld { path }
            | StorageError::MissingData { path, .. } => Some(path),
            StorageError::OutOfRange { .. }
            | StorageError::ReadOnly
            | StorageError::Inconsistent { .. }
            | StorageError::IncompletePiece { .. } => None,
        }
    }

    pub(crate) fn io(operation: Operation, path: impl Into<PathBuf>, source: io::Error) -> Self {
        StorageError::Io { operation, path: path.into(), source }
    }

    /// Whether the process or the system has no descriptors left.
    #[cfg(unix)]
    pub(crate) fn is_out_of_descriptors(&self) -> bool {
        use rustix::io::Errno;
        let StorageError::Io { source, .. } = self else { return false };
        let code = source.raw_os_error();
        [Errno::MFILE, Errno::NFILE].iter().any(|errno| code == Some(errno.raw_os_error()))
    }

    /// Other systems have descriptors as long as they have memory.
    #[cfg(not(unix))]
    pub(crate) fn is_out_of_descriptors(&self) -> bool {
        false
    }

    /// Whether a file or a folder on the way to it does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            StorageError::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
            StorageError::MissingData { .. } => true,
            _ => false,
        }
    }
}

fn io_fault(error: &io::Error) -> Fault {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge | Kind::WriteZero => {
            Fault::DiskFull
        }
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Fault::Denied,
        Kind::NotFound | Kind::UnexpectedEof => Fault::Missing,
        Kind::NotADirectory | Kind::IsADirectory | Kind::AlreadyExists => Fault::Obstructed,
        _ => Fault::Device,
    }
}

impl From<folder::Error> for StorageError {
    fn from(error: folder::Error) -> Self {
        let (path, kind) = error.into_parts();
        match kind {
            ErrorKind::Io { operation, source } => StorageError::Io { operation, path, source },
            ErrorKind::Link => StorageError::SymbolicLink { path },
            ErrorKind::NotAFile => StorageError::NotAFile { path },
            _ => StorageError::io(Operation::Open, path, io::ErrorKind::InvalidInput.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_can_be_done() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = StorageError::io(Operation::Write, "a/b", full);
        assert_eq!(error.fault(), Fault::DiskFull);
        assert_eq!(error.path(), Some(Path::new("a/b")));
        assert!(error.to_string().starts_with("cannot write a/b: "));
        assert_eq!(StorageError::ReadOnly.fault(), Fault::Caller);
    }
}
