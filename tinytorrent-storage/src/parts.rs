//! Which files are in their own places, and which have their parts of shared pieces elsewhere.

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

    pub(crate) fn is_in_file(&self, file: FileIndex) -> bool {
        self.parted.binary_search(&file).is_err()
    }
}
