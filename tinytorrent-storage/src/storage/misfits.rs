use std::sync::PoisonError;

use tinytorrent_metainfo::{File, FileIndex};

use super::{Storage, Target};
use crate::{FileStamp, Operation, StorageError, pool::Access};

/// A file whose size is not the one that the torrent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misfit {
    /// The file.
    pub file: FileIndex,
    /// Bytes that it has on disk; `None` if there is no such file.
    pub size: Option<u64>,
    /// Bytes that it has in the torrent.
    pub length: u64,
}

impl Misfit {
    /// `true` if bytes follow that are not of the torrent.
    pub fn is_longer(&self) -> bool {
        self.size.is_some_and(|size| size > self.length)
    }
}

impl Storage {
    /// The files that are missing, too short or too long, found without reading them. Files whose data
    /// is in the part file are left out, as are links.
    ///
    /// # Errors
    /// The system refuses, or a link is in the way.
    pub fn misfits(&self) -> Result<Vec<Misfit>, StorageError> {
        Ok(self.misfits_among(&self.stamps()?))
    }

    /// The same, by stamps of all files.
    pub(crate) fn misfits_among(&self, stamps: &[Option<FileStamp>]) -> Vec<Misfit> {
        let placement = self.placement.read().unwrap_or_else(PoisonError::into_inner);
        let files = self.layout().files().zip(stamps);
        let files = files.filter(|(file, _)| is_plain(file) && placement.is_in_file(file.index));
        let misfit = |(file, stamp): (File<'_>, &Option<FileStamp>)| {
            let size = stamp.map(|stamp| stamp.size);
            let misfit = Misfit { file: file.index, size, length: file.length };
            (size != Some(file.length)).then_some(misfit)
        };
        files.filter_map(misfit).collect()
    }

    /// Cuts a file that is longer than its torrent says (S-15). Only a file that is otherwise complete
    /// should be cut: until then it may be another one, that the user has put there.
    ///
    /// # Errors
    /// The system refuses, or the storage is read-only.
    pub fn cut(&self, file: FileIndex) -> Result<(), StorageError> {
        if self.options.read_only {
            return Err(StorageError::ReadOnly);
        }
        let found = self.layout().file(file.get()).filter(is_plain);
        let Some(entry) = found else { return Ok(()) };
        let target = Target::File(file.get());
        let opened = self.open_target(target, Access::Write)?;
        let failed =
            |operation| move |source| StorageError::io(operation, self.target_path(target), source);
        if opened.metadata().map_err(failed(Operation::Examine))?.len() > entry.length {
            opened.set_len(entry.length).map_err(failed(Operation::Allocate))?;
            self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).insert(target);
        }
        Ok(())
    }
}

/// `true` if it is a file with content of its own.
fn is_plain(file: &File<'_>) -> bool {
    !file.is_pad() && file.link_target.is_none()
}
