use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tinytorrent_folder::Folder;
use tinytorrent_metainfo::{FileIndex, Layout, PathChange};
use tinytorrent_types::InfoHashes;

use super::{
    Moved, StorageOptions, Target,
    io::Rest,
    moving,
    options::Manner,
    place::{Place, Shape},
    written::Written,
};
use crate::{FilePool, StorageError, pool::Access};

/// The content of one torrent in files below a folder.
#[derive(Debug)]
pub(crate) struct FileContent {
    pub(super) shape: Shape,
    pub(super) identity: InfoHashes,
    pub(super) manner: Manner,
    pub(super) pool: Arc<FilePool>,
    pub(super) id: u64,
    /// Locked for reading during all I/O, so that no data moves meanwhile (S-21).
    place: RwLock<Place>,
    pub(super) written: Mutex<Written>,
    /// Locked while something changes the places of files, or depends on that nothing does. Taken before
    /// the lock of `place`.
    changes: Mutex<()>,
    /// Locked during a move to another folder. Taken before the lock of `changes`.
    pub(super) moves: Mutex<()>,
    /// A move of an earlier run that was finished when this was opened.
    pub(super) finished_move: Mutex<Option<Box<Moved>>>,
}

impl FileContent {
    /// Opens the content below `root`; see [`Storage::open`](super::Storage::open).
    pub(super) fn open(
        shape: Shape,
        identity: InfoHashes,
        root: &Path,
        options: &StorageOptions,
    ) -> Result<Self, StorageError> {
        let pool = options.file_pool.clone().unwrap_or_default();
        let (place, finished_move) = pool.with_room(|| {
            let (root, finished_move) = match &options.move_target {
                Some(target) if !options.manner.read_only => {
                    moving::resume_move(root, target, &identity, &pool)?
                }
                _ => (root.to_owned(), None),
            };
            let mut place = Place::open(shape.layout(), &root, options.manner)?;
            place.read_names(&identity, shape.layout(), options.manner, &pool)?;
            Ok((place, finished_move))
        })?;
        Ok(Self {
            shape,
            place: RwLock::new(place),
            written: Mutex::default(),
            changes: Mutex::default(),
            moves: Mutex::default(),
            finished_move: Mutex::new(finished_move.map(Box::new)),
            id: pool.register(),
            manner: options.manner,
            identity,
            pool,
        })
    }

    pub(crate) fn identity(&self) -> InfoHashes {
        self.identity
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.shape.layout()
    }

    pub(super) fn root_path(&self) -> PathBuf {
        self.place().root.path().to_owned()
    }

    pub(super) fn content_path(&self) -> Option<PathBuf> {
        let file = self.layout().files().find(|file| !file.is_pad())?;
        let place = self.place();
        let path = place.path(&file).to_path_buf();
        Some(place.root.path().join(path.components().next()?))
    }

    pub(super) fn file_path(&self, file: FileIndex) -> Option<PathBuf> {
        let file = self.layout().file(file.get()).filter(|file| !file.is_pad())?;
        Some(self.place().full_path(&file))
    }

    pub(super) fn path_changes(&self) -> impl Iterator<Item = PathChange> {
        let (layout, paths) = (self.layout(), self.place().paths.clone());
        let files = layout.files().filter(|file| !file.is_pad());
        files.filter_map(move |file| paths.change(layout, &file))
    }

    pub(super) fn prepare(&self) -> Result<(), StorageError> {
        if self.manner.read_only {
            return Ok(());
        }
        for file in self.layout().files() {
            // For each file anew, so that a change of their places need not wait for all of them.
            let place = self.place();
            place.refuse_removed()?;
            if file.is_pad() || !place.placement.is_in_file(file.index) {
                continue;
            }
            if file.link_target.is_some() {
                self.pool.with_room(|| self.create_link(&place, &file))?;
            } else if file.length == 0 {
                // Nothing that exists is opened for writing, so that complete content on a
                // read-only medium is no error.
                if self.stamp_of(&place, &file)?.is_none() {
                    let target = Target::File(file.index.get());
                    self.open_target(&place, target, Access::Write)?;
                    self.written().add_whole(target);
                }
            } else if self.manner.preallocate {
                self.reserve(&place, file.index.get(), file.length)?;
            }
        }
        Ok(())
    }

    pub(super) fn write<S: AsRef<[u8]>>(
        &self,
        offset: u64,
        slices: &[S],
    ) -> Result<(), StorageError> {
        if self.manner.read_only {
            return Err(StorageError::ReadOnly);
        }
        let length = slices.iter().map(|slice| slice.as_ref().len() as u64).sum();
        let mut rest = Rest { slices, used: 0 };
        let place = self.place();
        place.refuse_removed()?;
        for span in self.layout().spans(offset, length) {
            // Taken for padding, too, whose bytes are dropped.
            let mut part = rest.take(span.length as usize);
            if !span.is_pad {
                self.write_span(&place, span, &mut part)?;
            }
        }
        Ok(())
    }

    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let place = self.place();
        let mut rest = buffer;
        for span in self.layout().spans(offset, rest.len() as u64) {
            let (part, after) = rest.split_at_mut(span.length as usize);
            rest = after;
            if span.is_pad {
                part.fill(0);
            } else {
                self.read_span(&place, span, part)?;
            }
        }
        Ok(())
    }

    /// Closes the files. They are opened again when they are used.
    pub(super) fn close_files(&self) {
        self.pool.close(self.id, None);
    }

    /// Closes the files, and takes those that have their names for the content.
    pub(crate) fn begin_anew(&self) {
        self.pool.begin_anew(self.id);
    }

    /// The number that the system has for the disk, or the same number for all disks if it has none.
    pub(crate) fn disk(&self) -> u64 {
        self.root().disk().unwrap_or_default()
    }

    /// An error if the files were deleted.
    pub(crate) fn refuse_removed(&self) -> Result<(), StorageError> {
        self.place().refuse_removed()
    }

    /// The folder that holds the content.
    pub(crate) fn root(&self) -> Arc<Folder> {
        Arc::clone(&self.place().root)
    }

    /// Waits for other changes of the places of files, and holds them up.
    pub(crate) fn begin_change(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The places of the files, which stay as they are until the guard is dropped.
    pub(super) fn place(&self) -> RwLockReadGuard<'_, Place> {
        self.place.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The places of the files, to be changed. Waits for I/O that is under way and holds up other I/O, so
    /// that no data moves under it (S-21).
    pub(super) fn place_mut(&self) -> RwLockWriteGuard<'_, Place> {
        self.place.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FileContent {
    fn drop(&mut self) {
        // The pool may be shared and live longer, with descriptors that no other storage can use.
        self.begin_anew();
    }
}
