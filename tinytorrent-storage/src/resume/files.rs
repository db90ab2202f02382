//! The claims of a record against the stamps of the files on disk, which are not read.

use tinytorrent_metainfo::FileIndex;
use tinytorrent_types::{BlockInfo, PieceIndex};

use super::ResumeRecord;
use crate::{FileStamp, Misfit, Storage, StorageError};

/// The stamps of the files now, compared with those in the record.
pub(super) struct Files {
    stamps: Vec<Option<FileStamp>>,
    is_unchanged: Vec<bool>,
    /// The content is in files, whose sizes say how far they reach. Of others, a check finds what is there.
    has_sizes: bool,
}

/// The state of the files of a piece.
pub(super) enum Claim {
    /// A file of the piece does not exist.
    Absent,
    /// A file of the piece has another stamp than in the record.
    Changed,
    Unchanged,
    /// The piece is padding, and in no file.
    Padding,
}

impl Files {
    /// Takes the stamps. `is_kept`: the record is that of a content that has right pieces alone, and needs none.
    pub(super) fn look(
        storage: &Storage,
        record: Option<&ResumeRecord>,
        is_kept: bool,
    ) -> Result<Self, StorageError> {
        let stamps = storage.stamps()?;
        let has_sizes = storage.files().is_some();
        let is_unchanged = match record {
            Some(record) => {
                // Both are of the same length: a record for another number of files was refused
                // when it was read.
                let is_known = |now: &Option<FileStamp>| has_sizes || is_kept || now.is_some();
                let pairs = stamps.iter().zip(&record.stamps);
                pairs.map(|(now, then)| now == then && is_known(now)).collect()
            }
            None => vec![false; stamps.len()],
        };
        Ok(Self { stamps, is_unchanged, has_sizes })
    }

    /// The files that are longer than in the torrent.
    pub(super) fn longer(&self, storage: &Storage) -> Vec<Misfit> {
        let mut misfits = storage.misfits_among(&self.stamps);
        misfits.retain(Misfit::is_longer);
        misfits
    }

    pub(super) fn claim(&self, storage: &Storage, piece: PieceIndex) -> Claim {
        let mut claim = Claim::Padding;
        for span in storage.layout().piece_spans(piece).filter(|span| !span.is_pad) {
            if matches!(claim, Claim::Padding) {
                claim = Claim::Unchanged;
            }
            let is_elsewhere = storage.is_in_parts(span.file);
            if self.size(span.file) < span.offset + 1 && !is_elsewhere {
                return Claim::Absent;
            }
            // The record has no stamp of the part file, so that pieces with data there are checked
            // each time.
            if is_elsewhere || !self.is_unchanged[span.file.as_usize()] {
                claim = Claim::Changed;
            }
        }
        claim
    }

    /// The pieces that may be on disk and are not known to be as in the record: those of files that have
    /// changed, as far as they reach, and those of padding. Some come more than once.
    pub(super) fn possible<'a>(
        &'a self,
        storage: &'a Storage,
    ) -> impl Iterator<Item = PieceIndex> + 'a {
        let layout = storage.layout();
        let length = u64::from(layout.geometry().nominal_piece_length());
        layout.files().flat_map(move |file| {
            let size = if file.is_pad() || storage.is_in_parts(file.index) {
                file.length
            } else if self.is_unchanged[file.index.as_usize()] {
                0
            } else {
                self.size(file.index).min(file.length)
            };
            let count = if size == 0 { 0 } else { (file.offset % length + size).div_ceil(length) };
            layout.file_pieces(file.index).take(count as usize)
        })
    }

    /// The files that have data, and the same stamps as in the record.
    pub(super) fn unchanged<'a>(
        &'a self,
        storage: &'a Storage,
    ) -> impl Iterator<Item = FileIndex> + 'a {
        let files = storage.layout().files().map(|file| file.index);
        files.filter(|file| self.is_unchanged[file.as_usize()] && self.size(*file) > 0)
    }

    /// The files that have other stamps than in the record.
    pub(super) fn changed<'a>(
        &'a self,
        storage: &'a Storage,
    ) -> impl Iterator<Item = FileIndex> + 'a {
        let files = storage.layout().files().map(|file| file.index);
        files.filter(|file| !self.is_unchanged[file.as_usize()])
    }

    /// Takes a file for changed, whatever its stamp.
    pub(super) fn doubt(&mut self, file: FileIndex) {
        self.is_unchanged[file.as_usize()] = false;
    }

    /// Takes all files for changed.
    pub(super) fn doubt_all(&mut self) {
        self.is_unchanged.fill(false);
    }

    fn size(&self, file: FileIndex) -> u64 {
        if !self.has_sizes {
            return u64::MAX;
        }
        self.stamps[file.as_usize()].map_or(0, |stamp| stamp.size)
    }

    /// Returns `true` if all files of the block are long enough for it.
    pub(super) fn may_have(&self, storage: &Storage, block: BlockInfo) -> bool {
        if !self.has_sizes {
            return storage.may_have(block);
        }
        storage.layout().block_spans(block).filter(|span| !span.is_pad).all(|span| {
            storage.is_in_parts(span.file) || self.size(span.file) >= span.offset + span.length
        })
    }
}
