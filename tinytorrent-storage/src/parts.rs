//! Which files are in their own places, and which have their shares of pieces elsewhere.
//!
//! A piece may reach into files that nobody wants. What it has of those goes into the part file,
//! a sparse file as long as the content in which every byte lies at its place in the content, so
//! that it needs no index (S-09).

use tinytorrent_metainfo::FileIndex;

/// Where the data of each file is kept.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    /// The files whose data goes to the part file, sorted.
    parted: Vec<FileIndex>,
}

impl Placement {
    pub(crate) fn all_in_files() -> Self {
        Self::default()
    }

    /// `parted` is sorted.
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
