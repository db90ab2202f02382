use tinytorrent_metainfo::{File, FileIndex};

use super::{Back, FileContent, Storage, Target};
use crate::{
    FileStamp, Operation, StorageError,
    pool::{Access, FileKey},
};

/// A file whose size on disk differs from its length in the torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misfit {
    /// The file.
    pub file: FileIndex,
    /// Bytes on disk; `None` if there is no such file, or if another one has its name by now.
    pub size: Option<u64>,
    /// Bytes in the torrent.
    pub length: u64,
}

impl Misfit {
    /// Returns `true` if the file has bytes beyond those of the torrent.
    pub fn is_longer(&self) -> bool {
        self.size.is_some_and(|size| size > self.length)
    }
}

impl Storage {
    /// The files that are missing, too short or too long, found without reading them. Links are left out,
    /// and so are files whose data is in the part file.
    ///
    /// A file that is written to after somebody has moved or replaced it is missing, as nobody finds it by its
    /// name. That is seen on Unix, while it is open or when it is opened again. So is one that was cut and has grown
    /// again by a write.
    ///
    /// # Errors
    /// The system refuses, or a link is in the way.
    pub fn misfits(&self) -> Result<Vec<Misfit>, StorageError> {
        match &self.back {
            Back::Files(files) => {
                let mut stamps = files.stamps()?;
                files.forget_strangers(&mut stamps);
                Ok(files.misfits_among(&stamps))
            }
            Back::Own(own) => own.misfits(),
        }
    }

    /// The [`misfits`](Self::misfits) by the stamps of all files.
    pub(crate) fn misfits_among(&self, stamps: &[Option<FileStamp>]) -> Vec<Misfit> {
        // Content of the program's own has no sizes.
        self.files().map_or(Vec::new(), |files| files.misfits_among(stamps))
    }

    /// Cuts a file that is longer than in the torrent (S-15). It should be complete otherwise: before that,
    /// it may be another file, which the user has put there.
    ///
    /// # Errors
    /// The system refuses, or the storage is read-only.
    pub fn cut(&self, file: FileIndex) -> Result<(), StorageError> {
        match &self.back {
            Back::Files(files) => files.cut(file),
            Back::Own(_) => Err(StorageError::NotPossible { what: "cut files" }),
        }
    }
}

impl FileContent {
    fn misfits_among(&self, stamps: &[Option<FileStamp>]) -> Vec<Misfit> {
        let place = self.place();
        let files = self.layout().files().zip(stamps);
        let files =
            files.filter(|(file, _)| is_plain(file) && place.placement.is_in_file(file.index));
        let misfit = |(file, stamp): (File<'_>, &Option<FileStamp>)| {
            let size = stamp.map(|stamp| stamp.size);
            let misfit = Misfit { file: file.index, size, length: file.length };
            (size != Some(file.length)).then_some(misfit)
        };
        files.filter_map(misfit).collect()
    }

    /// Takes out the stamps of files that are not those that are open.
    fn forget_strangers(&self, stamps: &mut [Option<FileStamp>]) {
        for (file, stamp) in (0..).zip(stamps) {
            let key = FileKey { storage: self.id, file };
            if self.pool.is_stranger(key) {
                *stamp = None;
            }
            let (Some(found), Some(open)) = (&*stamp, self.pool.peek(key)) else { continue };
            // One that cannot be asked is no proof.
            if inode(&open).zip(found.inode).is_some_and(|(open, found)| open != found) {
                *stamp = None;
            }
        }
    }

    fn cut(&self, file: FileIndex) -> Result<(), StorageError> {
        if self.manner.read_only {
            return Err(StorageError::ReadOnly);
        }
        let found = self.layout().file(file.get()).filter(is_plain);
        let Some(entry) = found else { return Ok(()) };
        let target = Target::File(file.get());
        let place = self.place();
        place.refuse_removed()?;
        let opened = self.open_target(&place, target, Access::Write)?;
        let failed = |operation| {
            let path = self.target_path(&place, target);
            move |source| StorageError::io(operation, path, source)
        };
        if opened.metadata().map_err(failed(Operation::Examine))?.len() > entry.length {
            opened.set_len(entry.length).map_err(failed(Operation::Allocate))?;
            // It was not somebody else who has cut it.
            self.pool.close(self.id, Some(file.get()));
            self.written().add_whole(target);
        }
        Ok(())
    }
}

/// The number of an open file in its file system.
#[cfg(unix)]
fn inode(file: &std::fs::File) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    file.metadata().ok().map(|found| found.ino())
}

#[cfg(not(unix))]
fn inode(_: &std::fs::File) -> Option<u64> {
    None
}

/// Returns `true` if it is neither padding nor a link.
pub(super) fn is_plain(file: &File<'_>) -> bool {
    !file.is_pad() && file.link_target.is_none()
}
