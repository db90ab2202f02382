//! The info dictionary: what the info-hash covers.

mod collected;
mod keys;
mod optional;
mod read;
mod reader;
mod tree;
mod v1;

use core::ops::Range;
use std::sync::Arc;

use tinytorrent_bencode as bencode;
use tinytorrent_hash::{sha1, sha256};
use tinytorrent_types::{Geometry, InfoHashV1, InfoHashes, PieceIndex};

use crate::report::Warnings;
use crate::warning::Warning;
use crate::{Error, FileIndex, Layout, PathChange, ReadOptions};

pub(crate) use collected::Collected;
pub(crate) use keys::keys;
pub(crate) use optional::{collections, similar, text};
pub(crate) use read::read;
pub(crate) use v1::BITCOMET_PAD;

/// An info dictionary: name, files, piece hashes, and the exact bytes that the info-hash covers
/// (BEP 3, BEP 52).
///
/// A value never changes: another info dictionary is another torrent. It keeps its bytes, as peers
/// ask for them (BEP 9), and costs little beyond them; share it in the [`Arc`] it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    raw: Box<[u8]>,
    hashes: InfoHashes,
    version: Version,
    name: String,
    is_single_file: bool,
    layout: Layout,
    /// Where the v1 hashes lie in `raw`.
    pieces: Option<Range<usize>>,
    /// Of a v2 torrent: where each file's root lies in `raw`; 0 for a file without one.
    roots: Vec<u32>,
    is_private: bool,
    source: Option<String>,
    similar: Vec<InfoHashV1>,
    collections: Vec<String>,
    warnings: Warnings,
}

/// Which of the two formats a torrent has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// SHA-1 over pieces that run across files (BEP 3).
    V1,
    /// A SHA-256 merkle tree for each file (BEP 52).
    V2,
    /// Both, over the same files (BEP 52, "upgrade path").
    Hybrid,
}

impl Version {
    /// Whether pieces have SHA-1 hashes.
    pub const fn has_v1(self) -> bool {
        matches!(self, Self::V1 | Self::Hybrid)
    }

    /// Whether files have merkle trees.
    pub const fn has_v2(self) -> bool {
        matches!(self, Self::V2 | Self::Hybrid)
    }
}

impl Info {
    /// Reads a bare info dictionary strictly; see [`ReadOptions::read_info`].
    ///
    /// # Errors
    /// What is wrong, with byte offset and key path.
    pub fn from_bytes(bytes: &[u8]) -> Result<Arc<Self>, Error> {
        ReadOptions::strict().read_info(bytes)
    }

    /// Whether the bytes are the info dictionary that these hashes name, all of them, whatever is
    /// in it (BEP 9). Bytes that are, and that cannot be read, make the torrent itself invalid;
    /// bytes that are not were somebody's mistake or lie.
    pub fn is_named_by(bytes: &[u8], hashes: &InfoHashes) -> bool {
        hashes.v1().is_none_or(|v1| *v1.as_bytes() == sha1(bytes))
            && hashes.v2().is_none_or(|v2| *v2.as_bytes() == sha256(bytes))
    }

    /// The exact bytes of the dictionary: what the info-hash covers and what peers get (BEP 9).
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The identity of the torrent, hashed from [`bytes`](Self::bytes).
    pub fn hashes(&self) -> InfoHashes {
        self.hashes
    }

    /// v1, v2 or hybrid.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The name of the file, or of the folder around the files, under the path policy and as text: what
    /// is no UTF-8 is replaced. On disk it is the first element of the [`layout`](Self::layout)'s paths.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the torrent is one file without a folder around it: `length` instead of `files`, or
    /// a file tree of one file (BEP 3, BEP 52 "interpreting paths").
    pub fn is_single_file(&self) -> bool {
        self.is_single_file
    }

    /// Where each byte of the content lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How the content is cut into pieces and blocks.
    pub fn geometry(&self) -> &Geometry {
        self.layout.geometry()
    }

    /// The SHA-1 of a piece; `None` in a v2 torrent.
    pub fn piece_hash(&self, piece: PieceIndex) -> Option<[u8; 20]> {
        self.piece_hashes()?.get(piece.as_usize()).copied()
    }

    /// The SHA-1 of each piece, in order; `None` in a v2 torrent.
    pub fn piece_hashes(&self) -> Option<&[[u8; 20]]> {
        let (hashes, _) = self.raw[self.pieces.clone()?].as_chunks();
        Some(hashes)
    }

    /// The root of a file's merkle tree; `None` in a v1 torrent, and for a file without content.
    pub fn pieces_root(&self, file: FileIndex) -> Option<[u8; 32]> {
        let at = *self.roots.get(file.as_usize())? as usize;
        if at == 0 { None } else { self.raw[at..at + 32].try_into().ok() }
    }

    /// The files with this root: those alike share one. Takes time in proportion to the files.
    pub fn files_with_root(&self, root: &[u8; 32]) -> impl Iterator<Item = FileIndex> {
        let files = self.layout.files().map(|file| file.index);
        files.filter(move |&file| self.pieces_root(file).is_some_and(|found| found == *root))
    }

    /// Whether peers may come from its trackers only (BEP 27).
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// `source`: where the torrent comes from; trackers use it to give it a hash of its own.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Torrents that likely share files with this one (BEP 38).
    pub fn similar(&self) -> &[InfoHashV1] {
        &self.similar
    }

    /// Groups of torrents that likely share files (BEP 38).
    pub fn collections(&self) -> &[String] {
        &self.collections
    }

    /// The exact bytes of the value of a key, known or not; `None` if it is missing.
    pub fn raw_value(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        let mut options = bencode::Options::lenient();
        options.max_depth(usize::MAX).max_nodes(usize::MAX).max_bytes(usize::MAX).max_deviations(0);
        Some(options.decode(&self.raw).ok()?.get(key)?.raw())
    }

    /// The paths that are not used as the torrent has them; see [`Layout::path_changes`].
    pub fn path_changes(
        &self,
    ) -> impl ExactSizeIterator<Item = PathChange> + DoubleEndedIterator + Clone {
        self.layout.path_changes()
    }

    /// What reading this dictionary alone got over, with offsets into it. Of one that came with a
    /// torrent file, see [`Metainfo::warnings`](crate::Metainfo::warnings).
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings.list
    }
}
