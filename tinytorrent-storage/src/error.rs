use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;
use tinytorrent_folder::{self as folder, ErrorKind, Operation};
use tinytorrent_metainfo::RenameError;

/// The reason why content could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The operating system refused.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// The operation.
        operation: Operation,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A symbolic link is in the place of a file or a folder of the content. It is not followed, as it
    /// may lead out of the root.
    #[error("{} is a symbolic link, which is not followed", path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// Somebody else has replaced or cut a file of the content since it was opened first. Nothing of it is verified,
    /// and a check is needed.
    #[error("{} was replaced or cut, and has to be checked", path.display())]
    Replaced {
        /// The path of it.
        path: PathBuf,
    },
    /// Something that is no regular file is in the place of a file of the content.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path of it.
        path: PathBuf,
    },
    /// The disk cannot store the name, or takes it for the name of another file, and
    /// [`PathPolicy::Exact`](tinytorrent_metainfo::PathPolicy::Exact) forbids to change it.
    #[error("the disk cannot store the name of {}", path.display())]
    NameNotHeld {
        /// The file.
        path: PathBuf,
    },
    /// The torrent has a file with a name that is kept for files beside the content, such as
    /// `.<info-hash>.tinytorrent-resume`.
    #[error("the name of {} is reserved for records of torrents", path.display())]
    ReservedName {
        /// The file.
        path: PathBuf,
    },
    /// The file is absent, or ends before the data.
    #[error("{} has no data at byte {offset}", path.display())]
    MissingData {
        /// The file.
        path: PathBuf,
        /// The first byte that is missing.
        offset: u64,
    },
    /// The range is not within the content; a mistake of the caller.
    #[error("{length} bytes at byte {offset} are not within the content")]
    OutOfRange {
        /// The start of the range in the content.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// Something has the name that a file was to get, and is not replaced.
    #[error("{} exists, and is not replaced", path.display())]
    Exists {
        /// The file or folder in the way.
        path: PathBuf,
    },
    /// A file cannot have the path that it was to get.
    #[error(transparent)]
    NotRenamed(#[from] RenameError),
    /// The files were deleted by [`Storage::remove_files`](crate::Storage::remove_files).
    #[error("the files of the torrent were deleted")]
    Removed,
    /// The storage was opened for reading.
    #[error("the storage was opened for reading only")]
    ReadOnly,
    /// Content of the program's own could not be read or written.
    #[error("{place}: {source}")]
    Content {
        /// The kind of the error.
        fault: Fault,
        /// The place of the content, for people: the address of a server, the name of a bucket.
        place: String,
        /// The error of the implementation.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Content of the program's own has no such operation.
    #[error("content of this kind cannot {what}")]
    NotPossible {
        /// The operation, as in "be moved".
        what: &'static str,
    },
    /// A piece of a hybrid has the right SHA-1 and a wrong merkle root, or the other way round, so that no
    /// content can be right (BEP 52, "upgrade path").
    #[error("the v1 and v2 hashes of piece {piece} belong to different contents")]
    Inconsistent {
        /// The piece.
        piece: u32,
    },
    /// A piece was to be verified before all of its blocks were stored; a mistake of the caller.
    #[error("{missing} blocks of the piece were never stored")]
    IncompletePiece {
        /// Number of blocks that are missing.
        missing: u32,
    },
    /// The disk was shut down while a read waited for memory, which the caller still held, or for a file
    /// descriptor.
    #[error("the disk was shut down before the block could be read")]
    ShutDown,
}

/// The kind of a [`StorageError`], by the remedy that a user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The device has no room left, a quota is used up, or a file may not be so large.
    DiskFull,
    /// The user may not read or write there, or the file system is read-only.
    Denied,
    /// Files are gone or shorter than they were.
    Missing,
    /// No file descriptor is left for the file, in the process or in the system. There is one as soon as
    /// another file or socket is closed.
    NoDescriptor,
    /// The device or the file system failed.
    Device,
    /// Something else is in the place of the content, such as a symbolic link.
    Obstructed,
    /// The torrent contradicts itself, which only its maker can mend.
    Torrent,
    /// The content is of a kind that has no such operation.
    Unsupported,
    /// A mistake of the calling program.
    Caller,
}

impl StorageError {
    /// The kind of the error, by the remedy that a user has.
    pub fn fault(&self) -> Fault {
        match self {
            StorageError::Io { source, .. } => io_fault(source),
            StorageError::Content { fault, .. } => *fault,
            StorageError::NotPossible { .. } => Fault::Unsupported,
            StorageError::SymbolicLink { .. }
            | StorageError::NotAFile { .. }
            | StorageError::Replaced { .. }
            | StorageError::Exists { .. }
            | StorageError::NameNotHeld { .. } => Fault::Obstructed,
            StorageError::MissingData { .. } => Fault::Missing,
            StorageError::Inconsistent { .. } | StorageError::ReservedName { .. } => Fault::Torrent,
            StorageError::OutOfRange { .. }
            | StorageError::ReadOnly
            | StorageError::NotRenamed(_)
            | StorageError::Removed
            | StorageError::ShutDown
            | StorageError::IncompletePiece { .. } => Fault::Caller,
        }
    }

    /// The file or folder of the error, if it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            StorageError::Io { path, .. }
            | StorageError::SymbolicLink { path }
            | StorageError::NotAFile { path }
            | StorageError::Replaced { path }
            | StorageError::NameNotHeld { path }
            | StorageError::Exists { path }
            | StorageError::ReservedName { path }
            | StorageError::MissingData { path, .. } => Some(path),
            StorageError::OutOfRange { .. }
            | StorageError::Content { .. }
            | StorageError::NotPossible { .. }
            | StorageError::ReadOnly
            | StorageError::NotRenamed(_)
            | StorageError::Removed
            | StorageError::Inconsistent { .. }
            | StorageError::ShutDown
            | StorageError::IncompletePiece { .. } => None,
        }
    }

    /// An error of content of the program's own. `place` is for people: the address of a server, the name of a
    /// bucket.
    pub fn content(
        fault: Fault,
        place: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        StorageError::Content { fault, place: place.into(), source: source.into() }
    }

    pub(crate) fn io(operation: Operation, path: impl Into<PathBuf>, source: io::Error) -> Self {
        StorageError::Io { operation, path: path.into(), source }
    }

    /// Returns `true` if no descriptor was left.
    pub(crate) fn is_out_of_descriptors(&self) -> bool {
        self.fault() == Fault::NoDescriptor
    }

    /// Returns `true` if a file cannot be renamed because its new place is on another file system.
    pub(crate) fn is_across_devices(&self) -> bool {
        let StorageError::Io { source, .. } = self else { return false };
        source.kind() == io::ErrorKind::CrossesDevices
    }

    /// Returns `true` if the file or a folder of its path does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            StorageError::Io { source, .. } => {
                // Nothing can be below a file that has the place of a folder.
                matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
            StorageError::MissingData { .. } => true,
            StorageError::Content { fault, .. } => *fault == Fault::Missing,
            _ => false,
        }
    }
}

fn io_fault(error: &io::Error) -> Fault {
    use io::ErrorKind as Kind;
    // It has no kind of its own.
    if folder::is_out_of_descriptors(error) {
        return Fault::NoDescriptor;
    }
    match error.kind() {
        // `WriteZero` is the error of `write_all_at`: the system took no byte, and gave no reason.
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
            ErrorKind::Io { operation: Operation::Rename, source }
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                StorageError::Exists { path }
            }
            ErrorKind::Io { operation, source } => StorageError::Io { operation, path, source },
            ErrorKind::Link => StorageError::SymbolicLink { path },
            ErrorKind::NotAFile => StorageError::NotAFile { path },
            // The enum is non-exhaustive, so that the compiler wants this arm.
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
