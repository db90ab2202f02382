use tinytorrent_types::GeometryError;

use super::limits::MAX_DEPTH;
use crate::path::PathChangeKind;

/// Why files make no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// No piece length, or more pieces than can be told apart.
    #[error("{0}")]
    Geometry(#[from] GeometryError),
    /// More than 2^31 files, or paths of more than 4 GiB.
    #[error("too many files")]
    TooManyFiles,
    /// The lengths add up to more than 2^63 - 1 bytes.
    #[error("the lengths up to file {file} exceed 2^63 - 1 bytes")]
    TotalLength {
        /// The file that went beyond.
        file: u32,
    },
    /// A path without elements; only pad files may do without (BEP 3, BEP 47).
    #[error("file {file} has no path")]
    EmptyPath {
        /// The file.
        file: u32,
    },
    /// A path with more elements than [`MAX_DEPTH`].
    #[error("the path of file {file} has more than {MAX_DEPTH} elements")]
    TooDeep {
        /// The file.
        file: u32,
    },
    /// The policy is [`PathPolicy::Exact`](crate::PathPolicy::Exact) and a name would have to change.
    #[error("the path of file {file}, {original:?}, is refused: {kind}")]
    PathRejected {
        /// The file.
        file: u32,
        /// Its path as the torrent has it.
        original: String,
        /// What is wrong with it, or the first of more reasons.
        kind: PathChangeKind,
    },
    /// As [`PathRejected`](Self::PathRejected), for the name of the folder that holds all files.
    #[error("the name {original:?} is refused: {kind}")]
    NameRejected {
        /// The name as the torrent has it.
        original: String,
        /// What is wrong with it, or the first of more reasons.
        kind: PathChangeKind,
    },
    /// So many paths collide that telling them apart would take too long.
    #[error("too many files share a path")]
    TooManyCollisions,
}
