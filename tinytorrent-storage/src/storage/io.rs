//! Reading and writing spans of files: the file on disk that has them, and the system calls.

use std::{
    fs::File,
    io::IoSlice,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use tinytorrent_folder::{Elements, Mode};
use tinytorrent_metainfo::{File as Entry, FileSpan};

use super::{FileContent, PARTS_KEY, Target, place::Place};
use crate::{
    Operation, StorageError,
    pool::{Access, FileKey, Held},
    presence, vectored,
};

impl FileContent {
    pub(super) fn write_span(
        &self,
        place: &Place,
        span: FileSpan,
        slices: &mut [IoSlice<'_>],
    ) -> Result<(), StorageError> {
        let (target, offset) = place.locate(self.layout(), span);
        self.write_to(place, target, offset, slices)
    }

    pub(super) fn write_to(
        &self,
        place: &Place,
        target: Target,
        offset: u64,
        slices: &mut [IoSlice<'_>],
    ) -> Result<(), StorageError> {
        let Held { file, least, .. } = self.hold_target(place, target, Access::Write)?;
        // Before the size: another thread may be writing.
        let before = least.load(Ordering::Acquire);
        if file.metadata().is_ok_and(|found| found.len() < before) {
            // It grows again by this write, and nobody would see then what it has lost.
            self.pool.note_stranger(self.key(target));
        }
        let length = slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
        let written = vectored::write_all_at(&file, slices, offset);
        // After the write: a `sync` that takes the set between the two would flush the file before its
        // data is there, and no later one would. A write that failed may have written something.
        self.written().add(target, offset..offset + length);
        if written.is_ok() {
            least.fetch_max(offset + length, Ordering::Release);
        }
        written.map_err(|source| {
            StorageError::io(Operation::Write, self.target_path(place, target), source)
        })
    }

    pub(super) fn read_span(
        &self,
        place: &Place,
        span: FileSpan,
        buffer: &mut [u8],
    ) -> Result<(), StorageError> {
        let (target, offset) = place.locate(self.layout(), span);
        let missing =
            |offset| StorageError::MissingData { path: self.target_path(place, target), offset };
        let held = match self.hold_target(place, target, Access::Read) {
            // A file is created by its first write, so that one without a file lacks data as a
            // short one does.
            Err(error) if error.is_not_found() => return Err(missing(offset)),
            other => other?,
        };
        if held.is_stranger {
            return Err(StorageError::Replaced { path: self.target_path(place, target) });
        }
        let count = vectored::read_at(&held.file, buffer, offset).map_err(|source| {
            StorageError::io(Operation::Read, self.target_path(place, target), source)
        })?;
        if count < buffer.len() { Err(missing(offset + count as u64)) } else { Ok(()) }
    }

    pub(super) fn open_target(
        &self,
        place: &Place,
        target: Target,
        access: Access,
    ) -> Result<Arc<File>, StorageError> {
        Ok(self.hold_target(place, target, access)?.file)
    }

    fn hold_target(
        &self,
        place: &Place,
        target: Target,
        access: Access,
    ) -> Result<Held, StorageError> {
        self.pool.get(self.key(target), access, || match target {
            Target::File(file) => self.open_file(place, file, access),
            Target::Parts => open_path(place, [self.parts_name().as_bytes()], access, Mode::Data),
        })
    }

    fn key(&self, target: Target) -> FileKey {
        let file = match target {
            Target::File(file) => file,
            Target::Parts => PARTS_KEY,
        };
        FileKey { storage: self.id, file }
    }

    fn open_file(&self, place: &Place, index: u32, access: Access) -> Result<File, StorageError> {
        let Some(entry) = self.layout().file(index) else {
            return Err(StorageError::OutOfRange {
                offset: self.layout().total_length(),
                length: 0,
            });
        };
        open_path(place, place.path(&entry).elements(), access, mode_of(&entry))
    }

    pub(super) fn reserve(
        &self,
        place: &Place,
        index: u32,
        length: u64,
    ) -> Result<(), StorageError> {
        let target = Target::File(index);
        let file = self.open_target(place, target, Access::Write)?;
        self.written().add_whole(target);
        presence::reserve(&file, length).map_err(|source| {
            StorageError::io(Operation::Allocate, self.target_path(place, target), source)
        })
    }

    pub(super) fn target_path(&self, place: &Place, target: Target) -> PathBuf {
        match target {
            Target::File(index) => {
                self.layout().file(index).map_or_else(PathBuf::new, |file| place.full_path(&file))
            }
            Target::Parts => place.root.path().join(self.parts_name()),
        }
    }

    pub(super) fn parts_name(&self) -> String {
        format!(".{}.tinytorrent-parts", self.identity.to_wire())
    }
}

/// The permissions of a file that is created.
pub(super) fn mode_of(file: &Entry<'_>) -> Mode {
    match file.attributes.is_executable() {
        true => Mode::Executable,
        false => Mode::Data,
    }
}

fn open_path<'a>(
    place: &Place,
    elements: impl Elements<'a>,
    access: Access,
    mode: Mode,
) -> Result<File, StorageError> {
    Ok(match access {
        Access::Read => place.root.open_file(elements)?,
        Access::Write => place.root.create_file(elements, mode)?,
    })
}

/// Slices that are consumed from the front.
pub(super) struct Rest<'a, S> {
    pub(super) slices: &'a [S],
    /// Bytes of the first slice that are consumed.
    pub(super) used: usize,
}

impl<'a, S: AsRef<[u8]>> Rest<'a, S> {
    /// Consumes the next `length` bytes.
    pub(super) fn take(&mut self, mut length: usize) -> Vec<IoSlice<'a>> {
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
