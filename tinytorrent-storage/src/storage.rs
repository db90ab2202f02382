use std::{
    collections::BTreeSet,
    fs::File,
    io::IoSlice,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use tinytorrent_metainfo::{FileIndex, FileSpan, Info, Layout};
use tinytorrent_types::{BlockInfo, Geometry, InfoHashes, PieceIndex};

use crate::{
    FilePool, FileStamp, Operation, StorageError,
    parts::Placement,
    pool::FileKey,
    presence::{self, Presence},
    root::{Access, Root},
    vectored,
};

/// The content of one torrent in a folder: reads and writes ranges of it, wherever the borders of
/// its files lie.
///
/// - Nothing is created before it is written to; files are sparse unless
///   [`StorageOptions::preallocate`] says otherwise (S-12).
/// - Writes to padding go nowhere and reads of it give zeros (BEP 47).
/// - No symbolic link below the root is followed, ever.
/// - Files share the [`FilePool`]'s budget of descriptors.
///
/// All methods block and may be called from many threads at once. Ranges that overlap while one
/// of them is written are the caller's affair; [`Disk`](crate::Disk) keeps them apart.
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
    root: Root,
    options: StorageOptions,
    pool: Arc<FilePool>,
    id: u64,
    /// Held for reading during all I/O, so that files move only while nobody uses them (S-21).
    placement: RwLock<Placement>,
    /// Written since the last [`sync`](Storage::sync).
    unsynced: Mutex<BTreeSet<Target>>,
}

/// Who owns the layout: with 100,000 files it is too large for a second one.
#[derive(Debug)]
enum Shape {
    Layout(Arc<Layout>),
    Info(Arc<Info>),
}

/// How a [`Storage`] treats the file system.
///
/// # Defaults
/// - [`read_only`](Self::read_only): no
/// - [`preallocate`](Self::preallocate): no, files are sparse
/// - [`truncate_longer`](Self::truncate_longer): no, they are kept as they are
/// - [`file_pool`](Self::file_pool): one of its own, of 128 files
#[derive(Debug, Clone, Default)]
pub struct StorageOptions {
    read_only: bool,
    preallocate: bool,
    truncate_longer: bool,
    file_pool: Option<Arc<FilePool>>,
}

/// A file on disk: one of the torrent's, or the part file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    File(u32),
    Parts,
}

impl StorageOptions {
    /// Whether writes fail and nothing is ever created. Default: no.
    pub fn read_only(&mut self, read_only: bool) -> &mut Self {
        self.read_only = read_only;
        self
    }

    /// Whether [`Storage::prepare`] reserves room for wanted files. Default: no.
    ///
    /// It avoids fragments and finds out about a full disk at once. It costs the time to reserve,
    /// which is long on file systems that have to write zeros, and holes no longer tell which
    /// pieces are missing when there is no resume data. A file system that cannot do it is used
    /// without.
    pub fn preallocate(&mut self, preallocate: bool) -> &mut Self {
        self.preallocate = preallocate;
        self
    }

    /// Whether a file longer than the torrent's is cut when it is first written to. Default: no,
    /// what is beyond the torrent's length stays as it is (S-15).
    pub fn truncate_longer(&mut self, truncate: bool) -> &mut Self {
        self.truncate_longer = truncate;
        self
    }

    /// The budget of open files, shared with other storages. Default: one of its own.
    pub fn file_pool(&mut self, pool: Arc<FilePool>) -> &mut Self {
        self.file_pool = Some(pool);
        self
    }
}

impl Storage {
    /// Opens the content below `root`, which is created unless the storage is read-only. `root`
    /// is the folder that holds the torrent's name, not the one that bears it.
    ///
    /// # Errors
    /// The root cannot be created or opened.
    pub fn open(
        layout: Arc<Layout>,
        identity: InfoHashes,
        root: &Path,
        options: &StorageOptions,
    ) -> Result<Self, StorageError> {
        Self::with_shape(Shape::Layout(layout), identity, root, options)
    }

    /// Opens the content of a torrent whose info dictionary is at hand; see [`open`](Self::open).
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
        let access = if options.read_only { Access::Read } else { Access::Write };
        let pool = options.file_pool.clone().unwrap_or_default();
        Ok(Self {
            root: Root::open(root, access)?,
            placement: RwLock::new(Placement::all_in_files()),
            unsynced: Mutex::default(),
            id: pool.register(),
            options: options.clone(),
            shape,
            identity,
            pool,
        })
    }

    /// The files and their places.
    pub fn layout(&self) -> &Layout {
        match &self.shape {
            Shape::Layout(layout) => layout,
            Shape::Info(info) => info.layout(),
        }
    }

    /// How the content is cut into pieces and blocks.
    pub fn geometry(&self) -> Geometry {
        self.layout().geometry()
    }

    /// The torrent this is the content of.
    pub fn identity(&self) -> InfoHashes {
        self.identity
    }

    /// The folder that holds the content.
    pub fn root_path(&self) -> &Path {
        self.root.path()
    }

    /// Where a file is on disk; `None` for padding and beyond the last file.
    pub fn file_path(&self, file: FileIndex) -> Option<PathBuf> {
        let file = self.layout().file(file.get()).filter(|file| !file.is_pad())?;
        Some(file.path.below(self.root.path()))
    }

    /// Says which files are wanted; without it, all are. Call it before anything is written or
    /// recovered, and again whenever the choice changes.
    ///
    /// A file that is not wanted is not created: what wanted pieces have of it goes to a part file
    /// in the root, `.<info-hash>.tinytorrent-parts` (S-09). One that exists stays and is used as
    /// it is. When a file becomes wanted, its data moves out of the part file, and I/O waits for
    /// that (S-10). The part file goes when all files are wanted.
    ///
    /// # Errors
    /// The system refuses; the choice is then as it was before.
    pub fn select(&self, is_wanted: impl Fn(FileIndex) -> bool) -> Result<(), StorageError> {
        let mut placement = self.placement.write().unwrap_or_else(PoisonError::into_inner);
        let mut parted = Vec::new();
        let mut moved = Vec::new();
        // An earlier run may have left parts, too.
        let may_move = !placement.is_all_in_files() || self.has_parts()?;
        for file in self.layout().files().filter(|file| !file.is_pad()) {
            let is_wanted = is_wanted(file.index);
            if (is_wanted && !may_move) || self.root.stamp(file.path.elements())?.is_some() {
                continue;
            }
            if is_wanted {
                moved.push(file.index);
            } else {
                parted.push(file.index);
            }
        }
        if !self.options.read_only {
            moved.into_iter().try_for_each(|file| self.move_out_of_parts(file))?;
            if parted.is_empty() {
                self.pool.close(self.id, Some(PARTS_KEY));
                self.root.remove(std::iter::once(self.parts_name().as_bytes()))?;
                let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
                unsynced.remove(&Target::Parts);
            }
        }
        *placement = Placement::with_parted(parted);
        Ok(())
    }

    /// Creates what no write would: empty files that are wanted and, if so configured, room for
    /// the others. Does nothing for a read-only storage.
    ///
    /// # Errors
    /// A file cannot be created, or there is no room.
    pub fn prepare(&self) -> Result<(), StorageError> {
        if self.options.read_only {
            return Ok(());
        }
        let placement = self.placement.read().unwrap_or_else(PoisonError::into_inner);
        for file in self.layout().files() {
            let is_ours = !file.is_pad() && file.link_target.is_none();
            if !is_ours || !placement.is_in_file(file.index) {
                continue;
            }
            if file.length == 0 {
                self.open_target(Target::File(file.index.get()), Access::Write)?;
            } else if self.options.preallocate {
                self.reserve(file.index.get(), file.length)?;
            }
        }
        Ok(())
    }

    /// Writes the slices, one after the other, from byte `offset` of the content on: one call to
    /// the system for each file they touch.
    ///
    /// # Errors
    /// The system refuses, a link is in the way, the storage is read-only or the range is not
    /// within the content. Part of the data may have been written.
    pub fn write<S: AsRef<[u8]>>(&self, offset: u64, slices: &[S]) -> Result<(), StorageError> {
        if self.options.read_only {
            return Err(StorageError::ReadOnly);
        }
        let length = slices.iter().map(|slice| slice.as_ref().len() as u64).sum();
        self.check_range(offset, length)?;
        let mut rest = Rest { slices, used: 0 };
        let placement = self.placement.read().unwrap_or_else(PoisonError::into_inner);
        for span in self.layout().spans(offset, length) {
            let mut part = rest.take(span.length as usize);
            if !span.is_pad {
                self.write_span(&placement, span, &mut part)?;
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
        let placement = self.placement.read().unwrap_or_else(PoisonError::into_inner);
        let mut rest = buffer;
        for span in self.layout().spans(offset, rest.len() as u64) {
            let (part, after) = rest.split_at_mut(span.length as usize);
            rest = after;
            if span.is_pad {
                part.fill(0);
            } else {
                self.read_span(&placement, span, part)?;
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

    /// Brings all that was written so far to the medium.
    ///
    /// # Errors
    /// The system refuses; what has reached the medium is then not known.
    pub fn sync(&self) -> Result<(), StorageError> {
        let targets =
            std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        let result = self.sync_targets(&targets);
        if result.is_err() {
            self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).extend(targets);
        }
        result
    }

    /// Closes this storage's files, which are opened again when they are needed.
    pub fn close_files(&self) {
        self.pool.close(self.id, None);
    }

    /// Size and time of change of a file; `None` if there is none.
    ///
    /// # Errors
    /// The system refuses, or a link is in the way.
    pub fn stamp(&self, file: FileIndex) -> Result<Option<FileStamp>, StorageError> {
        match self.layout().file(file.get()) {
            Some(file) => self.root.stamp(file.path.elements()),
            None => Ok(None),
        }
    }

    /// [`stamp`](Self::stamp) of each file in the torrent's order; none for padding.
    pub(crate) fn stamps(&self) -> Result<Vec<Option<FileStamp>>, StorageError> {
        self.layout()
            .files()
            .map(|file| match file.is_pad() {
                true => Ok(None),
                false => self.root.stamp(file.path.elements()),
            })
            .collect()
    }

    /// Whether the file's data is in the part file.
    pub(crate) fn is_in_parts(&self, file: FileIndex) -> bool {
        let placement = self.placement.read().unwrap_or_else(PoisonError::into_inner);
        !placement.is_in_file(file)
    }

    /// Tells the system that this range will be read soon.
    pub(crate) fn will_need(&self, offset: u64, length: u64) {
        let placement = self.placement.read().unwrap_or_else(PoisonError::into_inner);
        for span in self.layout().spans(offset, length).filter(|span| !span.is_pad) {
            let (target, offset) = self.place(&placement, span);
            if let Ok(file) = self.open_target(target, Access::Read) {
                presence::will_need(&file, offset, span.length);
            }
        }
    }

    /// What of a piece is on disk, as far as can be told without reading it.
    pub(crate) fn presence(&self, piece: PieceIndex) -> Result<Presence, StorageError> {
        let placement = self.placement.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = Presence::Padding;
        for span in self.layout().piece_spans(piece).filter(|span| !span.is_pad) {
            let (target, offset) = self.place(&placement, span);
            let of_span = match self.open_target(target, Access::Read) {
                Ok(file) => presence::of_range(&file, offset, span.length).map_err(|source| {
                    StorageError::io(Operation::Examine, self.target_path(target), source)
                })?,
                Err(error) if error.is_not_found() => Presence::Absent,
                Err(error) => return Err(error),
            };
            found = found.and(of_span);
        }
        Ok(found)
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    fn sync_targets(&self, targets: &BTreeSet<Target>) -> Result<(), StorageError> {
        if targets.len() > SYNC_ONE_BY_ONE && self.root.sync_file_system()? {
            return Ok(());
        }
        for &target in targets {
            let file = self.open_target(target, Access::Write)?;
            file.sync_data().map_err(|source| {
                StorageError::io(Operation::Sync, self.target_path(target), source)
            })?;
        }
        Ok(())
    }

    fn write_span(
        &self,
        placement: &Placement,
        span: FileSpan,
        slices: &mut [IoSlice<'_>],
    ) -> Result<(), StorageError> {
        let (target, offset) = self.place(placement, span);
        self.write_to(target, offset, slices)
    }

    fn write_to(
        &self,
        target: Target,
        offset: u64,
        slices: &mut [IoSlice<'_>],
    ) -> Result<(), StorageError> {
        let file = self.open_target(target, Access::Write)?;
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).insert(target);
        vectored::write_all_at(&file, slices, offset)
            .map_err(|source| StorageError::io(Operation::Write, self.target_path(target), source))
    }

    fn read_span(
        &self,
        placement: &Placement,
        span: FileSpan,
        buffer: &mut [u8],
    ) -> Result<(), StorageError> {
        let (target, offset) = self.place(placement, span);
        let missing = |offset| StorageError::MissingData { path: self.target_path(target), offset };
        let file = match self.open_target(target, Access::Read) {
            Err(error) if error.is_not_found() => return Err(missing(offset)),
            other => other?,
        };
        let count = vectored::read_at(&file, buffer, offset).map_err(|source| {
            StorageError::io(Operation::Read, self.target_path(target), source)
        })?;
        if count < buffer.len() { Err(missing(offset + count as u64)) } else { Ok(()) }
    }

    /// Which file on disk has the span, and where.
    fn place(&self, placement: &Placement, span: FileSpan) -> (Target, u64) {
        if placement.is_in_file(span.file) {
            return (Target::File(span.file.get()), span.offset);
        }
        let start = self.layout().file(span.file.get()).map_or(0, |file| file.offset);
        (Target::Parts, start + span.offset)
    }

    fn has_parts(&self) -> Result<bool, StorageError> {
        let stamp = self.root.stamp(std::iter::once(self.parts_name().as_bytes()))?;
        Ok(stamp.is_some())
    }

    /// Copies what the part file has of a file to its own place. That can only be in the first
    /// and the last of its pieces, as the others reach into no other file.
    fn move_out_of_parts(&self, file: FileIndex) -> Result<(), StorageError> {
        let parts = match self.open_target(Target::Parts, Access::Read) {
            Err(error) if error.is_not_found() => return Ok(()),
            other => other?,
        };
        let Some(entry) = self.layout().file(file.get()) else { return Ok(()) };
        let mut pieces = self.layout().file_pieces(file);
        let (first, last) = (pieces.next(), pieces.next_back());
        for piece in first.into_iter().chain(last) {
            let spans = self.layout().piece_spans(piece);
            for span in spans.filter(|span| span.file == file) {
                self.copy_from_parts(&parts, entry.offset, span)?;
            }
        }
        Ok(())
    }

    fn copy_from_parts(
        &self,
        parts: &File,
        file_offset: u64,
        span: FileSpan,
    ) -> Result<(), StorageError> {
        let examine =
            |source| StorageError::io(Operation::Examine, self.target_path(Target::Parts), source);
        let read =
            |source| StorageError::io(Operation::Read, self.target_path(Target::Parts), source);
        let (mut at, end) = (span.offset, span.offset + span.length);
        while at < end {
            let length = COPY.min(end - at);
            let found = presence::touches_data(parts, file_offset + at, length).map_err(examine)?;
            if found {
                let mut buffer = vec![0; length as usize];
                let count =
                    vectored::read_at(parts, &mut buffer, file_offset + at).map_err(read)?;
                let target = Target::File(span.file.get());
                self.write_to(target, at, &mut [IoSlice::new(&buffer[..count])])?;
            }
            at += length;
        }
        Ok(())
    }

    fn open_target(&self, target: Target, access: Access) -> Result<Arc<File>, StorageError> {
        let number = match target {
            Target::File(file) => file,
            Target::Parts => PARTS_KEY,
        };
        let key = FileKey { storage: self.id, file: number };
        self.pool.get(key, access, || match target {
            Target::File(file) => self.open_file(file, access),
            Target::Parts => self.root.file(std::iter::once(self.parts_name().as_bytes()), access),
        })
    }

    fn open_file(&self, index: u32, access: Access) -> Result<File, StorageError> {
        let Some(entry) = self.layout().file(index) else {
            return Err(StorageError::OutOfRange {
                offset: self.layout().total_length(),
                length: 0,
            });
        };
        let file = self.root.file(entry.path.elements(), access)?;
        if access == Access::Write && self.options.truncate_longer {
            let io = |operation| {
                move |source| {
                    StorageError::io(operation, self.target_path(Target::File(index)), source)
                }
            };
            if file.metadata().map_err(io(Operation::Examine))?.len() > entry.length {
                file.set_len(entry.length).map_err(io(Operation::Allocate))?;
            }
        }
        Ok(file)
    }

    fn reserve(&self, index: u32, length: u64) -> Result<(), StorageError> {
        let target = Target::File(index);
        let file = self.open_target(target, Access::Write)?;
        presence::reserve(&file, length).map_err(|source| {
            StorageError::io(Operation::Allocate, self.target_path(target), source)
        })
    }

    fn target_path(&self, target: Target) -> PathBuf {
        match target {
            Target::File(index) => self
                .layout()
                .file(index)
                .map_or_else(PathBuf::new, |file| file.path.below(self.root.path())),
            Target::Parts => self.root.path().join(self.parts_name()),
        }
    }

    fn parts_name(&self) -> String {
        format!(".{}.tinytorrent-parts", self.identity.to_wire())
    }

    fn check_range(&self, offset: u64, length: u64) -> Result<(), StorageError> {
        let is_within =
            offset.checked_add(length).is_some_and(|end| end <= self.layout().total_length());
        if is_within { Ok(()) } else { Err(StorageError::OutOfRange { offset, length }) }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.close_files();
    }
}

/// The part file's number in the pool; a layout has at most 2^31 files.
const PARTS_KEY: u32 = u32::MAX;

/// What is copied at once.
const COPY: u64 = 64 << 10;

/// From so many files on, syncing the whole file system costs less than syncing each: a guess, as
/// one costs some milliseconds on a disk and the other depends on what else is written.
const SYNC_ONE_BY_ONE: usize = 64;

/// Slices that are used up from the front.
struct Rest<'a, S> {
    slices: &'a [S],
    /// Bytes of the first slice that are used up.
    used: usize,
}

impl<'a, S: AsRef<[u8]>> Rest<'a, S> {
    /// The next `length` bytes.
    fn take(&mut self, mut length: usize) -> Vec<IoSlice<'a>> {
        let mut part = Vec::with_capacity(self.slices.len().min(length));
        while let Some((first, after)) = self.slices.split_first()
            && length > 0
        {
            let left = &first.as_ref()[self.used..];
            let count = left.len().min(length);
            part.push(IoSlice::new(&left[..count]));
            length -= count;
            if count == left.len() {
                (self.slices, self.used) = (after, 0);
            } else {
                self.used += count;
            }
        }
        part
    }
}
