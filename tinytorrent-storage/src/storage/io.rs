//! Reading and writing spans of files: the file on disk that has them, and the system calls.

use std::{
    fs::File,
    io::IoSlice,
    path::PathBuf,
    sync::{Arc, PoisonError},
};

use tinytorrent_folder::{Elements, Mode};
use tinytorrent_metainfo::FileSpan;

use super::{PARTS_KEY, Storage, Target};
use crate::{
    Operation, StorageError,
    parts::Placement,
    pool::{Access, FileKey},
    presence, vectored,
};

impl Storage {
    pub(super) fn write_span(
        &self,
        placement: &Placement,
        span: FileSpan,
        slices: &mut [IoSlice<'_>],
    ) -> Result<(), StorageError> {
        let (target, offset) = self.place(placement, span);
        self.write_to(target, offset, slices)
    }

    pub(super) fn write_to(
        &self,
        target: Target,
        offset: u64,
        slices: &mut [IoSlice<'_>],
    ) -> Result<(), StorageError> {
        let file = self.open_target(target, Access::Write)?;
        let written = vectored::write_all_at(&file, slices, offset);
        // After the write: a `sync` that takes the set between the two would flush the file before its
        // data is there, and no later one would. A write that failed may have written something.
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).insert(target);
        written
            .map_err(|source| StorageError::io(Operation::Write, self.target_path(target), source))
    }

    pub(super) fn read_span(
        &self,
        placement: &Placement,
        span: FileSpan,
        buffer: &mut [u8],
    ) -> Result<(), StorageError> {
        let (target, offset) = self.place(placement, span);
        let missing = |offset| StorageError::MissingData { path: self.target_path(target), offset };
        let file = match self.open_target(target, Access::Read) {
            // A file is created by its first write, so that one without a file lacks data as a
            // short one does.
            Err(error) if error.is_not_found() => return Err(missing(offset)),
            other => other?,
        };
        let count = vectored::read_at(&file, buffer, offset).map_err(|source| {
            StorageError::io(Operation::Read, self.target_path(target), source)
        })?;
        if count < buffer.len() { Err(missing(offset + count as u64)) } else { Ok(()) }
    }

    /// The file on disk that has the span, and its offset there.
    pub(super) fn place(&self, placement: &Placement, span: FileSpan) -> (Target, u64) {
        if placement.is_in_file(span.file) {
            return (Target::File(span.file.get()), span.offset);
        }
        let start = self.layout().file(span.file.get()).map_or(0, |file| file.offset);
        (Target::Parts, start + span.offset)
    }

    pub(super) fn open_target(
        &self,
        target: Target,
        access: Access,
    ) -> Result<Arc<File>, StorageError> {
        let number = match target {
            Target::File(file) => file,
            Target::Parts => PARTS_KEY,
        };
        let key = FileKey { storage: self.id, file: number };
        self.pool.get(key, access, || match target {
            Target::File(file) => self.open_file(file, access),
            Target::Parts => self.open_path([self.parts_name().as_bytes()], access, Mode::Data),
        })
    }

    pub(super) fn open_file(&self, index: u32, access: Access) -> Result<File, StorageError> {
        let Some(entry) = self.layout().file(index) else {
            return Err(StorageError::OutOfRange {
                offset: self.layout().total_length(),
                length: 0,
            });
        };
        let mode = match entry.attributes.is_executable() {
            true => Mode::Executable,
            false => Mode::Data,
        };
        self.open_path(self.place.path(&entry).elements(), access, mode)
    }

    fn open_path<'a>(
        &self,
        elements: impl Elements<'a>,
        access: Access,
        mode: Mode,
    ) -> Result<File, StorageError> {
        Ok(match access {
            Access::Read => self.root().open_file(elements)?,
            Access::Write => self.root().create_file(elements, mode)?,
        })
    }

    pub(super) fn reserve(&self, index: u32, length: u64) -> Result<(), StorageError> {
        let target = Target::File(index);
        let file = self.open_target(target, Access::Write)?;
        presence::reserve(&file, length).map_err(|source| {
            StorageError::io(Operation::Allocate, self.target_path(target), source)
        })
    }

    pub(super) fn target_path(&self, target: Target) -> PathBuf {
        match target {
            Target::File(index) => self
                .layout()
                .file(index)
                .map_or_else(PathBuf::new, |file| self.place.full_path(&file)),
            Target::Parts => self.root().path().join(self.parts_name()),
        }
    }

    pub(super) fn parts_name(&self) -> String {
        format!(".{}.tinytorrent-parts", self.identity.to_wire())
    }
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
