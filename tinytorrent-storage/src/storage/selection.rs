//! The selection of wanted files, and the part file for the data of others.

use std::{fs::File, io::IoSlice};

use tinytorrent_folder::{Extent, Extents};
use tinytorrent_metainfo::{File as Entry, FileIndex};

use super::{Back, FileContent, PARTS_KEY, Storage, Target, io::mode_of, place::Place};
use crate::{Operation, StorageError, pool::Access, presence, vectored};

impl Storage {
    /// Selects the wanted files; without a call, all are wanted. The first call has to come before
    /// anything is written or recovered. Later calls change the selection, also while other threads read and
    /// write; [`prepare`](Self::prepare) then creates what is wanted now and not created by writes.
    ///
    /// An unwanted file is not created. The data that wanted pieces have of it goes to a part file in the
    /// root, `.<info-hash>.tinytorrent-parts` (S-09). An unwanted file that exists stays, and is used as it
    /// is. When a file becomes wanted, its data moves out of the part file (S-10). The part file is removed
    /// when it has no data left.
    ///
    /// Other I/O waits while the places of a few files change, at most 64 files or 16 MiB at a time (S-21).
    /// A call waits for others that change the places of files, and for [`recover`](crate::recover). After a
    /// kill at any moment, the next run finds all data: the file of moved data appears when it has all of it.
    ///
    /// # Errors
    /// The system refuses. Some files may have the place that was asked for, and the others have their
    /// old one; no data is lost.
    pub fn select(&self, is_wanted: impl Fn(FileIndex) -> bool) -> Result<(), StorageError> {
        self.select_when_calm(is_wanted, || ())
    }

    /// Selects the wanted files. The value of `calm` is kept while the places of some files change.
    pub(crate) fn select_when_calm<T>(
        &self,
        is_wanted: impl Fn(FileIndex) -> bool,
        calm: impl Fn() -> T,
    ) -> Result<(), StorageError> {
        match &self.back {
            Back::Files(files) => files.select(is_wanted, calm),
            // It has no part file: what wanted pieces have of unwanted files is kept with the rest.
            Back::Own(own) => own.refuse_removed(),
        }
    }
}

impl FileContent {
    fn select<T>(
        &self,
        is_wanted: impl Fn(FileIndex) -> bool,
        calm: impl Fn() -> T,
    ) -> Result<(), StorageError> {
        let _alone = self.begin_change();
        let Changes { to_parts, to_files, has_parts } = self.changes_for(is_wanted)?;
        self.give_to_parts(&to_parts, &calm)?;
        if self.manner.read_only {
            let mut place = self.place_mut();
            to_files.into_iter().for_each(|file| place.placement.unpart(file));
            return Ok(());
        }
        let moved = self.take_from_parts(&to_files, &calm)?;
        if has_parts {
            self.tidy_parts(&moved, &calm)?;
        }
        Ok(())
    }

    /// The files whose data is to have another place.
    fn changes_for(&self, is_wanted: impl Fn(FileIndex) -> bool) -> Result<Changes, StorageError> {
        let place = self.place().clone();
        place.refuse_removed()?;
        // There may be a part file of an earlier run.
        let has_parts = self.has_parts(&place)?;
        let mut changes = Changes { to_parts: Vec::new(), to_files: Vec::new(), has_parts };
        for file in self.layout().files().filter(|file| !file.is_pad()) {
            let is_parted = !place.placement.is_in_file(file.index);
            let is_absent = || Ok::<_, StorageError>(self.stamp_of(&place, &file)?.is_none());
            match is_wanted(file.index) {
                true if is_parted || (has_parts && is_absent()?) => {
                    changes.to_files.push(file.index);
                }
                false if !is_parted && is_absent()? => changes.to_parts.push(file.index),
                _ => {}
            }
        }
        Ok(changes)
    }

    fn give_to_parts<T>(
        &self,
        files: &[FileIndex],
        calm: &impl Fn() -> T,
    ) -> Result<(), StorageError> {
        for files in files.chunks(MAX_FILES) {
            let _calm = calm();
            let mut place = self.place_mut();
            for &file in files {
                let Some(entry) = self.layout().file(file.get()) else { continue };
                // A write may have created it meanwhile.
                if self.stamp_of(&place, &entry)?.is_none() {
                    place.placement.part(file);
                }
            }
        }
        Ok(())
    }

    /// Puts the data of these files into the files. Gives those that had data in the part file.
    fn take_from_parts<T>(
        &self,
        files: &[FileIndex],
        calm: &impl Fn() -> T,
    ) -> Result<Vec<FileIndex>, StorageError> {
        let mut moved = Vec::new();
        let mut files = files.iter().copied().peekable();
        while files.peek().is_some() {
            let _calm = calm();
            let mut place = self.place_mut();
            let (mut count, mut bytes) = (0, 0);
            while count < MAX_FILES
                && bytes < MAX_BYTES
                && let Some(file) = files.next()
            {
                // It may be repeated: the file appears when it is complete.
                let copied = self.pool.with_room(|| self.move_out_of_parts(&place, file))?;
                place.placement.unpart(file);
                if copied > 0 {
                    moved.push(file);
                }
                (count, bytes) = (count + 1, bytes + copied);
            }
        }
        Ok(moved)
    }

    /// Copies the data of a file from the part file to its own place. Gives the number of bytes.
    fn move_out_of_parts(&self, place: &Place, file: FileIndex) -> Result<u64, StorageError> {
        let Some(entry) = self.layout().file(file.get()) else { return Ok(0) };
        let parts = match self.open_target(place, Target::Parts, Access::Read) {
            Err(error) if error.is_not_found() => return Ok(0),
            other => other?,
        };
        let ranges = self.ranges_in_parts(place, &parts, &entry)?;
        if ranges.is_empty() {
            return Ok(0);
        }
        let target = Target::File(file.get());
        // The pool may have it open from before it was deleted.
        self.pool.close(self.id, Some(file.get()));
        if self.stamp_of(place, &entry)?.is_none() {
            self.copy_aside(place, &parts, &entry, &ranges)?;
        } else {
            // Somebody else has created it meanwhile.
            let own = self.open_target(place, target, Access::Write)?;
            self.copy_ranges(place, &parts, (&own, target), &entry, &ranges)?;
        }
        self.written().add_whole(target);
        Ok(ranges.iter().map(|(start, end)| end - start).sum())
    }

    /// The parts of a file that have data in the part file. Those are not only at its borders: pieces within
    /// it may have been on their way when it became unwanted.
    fn ranges_in_parts(
        &self,
        place: &Place,
        parts: &File,
        entry: &Entry<'_>,
    ) -> Result<Vec<(u64, u64)>, StorageError> {
        let failed = |source| self.examine_error(place, Target::Parts, source);
        let mut extents = Extents::new(parts).map_err(failed)?;
        let mut ranges = Vec::new();
        let (mut at, end) = (0, entry.length);
        while at < end {
            let (extent, next) = extents.at(entry.offset + at).map_err(failed)?;
            let next = end.min(next - entry.offset);
            // A hole that is copied would become zeros in the file, and data that has to be checked.
            if extent == Extent::Data {
                ranges.push((at, next));
            }
            at = next;
        }
        Ok(ranges)
    }

    /// Creates a file of data from the part file, under its name only when it has all of the data: a
    /// file that exists hides its data in the part file from the next run.
    fn copy_aside(
        &self,
        place: &Place,
        parts: &File,
        entry: &Entry<'_>,
        ranges: &[(u64, u64)],
    ) -> Result<(), StorageError> {
        let aside = self.aside_name();
        let aside = [aside.as_bytes()];
        let target = Target::File(entry.index.get());
        place.root.remove(aside)?;
        let file = place.root.create_file(aside, mode_of(entry))?;
        let moved = self.copy_ranges(place, parts, (&file, target), entry, ranges).and_then(|()| {
            Ok(place.root.move_entry(aside, &place.root, place.path(entry).elements())?)
        });
        if moved.is_err() {
            // The first error is the one to report.
            let _ = place.root.remove(aside);
        }
        match moved {
            // Another disk is mounted below the root.
            Err(error) if error.is_across_devices() => {
                let own = self.open_target(place, target, Access::Write)?;
                self.copy_ranges(place, parts, (&own, target), entry, ranges)
            }
            moved => moved,
        }
    }

    fn copy_ranges(
        &self,
        place: &Place,
        parts: &File,
        (file, target): (&File, Target),
        entry: &Entry<'_>,
        ranges: &[(u64, u64)],
    ) -> Result<(), StorageError> {
        let failed = |operation, target| {
            move |source| StorageError::io(operation, self.target_path(place, target), source)
        };
        let mut buffer = vec![0; COPY];
        for &(mut at, end) in ranges {
            while at < end {
                let length = (end - at).min(COPY as u64) as usize;
                let count = vectored::read_at(parts, &mut buffer[..length], entry.offset + at)
                    .map_err(failed(Operation::Read, Target::Parts))?;
                // The part file was cut meanwhile, by another program.
                if count == 0 {
                    break;
                }
                let data = &buffer[..count];
                // Where holes are not told from data, nearly all of it is a hole.
                if data.iter().any(|&byte| byte != 0) {
                    vectored::write_all_at(file, &mut [IoSlice::new(data)], at)
                        .map_err(failed(Operation::Write, target))?;
                }
                at += count as u64;
            }
        }
        let end = ranges.last().map_or(0, |(_, end)| *end);
        // Zeros at the end were not written.
        if file.metadata().map_err(failed(Operation::Examine, target))?.len() < end {
            file.set_len(end).map_err(failed(Operation::Allocate, target))?;
        }
        Ok(())
    }

    /// Gives back the room of data that has moved out of the part file, and removes a part file without
    /// data.
    fn tidy_parts<T>(
        &self,
        moved: &[FileIndex],
        calm: &impl Fn() -> T,
    ) -> Result<(), StorageError> {
        if !moved.is_empty() {
            // A power failure would otherwise lose both copies.
            self.sync()?;
        }
        let _calm = calm();
        let place = self.place_mut();
        if place.placement.is_all_in_files() || self.discard_parts(&place, moved)? {
            self.remove_parts(&place)?;
        }
        Ok(())
    }

    /// Gives back the room of these files' data in the part file. Returns `true` if no data is left.
    fn discard_parts(&self, place: &Place, files: &[FileIndex]) -> Result<bool, StorageError> {
        if files.is_empty() {
            return Ok(false);
        }
        let parts = match self.open_target(place, Target::Parts, Access::Write) {
            Err(error) if error.is_not_found() => return Ok(false),
            other => other?,
        };
        for file in files.iter().filter_map(|file| self.layout().file(file.get())) {
            presence::discard(&parts, file.offset, file.length);
        }
        self.written().add_whole(Target::Parts);
        presence::is_hole(&parts).map_err(|source| self.examine_error(place, Target::Parts, source))
    }

    fn remove_parts(&self, place: &Place) -> Result<(), StorageError> {
        // A later selection would otherwise write into the removed file, which the pool still has
        // open.
        self.pool.close(self.id, Some(PARTS_KEY));
        // On a read-only medium it is an error to remove a file, even if there is none.
        if self.has_parts(place)? {
            place.root.remove([self.parts_name().as_bytes()])?;
        }
        self.written().add_whole(Target::Parts);
        Ok(())
    }

    fn has_parts(&self, place: &Place) -> Result<bool, StorageError> {
        let stamp = || Ok(place.root.stamp([self.parts_name().as_bytes()])?);
        Ok(self.pool.with_room(stamp)?.is_some())
    }

    /// The name of a file that is created with data from the part file, until it is complete.
    pub(super) fn aside_name(&self) -> String {
        format!("{}.new", self.parts_name())
    }
}

/// The files whose data has another place in a new selection.
struct Changes {
    /// Files that are not wanted and do not exist.
    to_parts: Vec<FileIndex>,
    /// Wanted files whose data may be in the part file.
    to_files: Vec<FileIndex>,
    has_parts: bool,
}

/// Files whose places change at once at most, and bytes that move meanwhile, so that others need not wait
/// longer than for a batch of writes.
const MAX_FILES: usize = 64;
const MAX_BYTES: u64 = 16 << 20;

/// Bytes that are copied at once.
const COPY: usize = 256 << 10;
