use tinytorrent_metainfo::{FileIndex, FileSelection, Layout};
use tinytorrent_types::Bitfield;

use crate::TorrentError;

/// The choice of files to be downloaded.
#[derive(Debug, Clone)]
pub(super) struct FileChoice {
    /// Files named in the options; empty for no choice.
    by_user: FileSelection,
    /// Files named in the magnet link (BEP 53), which are used if the options name none.
    by_link: FileSelection,
}

/// The user chose a file that the torrent does not have.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoSuchFile {
    pub(super) index: u32,
    pub(super) count: u32,
}

impl From<NoSuchFile> for TorrentError {
    fn from(NoSuchFile { index, count }: NoSuchFile) -> Self {
        TorrentError::NoSuchFile { index, count }
    }
}

impl FileChoice {
    pub(super) fn new(by_user: FileSelection, by_link: FileSelection) -> Self {
        Self { by_user, by_link }
    }

    /// The choice that the user makes instead.
    pub(super) fn instead(&self, by_user: FileSelection) -> Self {
        Self { by_user, by_link: self.by_link.clone() }
    }

    /// The files that the user names; empty for no choice.
    pub(super) fn by_user(&self) -> &FileSelection {
        &self.by_user
    }

    pub(super) fn contains(&self, file: FileIndex) -> bool {
        let selection = self.selection();
        selection.is_empty() || selection.contains(file.get())
    }

    /// Returns the pieces that hold a byte of a chosen file.
    ///
    /// # Errors
    /// The options name a file that the torrent does not have. A link that does so is no error: the
    /// user has not made it, and its other files can be downloaded.
    pub(super) fn pieces(&self, layout: &Layout) -> Result<Bitfield, NoSuchFile> {
        self.check(layout.file_count())?;
        let piece_count = layout.geometry().piece_count();
        if self.selection().is_empty() {
            // Pieces that consist of padding belong to no file, and are part of the whole.
            return Ok(Bitfield::full(piece_count));
        }
        let mut pieces = Bitfield::new(piece_count);
        for file in layout.files().filter(|file| self.contains(file.index)) {
            layout.file_pieces(file.index).for_each(|piece| {
                pieces.insert(piece);
            });
        }
        Ok(pieces)
    }

    fn check(&self, count: u32) -> Result<(), NoSuchFile> {
        // Ranges ascend, so that the last one ends with the highest index.
        match self.by_user.ranges().last() {
            Some(range) if *range.end() >= count => Err(NoSuchFile { index: *range.end(), count }),
            Some(_) | None => Ok(()),
        }
    }

    fn selection(&self) -> &FileSelection {
        if self.by_user.is_empty() { &self.by_link } else { &self.by_user }
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_metainfo::Metainfo;

    use super::*;

    /// Three files of 16 KiB, a piece each.
    fn layout() -> Layout {
        let file = |name| format!("d6:lengthi16384e4:pathl1:{name}ee");
        let files: String = ["a", "b", "c"].map(file).concat();
        let hashes = "x".repeat(60);
        let torrent =
            format!("d4:infod5:filesl{files}e4:name1:n12:piece lengthi16384e6:pieces60:{hashes}ee");
        let metainfo = Metainfo::from_bytes(torrent.as_bytes()).unwrap();
        metainfo.info().layout().clone()
    }

    fn pieces(by_user: &[u32], by_link: &[u32]) -> Result<Vec<u32>, NoSuchFile> {
        let select = |files: &[u32]| FileSelection::new(files.iter().map(|&file| file..=file));
        let choice = FileChoice::new(select(by_user), select(by_link));
        Ok(choice.pieces(&layout())?.iter().collect())
    }

    #[test]
    fn the_choice_of_the_user_counts_before_that_of_the_link() {
        assert_eq!(pieces(&[], &[]).unwrap(), [0, 1, 2]);
        assert_eq!(pieces(&[], &[2]).unwrap(), [2]);
        assert_eq!(pieces(&[0, 1], &[2]).unwrap(), [0, 1]);
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_of_the_user_alone() {
        let error = pieces(&[1, 3], &[]).unwrap_err();
        assert_eq!((error.index, error.count), (3, 3));
        assert_eq!(pieces(&[], &[1, 3]).unwrap(), [1]);
    }
}
