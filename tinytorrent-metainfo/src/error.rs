use core::fmt;

use tinytorrent_bencode::{self as bencode, KeyPath, Node};

use crate::LayoutError;
use crate::warning::WarningKind;

/// Why bytes are no torrent, and where: byte offset and key path.
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

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Where, in bytes from the start of what was read.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// In which value; empty for the outermost.
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

/// What is wrong with a torrent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not bencode, beyond a limit, or a required value is missing or of the wrong kind.
    #[error("{0}")]
    Bencode(bencode::ErrorKind),
    /// Strict reading met something that lenient reading lets pass.
    #[error("{0}")]
    Strict(WarningKind),
    /// The files make no layout, or a path is refused.
    #[error("{0}")]
    Layout(#[from] LayoutError),
    /// Two files have one path, or a file has that of a folder (BEP 3); strict reading alone refuses
    /// that. Lenient reading gives the later one another name.
    #[error("file {file} has the path of file {of}, or of a folder around it")]
    SamePath {
        /// The later file.
        file: u32,
        /// The file whose path it is, or leads through it.
        of: u32,
    },
    /// A torrent file that holds a magnet link, in `magnet-uri` as rtorrent takes it, or in
    /// `magnet-info` as transmission up to 3.0 wrote it. Read that instead.
    #[error("this file only holds a magnet link: {0}")]
    IsMagnet(String),
    /// `meta version` is beyond 2: newer software is needed (BEP 52).
    #[error("the torrent is of version {0}, which is newer than version 2")]
    TooNew(i64),
    /// `meta version` is below 1, which no version ever was (BEP 52).
    #[error("there is no `meta version` {0}")]
    NoSuchVersion(i64),
    /// `meta version` 2 without `file tree`, or the other way round (BEP 52).
    #[error("`meta version` 2 and `file tree` belong together")]
    VersionMismatch,
    /// A torrent with a merkle tree after BEP 30, which BEP 52 replaced.
    #[error("merkle torrents after bep 30 are not supported")]
    MerkleV1,
    /// Not one of `length`, `files` and `file tree` (BEP 3).
    #[error("neither `length` nor `files` nor `file tree`")]
    NoFiles,
    /// Both `length` and `files` (BEP 3).
    #[error("both `length` and `files`")]
    LengthAndFiles,
    /// `files` or `file tree` without a file.
    #[error("there is no file")]
    EmptyFiles,
    /// The piece length is zero, negative or beyond the limit; or, of a v2 torrent, no power of two
    /// from 16 KiB on (BEP 52).
    #[error("a piece length of {found} is not {expected}")]
    PieceLength {
        /// What is there.
        found: i64,
        /// What could be.
        expected: &'static str,
    },
    /// `pieces` does not hold a hash for each piece (BEP 3).
    #[error("`pieces` has {found} bytes, {expected} were due")]
    Pieces {
        /// Bytes that were due: 20 for each piece.
        expected: u64,
        /// Bytes that are there.
        found: usize,
    },
    /// More pieces than [`ReadOptions::max_pieces`](crate::ReadOptions::max_pieces).
    #[error("{count} pieces are more than {limit}")]
    TooManyPieces {
        /// The count that the lengths amount to.
        count: u32,
        /// The limit.
        limit: u32,
    },
    /// A length below zero.
    #[error("a length of {0} is negative")]
    NegativeLength(i64),
    /// An entry of the file tree is neither a file alone nor a folder with names (BEP 52).
    #[error("the entry is neither a file nor a folder")]
    FileTree,
    /// A file with content has no `pieces root`, or one that is not 32 bytes, or all zero (BEP 52).
    #[error("a file with content needs a `pieces root` of 32 bytes that are not all zero")]
    PiecesRoot,
    /// A padding file in a file tree, which has no use for it (BEP 52).
    #[error("a file tree cannot hold padding")]
    PadInTree,
    /// The v1 and v2 halves of a hybrid torrent disagree (BEP 52, "upgrade path").
    #[error("`files` and `file tree` disagree at file {file}")]
    HybridMismatch {
        /// Its index in `files`.
        file: u32,
    },
    /// A piece layer of the wrong length (BEP 52).
    #[error("a piece layer has {found} bytes, {expected} were due")]
    PieceLayerLength {
        /// Bytes that were due: 32 for each piece of the file.
        expected: u64,
        /// Bytes that are there.
        found: usize,
    },
}
