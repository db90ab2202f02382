use std::{
    fmt,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use tinytorrent_metainfo::FileIndex;

use super::{Subject, shared::Shared};
use crate::{
    MoveProgress, Moved, PieceHashes, RecoverOptions, Recovered, RemovedFiles, Storage,
    StorageError, VerifyProgress, resume,
};

/// The files of a torrent that a [`Disk`](super::Disk) has: where they are, which of them are wanted, and
/// whether they are right. From [`TorrentDisk::files`](super::TorrentDisk::files).
///
/// All methods block, some of them for long, and are to be called on threads of the caller's, and never by the
/// function for completions. They may be called at any time, also several at once: those that get in each
/// other's way wait for each other. Other
/// torrents do not notice, as the threads of the disk leave this one alone while its files change places,
/// instead of waiting for a lock. Blocks that are stored and requests for reads wait in memory then, which is
/// short but for [`recheck`](Self::recheck).
///
/// It keeps the function for completions alive, and may outlive the [`TorrentDisk`](super::TorrentDisk).
#[derive(Clone)]
pub struct TorrentFiles {
    pub(super) shared: Arc<Shared>,
    pub(super) content: Arc<Subject>,
}

/// The time in which no thread of the disk has a job of a torrent.
struct Calm<'a> {
    files: &'a TorrentFiles,
}

impl TorrentFiles {
    /// The content of the torrent.
    pub fn storage(&self) -> &Arc<Storage> {
        &self.content.storage
    }

    /// Selects the wanted files, as [`Storage::select`] does, and creates what is wanted now and not created by
    /// writes ([`Storage::prepare`]). Pieces may be on their way before and after, wanted or not.
    ///
    /// # Errors
    /// As for [`Storage::select`] and [`Storage::prepare`].
    pub fn select(&self, is_wanted: impl Fn(FileIndex) -> bool) -> Result<(), StorageError> {
        self.storage().select_when_calm(is_wanted, || self.calm())?;
        self.storage().prepare()
    }

    /// Gives files other paths, as [`Storage::rename_files`] does.
    ///
    /// # Errors
    /// As for [`Storage::rename_files`].
    pub fn rename_files(&self, renames: &[(FileIndex, PathBuf)]) -> Result<(), StorageError> {
        self.storage().rename_files_when_calm(renames, || self.calm())
    }

    /// Moves the content to another folder, as [`Storage::move_to`] does. Downloading and uploading go on, and
    /// wait only while files are renamed. Without a record ([`TorrentDiskOptions`](super::TorrentDiskOptions)) the
    /// move is the same.
    ///
    /// # Errors
    /// As for [`Storage::move_to`].
    pub fn move_to(
        &self,
        folder: &Path,
        progress: impl FnMut(MoveProgress) -> ControlFlow<()>,
    ) -> Result<Option<Moved>, StorageError> {
        self.storage().move_when_calm(folder, progress, || {
            let calm = self.calm();
            // The next entry opens it in the folder in which it is then.
            if let Some(journal) = &self.content.journal {
                journal.close();
            }
            calm
        })
    }

    /// Checks again which pieces are on disk and right, as [`recover`](crate::recover) does: those whose files
    /// have changed since the last resume record, this run's own changes included, or with
    /// [`RecoverOptions::ignore_record`] all of them. The disk then goes by the result: pieces that are not
    /// right can be stored again.
    ///
    /// First, blocks in memory are written, and requests to verify pieces are carried out. The caller must
    /// have its peers send nothing from before the call until the result is taken over. Blocks that are stored
    /// meanwhile nevertheless are dropped at the end, and reported as such: their bytes in
    /// [`Completion::BlocksWritten`](super::Completion::BlocksWritten), and a request to verify their piece as
    /// one that lacks blocks. Requests for reads, and checkpoints, wait until the end. Completions of before
    /// the call may still come during it.
    ///
    /// Returns `None` if `progress` ended it, or the disk was shut down; then nothing has changed.
    ///
    /// # Errors
    /// As for [`recover`](crate::recover); nothing has changed.
    pub fn recheck(
        &self,
        options: &RecoverOptions,
        mut progress: impl FnMut(VerifyProgress) -> ControlFlow<()> + Send,
    ) -> Result<Option<Recovered>, StorageError> {
        let mut options = options.clone();
        if !self.content.keeps_record {
            // There may be a record of a run that kept one.
            options.ignore_record(true);
        }
        self.shared.drain(self.content.id);
        let _calm = self.calm();
        let is_over = |done| match self.shared.is_stopping() {
            true => ControlFlow::Break(()),
            false => progress(done),
        };
        let hashes: &PieceHashes = &self.content.hashes;
        let own = self.storage().journal();
        // The one that is in use, so that it knows of what is written to it.
        let journal = self.content.journal.as_deref().or(own.as_ref());
        let found = resume::recover_with(self.storage(), journal, hashes, &options, is_over)?;
        if let Some(recovered) = &found {
            self.shared.replace(&self.content, recovered.clone());
        }
        Ok(found)
    }

    /// The pieces that are on disk and right, and the blocks on disk of others, as the disk knows them: what a
    /// [`recheck`](Self::recheck) that came to nothing has left as it was. Its counters are zeros, and it has
    /// no files.
    pub fn state(&self) -> Recovered {
        self.shared.state(&self.content)
    }

    /// Deletes the content, as [`Storage::remove_files`] does. Blocks in memory cannot be written any more, and
    /// end as [`Completion::PieceUnstored`](super::Completion::PieceUnstored) with
    /// [`StorageError::Removed`]. A move and a check should be ended first, since it waits for them.
    ///
    /// # Errors
    /// As for [`Storage::remove_files`].
    pub fn remove_files(&self) -> Result<RemovedFiles, StorageError> {
        let _calm = self.calm();
        // It would be created anew.
        if let Some(journal) = &self.content.journal {
            journal.stop();
        }
        self.storage().remove_files()
    }

    /// Waits until no thread of the disk has a job of the torrent. None takes one until the value is dropped.
    fn calm(&self) -> Calm<'_> {
        self.shared.hold(self.content.id);
        Calm { files: self }
    }
}

impl Drop for Calm<'_> {
    fn drop(&mut self) {
        self.files.shared.release(self.files.content.id);
    }
}

impl fmt::Debug for TorrentFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TorrentFiles")
            .field("identity", &self.content.storage.identity())
            .finish_non_exhaustive()
    }
}
