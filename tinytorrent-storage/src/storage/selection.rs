//! The selection of wanted files, and the part file for the data of others.

use std::{fs::File, io::IoSlice, sync::PoisonError};

use tinytorrent_metainfo::{FileIndex, FileSpan};

use super::{PARTS_KEY, Storage, Target};
use crate::{Operation, StorageError, parts::Placement, pool::Access, presence, vectored};

impl Storage {
    /// Selects the wanted files; without a call, all are wanted. The first call has to come before
    /// anything is written or recovered. Later calls change the selection.
    ///
    /// An unwanted file is not created. The data that wanted pieces have of it goes to a part file in the
    /// root, `.<info-hash>.tinytorrent-parts` (S-09). An unwanted file that exists is used as it is. When
    /// a file becomes wanted, its data moves out of the part file, and other I/O waits meanwhile (S-10).
    /// The part file is removed when all files are wanted.
    ///
    /// # Errors
    /// The system refuses; the selection is unchanged.
    pub fn select(&self, is_wanted: impl Fn(FileIndex) -> bool) -> Result<(), StorageError> {
        // Waits for I/O that is under way and holds up other I/O, so that no data moves under it
        // (S-21).
        let mut placement = self.placement.write().unwrap_or_else(PoisonError::into_inner);
        let mut parted = Vec::new();
        let mut moved = Vec::new();
        // There may be a part file of an earlier run.
        let may_move = !placement.is_all_in_files() || self.has_parts()?;
        for file in self.layout().files().filter(|file| !file.is_pad()) {
            let is_wanted = is_wanted(file.index);
            if (is_wanted && !may_move) || self.stamp_of(&file)?.is_some() {
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
                self.remove_parts()?;
            }
        }
        // Last, so that an error leaves the selection as it was.
        *placement = Placement::with_parted(parted);
        Ok(())
    }

    fn remove_parts(&self) -> Result<(), StorageError> {
        // A later selection would otherwise write into the removed file, which the pool still has
        // open.
        self.pool.close(self.id, Some(PARTS_KEY));
        // On a read-only medium it is an error to remove a file, even if there is none.
        if self.has_parts()? {
            self.root().remove([self.parts_name().as_bytes()])?;
        }
        // A sync would create the file again.
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).remove(&Target::Parts);
        Ok(())
    }

    fn has_parts(&self) -> Result<bool, StorageError> {
        let stamp = || Ok(self.root().stamp([self.parts_name().as_bytes()])?);
        Ok(self.pool.with_room(stamp)?.is_some())
    }

    /// Copies the data of a file from the part file to its own place. Only its first and its last piece
    /// can have data there, as the others reach into no other file.
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
            // A hole that is copied would become zeros in the file, and data that has to be
            // checked.
            if found {
                let mut buffer = vec![0; length as usize];
                let count =
                    vectored::read_at(parts, &mut buffer, file_offset + at).map_err(read)?;
                let target = Target::File(span.file.get());
                // Not the whole buffer: the part file may end within it.
                self.write_to(target, at, &mut [IoSlice::new(&buffer[..count])])?;
            }
            at += length;
        }
        Ok(())
    }
}

/// Bytes that are copied at once.
const COPY: u64 = 64 << 10;
