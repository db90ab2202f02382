use std::{
    io::IoSlice,
    ops::{ControlFlow, Range},
    path::Path,
};

use tinytorrent_hash::sha1;
use tinytorrent_metainfo::FileIndex;
use tinytorrent_types::{Bitfield, PieceIndex};

use super::{Back, FileContent, MoveProgress, Storage};
use crate::{Content, StorageError, pool::Access, presence, presence::Presence, resume};

/// Files, as the content behind another storage: for contents that are composed of several, and for the contract.
impl Content for Storage {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.read(offset, buffer)
    }

    fn write(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<(), StorageError> {
        let slices: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
        self.write(offset, &slices)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.sync()
    }

    fn is_present(&self, range: Range<u64>) -> Result<bool, StorageError> {
        match &self.back {
            Back::Files(files) => files.is_present(range),
            Back::Own(own) => own.is_present(range),
        }
    }

    fn stamp(&self, file: FileIndex) -> Result<Option<u64>, StorageError> {
        let stamp = self.stamp(file)?;
        if self.files().is_none() {
            return Ok(stamp.and_then(|stamp| stamp.inode));
        }
        let [a, b, c, d, e, f, g, h, ..] = sha1(&resume::encode_stamp(stamp));
        Ok(Some(u64::from_be_bytes([a, b, c, d, e, f, g, h])))
    }

    fn keep(&self, pieces: &[PieceIndex]) -> Vec<Result<(), StorageError>> {
        match &self.back {
            Back::Files(_) => pieces.iter().map(|_| Ok(())).collect(),
            Back::Own(own) => own.keep(pieces),
        }
    }

    fn discard(&self, piece: PieceIndex) {
        self.discard(piece);
    }

    fn kept(&self) -> Result<Option<Bitfield>, StorageError> {
        self.kept()
    }

    fn keeps_blocks(&self) -> bool {
        self.keeps_blocks()
    }

    fn load_record(&self) -> Result<Option<Vec<u8>>, StorageError> {
        self.load_record(u64::MAX)
    }

    fn save_record(&self, record: &[u8]) -> Result<(), StorageError> {
        self.save_record(record)
    }

    fn remove(&self) -> Result<(), StorageError> {
        self.remove_files()?.first_error.map_or(Ok(()), Err)
    }

    fn move_to(
        &self,
        folder: &Path,
        progress: &mut dyn FnMut(MoveProgress) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StorageError> {
        Ok(match self.move_to(folder, progress)? {
            Some(moved) => {
                moved.settle();
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        })
    }
}

impl FileContent {
    fn is_present(&self, range: Range<u64>) -> Result<bool, StorageError> {
        let place = self.place();
        let length = range.end.saturating_sub(range.start);
        for span in self.layout().spans(range.start, length).filter(|span| !span.is_pad) {
            let (target, offset) = place.locate(self.layout(), span);
            let found = match self.open_target(&place, target, Access::Read) {
                Ok(file) => presence::of_range(&file, offset, span.length)
                    .map_err(|source| self.examine_error(&place, target, source))?,
                Err(error) if error.is_not_found() => Presence::Absent,
                Err(error) => return Err(error),
            };
            // A hole reads as zeros, and may be right.
            if found == Presence::Absent {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
