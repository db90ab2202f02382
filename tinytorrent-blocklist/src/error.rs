use std::io;

use crate::{BadLine, MAX_BYTES, MAX_RANGES};

/// The reason why a list was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The input cannot be read, or what is compressed is damaged.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The list is compressed, and the feature `gzip` is off.
    #[error("the list is compressed by gzip, which this program cannot read")]
    Compressed,
    /// The list is larger than [`MAX_BYTES`].
    #[error("the list has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// The list has more than [`MAX_RANGES`].
    #[error("the list has more than {MAX_RANGES} ranges")]
    TooManyRanges,
    /// Most of the lines are not understood. The first of them.
    #[error("this is no list of addresses: {0}")]
    NoList(BadLine),
    /// The binary format of PeerGuardian has another version.
    #[error("version {0} of the binary format is not known")]
    UnknownVersion(u8),
    /// The binary format ends in the middle of this entry, the first of which is 1.
    #[error("the list ends in the middle of entry {0}")]
    CutShort(u64),
}
