//! Content of the program's own behind a [`Storage`](super::Storage).

use std::{
    ops::{ControlFlow, Range},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use tinytorrent_metainfo::{File, Layout};
use tinytorrent_types::{Bitfield, BlockInfo, InfoHashes, PieceIndex};

use super::{
    Misfit, MoveProgress, RemovedFiles, StorageOptions, io::Rest, misfits::is_plain, place::Shape,
};
use crate::{Content, FileStamp, FileTime, StorageError, presence::Presence};

/// The content of one torrent in a [`Content`]. Padding is dealt with here: it never comes there.
#[derive(Debug)]
pub(super) struct OwnContent {
    shape: Shape,
    pub(super) identity: InfoHashes,
    content: Arc<dyn Content>,
    is_read_only: bool,
    has_padding: bool,
    /// Locked for reading during writes, so that nothing is written after the content is removed.
    place: RwLock<OwnPlace>,
    /// Locked while the content is moved, removed or checked.
    changes: Mutex<()>,
}

#[derive(Debug)]
struct OwnPlace {
    folder: PathBuf,
    is_removed: bool,
}

impl OwnContent {
    pub(super) fn new(
        shape: Shape,
        identity: InfoHashes,
        folder: &Path,
        content: Arc<dyn Content>,
        options: &StorageOptions,
    ) -> Self {
        let has_padding = shape.layout().files().any(|file| file.is_pad());
        let place = RwLock::new(OwnPlace { folder: folder.to_owned(), is_removed: false });
        Self {
            shape,
            identity,
            content,
            is_read_only: options.manner.read_only,
            has_padding,
            place,
            changes: Mutex::default(),
        }
    }

    pub(super) fn layout(&self) -> &Layout {
        self.shape.layout()
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.place().folder.clone()
    }

    pub(super) fn write<S: AsRef<[u8]>>(
        &self,
        offset: u64,
        slices: &[S],
    ) -> Result<(), StorageError> {
        let place = self.place();
        self.refuse_read_only()?;
        place.refuse_removed()?;
        let length = slices.iter().map(|slice| slice.as_ref().len() as u64).sum();
        let mut rest = Rest { slices, used: 0 };
        for (is_pad, range) in self.parts(offset, length) {
            // Taken for padding, too, whose bytes are dropped.
            let part = rest.take((range.end - range.start) as usize);
            if !is_pad {
                self.content.write(range.start, &part)?;
            }
        }
        Ok(())
    }

    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let mut rest = buffer;
        for (is_pad, range) in self.parts(offset, rest.len() as u64) {
            let (part, after) = rest.split_at_mut((range.end - range.start) as usize);
            rest = after;
            if is_pad { part.fill(0) } else { self.content.read(range.start, part)? }
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), StorageError> {
        self.content.sync()
    }

    pub(super) fn presence(&self, piece: PieceIndex) -> Result<Presence, StorageError> {
        let geometry = self.layout().geometry();
        self.presence_of(geometry.piece_offset(piece), geometry.piece_length(piece).into())
    }

    pub(super) fn is_present(&self, range: Range<u64>) -> Result<bool, StorageError> {
        Ok(self.presence_of(range.start, range.end - range.start)? != Presence::Absent)
    }

    pub(super) fn may_have(&self, block: BlockInfo) -> bool {
        let offset = self.layout().geometry().block_offset(block);
        // One that is asked for in vain comes anew.
        let presence = self.presence_of(offset, block.length().into());
        presence.is_ok_and(|presence| presence != Presence::Absent)
    }

    fn presence_of(&self, offset: u64, length: u64) -> Result<Presence, StorageError> {
        let mut found = Presence::Padding;
        for (_, range) in self.parts(offset, length).filter(|(is_pad, _)| !is_pad) {
            let is_present = self.content.is_present(range)?;
            found = found.and(if is_present { Presence::Data } else { Presence::Absent });
        }
        Ok(found)
    }

    /// The stamps, as a record has those of files.
    pub(super) fn stamps(&self) -> Result<Vec<Option<FileStamp>>, StorageError> {
        self.layout().files().map(|file| self.stamp_of(&file)).collect()
    }

    pub(super) fn stamp_of(&self, file: &File<'_>) -> Result<Option<FileStamp>, StorageError> {
        if file.is_pad() {
            return Ok(None);
        }
        Ok(self.content.stamp(file.index)?.map(|stamp| FileStamp {
            size: file.length,
            modified: FileTime { seconds: 0, nanoseconds: 0 },
            changed: None,
            inode: Some(stamp),
        }))
    }

    /// The files that are not there as a whole.
    pub(super) fn misfits(&self) -> Result<Vec<Misfit>, StorageError> {
        let mut misfits = Vec::new();
        for file in self.layout().files().filter(is_plain) {
            if !self.content.is_present(file.offset..file.offset + file.length)? {
                misfits.push(Misfit { file: file.index, size: None, length: file.length });
            }
        }
        Ok(misfits)
    }

    pub(super) fn keep(&self, pieces: &[PieceIndex]) -> Vec<Result<(), StorageError>> {
        if let Err(error) = self.refuse_removed() {
            // Each needs an error of its own.
            let mut errors = vec![Err(error)];
            errors.resize_with(pieces.len(), || Err(StorageError::Removed));
            return errors;
        }
        self.content.keep(pieces)
    }

    pub(super) fn discard(&self, piece: PieceIndex) {
        self.content.discard(piece);
    }

    pub(super) fn kept(&self) -> Result<Option<Bitfield>, StorageError> {
        let pieces = self.layout().geometry().piece_count();
        // A bitfield of another length is of another torrent.
        Ok(self.content.kept()?.filter(|kept| kept.piece_count() == pieces))
    }

    pub(super) fn keeps_blocks(&self) -> bool {
        self.content.keeps_blocks()
    }

    pub(super) fn load_record(&self) -> Result<Option<Vec<u8>>, StorageError> {
        self.content.load_record()
    }

    pub(super) fn save_record(&self, record: &[u8]) -> Result<(), StorageError> {
        self.content.save_record(record)
    }

    /// Removes the content. Later writes are refused.
    pub(super) fn remove(&self) -> Result<RemovedFiles, StorageError> {
        self.refuse_read_only()?;
        let _alone = self.begin_change();
        self.place.write().unwrap_or_else(PoisonError::into_inner).is_removed = true;
        let mut done = RemovedFiles::default();
        match self.content.remove() {
            Ok(()) => {
                done.removed = self.file_count();
            }
            Err(error) => done.first_error = Some(error),
        }
        Ok(done)
    }

    /// Moves the content. Returns `false` if `progress` ended it.
    pub(super) fn move_to(
        &self,
        folder: &Path,
        progress: &mut dyn FnMut(MoveProgress) -> ControlFlow<()>,
    ) -> Result<bool, StorageError> {
        self.refuse_read_only()?;
        let _alone = self.begin_change();
        self.refuse_removed()?;
        let is_moved = self.content.move_to(folder, progress)?.is_continue();
        if is_moved {
            self.place.write().unwrap_or_else(PoisonError::into_inner).folder = folder.to_owned();
        }
        Ok(is_moved)
    }

    pub(super) fn refuse_removed(&self) -> Result<(), StorageError> {
        self.place().refuse_removed()
    }

    pub(super) fn begin_change(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn disk(&self) -> u64 {
        Arc::as_ptr(&self.content).cast::<u8>() as usize as u64
    }

    fn refuse_read_only(&self) -> Result<(), StorageError> {
        if self.is_read_only { Err(StorageError::ReadOnly) } else { Ok(()) }
    }

    fn file_count(&self) -> u64 {
        self.layout().files().filter(|file| !file.is_pad()).count() as u64
    }

    /// The parts of a range that are padding, and those that are not.
    fn parts(&self, offset: u64, length: u64) -> impl Iterator<Item = (bool, Range<u64>)> + '_ {
        let whole = (!self.has_padding && length > 0).then_some((false, offset..offset + length));
        let mut at = offset;
        let spans = self.has_padding.then(|| self.layout().spans(offset, length));
        let spans = spans.into_iter().flatten().map(move |span| {
            let range = at..at + span.length;
            at = range.end;
            (span.is_pad, range)
        });
        whole.into_iter().chain(spans)
    }

    fn place(&self) -> RwLockReadGuard<'_, OwnPlace> {
        self.place.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwnPlace {
    fn refuse_removed(&self) -> Result<(), StorageError> {
        if self.is_removed { Err(StorageError::Removed) } else { Ok(()) }
    }
}
