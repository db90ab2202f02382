//! The files that were written: those to be synced, and those that are as they should be although their
//! stamps have changed.

use std::{collections::BTreeSet, ops::Range, sync::PoisonError};

use tinytorrent_metainfo::FileIndex;

use super::{Back, FileContent, Storage, Target, moving::StaleParts};
use crate::{FileStamp, Operation, ResumeRecord, StorageError, pool::Access};

/// Files that were written by this storage. A torrent that is seeded has none, and takes no memory for them.
#[derive(Debug, Default)]
pub(super) struct Written(Option<Box<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    /// Since the last [`sync`](Storage::sync).
    unsynced: BTreeSet<Target>,
    /// Since the last resume record, or checked since.
    unrecorded: BTreeSet<Target>,
    /// Since they were copied; `None` if nobody copies them.
    stale: Option<StaleParts>,
}

/// Files whose stamps go into a record.
#[derive(Debug, Default)]
pub(crate) struct Recording(BTreeSet<Target>);

impl Written {
    /// Notes that a part of a file was written.
    pub(super) fn add(&mut self, target: Target, range: Range<u64>) {
        if let Some(stale) = &mut self.note(target).stale {
            stale.add(target, range);
        }
    }

    /// Notes that a file was created, replaced, cut or removed.
    pub(super) fn add_whole(&mut self, target: Target) {
        if let Some(stale) = &mut self.note(target).stale {
            stale.add_whole(target);
        }
    }

    fn note(&mut self, target: Target) -> &mut Notes {
        let notes = self.notes();
        notes.unsynced.insert(target);
        notes.unrecorded.insert(target);
        notes
    }

    fn notes(&mut self) -> &mut Notes {
        self.0.get_or_insert_default()
    }

    fn take_unsynced(&mut self) -> BTreeSet<Target> {
        self.0.as_mut().map(|notes| std::mem::take(&mut notes.unsynced)).unwrap_or_default()
    }

    fn take_unrecorded(&mut self) -> BTreeSet<Target> {
        self.0.as_mut().map(|notes| std::mem::take(&mut notes.unrecorded)).unwrap_or_default()
    }

    /// Notes from now on what is written, for a copy that begins.
    pub(super) fn watch(&mut self) {
        self.notes().stale = Some(StaleParts::default());
    }

    pub(super) fn stop_watching(&mut self) {
        self.notes().stale = None;
    }

    pub(super) fn take_stale(&mut self) -> StaleParts {
        self.notes().stale.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn put_back_stale(&mut self, parts: StaleParts) {
        if let Some(stale) = &mut self.notes().stale {
            stale.add_all(parts);
        }
    }
}

impl Storage {
    /// Syncs everything that was written so far to the medium. A file that was deleted since is left out.
    ///
    /// # Errors
    /// The system refuses. It is unknown then how much has reached the medium.
    pub fn sync(&self) -> Result<(), StorageError> {
        match &self.back {
            Back::Files(files) => files.sync(),
            Back::Own(own) => own.sync(),
        }
    }

    /// The stamps for a resume record. A file that somebody else has changed since the last one keeps its
    /// stamp there, so that the next run checks it.
    ///
    /// They have to be taken before the pieces of the record: a file that is written to in between is checked
    /// as well. [`record_failed`](Self::record_failed) takes the files back.
    pub(crate) fn stamps_to_record(
        &self,
    ) -> Result<(Vec<Option<FileStamp>>, Recording), StorageError> {
        match &self.back {
            Back::Files(files) => files.stamps_to_record(),
            Back::Own(own) => Ok((own.stamps()?, Recording::default())),
        }
    }

    /// Notes that the record with these files was not saved.
    pub(crate) fn record_failed(&self, recording: Recording) {
        if let Some(files) = self.files() {
            files.record_failed(recording);
        }
    }

    /// Notes that a file is as it should be although it has another stamp than in the last record.
    pub(crate) fn note_checked(&self, file: FileIndex) {
        if let Some(files) = self.files() {
            files.note_checked(file);
        }
    }

    #[cfg(test)]
    pub(crate) fn unsynced_files(&self) -> usize {
        self.files().map_or(0, |files| files.written().notes().unsynced.len())
    }
}

impl FileContent {
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        let targets = self.written().take_unsynced();
        // The lock is released by now, so that writes can go on during the sync.
        let result = self.sync_targets(&targets);
        if result.is_err() {
            // All of them: it is unknown how much has reached the medium.
            self.written().notes().unsynced.extend(targets);
        }
        result
    }

    fn stamps_to_record(&self) -> Result<(Vec<Option<FileStamp>>, Recording), StorageError> {
        // Before the stamps: a file that is written to in between counts as written for the next record.
        let recording = Recording(self.written().take_unrecorded());
        let found =
            self.stamps().and_then(|stamps| Ok((stamps, ResumeRecord::load_of_files(self)?)));
        let (mut stamps, last) = match found {
            Ok(found) => found,
            Err(error) => {
                self.record_failed(recording);
                return Err(error);
            }
        };
        let last = last.map_or(Vec::new(), |record| record.stamps);
        for ((file, stamp), last) in (0..).zip(&mut stamps).zip(last) {
            if !recording.0.contains(&Target::File(file)) {
                *stamp = last;
            }
        }
        Ok((stamps, recording))
    }

    fn record_failed(&self, recording: Recording) {
        self.written().notes().unrecorded.extend(recording.0);
    }

    fn note_checked(&self, file: FileIndex) {
        self.written().notes().unrecorded.insert(Target::File(file.get()));
    }

    fn sync_targets(&self, targets: &BTreeSet<Target>) -> Result<(), StorageError> {
        if targets.len() > SYNC_ONE_BY_ONE && self.root().sync_file_system()? {
            return Ok(());
        }
        for &target in targets {
            // Not during the sync, which may take long, and holds up nothing.
            let place = self.place();
            // The pool may have closed the file since it was written.
            let file = match self.open_target(&place, target, SYNCING) {
                Err(error) if error.is_not_found() => continue,
                opened => opened?,
            };
            let path = self.target_path(&place, target);
            drop(place);
            file.sync_data().map_err(|source| StorageError::io(Operation::Sync, path, source))?;
        }
        Ok(())
    }

    pub(super) fn written(&self) -> std::sync::MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Number of files up to which each is synced; for more, the whole file system is. A guess: a file takes
/// some milliseconds on a disk, and the file system depends on what other programs write.
const SYNC_ONE_BY_ONE: usize = 64;

/// The access with which a file is opened to be synced. Only Windows asks for more than reading, which
/// creates a file that was deleted.
const SYNCING: Access = if cfg!(unix) { Access::Read } else { Access::Write };
