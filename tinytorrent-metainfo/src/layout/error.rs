use tinytorrent_types::GeometryError;

use super::limits::MAX_DEPTH;
use crate::path::PathChangeKind;

/// An error of files that cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The piece length is 0, or there are more pieces than indices.
    #[error("{0}")]
    Geometry(#[from] GeometryError),
    /// There are more than 2^31 files, or the names take more than 4 GiB.
    #[error("too many files")]
    TooManyFiles,
    /// The lengths add up to more than 2^63 - 1 bytes.
    #[error("the lengths up to file {file} exceed 2^63 - 1 bytes")]
    TotalLength {
        /// The first file beyond the limit.
        file: u32,
    },
    /// A path has no element, which is allowed for pad files alone (BEP 3, BEP 47).
    #[error("file {file} has no path")]
    EmptyPath {
        /// The file.
        file: u32,
    },
    /// A path has more elements than [`MAX_DEPTH`].
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
        /// The path in the torrent, from its folder on; see [`PathChange`](crate::PathChange).
        original: String,
        /// The first reason to change it.
        kind: PathChangeKind,
    },
    /// The policy is [`PathPolicy::Exact`](crate::PathPolicy::Exact) and the name of the torrent's folder
    /// would have to change.
    #[error("the name {original:?} is refused: {kind}")]
    NameRejected {
        /// The name in the torrent.
        original: String,
        /// The first reason to change it.
        kind: PathChangeKind,
    },
    /// So many paths collide that finding other names would take too long.
    #[error("too many files share a path")]
    TooManyCollisions,
}
