//! What the system tells of files without reading them.

use std::{fs, io, ops::Range, sync::Arc};

use tinytorrent_folder::{Extent, Extents};
use tinytorrent_metainfo::{File, FileIndex, FileSpan};
use tinytorrent_types::{Bitfield, BlockInfo, PieceIndex};

use super::{Back, FileContent, Storage, Target, place::Place};
use crate::{
    FileStamp, Operation, StorageError,
    pool::Access,
    presence::{self, Presence},
};

impl Storage {
    /// The stamp of a file, which shows later changes of it; `None` if there is no such file. Content of the
    /// program's own has its [`Content::stamp`](crate::Content::stamp) in the place of the inode, and `None` if
    /// it cannot tell.
    ///
    /// # Errors
    /// The system refuses, or a link is in the way.
    pub fn stamp(&self, file: FileIndex) -> Result<Option<FileStamp>, StorageError> {
        let Some(file) = self.layout().file(file.get()) else { return Ok(None) };
        match &self.back {
            Back::Files(files) => files.stamp_of(&files.place(), &file),
            Back::Own(own) => own.stamp_of(&file),
        }
    }

    /// The [`stamp`](Self::stamp) of each file, in the torrent's order; `None` for padding.
    pub(crate) fn stamps(&self) -> Result<Vec<Option<FileStamp>>, StorageError> {
        match &self.back {
            Back::Files(files) => files.stamps(),
            Back::Own(own) => own.stamps(),
        }
    }

    /// Returns `true` if the file's data is in the part file.
    pub(crate) fn is_in_parts(&self, file: FileIndex) -> bool {
        self.files().is_some_and(|files| files.is_in_parts(file))
    }

    /// Advises the system that this range will be read soon.
    pub(crate) fn will_need(&self, offset: u64, length: u64) {
        if let Some(files) = self.files() {
            files.will_need(offset, length);
        }
    }

    /// The presence of a piece, found without reading it.
    pub(crate) fn presence(&self, piece: PieceIndex) -> Result<Presence, StorageError> {
        match &self.back {
            Back::Files(files) => files.presence(piece),
            Back::Own(own) => own.presence(piece),
        }
    }

    /// The pieces that may be there as a whole, found without reading them. Costs a look at each.
    ///
    /// # Errors
    /// The system or the content refuses.
    pub fn present_pieces(&self) -> Result<Bitfield, StorageError> {
        let mut present = Bitfield::new(self.geometry().piece_count());
        for piece in self.geometry().pieces() {
            if matches!(self.presence(piece)?, Presence::Data) {
                present.insert(piece);
            }
        }
        Ok(present)
    }

    /// Returns `true` if all of a block may be there, as far as content of the program's own tells.
    pub(crate) fn may_have(&self, block: BlockInfo) -> bool {
        match &self.back {
            Back::Files(_) => true,
            Back::Own(own) => own.may_have(block),
        }
    }
}

impl FileContent {
    pub(super) fn stamp_of(
        &self,
        place: &Place,
        file: &File<'_>,
    ) -> Result<Option<FileStamp>, StorageError> {
        // The system opens the file for it, or its folder.
        self.pool.with_room(|| place.stamp(file))
    }

    pub(super) fn stamps(&self) -> Result<Vec<Option<FileStamp>>, StorageError> {
        // A copy, as looking at many files takes long, and nothing is to wait for it.
        let place = self.place().clone();
        self.layout()
            .files()
            .map(|file| match file.is_pad() {
                true => Ok(None),
                false => self.stamp_of(&place, &file),
            })
            .collect()
    }

    fn is_in_parts(&self, file: FileIndex) -> bool {
        !self.place().placement.is_in_file(file)
    }

    fn will_need(&self, offset: u64, length: u64) {
        let place = self.place();
        for span in self.layout().spans(offset, length).filter(|span| !span.is_pad) {
            let (target, offset) = place.locate(self.layout(), span);
            // Only advice: an error shows again when the range is read.
            if let Ok(file) = self.open_target(&place, target, Access::Read) {
                presence::will_need(&file, offset, span.length);
            }
        }
    }

    fn presence(&self, piece: PieceIndex) -> Result<Presence, StorageError> {
        let place = self.place();
        let mut found = Presence::Padding;
        for span in self.layout().piece_spans(piece).filter(|span| !span.is_pad) {
            let (target, offset) = place.locate(self.layout(), span);
            let of_span = match self.open_target(&place, target, Access::Read) {
                Ok(file) => presence::of_range(&file, offset, span.length)
                    .map_err(|source| self.examine_error(&place, target, source))?,
                Err(error) if error.is_not_found() => Presence::Absent,
                Err(error) => return Err(error),
            };
            found = found.and(of_span);
        }
        Ok(found)
    }

    /// The part of the file with the span that begins with it, and its offset and end there. The parts of the
    /// file that was looked at last are kept in `known`.
    pub(crate) fn extent(
        &self,
        span: FileSpan,
        known: &mut Option<(Target, Extents<Arc<fs::File>>)>,
    ) -> Result<(Extent, Range<u64>), StorageError> {
        let place = self.place();
        let (target, offset) = place.locate(self.layout(), span);
        let failed = |source| self.examine_error(&place, target, source);
        let mut extents = match known.take() {
            Some((current, extents)) if current == target => extents,
            _ => {
                let file = self.open_target(&place, target, Access::Read)?;
                Extents::new(file).map_err(failed)?
            }
        };
        let found = extents.at(offset).map_err(failed);
        *known = Some((target, extents));
        found.map(|(extent, end)| (extent, offset..end))
    }

    pub(super) fn examine_error(
        &self,
        place: &Place,
        target: Target,
        source: io::Error,
    ) -> StorageError {
        StorageError::io(Operation::Examine, self.target_path(place, target), source)
    }
}
