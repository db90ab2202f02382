use core::fmt;

use tinytorrent_bencode::{self as bencode, KeyPath, Node};

use crate::LayoutError;
use crate::warning::WarningKind;

/// An error in the bytes of a torrent, with its byte offset and key path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Located>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Located {
    kind: ErrorKind,
    offset: usize,
    path: KeyPath,
}

impl Error {
    pub(crate) fn at(node: &Node<'_, '_>, kind: impl Into<ErrorKind>) -> Self {
        Self(Box::new(Located { kind: kind.into(), offset: node.offset(), path: node.path() }))
    }

    /// The kind of the error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The place of the error, in bytes from the start of the input.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The path of the value that is wrong; empty for the outermost.
    pub fn path(&self) -> &KeyPath {
        &self.0.path
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Located { kind, offset, path } = &*self.0;
        write!(f, "{kind}, at byte {offset}")?;
        if path.is_empty() { Ok(()) } else { write!(f, " in `{path}`") }
    }
}

impl core::error::Error for Error {}

impl From<bencode::Error> for Error {
    fn from(error: bencode::Error) -> Self {
        Self(Box::new(Located {
            kind: ErrorKind::Bencode(error.kind().clone()),
            offset: error.offset(),
            path: error.path().clone(),
        }))
    }
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not bencode, beyond a limit, or a required value is missing or of the wrong kind.
    #[error("{0}")]
    Bencode(bencode::ErrorKind),
    /// A fault that strict reading refuses and lenient reading accepts.
    #[error("{0}")]
    Strict(WarningKind),
    /// The files cannot be laid out, or a path is refused.
    #[error("{0}")]
    Layout(#[from] LayoutError),
    /// Two files have the same path, or a file has the path of a folder (BEP 3). Only strict reading
    /// refuses it; lenient reading gives the later file another name.
    #[error("file {file} has the path of file {of}, or of a folder around it")]
    SamePath {
        /// The later file.
        file: u32,
        /// The other file, which has this path or lies below it.
        of: u32,
    },
    /// The file has no info dictionary but a magnet link, in `magnet-uri` as rtorrent accepts it, or in
    /// `magnet-info` as transmission up to 3.0 wrote it. Read the link instead.
    #[error("this file only holds a magnet link: {0}")]
    IsMagnet(String),
    /// `meta version` is above 2: newer software is needed (BEP 52).
    #[error("the torrent is of version {0}, which is newer than version 2")]
    TooNew(i64),
    /// `meta version` is below 1, the first version (BEP 52).
    #[error("a `meta version` of {0} does not exist")]
    NoSuchVersion(i64),
    /// `meta version` 2 without `file tree`, or the other way round (BEP 52).
    #[error("`meta version` 2 and `file tree` belong together")]
    VersionMismatch,
    /// A torrent with a merkle tree of BEP 30, which BEP 52 replaced.
    #[error("merkle torrents of bep 30 are not supported")]
    MerkleV1,
    /// The info dictionary has none of `length`, `files` and `file tree` (BEP 3).
    #[error("neither `length` nor `files` nor `file tree`")]
    NoFiles,
    /// The info dictionary has both `length` and `files` (BEP 3).
    #[error("both `length` and `files`")]
    LengthAndFiles,
    /// `files` or `file tree` has no file.
    #[error("there is no file")]
    EmptyFiles,
    /// The piece length is zero, negative or above the limit; or, in a v2 torrent, it is not a power of
    /// two of at least 16 KiB (BEP 52).
    #[error("a piece length of {found} is not {expected}")]
    PieceLength {
        /// The value in the torrent.
        found: i64,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// `pieces` does not hold a hash for each piece (BEP 3).
    #[error("`pieces` has {found} bytes, {expected} were expected")]
    Pieces {
        /// The right length in bytes: 20 for each piece.
        expected: u64,
        /// The length in the torrent.
        found: usize,
    },
    /// More pieces than [`ReadOptions::max_pieces`](crate::ReadOptions::max_pieces).
    #[error("{count} pieces are more than {limit}")]
    TooManyPieces {
        /// The pieces that the content has.
        count: u32,
        /// The limit.
        limit: u32,
    },
    /// More padding than [`ReadOptions::max_padding`](crate::ReadOptions::max_padding).
    #[error("{padding} bytes of padding at the ends of pieces are more than {limit}")]
    TooMuchPadding {
        /// The bytes of padding.
        padding: u64,
        /// The limit for the payload of this torrent.
        limit: u64,
    },
    /// A length is below zero.
    #[error("a length of {0} is negative")]
    NegativeLength(i64),
    /// An entry of the file tree is neither a file alone nor a folder with names (BEP 52).
    #[error("the entry is neither a file nor a folder")]
    FileTree,
    /// The `pieces root` of a file with content is missing, not 32 bytes long, or all zero (BEP 52).
    #[error("a file with content needs a `pieces root` of 32 bytes that are not all zero")]
    PiecesRoot,
    /// A padding file in a file tree, where alignment makes it superfluous (BEP 52).
    #[error("a file tree cannot hold padding")]
    PadInTree,
    /// The v1 and v2 halves of a hybrid torrent disagree (BEP 52, "upgrade path").
    #[error("`files` and `file tree` disagree at file {file}")]
    HybridMismatch {
        /// Its index in `files`.
        file: u32,
    },
    /// A piece layer has a wrong length (BEP 52).
    #[error("a piece layer has {found} bytes, {expected} were expected")]
    PieceLayerLength {
        /// The right length in bytes: 32 for each piece of the file.
        expected: u64,
        /// The length in the torrent.
        found: usize,
    },
}
