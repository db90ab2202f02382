mod examine;
mod io;
mod links;
mod misfits;
mod moving;
mod names;
mod options;
mod padding;
mod place;
mod removal;
mod rename;
mod selection;
mod written;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tinytorrent_folder::Folder;
use tinytorrent_metainfo::{FileIndex, Info, Layout, PathChange};
use tinytorrent_types::{BlockInfo, Geometry, InfoHashes};

use io::Rest;
use options::Manner;
use place::{Place, Shape};
use written::Written;

pub use misfits::Misfit;
pub use moving::{MoveProgress, Moved};
pub use options::StorageOptions;
pub use removal::RemovedFiles;

use crate::{FilePool, StorageError, pool::Access};

/// The content of one torrent in a folder: reads and writes ranges of it, wherever the borders of
/// its files lie.
///
/// - No file is created before it is written to. Files are sparse, unless
///   [`StorageOptions::preallocate`] is set (S-12).
/// - Padding is not on disk: writes to it are dropped, and reads of it give zeros (BEP 47).
/// - Files have the names that [`DiskPaths`](tinytorrent_metainfo::DiskPaths) finds for the root: those of
///   the layout, unless the content is there under others, or the disk cannot store them.
/// - No symbolic link below the root is followed, unless [`StorageOptions::follow_links`] is set for a
///   read-only storage.
/// - Content that is complete is never opened for writing.
/// - Files share the [`FilePool`]'s budget of descriptors.
///
/// All methods block, and may be called from many threads at once. The caller must not write a range while
/// another thread reads or writes a part of it; [`Disk`](crate::Disk) sees to that.
///
/// ```
/// use std::sync::Arc;
/// use tinytorrent_metainfo::Layout;
/// use tinytorrent_storage::{Storage, StorageOptions};
/// use tinytorrent_types::{InfoHashV1, InfoHashes};
///
/// let mut builder = Layout::builder(16_384);
/// builder.file(["album", "a"], 3).file(["album", "b"], 5);
/// let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
/// let folder = tempfile::tempdir()?;
///
/// let layout = Arc::new(builder.build()?);
/// let storage = Storage::open(layout, identity, folder.path(), &StorageOptions::default())?;
/// storage.write(0, &["aaabb", "bbb"])?;
/// assert_eq!(std::fs::read(folder.path().join("album/b"))?, b"bbbbb");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Storage {
    shape: Shape,
    identity: InfoHashes,
    manner: Manner,
    pool: Arc<FilePool>,
    id: u64,
    /// Locked for reading during all I/O, so that no data moves meanwhile (S-21).
    place: RwLock<Place>,
    written: Mutex<Written>,
    /// Locked while something changes the places of files, or depends on that nothing does. Taken before
    /// the lock of `place`.
    changes: Mutex<()>,
    /// Locked during a move to another folder. Taken before the lock of `changes`.
    moves: Mutex<()>,
    /// A move of an earlier run that was finished when this was opened.
    finished_move: Mutex<Option<Box<Moved>>>,
}

/// A file on disk: one of the torrent's, or the part file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    File(u32),
    Parts,
}

impl Storage {
    /// Opens the content below `root`, which is created unless the storage is read-only. `root` is the
    /// folder that contains the file or the folder with the torrent's name.
    ///
    /// # Errors
    /// The root cannot be created or opened, its disk cannot store a name that
    /// [`PathPolicy::Exact`](tinytorrent_metainfo::PathPolicy::Exact) forbids to change, or the torrent would
    /// write over the records of others ([`StorageError::ReservedName`]).
    pub fn open(
        layout: Arc<Layout>,
        identity: InfoHashes,
        root: &Path,
        options: &StorageOptions,
    ) -> Result<Self, StorageError> {
        Self::with_shape(Shape::Layout(layout), identity, root, options)
    }

    /// Opens the content of the torrent with this info dictionary; see [`open`](Self::open).
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn for_info(
        info: Arc<Info>,
        root: &Path,
        options: &StorageOptions,
    ) -> Result<Self, StorageError> {
        let identity = info.hashes();
        Self::with_shape(Shape::Info(info), identity, root, options)
    }

    fn with_shape(
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

    /// The files and their places in the content.
    pub fn layout(&self) -> &Layout {
        self.shape.layout()
    }

    /// The division of the content into pieces and blocks.
    pub fn geometry(&self) -> &Geometry {
        self.layout().geometry()
    }

    /// The info-hashes of the torrent.
    pub fn identity(&self) -> InfoHashes {
        self.identity
    }

    /// The path of the folder that holds the content.
    pub fn root_path(&self) -> PathBuf {
        self.place().root.path().to_owned()
    }

    /// The path of the file or the folder with the torrent's name; `None` if there are no files.
    pub fn content_path(&self) -> Option<PathBuf> {
        let file = self.layout().files().find(|file| !file.is_pad())?;
        let place = self.place();
        let path = place.path(&file).to_path_buf();
        Some(place.root.path().join(path.components().next()?))
    }

    /// The path of a file on disk; `None` for padding, and for an index beyond the last file.
    pub fn file_path(&self, file: FileIndex) -> Option<PathBuf> {
        let file = self.layout().file(file.get()).filter(|file| !file.is_pad())?;
        Some(self.place().full_path(&file))
    }

    /// The files whose paths differ from those in the torrent, in order. They are those of the moment of this
    /// call.
    pub fn path_changes(&self) -> impl Iterator<Item = PathChange> {
        let (layout, paths) = (self.layout(), self.place().paths.clone());
        let files = layout.files().filter(|file| !file.is_pad());
        files.filter_map(move |file| paths.change(layout, &file))
    }

    /// Creates the files that no write creates: wanted empty files and symbolic links (BEP 47). If
    /// [`StorageOptions::preallocate`] is set, reserves room for the other wanted files. Nothing that
    /// exists is changed, and a read-only storage is left as it is.
    ///
    /// # Errors
    /// A file or a link cannot be created, or there is no room.
    pub fn prepare(&self) -> Result<(), StorageError> {
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

    /// Writes the slices one after the other, from byte `offset` of the content on, with one system call
    /// for each file.
    ///
    /// # Errors
    /// The system refuses, a link is in the way, the storage is read-only or the range is not
    /// within the content. Part of the data may have been written.
    pub fn write<S: AsRef<[u8]>>(&self, offset: u64, slices: &[S]) -> Result<(), StorageError> {
        if self.manner.read_only {
            return Err(StorageError::ReadOnly);
        }
        let length = slices.iter().map(|slice| slice.as_ref().len() as u64).sum();
        self.check_range(offset, length)?;
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

    /// Fills the buffer from byte `offset` of the content on.
    ///
    /// # Errors
    /// [`StorageError::MissingData`] where files are absent or too short; otherwise as for
    /// [`write`](Self::write).
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.check_range(offset, buffer.len() as u64)?;
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

    /// Reads one block, as [`read`](Self::read) does.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    ///
    /// # Panics
    /// If the buffer is not as long as the block.
    pub fn read_block(&self, block: BlockInfo, buffer: &mut [u8]) -> Result<(), StorageError> {
        assert_eq!(buffer.len(), block.length() as usize, "a buffer as long as the block");
        self.read(self.geometry().block_offset(block), buffer)
    }

    /// Closes the files of this storage. They are opened again when they are used.
    pub fn close_files(&self) {
        self.pool.close(self.id, None);
    }

    /// The number that the system has for the disk, or the same number for all disks if it has none.
    pub(crate) fn disk(&self) -> u64 {
        self.root().disk().unwrap_or_default()
    }

    /// An error if the files were deleted.
    pub(crate) fn refuse_removed(&self) -> Result<(), StorageError> {
        self.place().refuse_removed()
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.manner.read_only
    }

    pub(crate) fn pool(&self) -> &Arc<FilePool> {
        &self.pool
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
    fn place(&self) -> RwLockReadGuard<'_, Place> {
        self.place.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The places of the files, to be changed. Waits for I/O that is under way and holds up other I/O, so
    /// that no data moves under it (S-21).
    fn place_mut(&self) -> RwLockWriteGuard<'_, Place> {
        self.place.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_range(&self, offset: u64, length: u64) -> Result<(), StorageError> {
        let is_within =
            offset.checked_add(length).is_some_and(|end| end <= self.layout().total_length());
        if is_within { Ok(()) } else { Err(StorageError::OutOfRange { offset, length }) }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // The pool may be shared and live longer, with descriptors that no other storage can use.
        self.close_files();
    }
}

/// The number of the part file in the pool. A layout has at most 2^31 files.
const PARTS_KEY: u32 = u32::MAX;
