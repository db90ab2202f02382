//! Content that moves to another folder while it is in use.
//!
//! ```text
//!   on the same device                         on another one
//!                                              copy to a folder of drafts ◀─┐ what was written
//!                                                    │                      │ meanwhile
//!                                                    ├──────────────────────┘
//!        I/O waits                                   ▼ I/O waits
//!   note ──▶ rename the files                  the rest ──▶ note ──▶ rename the drafts
//!                 │                                                       │
//!                 ▼ I/O goes on in the new folder                         ▼
//!            sync names                                      sync names ──▶ delete the old files
//! ```
//!
//! The note in the old folder is the turning point: before it, the old folder has everything, and an error or
//! a kill leaves it as it was; after it, the move is finished, by the next run if need be.

mod note;
mod staging;

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, MutexGuard, PoisonError},
};

use tinytorrent_folder::{EntryKind, Folder};
use tinytorrent_metainfo::File;
use tinytorrent_types::InfoHashes;

use super::{
    Back, FileContent, Storage, Target, names::elements, place::Place, rename::remove_empty_folders,
};
use crate::{
    FilePool, FileStamp, StorageError,
    resume::{Followed, ResumeRecord},
};
use note::{Entry, Means, Note};
use staging::Staging;

pub(super) use staging::StaleParts;

/// The progress of [`Storage::move_to`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MoveProgress {
    /// Bytes that are copied. They stay zero on the same device.
    pub bytes_done: u64,
    /// Bytes to be copied: the sizes of the files when the copy began.
    pub bytes_total: u64,
}

impl MoveProgress {
    /// The progress of a content of the program's own.
    pub fn new(bytes_done: u64, bytes_total: u64) -> Self {
        Self { bytes_done, bytes_total }
    }
}

/// A finished move. The old folder has a note of it, for the case that the program is killed before it has
/// saved the new folder; see [`StorageOptions::move_target`](crate::StorageOptions::move_target).
/// [`settle`](Self::settle) deletes the note. If this is dropped instead, the note stays, which does no harm: it
/// counts only for a program that tells of the same move, and the next move from there deletes it.
#[derive(Debug)]
#[must_use = "its note in the old folder should be deleted once the new folder is saved"]
pub struct Moved {
    /// The old folder, unless it means something to the program alone.
    old: Option<Arc<Folder>>,
    /// The name of the torrent in the note that is to be deleted, if there is one.
    note: Option<InfoHashes>,
    first_error: Option<StorageError>,
}

impl Moved {
    /// The first error with which an old file or folder could not be deleted. All of the content is in the
    /// new folder nevertheless.
    pub fn leftover(&self) -> Option<&StorageError> {
        self.first_error.as_ref()
    }

    /// Deletes the note, now that the program has saved the new folder. An error has no effect.
    pub fn settle(self) {
        if let (Some(identity), Some(old)) = (&self.note, &self.old) {
            let _ = note::remove(old, identity);
        }
    }
}

/// Files that are in their new places.
struct Settled {
    note: Note,
    /// Their places before.
    old: Place,
}

impl Storage {
    /// Moves the content to another folder, which is created if it is missing: all files with their names, the
    /// part file, and the files beside the content. Reads and writes go on, and find everything in the new
    /// folder afterwards.
    ///
    /// Files on the same device are renamed, which other I/O waits for. Otherwise they are copied, with their
    /// holes, times and permissions, while reads and writes go on in the old folder. What was written in the
    /// meantime is copied again; other I/O waits only for the last part of that, at most some 32 MiB unless
    /// data comes faster than it can be copied. Everything is on the medium before the old files are deleted.
    /// Folders that are empty by that are deleted, too, but for the old root.
    ///
    /// `progress` is called while files are copied, after each MiB, and can end the move. Then, and after an
    /// error, the old folder is as it was, and the new one is left without what was copied. A kill at any
    /// moment loses nothing, if the next run is told of the move by
    /// [`StorageOptions::move_target`](crate::StorageOptions::move_target).
    ///
    /// Nothing that exists is replaced, whatever it is, but for records that a former run of the same torrent
    /// has left. The names are chosen as for a new content in that folder, and files that the user has renamed
    /// keep their names.
    ///
    /// A call waits for another move of the same content. Changes of the selection and of names may happen
    /// meanwhile; [`remove_files`](Self::remove_files) waits. A torrent that a [`Disk`](crate::Disk) has is
    /// moved by [`TorrentFiles::move_to`](crate::TorrentFiles::move_to).
    ///
    /// Returns `None` if `progress` ended it.
    ///
    /// # Errors
    /// A file of the content exists in the new folder ([`StorageError::Exists`]), its disk has no room or
    /// cannot hold a name, the storage is read-only, or the system refuses.
    pub fn move_to(
        &self,
        folder: &Path,
        progress: impl FnMut(MoveProgress) -> ControlFlow<()>,
    ) -> Result<Option<Moved>, StorageError> {
        self.move_when_calm(folder, progress, || ())
    }

    /// Moves the content. The value of `calm` is kept while I/O waits.
    pub(crate) fn move_when_calm<T>(
        &self,
        folder: &Path,
        mut progress: impl FnMut(MoveProgress) -> ControlFlow<()>,
        calm: impl Fn() -> T,
    ) -> Result<Option<Moved>, StorageError> {
        match &self.back {
            Back::Files(files) => files.move_to(folder, progress, calm),
            Back::Own(own) => {
                let is_moved = own.move_to(folder, &mut progress)?;
                Ok(is_moved.then_some(Moved { old: None, note: None, first_error: None }))
            }
        }
    }

    /// The move that an earlier run has begun and this one has finished, if there was one; see
    /// [`StorageOptions::move_target`](crate::StorageOptions::move_target). It is given once.
    pub fn finished_move(&self) -> Option<Moved> {
        self.files()?.finished_move()
    }
}

impl FileContent {
    fn move_to<T>(
        &self,
        folder: &Path,
        progress: impl FnMut(MoveProgress) -> ControlFlow<()>,
        calm: impl Fn() -> T,
    ) -> Result<Option<Moved>, StorageError> {
        if self.manner.read_only {
            return Err(StorageError::ReadOnly);
        }
        let _alone = self.begin_move();
        self.refuse_removed()?;
        let open = || Place::open(self.layout(), folder, self.manner);
        let new = self.pool.with_room(open)?;
        let old = self.root();
        if new.root.is_same(&old) {
            return Ok(Some(Moved { old: Some(old), note: None, first_error: None }));
        }
        // Of earlier moves, from here and from there.
        note::remove(&old, &self.identity)?;
        remove_traces(&new.root, &self.identity)?;
        // Also found below, but before anything is copied here.
        self.pool.with_room(|| self.refuse_conflicts(&new))?;
        let renamed = match old.disk() == new.root.disk() {
            true => self.settle_in(&new, None, &calm).map(Some),
            false => Ok(None),
        };
        let settled = match renamed {
            // One device can be mounted twice, and another below the root.
            Err(error) if error.is_across_devices() => self.copy_to(&new, progress, &calm)?,
            Ok(None) => self.copy_to(&new, progress, &calm)?,
            settled => settled?,
        };
        Ok(settled.map(|settled| self.leave(settled, &new.root)))
    }

    /// Copies the content and settles in the copy. `None` if `progress` ended it.
    fn copy_to<T>(
        &self,
        new: &Place,
        progress: impl FnMut(MoveProgress) -> ControlFlow<()>,
        calm: &impl Fn() -> T,
    ) -> Result<Option<Settled>, StorageError> {
        let staging = Staging::begin(self, &new.root);
        let copied = staging.copy(progress);
        let settled = match copied {
            Ok(ControlFlow::Continue(())) => self.settle_in(new, Some(&staging), calm).map(Some),
            Ok(ControlFlow::Break(())) => Ok(None),
            Err(error) => Err(error),
        };
        drop(staging);
        // What is left is of no use, and cannot be mistaken for anything else.
        let _ = staging::remove(&new.root, &self.identity);
        settled
    }

    /// Takes the files to their new places, and I/O with them. All or nothing.
    fn settle_in<T>(
        &self,
        new: &Place,
        staging: Option<&Staging<'_>>,
        calm: &impl Fn() -> T,
    ) -> Result<Settled, StorageError> {
        let _alone = self.begin_change();
        let calm = calm();
        let mut place = self.place_mut();
        place.refuse_removed()?;
        let renames = place.paths.renames().map(|(file, path)| (file, path.elements()));
        let target = Place {
            root: Arc::clone(&new.root),
            paths: new.paths.renamed_to(self.layout(), renames)?,
            ..place.clone()
        };
        self.pool.with_room(|| self.refuse_conflicts(&target))?;
        // Windows renames no file that is open, and others would be used after they are deleted.
        self.close_files();
        if let Some(staging) = staging {
            staging.catch_up(&place)?;
        }
        // Records of an earlier run there, of which the content is gone.
        for name in self.records() {
            target.root.remove([name.as_bytes()])?;
        }
        let means = if staging.is_some() { Means::Copy } else { Means::Rename };
        let mut entries = self.pool.with_room(|| self.entries(&place, &target))?;
        if let Some(staging) = staging {
            // Another program may have put a file there just now.
            entries.retain(|entry| staging.has(&entry.draft));
        }
        let note = Note { means, folder: target.root.path().to_owned(), entries };
        let before = self.stamps_in(&place);
        self.pool.with_room(|| note.save(&place.root, &self.identity))?;
        note.carry_out(&place.root, &target.root, &self.identity, &self.pool)?;
        let after = self.stamps_in(&target);
        let old = std::mem::replace(&mut *place, target);
        drop(place);
        let followed = before.into_iter().zip(after).zip(self.layout().files());
        let followed: Vec<_> = followed
            .filter(|((before, _), _)| before.is_some())
            .map(|((before, after), file)| Followed { file: file.index, before, after })
            .collect();
        ResumeRecord::follow(self, &followed);
        drop(calm);
        Ok(Settled { note, old })
    }

    /// Leaves the old folder: the new files are synced, and what is left of the old ones is deleted.
    fn leave(&self, Settled { note, old }: Settled, new: &Folder) -> Moved {
        // They are, and may have other names by now.
        let mut first_error = note.clear_old(&old.root, new, |_| true);
        self.move_links(&old, &mut first_error);
        remove_empty_folders(&old.root, note.old_folders(), |error| {
            first_error.get_or_insert(error);
        });
        Moved { old: Some(old.root), note: Some(self.identity), first_error }
    }

    /// Everything that is to be moved, as it is now.
    fn entries(&self, place: &Place, target: &Place) -> Result<Vec<Entry>, StorageError> {
        let mut entries = Vec::new();
        for file in self.layout().files().filter(is_content) {
            let [old, new] = [place, target].map(|place| place.path(&file));
            if place.root.kind(old.elements())? == Some(EntryKind::File) {
                let draft = staging::draft_name(Target::File(file.index.get()));
                entries.push(Entry { old: old.to_bytes(), draft, new: new.to_bytes() });
            }
        }
        let records = self.records().map(|name| (name.clone().into_bytes(), name));
        let parts = (staging::draft_name(Target::Parts), self.parts_name());
        for (draft, name) in records.chain([parts]) {
            if place.root.kind([name.as_bytes()])? == Some(EntryKind::File) {
                entries.push(Entry { old: name.clone().into(), draft, new: name.into() });
            }
        }
        Ok(entries)
    }

    /// An error if something has the place of a file in the new folder.
    fn refuse_conflicts(&self, target: &Place) -> Result<(), StorageError> {
        for file in self.layout().files().filter(|file| !file.is_pad()) {
            if target.root.kind(target.path(&file).elements())?.is_some() {
                return Err(StorageError::Exists { path: target.full_path(&file) });
            }
        }
        let parts = self.parts_name();
        match target.root.kind([parts.as_bytes()])? {
            Some(_) => Err(StorageError::Exists { path: target.root.path().join(parts) }),
            None => Ok(()),
        }
    }

    /// The stamps of all files in a place; `None` for those without one.
    fn stamps_in(&self, place: &Place) -> Vec<Option<FileStamp>> {
        let stamp = |file: File<'_>| self.stamp_of(place, &file).unwrap_or_default();
        // A stamp that is missing costs a check of the file.
        self.layout()
            .files()
            .map(|file| if is_content(&file) { stamp(file) } else { None })
            .collect()
    }

    /// Creates the links of the torrent (BEP 47) in the new folder, and deletes those in the old one.
    fn move_links(&self, old: &Place, first_error: &mut Option<StorageError>) {
        for file in self.layout().files().filter(|file| file.link_target.is_some()) {
            let path = old.path(&file);
            let moved = match old.root.link_target(path.elements()) {
                Ok(None) => Ok(()),
                Ok(Some(_)) => self
                    .create_link(&self.place(), &file)
                    .and_then(|()| Ok(old.root.remove(path.elements())?)),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = moved {
                first_error.get_or_insert(error);
            }
        }
    }

    /// Waits for another move, and holds up others.
    pub(super) fn begin_move(&self) -> MutexGuard<'_, ()> {
        self.moves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finished_move(&self) -> Option<Moved> {
        let mut finished = self.finished_move.lock().unwrap_or_else(PoisonError::into_inner);
        finished.take().map(|moved| *moved)
    }
}

/// Finishes or undoes the move to `target` of a run that was killed. Gives the folder that has the content,
/// and the move if it is finished.
pub(super) fn resume_move(
    old: &Path,
    target: &Path,
    identity: &InfoHashes,
    pool: &FilePool,
) -> Result<(PathBuf, Option<Moved>), StorageError> {
    let old_folder = match Folder::open(old) {
        // The user has deleted it, with the note, after everything had left it.
        Err(error) if error.is_not_found() => return Ok((target.to_owned(), None)),
        opened => opened?,
    };
    let new = Folder::open(target);
    let Some(note) = Note::load(&old_folder, identity)? else {
        // It has not come to the turning point.
        note::remove(&old_folder, identity)?;
        if let Ok(new) = &new {
            staging::remove(new, identity)?;
        }
        return Ok((old.to_owned(), None));
    };
    let new = match new {
        // A note of another move than the one that the caller knows of decides nothing.
        Err(error) if error.is_not_found() && note.folder != target => {
            return Ok((old.to_owned(), None));
        }
        opened => opened?,
    };
    if !note.leads_to(target, &new)? {
        return Ok((old.to_owned(), None));
    }
    match note.finish(&old_folder, &new, identity, pool) {
        // The killed run has not found out yet that the files have to be copied.
        Err(error) if error.is_across_devices() => {
            note.undo(&old_folder, &new, identity, pool)?;
            return Ok((old.to_owned(), None));
        }
        finished => finished?,
    }
    let is_new = |path: &[u8]| matches!(new.kind(elements(path)), Ok(Some(EntryKind::File)));
    let mut first_error = note.clear_old(&old_folder, &new, is_new);
    staging::remove(&new, identity)?;
    remove_empty_folders(&old_folder, note.old_folders(), |error| {
        first_error.get_or_insert(error);
    });
    let moved = Moved { old: Some(Arc::new(old_folder)), note: Some(*identity), first_error };
    Ok((target.to_owned(), Some(moved)))
}

/// Deletes what moves that were cut short have left in a folder.
pub(super) fn remove_traces(folder: &Folder, identity: &InfoHashes) -> Result<(), StorageError> {
    note::remove(folder, identity)?;
    staging::remove(folder, identity)
}

/// Returns `true` if it is neither padding nor a link.
fn is_content(file: &File<'_>) -> bool {
    !file.is_pad() && file.link_target.is_none()
}
