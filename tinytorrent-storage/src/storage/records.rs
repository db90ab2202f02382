//! The resume data beside the content: the record, and the journal of files.

use std::sync::Arc;

use tinytorrent_types::Bitfield;

use super::{Back, FileContent, Storage};
use crate::{
    StorageError,
    resume::{self, Journal},
};

impl Storage {
    /// The bytes of the record, as far as `limit`; `None` if there is none, or it cannot be read.
    pub(crate) fn load_record(&self, limit: u64) -> Result<Option<Vec<u8>>, StorageError> {
        match &self.back {
            Back::Files(files) => files.load_record(limit),
            Back::Own(own) => own.load_record(),
        }
    }

    /// Replaces the record as a whole.
    pub(crate) fn save_record(&self, record: &[u8]) -> Result<(), StorageError> {
        match &self.back {
            Back::Files(files) => files.save_record(record),
            Back::Own(own) => own.save_record(record),
        }
    }

    /// The journal; `None` for content of the program's own, which has none.
    pub(crate) fn journal(&self) -> Option<Journal> {
        self.files().map(FileContent::journal)
    }

    /// The pieces that are known to be right since they were kept; `None` for content that does not tell.
    pub(crate) fn kept(&self) -> Result<Option<Bitfield>, StorageError> {
        match &self.back {
            Back::Files(_) => Ok(None),
            Back::Own(own) => own.kept(),
        }
    }

    /// Returns `true` if blocks of unfinished pieces last.
    pub(crate) fn keeps_blocks(&self) -> bool {
        match &self.back {
            Back::Files(_) => true,
            Back::Own(own) => own.keeps_blocks(),
        }
    }

    /// Returns `true` if the journal may be corrected.
    pub(crate) fn takes_records(&self) -> bool {
        let files = self.files();
        files.is_some_and(|files| !files.manner.read_only && files.refuse_removed().is_ok())
    }
}

impl FileContent {
    pub(crate) fn load_record(&self, limit: u64) -> Result<Option<Vec<u8>>, StorageError> {
        resume::load(&self.pool, &self.root(), &resume::record_name(&self.identity), limit)
    }

    pub(crate) fn save_record(&self, record: &[u8]) -> Result<(), StorageError> {
        self.refuse_removed()?;
        let name = resume::record_name(&self.identity);
        self.pool.with_room(|| Ok(self.root().replace(&name, record, true)?))
    }

    fn journal(&self) -> Journal {
        Journal::new(&self.identity, Arc::clone(&self.pool))
    }
}
