//! The folder that content lives in, and the only way to a file below it.
//!
//! Elements come from a torrent, so a link that somebody put there must lead nowhere (S-20): each
//! element is opened relative to the folder before it and no element is followed if it is a link.
//! The root itself is the user's choice and may be a link.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "portable.rs")]
mod system;

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use crate::{Operation, StorageError};

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// Reads too. Folders and the file are created where they are missing.
    Write,
}

#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    folder: system::Folder,
}

impl Root {
    /// Opens the folder, which is created with those above it if need be.
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self, StorageError> {
        if access == Access::Write {
            std::fs::create_dir_all(path)
                .map_err(|source| StorageError::io(Operation::Create, path, source))?;
        }
        let folder = system::Folder::open(path)
            .map_err(|source| StorageError::io(Operation::Open, path, source))?;
        Ok(Self { path: path.to_owned(), folder })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file would be, for people.
    pub(crate) fn path_of<'a>(&self, elements: impl Iterator<Item = &'a [u8]>) -> PathBuf {
        let mut path = self.path.clone();
        path.extend(elements.map(|element| String::from_utf8_lossy(element).into_owned()));
        path
    }

    /// The number that the system has for the disk it is on; all are one where that is not known.
    pub(crate) fn disk(&self) -> u64 {
        self.folder.disk().unwrap_or_default()
    }

    /// Opens a regular file.
    pub(crate) fn file<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
        access: Access,
    ) -> Result<File, StorageError> {
        let file = check_elements(elements.clone())
            .and_then(|()| self.folder.file(elements.clone(), access))
            .map_err(|refusal| self.explain(refusal, Operation::Open, elements.clone()))?;
        let metadata = file.metadata().map_err(|source| {
            StorageError::io(Operation::Examine, self.path_of(elements.clone()), source)
        })?;
        if !metadata.is_file() {
            return Err(StorageError::NotAFile { path: self.path_of(elements) });
        }
        Ok(file)
    }

    /// Size and time of change of a regular file; `None` if there is none.
    pub(crate) fn stamp<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
    ) -> Result<Option<FileStamp>, StorageError> {
        match self.folder.stamp(elements.clone()) {
            Ok(stamp) => Ok(stamp),
            Err(Refusal::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(refusal) => Err(self.explain(refusal, Operation::Examine, elements)),
        }
    }

    /// Renames one file of the root's top level to another, replacing that one.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        self.folder
            .rename(from, to)
            .map_err(|source| StorageError::io(Operation::Rename, self.path.join(from), source))
    }

    /// Removes a file, if it exists.
    pub(crate) fn remove<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
    ) -> Result<(), StorageError> {
        match self.folder.remove(elements.clone()) {
            Err(Refusal::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(refusal) => Err(self.explain(refusal, Operation::Remove, elements)),
            Ok(()) => Ok(()),
        }
    }

    /// Brings new and renamed entries of the root itself to the medium.
    pub(crate) fn sync_entries(&self) -> Result<(), StorageError> {
        self.folder.sync().map_err(|source| StorageError::io(Operation::Sync, &self.path, source))
    }

    /// Brings all that was written to the file system of the root to the medium; `false` where
    /// the system cannot do that.
    pub(crate) fn sync_file_system(&self) -> Result<bool, StorageError> {
        self.folder
            .sync_file_system()
            .map_err(|source| StorageError::io(Operation::Sync, &self.path, source))
    }

    fn explain<'a>(
        &self,
        refusal: Refusal,
        operation: Operation,
        elements: impl Iterator<Item = &'a [u8]>,
    ) -> StorageError {
        match refusal {
            Refusal::Io(source) => StorageError::io(operation, self.path_of(elements), source),
            Refusal::Link { depth } => {
                StorageError::SymbolicLink { path: self.path_of(elements.take(depth + 1)) }
            }
        }
    }
}

/// What tells whether a file was changed since: its size in bytes and its time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// Size in bytes.
    pub size: u64,
    /// Seconds of the time of change, since 1970.
    pub seconds: i64,
    /// The nanoseconds beside them.
    pub nanoseconds: u32,
}

enum Refusal {
    Io(std::io::Error),
    /// The element at this depth is a link.
    Link {
        depth: usize,
    },
}

/// The path policy has seen every path; this is the second lock on the same door.
fn check_elements<'a>(elements: impl Iterator<Item = &'a [u8]>) -> Result<(), Refusal> {
    let mut count = 0;
    for element in elements {
        let is_plain = !matches!(element, b"" | b"." | b"..")
            && !element.iter().any(|&byte| byte == 0 || byte == b'/');
        if !is_plain {
            return Err(Refusal::Io(std::io::ErrorKind::InvalidInput.into()));
        }
        count += 1;
    }
    if count == 0 {
        return Err(Refusal::Io(std::io::ErrorKind::InvalidInput.into()));
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests;
