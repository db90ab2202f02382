//! The places of data on disk: the torrent's own files, or the part file.
//!
//! A wanted piece may reach into files that the user does not want. Its data of those files goes into the
//! part file: a sparse file as long as the content, in which each byte has its offset in the content, so
//! that it needs no index (S-09).

use tinytorrent_metainfo::FileIndex;

/// The place of the data of each file.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    /// Files whose data goes to the part file, sorted.
    parted: Vec<FileIndex>,
}

impl Placement {
    pub(crate) fn all_in_files() -> Self {
        Self::default()
    }

    /// A placement with these files in the part file; they have to be sorted.
    pub(crate) fn with_parted(parted: Vec<FileIndex>) -> Self {
        debug_assert!(parted.is_sorted());
        Self { parted }
    }

    pub(crate) fn is_in_file(&self, file: FileIndex) -> bool {
        self.parted.binary_search(&file).is_err()
    }

    pub(crate) fn is_all_in_files(&self) -> bool {
        self.parted.is_empty()
    }
}
