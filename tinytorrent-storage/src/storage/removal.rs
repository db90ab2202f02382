use std::path::PathBuf;

use tinytorrent_folder::EntryKind;
use tinytorrent_metainfo::File;

use super::{
    Back, FileContent, Storage, moving, names,
    place::Place,
    rename::{remove_empty_folders, slices},
};
use crate::{StorageError, resume};

/// The outcome of [`Storage::remove_files`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RemovedFiles {
    /// Number of files and links of the torrent that were deleted.
    pub removed: u64,
    /// Number of files and folders of the torrent that are left.
    pub left_count: u64,
    /// The first 64 of those that are left.
    pub left: Vec<PathBuf>,
    /// The first error of the system. Those that are left without an error are not the torrent's: a folder, a
    /// pipe or a link is in the place of a file.
    pub first_error: Option<StorageError>,
}

impl Storage {
    /// Deletes the content: the files of the torrent with their links (BEP 47), the part file, and the files
    /// beside the content, the [`MetadataFile`](crate::MetadataFile) included. Folders that are empty by that
    /// are deleted as well, but for the root.
    ///
    /// A file is the torrent's by its path, whatever is in it. Nothing else is deleted: no link is followed,
    /// and what is in the place of a file and is none is left.
    ///
    /// An error does not end it: the other files are deleted, and what is left is in the result. It may be
    /// called again. From its beginning on, all writes fail with [`StorageError::Removed`], so that nothing is
    /// created anew. A call waits for others that change the places of files, for
    /// [`recover`](crate::recover), and for I/O that is under way. A move and a check can be ended first.
    ///
    /// # Errors
    /// The storage is read-only.
    pub fn remove_files(&self) -> Result<RemovedFiles, StorageError> {
        match &self.back {
            Back::Files(files) => files.remove_files(),
            Back::Own(own) => own.remove(),
        }
    }
}

impl FileContent {
    fn remove_files(&self) -> Result<RemovedFiles, StorageError> {
        if self.manner.read_only {
            return Err(StorageError::ReadOnly);
        }
        let _alone = (self.begin_move(), self.begin_change());
        let place = {
            let mut place = self.place_mut();
            place.is_removed = true;
            place.clone()
        };
        self.close_files();
        let mut removal = Removal { place: &place, done: RemovedFiles::default() };
        let mut folders = Vec::new();
        for file in self.layout().files().filter(|file| !file.is_pad()) {
            if removal.remove_file(self, &file) {
                let mut path: Vec<Vec<u8>> =
                    place.path(&file).elements().map(<[u8]>::to_vec).collect();
                path.pop();
                // Most files share their folder with the one before.
                if folders.last() != Some(&path) {
                    folders.push(path);
                }
            }
        }
        for name in self.records().chain([self.parts_name()]) {
            removal.remove_companion(&name);
        }
        if let Err(error) = moving::remove_traces(&place.root, &self.identity) {
            removal.fail(error);
        }
        remove_empty_folders(&place.root, folders.into_iter(), |error| removal.fail(error));
        Ok(removal.done)
    }

    /// The names of the records that are kept beside the content.
    pub(super) fn records(&self) -> impl Iterator<Item = String> {
        std::iter::once(names::file_name(&self.identity)).chain(resume::file_names(&self.identity))
    }
}

struct Removal<'a> {
    place: &'a Place,
    done: RemovedFiles,
}

impl Removal<'_> {
    /// Deletes a file or a link of the torrent. Returns `true` if it was there.
    fn remove_file(&mut self, storage: &FileContent, file: &File<'_>) -> bool {
        let path = self.place.path(file);
        let removed = storage.pool.with_room(|| {
            let is_ours = self.is_ours(storage, file)?;
            if is_ours == Some(true) {
                self.place.root.remove(path.elements())?;
            }
            Ok(is_ours)
        });
        match removed {
            Ok(None) => false,
            Ok(Some(true)) => {
                self.done.removed += 1;
                true
            }
            Ok(Some(false)) => {
                self.leave(self.place.full_path(file));
                false
            }
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    /// Returns `true` if the entry in the place of a file is the torrent's; `None` if there is none.
    fn is_ours(
        &self,
        storage: &FileContent,
        file: &File<'_>,
    ) -> Result<Option<bool>, StorageError> {
        let path = self.place.path(file);
        let Some(kind) = self.place.root.kind(path.elements())? else { return Ok(None) };
        let target = self.place.link_target(storage.layout(), file);
        Ok(Some(match (kind, target) {
            (EntryKind::File, _) => true,
            (EntryKind::Link, Some(target)) => {
                let found = self.place.root.link_target(path.elements())?;
                found.is_some_and(|found| target.is_named_by(&found))
            }
            _ => false,
        }))
    }

    /// Deletes a file that is kept beside the content, and a draft of it that a kill has left.
    fn remove_companion(&mut self, name: &str) {
        for name in [name, &format!("{name}.new")] {
            let name = [name.as_bytes().to_vec()];
            if let Err(error) = self.place.root.remove(slices(&name)) {
                self.fail(error.into());
            }
        }
    }

    fn leave(&mut self, path: PathBuf) {
        self.done.left_count += 1;
        if self.done.left.len() < MAX_LEFT {
            self.done.left.push(path);
        }
    }

    fn fail(&mut self, error: StorageError) {
        if let Some(path) = error.path() {
            self.leave(path.to_owned());
        }
        self.done.first_error.get_or_insert(error);
    }
}

/// Paths that are kept of what is left. A torrent can have 100,000 files on a disk that fails.
const MAX_LEFT: usize = 64;
