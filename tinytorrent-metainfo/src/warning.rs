use core::fmt;

use tinytorrent_bencode::{DeviationKind, KeyPath, Kind};

use crate::path::PathChangeKind;

/// A fault of a torrent that lenient reading accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// The kind of the fault.
    pub kind: WarningKind,
    /// The place of the fault, in bytes from the start of the input.
    pub offset: usize,
    /// The path of the value.
    pub path: KeyPath,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.kind, self.offset)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, " in `{}`", self.path) }
    }
}

/// The kinds of [`Warning`]. Strict reading refuses all but the
/// [harmless](Self::is_harmless) ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WarningKind {
    /// The bencode is not canonical.
    #[error("{0}")]
    Bencode(DeviationKind),
    /// An optional key holds another kind of value and was ignored.
    #[error("ignored, as it is not a {0}")]
    WrongKind(Kind),
    /// Harmless: an optional value makes no sense and was ignored.
    #[error("ignored, as it makes no sense")]
    Nonsense,
    /// A v2 torrent has `length` or `files` without `pieces`, or the other way round. That is not enough
    /// for a hybrid torrent, so these keys were ignored (BEP 52, "upgrade path").
    #[error("the keys of v1 are incomplete: a hybrid torrent has `pieces` and `length` or `files`")]
    IncompleteV1,
    /// `name` is missing, empty, `.` or `..`; the info-hash is used as the name.
    #[error("the torrent has no usable name, its info-hash is used instead")]
    NoName,
    /// All files are empty.
    #[error("the torrent has no content")]
    NoContent,
    /// Harmless: a path on disk differs from the one in the torrent.
    #[error("written as {written:?}: {}", list(.kinds))]
    PathChanged {
        /// The path on disk.
        written: String,
        /// The reasons.
        kinds: Vec<PathChangeKind>,
    },
    /// A symlink without a target below the root became an empty file (BEP 47).
    #[error("a symlink without a usable target, kept as an empty file")]
    Symlink,
    /// A URL is blank or not UTF-8, and was dropped.
    #[error("dropped, as it is not a url")]
    NotUrl,
    /// `announce-list` has a URL in the place of a tier; it became a tier of its own.
    #[error("a tracker outside of a tier, read as a tier of its own")]
    FlatTier,
    /// An entry of `nodes` is not a pair of host and port, and was dropped.
    #[error("dropped, as it is not a host and a port")]
    NotNode,
    /// Harmless: `private` has a meaning only within `info` (BEP 27).
    #[error("`private` outside of `info` has no meaning")]
    PrivateOutsideInfo,
    /// A file larger than a piece has no piece layer; its hashes have to come from peers (BEP 52).
    #[error("the piece layer of file {file} is missing")]
    PieceLayerMissing {
        /// The file.
        file: u32,
    },
    /// A piece layer does not hash to the root that is its key, and counts as missing (BEP 52).
    #[error("a piece layer does not hash to its root")]
    PieceLayerHash,
    /// A piece layer that belongs to no file was ignored (BEP 52).
    #[error("a piece layer that belongs to no file")]
    PieceLayerUnknown,
}

impl WarningKind {
    /// Returns true for a fault that takes nothing from the torrent, so that strict reading accepts it too.
    ///
    /// ```
    /// use tinytorrent_metainfo::Metainfo;
    ///
    /// # let bytes = b"d4:infod6:lengthi10e4:name3:a:b12:piece lengthi16384e\
    /// #     6:pieces20:ABCDEFGHIJKLMNOPQRSTe7:privatei1ee";
    /// let metainfo = Metainfo::from_bytes_lenient(bytes)?;
    /// for warning in metainfo.warnings().iter().filter(|warning| !warning.kind.is_harmless()) {
    ///     eprintln!("{warning}");
    /// }
    /// # assert!(metainfo.warnings().len() > 0);
    /// # assert!(metainfo.warnings().iter().all(|warning| warning.kind.is_harmless()));
    /// # Ok::<(), tinytorrent_metainfo::Error>(())
    /// ```
    pub fn is_harmless(&self) -> bool {
        match self {
            Self::Nonsense | Self::PathChanged { .. } | Self::PrivateOutsideInfo => true,
            Self::Bencode(_)
            | Self::WrongKind(_)
            | Self::IncompleteV1
            | Self::NoName
            | Self::NoContent
            | Self::Symlink
            | Self::NotUrl
            | Self::FlatTier
            | Self::NotNode
            | Self::PieceLayerMissing { .. }
            | Self::PieceLayerHash
            | Self::PieceLayerUnknown => false,
        }
    }
}

fn list(kinds: &[PathChangeKind]) -> String {
    kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
