use core::fmt;

/// The position of a file in its torrent, with pad files counted (BEP 47; BEP 53 counts the same way).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct FileIndex(u32);

impl FileIndex {
    /// The file at this position, which a torrent may have or not.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number, as in the `so` of a magnet link.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number as an index into a table with an entry for each file.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for FileIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
