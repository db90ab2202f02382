use core::fmt;

use tinytorrent_bencode::{DeviationKind, KeyPath, Kind};

use crate::path::PathChangeKind;

/// Something in a torrent that is not as it should be, and that reading got over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// What it is.
    pub kind: WarningKind,
    /// Where, in bytes from the start of what was read.
    pub offset: usize,
    /// In which value.
    pub path: KeyPath,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.kind, self.offset)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, " in `{}`", self.path) }
    }
}

/// What reading got over. Strict reading refuses all but those marked as harmless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WarningKind {
    /// Not canonical bencode.
    #[error("{0}")]
    Bencode(DeviationKind),
    /// An optional key holds another kind of value and was ignored.
    #[error("ignored, as it is not a {0}")]
    WrongKind(Kind),
    /// Harmless: an optional value makes no sense and was ignored.
    #[error("ignored, as it makes no sense")]
    Nonsense,
    /// A v2 torrent has `length` or `files` without `pieces`, or the other way round: too little for a
    /// hybrid torrent, and ignored (BEP 52, "upgrade path").
    #[error("the keys of v1 are incomplete: a hybrid torrent has `pieces` and `length` or `files`")]
    IncompleteV1,
    /// `name` is missing, empty or a dot; the info-hash stands in.
    #[error("the torrent has no usable name, its info-hash stands in")]
    NoName,
    /// All files are empty.
    #[error("the torrent has no content")]
    NoContent,
    /// Harmless: a path will not be written as the torrent has it.
    #[error("written as {written:?}: {}", list(.kinds))]
    PathChanged {
        /// The path that is used.
        written: String,
        /// Why.
        kinds: Vec<PathChangeKind>,
    },
    /// A symlink without a target below the root became an empty file (BEP 47).
    #[error("a symlink without a usable target, kept as an empty file")]
    Symlink,
    /// A blank URL, or one that is no text, was dropped.
    #[error("dropped, as it is no url")]
    NotUrl,
    /// `announce-list` holds URLs where it should hold tiers; each became a tier.
    #[error("a tracker outside of a tier, taken as a tier of its own")]
    FlatTier,
    /// An entry of `nodes` is no host and port, and was dropped.
    #[error("dropped, as it is no host and port")]
    NotNode,
    /// Harmless: `private` only counts within `info` (BEP 27).
    #[error("`private` outside of `info` means nothing")]
    PrivateOutsideInfo,
    /// A file larger than a piece has no piece layer; its hashes have to come from peers (BEP 52).
    #[error("the piece layer of file {file} is missing")]
    PieceLayerMissing {
        /// The file.
        file: u32,
    },
    /// A piece layer does not hash to the root it is filed under, and counts as missing (BEP 52).
    #[error("a piece layer does not hash to its root")]
    PieceLayerHash,
    /// A piece layer that belongs to no file was ignored (BEP 52).
    #[error("a piece layer of no file")]
    PieceLayerUnknown,
}

fn list(kinds: &[PathChangeKind]) -> String {
    kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
