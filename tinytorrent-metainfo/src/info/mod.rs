//! The info dictionary, which the info-hash covers.

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
/// A value never changes, as another info dictionary is another torrent. It keeps its bytes, which peers
/// request (BEP 9), and takes little memory beyond them. It is shared in the [`Arc`] it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    raw: Box<[u8]>,
    hashes: InfoHashes,
    version: Version,
    name: String,
    is_single_file: bool,
    layout: Layout,
    /// The range of the v1 hashes in `raw`.
    pieces: Option<Range<usize>>,
    /// The offset of each file's root in `raw`, 0 for none; empty in a v1 torrent.
    roots: Vec<u32>,
    is_private: bool,
    source: Option<String>,
    similar: Vec<InfoHashV1>,
    collections: Vec<String>,
    warnings: Warnings,
}

/// The format of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// Pieces across the borders of files, with a SHA-1 each (BEP 3).
    V1,
    /// A SHA-256 merkle tree for each file (BEP 52).
    V2,
    /// Both formats, for the same files (BEP 52, "upgrade path").
    Hybrid,
}

impl Version {
    /// Returns true if pieces have SHA-1 hashes.
    pub const fn has_v1(self) -> bool {
        matches!(self, Self::V1 | Self::Hybrid)
    }

    /// Returns true if files have merkle trees.
    pub const fn has_v2(self) -> bool {
        matches!(self, Self::V2 | Self::Hybrid)
    }
}

impl Info {
    /// Reads a bare info dictionary strictly; see [`ReadOptions::read_info`].
    ///
    /// # Errors
    /// The first error, with byte offset and key path.
    pub fn from_bytes(bytes: &[u8]) -> Result<Arc<Self>, Error> {
        ReadOptions::strict().read_info(bytes)
    }

    /// Returns true if the bytes have all these hashes, so that they are the info dictionary, readable
    /// or not (BEP 9). If they are and cannot be read, the torrent itself is invalid. If they are not,
    /// the peer that sent them was wrong.
    pub fn is_named_by(bytes: &[u8], hashes: &InfoHashes) -> bool {
        hashes.v1().is_none_or(|v1| *v1.as_bytes() == sha1(bytes))
            && hashes.v2().is_none_or(|v2| *v2.as_bytes() == sha256(bytes))
    }

    /// The exact bytes of the dictionary, which the info-hash covers and peers get (BEP 9).
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The info-hashes, made from [`bytes`](Self::bytes).
    pub fn hashes(&self) -> InfoHashes {
        self.hashes
    }

    /// The format: v1, v2 or hybrid.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The name of the file or folder for display: sanitised by the path policy, and with a replacement
    /// character for bytes that are not UTF-8. The name on disk is the first element of the paths in
    /// [`layout`](Self::layout).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns true if the torrent is one file without a folder: it has `length` instead of `files`, or a
    /// file tree of one file (BEP 3, BEP 52 "interpreting paths").
    pub fn is_single_file(&self) -> bool {
        self.is_single_file
    }

    /// The files, and their places in the content.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The division of the content into pieces and blocks.
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
        // Offset 0 is the `d` of the dictionary, so it is free to mean none.
        if at == 0 { None } else { self.raw[at..at + 32].try_into().ok() }
    }

    /// The files with this root; files with the same content share one. It takes time in proportion to
    /// the number of files.
    pub fn files_with_root(&self, root: &[u8; 32]) -> impl Iterator<Item = FileIndex> {
        let files = self.layout.files().map(|file| file.index);
        files.filter(move |&file| self.pieces_root(file).is_some_and(|found| found == *root))
    }

    /// Returns true if peers may come only from the trackers (BEP 27).
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// `source`: the origin of the torrent. Trackers set it, so that the torrent has another info-hash
    /// than the same content elsewhere.
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

    /// The exact bytes of the value of any key; `None` if it is missing.
    pub fn raw_value(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        // The bytes were read before, perhaps with higher limits than the defaults.
        let mut options = bencode::Options::lenient();
        options.max_depth(usize::MAX).max_nodes(usize::MAX).max_bytes(usize::MAX).max_deviations(0);
        Some(options.decode(&self.raw).ok()?.get(key)?.raw())
    }

    /// The paths that differ from those in the torrent; see [`Layout::path_changes`].
    pub fn path_changes(
        &self,
    ) -> impl ExactSizeIterator<Item = PathChange> + DoubleEndedIterator + Clone {
        self.layout.path_changes()
    }

    /// The faults of a dictionary that was read alone, with offsets into it. For one from a torrent file
    /// see [`Metainfo::warnings`](crate::Metainfo::warnings).
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings.list
    }
}
