//! Content of the program's own.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod elsewhere;
mod memory;

use std::{
    fmt,
    io::IoSlice,
    ops::{ControlFlow, Range},
    path::Path,
};

use tinytorrent_metainfo::FileIndex;
use tinytorrent_types::{Bitfield, PieceIndex};

use crate::{MoveProgress, StorageError};

pub use elsewhere::FilesElsewhere;
pub use memory::MemoryContent;

/// The content of one torrent, wherever a program keeps it: in memory, in a database, in an object store.
/// [`Storage::with_content`](crate::Storage::with_content) makes a [`Storage`](crate::Storage) of it, which a
/// [`Disk`](crate::Disk) downloads to and serves from, and [`recover`](crate::recover) checks.
///
/// The content is a row of bytes, in which each file has the place that its
/// [`Layout`](tinytorrent_metainfo::Layout) says. Padding is left out of all calls (BEP 47).
///
/// # The calls
/// Only three have to be written. The others have defaults, which are right for a content that is written and
/// read in place, and is checked anew at each start.
///
/// | call | when |
/// |---|---|
/// | [`write`](Self::write) | blocks have come; they may turn out wrong |
/// | [`read`](Self::read) | blocks are served, checked, or read back to be hashed |
/// | [`keep`](Self::keep), [`discard`](Self::discard) | a piece turned out right or wrong |
/// | [`sync`](Self::sync), [`save_record`](Self::save_record) | at a checkpoint, in this order |
/// | [`load_record`](Self::load_record), [`kept`](Self::kept), [`stamp`](Self::stamp), [`is_present`](Self::is_present) | at the start, to find what earlier runs have left |
/// | [`remove`](Self::remove), [`move_to`](Self::move_to) | the user wants it |
///
/// All calls come from threads that may block, several at the same time, and from none of an asynchronous
/// runtime. No range is written while another call reads or writes a part of it, and no piece is kept or
/// discarded while it is written.
///
/// # Errors
/// [`StorageError::content`] makes an error of any other. Its [`Fault`](crate::Fault) decides what follows: of
/// [`Fault::NoDescriptor`](crate::Fault::NoDescriptor) the disk waits and tries again, of
/// [`Fault::Missing`](crate::Fault::Missing) a piece counts as not there. All else fails the piece, and a
/// client pauses the torrent; so an implementation tries again what may succeed later.
///
/// # Cost
/// A dynamic call for a run of blocks. Such contents have threads of their own on a [`Disk`](crate::Disk), so that
/// one that waits for a network holds up no files, but others of its kind:
/// [`DiskOptions::content_threads`](crate::DiskOptions::content_threads) is the number of calls under way.
///
/// The module `contract`, behind the feature of the same name, tests an implementation.
///
/// # Example
/// Content in a row of bytes that is there as a whole, such as a device or a mapping of memory:
///
/// ```
/// use std::{io::IoSlice, sync::Mutex};
/// use tinytorrent_storage::{Content, Fault, StorageError};
///
/// #[derive(Debug)]
/// struct Row(Mutex<Vec<u8>>);
///
/// impl Content for Row {
///     fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
///         let (row, start) = (self.0.lock().unwrap(), offset as usize);
///         let bytes = row.get(start..start + buffer.len());
///         let short = || StorageError::content(Fault::Missing, "row", "it is too short");
///         buffer.copy_from_slice(bytes.ok_or_else(short)?);
///         Ok(())
///     }
///
///     fn write(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<(), StorageError> {
///         let (mut row, mut at) = (self.0.lock().unwrap(), offset as usize);
///         for slice in slices {
///             let short = || StorageError::content(Fault::DiskFull, "row", "it is too short");
///             let target = row.get_mut(at..at + slice.len()).ok_or_else(short)?;
///             target.copy_from_slice(slice);
///             at += slice.len();
///         }
///         Ok(())
///     }
///
///     fn sync(&self) -> Result<(), StorageError> {
///         Ok(())
///     }
/// }
///
/// let row = Row(Mutex::new(vec![0; 10]));
/// row.write(2, &[IoSlice::new(b"ab"), IoSlice::new(b"c")])?;
/// let mut read = [0; 4];
/// row.read(1, &mut read)?;
/// assert_eq!(&read, b"\0abc");
/// # Ok::<(), StorageError>(())
/// ```
pub trait Content: fmt::Debug + Send + Sync {
    /// Fills the buffer from byte `offset` of the content on, with what was written last.
    ///
    /// # Errors
    /// A byte was never written ([`Fault::Missing`](crate::Fault::Missing)), or the data cannot be read. A byte
    /// between others may be zero instead, like one in a hole of a file.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError>;

    /// Writes the slices one after the other, from byte `offset` of the content on. They may cross the borders
    /// of files and of pieces. Later reads find them.
    ///
    /// # Errors
    /// The data cannot be written. Part of it may have been.
    fn write(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<(), StorageError>;

    /// Makes everything last that was written, or kept if [`keeps_blocks`](Self::keeps_blocks) is `false`.
    ///
    /// # Errors
    /// It is unknown how much lasts.
    fn sync(&self) -> Result<(), StorageError>;

    /// Returns `false` if a byte of this range was never written; `true` if all may be there. Should be quick,
    /// since it is asked of each piece before a check reads the piece. Default: `true`.
    ///
    /// # Errors
    /// The content cannot tell, for now.
    fn is_present(&self, _range: Range<u64>) -> Result<bool, StorageError> {
        Ok(true)
    }

    /// A number that changes whenever the data of this file does; `None` if the content cannot tell, so that
    /// each run checks all of the file that is there. Default: `None`.
    ///
    /// # Errors
    /// The content cannot tell, for now.
    fn stamp(&self, _file: FileIndex) -> Result<Option<u64>, StorageError> {
        Ok(None)
    }

    /// Takes in pieces that turned out right, of which all blocks were written. They count as complete, and peers
    /// hear of them, only afterwards. Returns a result for each, in their order; the blocks of one that failed
    /// are forgotten. Default: nothing is to be done.
    fn keep(&self, pieces: &[PieceIndex]) -> Vec<Result<(), StorageError>> {
        pieces.iter().map(|_| Ok(())).collect()
    }

    /// Forgets the blocks of a piece that turned out wrong or could not be kept. It may be written anew later.
    /// Default: nothing is to be done.
    fn discard(&self, _piece: PieceIndex) {}

    /// The pieces that this run and earlier ones have [kept](Self::keep), if the content has them and nothing
    /// else that lasts. They are not checked at a start, but for a sample of them, and others count as missing.
    /// `None` for a content of which any block may last. Default: `None`.
    ///
    /// # Errors
    /// The content cannot tell, for now.
    fn kept(&self) -> Result<Option<Bitfield>, StorageError> {
        Ok(None)
    }

    /// Returns `true` if blocks last that were written and not kept, so that the next run goes on with them.
    /// Default: `true`.
    fn keeps_blocks(&self) -> bool {
        true
    }

    /// The bytes of the last [`save_record`](Self::save_record); `None` if there are none. They may be damaged.
    /// Default: `None`.
    ///
    /// # Errors
    /// The record cannot be read, for now.
    fn load_record(&self) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(None)
    }

    /// Keeps these bytes with the content, for the next run: a [`ResumeRecord`](crate::ResumeRecord), with which
    /// files are not checked whose [`stamp`](Self::stamp) is as it was, and the counters of all runs. They
    /// replace those of the last call as a whole. Default: they are dropped.
    ///
    /// # Errors
    /// The bytes of the last call are unchanged.
    fn save_record(&self, _record: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }

    /// Deletes the content and its record. Nothing is written afterwards. Default: not possible.
    ///
    /// # Errors
    /// Something is left. It may be called again.
    fn remove(&self) -> Result<(), StorageError> {
        Err(StorageError::NotPossible { what: "be deleted" })
    }

    /// Moves the content and its record to another place, whose name means something to the program. Reads,
    /// writes and calls of [`keep`](Self::keep) may come meanwhile. `progress` can end it. Default: not possible.
    ///
    /// # Errors
    /// Everything is where it was.
    fn move_to(
        &self,
        _folder: &Path,
        _progress: &mut dyn FnMut(MoveProgress) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StorageError> {
        Err(StorageError::NotPossible { what: "be moved" })
    }
}

#[cfg(test)]
mod tests;
