//! The places of data on disk: the torrent's own files, or the part file.
//!
//! A wanted piece may reach into files that the user does not want. Its data of those files goes into the
//! part file: a sparse file as long as the content, in which each byte has its offset in the content, so
//! that it needs no index (S-09).

use std::collections::BTreeSet;

use tinytorrent_metainfo::FileIndex;

/// The place of the data of each file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placement {
    /// Files whose data goes to the part file.
    parted: BTreeSet<FileIndex>,
}

impl Placement {
    /// Puts the data of a file into the part file from now on.
    pub(crate) fn part(&mut self, file: FileIndex) {
        self.parted.insert(file);
    }

    /// Puts the data of a file into its own file from now on.
    pub(crate) fn unpart(&mut self, file: FileIndex) {
        self.parted.remove(&file);
    }

    pub(crate) fn is_in_file(&self, file: FileIndex) -> bool {
        !self.parted.contains(&file)
    }

    pub(crate) fn is_all_in_files(&self) -> bool {
        self.parted.is_empty()
    }
}
