mod as_content;
mod examine;
mod file_content;
mod io;
mod links;
mod misfits;
mod moving;
mod names;
mod options;
mod own_content;
mod padding;
mod place;
mod records;
mod removal;
mod rename;
mod selection;
mod written;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, MutexGuard},
};

use tinytorrent_metainfo::{FileIndex, Info, Layout, PathChange};
use tinytorrent_types::{BlockInfo, Geometry, InfoHashes, PieceIndex};

use own_content::OwnContent;
use place::Shape;

pub(crate) use file_content::FileContent;

pub use misfits::Misfit;
pub use moving::{MoveProgress, Moved};
pub use options::StorageOptions;
pub use removal::RemovedFiles;

use crate::{Content, StorageError};

/// The content of one torrent: reads and writes ranges of it, wherever the borders of its files lie.
///
/// The content is in files below a folder, or in a [`Content`] of the program's own
/// ([`with_content`](Self::with_content)). Of files:
///
/// - No file is created before it is written to. Files are sparse, unless
///   [`StorageOptions::preallocate`] is set (S-12).
/// - Padding is not on disk: writes to it are dropped, and reads of it give zeros (BEP 47).
/// - Files have the names that [`DiskPaths`](tinytorrent_metainfo::DiskPaths) finds for the root: those of
///   the layout, unless the content is there under others, or the disk cannot store them.
/// - No symbolic link below the root is followed, unless [`StorageOptions::follow_links`] is set for a
///   read-only storage.
/// - Content that is complete is never opened for writing.
/// - Files share the [`FilePool`](crate::FilePool)'s budget of descriptors.
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
    back: Back,
}

/// The place of the content. Files are no trait object, so that they cost what they did.
#[derive(Debug)]
enum Back {
    Files(FileContent),
    Own(OwnContent),
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
        let files = FileContent::open(Shape::Layout(layout), identity, root, options)?;
        Ok(Self { back: Back::Files(files) })
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
        let files = FileContent::open(Shape::Info(info), identity, root, options)?;
        Ok(Self { back: Back::Files(files) })
    }

    /// A storage over content of the program's own. `folder` is a name of its place, which is shown and
    /// [moved](Self::move_to) and means something to the program alone.
    ///
    /// Of the options, [`StorageOptions::read_only`] counts. What is about files alone has no effect, or is
    /// [`StorageError::NotPossible`]: the selection, renaming, cutting.
    pub fn with_content(
        layout: Arc<Layout>,
        identity: InfoHashes,
        folder: &Path,
        content: Arc<dyn Content>,
        options: &StorageOptions,
    ) -> Self {
        let shape = Shape::Layout(layout);
        let own = OwnContent::new(shape, identity, folder, content, options);
        Self { back: Back::Own(own) }
    }

    /// A storage over content of the program's own, of the torrent with this info dictionary; see
    /// [`with_content`](Self::with_content).
    pub fn with_content_for_info(
        info: Arc<Info>,
        folder: &Path,
        content: Arc<dyn Content>,
        options: &StorageOptions,
    ) -> Self {
        let identity = info.hashes();
        let own = OwnContent::new(Shape::Info(info), identity, folder, content, options);
        Self { back: Back::Own(own) }
    }

    /// Returns `true` if the content is in files below a folder, and not in a [`Content`] of the program's own.
    pub fn is_in_files(&self) -> bool {
        self.files().is_some()
    }

    /// The files and their places in the content.
    pub fn layout(&self) -> &Layout {
        match &self.back {
            Back::Files(files) => files.layout(),
            Back::Own(own) => own.layout(),
        }
    }

    /// The division of the content into pieces and blocks.
    pub fn geometry(&self) -> &Geometry {
        self.layout().geometry()
    }

    /// The info-hashes of the torrent.
    pub fn identity(&self) -> InfoHashes {
        match &self.back {
            Back::Files(files) => files.identity,
            Back::Own(own) => own.identity,
        }
    }

    /// The path of the folder that holds the content. Of content of the program's own, the name that was given
    /// for its place, or that it was moved to.
    pub fn root_path(&self) -> PathBuf {
        match &self.back {
            Back::Files(files) => files.root_path(),
            Back::Own(own) => own.folder(),
        }
    }

    /// The path of the file or the folder with the torrent's name; `None` if there are no files.
    pub fn content_path(&self) -> Option<PathBuf> {
        self.files()?.content_path()
    }

    /// The path of a file on disk; `None` for padding, for an index beyond the last file, and for content of
    /// the program's own.
    pub fn file_path(&self, file: FileIndex) -> Option<PathBuf> {
        self.files()?.file_path(file)
    }

    /// The files whose paths differ from those in the torrent, in order. They are those of the moment of this
    /// call.
    pub fn path_changes(&self) -> impl Iterator<Item = PathChange> {
        self.files().into_iter().flat_map(FileContent::path_changes)
    }

    /// Creates the files that no write creates: wanted empty files and symbolic links (BEP 47). If
    /// [`StorageOptions::preallocate`] is set, reserves room for the other wanted files. Nothing that
    /// exists is changed, and a read-only storage is left as it is.
    ///
    /// # Errors
    /// A file or a link cannot be created, or there is no room.
    pub fn prepare(&self) -> Result<(), StorageError> {
        self.files().map_or(Ok(()), FileContent::prepare)
    }

    /// Writes the slices one after the other, from byte `offset` of the content on, with one system call
    /// for each file.
    ///
    /// # Errors
    /// The system refuses, a link is in the way, the storage is read-only or the range is not
    /// within the content. Part of the data may have been written.
    pub fn write<S: AsRef<[u8]>>(&self, offset: u64, slices: &[S]) -> Result<(), StorageError> {
        self.check_range(offset, slices.iter().map(|slice| slice.as_ref().len() as u64).sum())?;
        match &self.back {
            Back::Files(files) => files.write(offset, slices),
            Back::Own(own) => own.write(offset, slices),
        }
    }

    /// Fills the buffer from byte `offset` of the content on.
    ///
    /// # Errors
    /// [`StorageError::MissingData`] where files are absent or too short; otherwise as for
    /// [`write`](Self::write).
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.check_range(offset, buffer.len() as u64)?;
        match &self.back {
            Back::Files(files) => files.read(offset, buffer),
            Back::Own(own) => own.read(offset, buffer),
        }
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
        if let Some(files) = self.files() {
            files.close_files();
        }
    }

    /// The files; `None` for content of the program's own.
    pub(crate) fn files(&self) -> Option<&FileContent> {
        match &self.back {
            Back::Files(files) => Some(files),
            Back::Own(_) => None,
        }
    }

    /// The number that the system has for the disk, or the same number for all disks if it has none. Each
    /// content of the program's own counts as a disk by itself.
    pub(crate) fn disk(&self) -> u64 {
        match &self.back {
            Back::Files(files) => files.disk(),
            Back::Own(own) => own.disk(),
        }
    }

    /// An error if the content was deleted.
    pub(crate) fn refuse_removed(&self) -> Result<(), StorageError> {
        match &self.back {
            Back::Files(files) => files.refuse_removed(),
            Back::Own(own) => own.refuse_removed(),
        }
    }

    /// Waits for other changes of the places of files, and holds them up.
    pub(crate) fn begin_change(&self) -> MutexGuard<'_, ()> {
        match &self.back {
            Back::Files(files) => files.begin_change(),
            Back::Own(own) => own.begin_change(),
        }
    }

    /// Takes in pieces that turned out right. Returns a result for each, in their order, or nothing if nothing
    /// is to be done, as for files.
    pub(crate) fn keep(&self, pieces: &[PieceIndex]) -> Vec<Result<(), StorageError>> {
        match &self.back {
            Back::Files(_) => Vec::new(),
            Back::Own(own) => own.keep(pieces),
        }
    }

    /// Forgets the blocks of a piece that turned out wrong, or was lost.
    pub(crate) fn discard(&self, piece: PieceIndex) {
        if let Back::Own(own) = &self.back {
            own.discard(piece);
        }
    }

    fn check_range(&self, offset: u64, length: u64) -> Result<(), StorageError> {
        let is_within =
            offset.checked_add(length).is_some_and(|end| end <= self.layout().total_length());
        if is_within { Ok(()) } else { Err(StorageError::OutOfRange { offset, length }) }
    }
}

/// The number of the part file in the pool. A layout has at most 2^31 files.
const PARTS_KEY: u32 = u32::MAX;
