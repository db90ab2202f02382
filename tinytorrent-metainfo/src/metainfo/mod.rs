//! The torrent file: the info dictionary and the keys beside it.

mod edit;
mod keys;
mod layers;
mod magnet;
mod parts;
mod read;
mod trackers;
mod wrapped;

use std::collections::BTreeMap;
use std::sync::Arc;

use tinytorrent_types::{InfoHashV1, InfoHashes, PieceIndex};

use crate::report::Warnings;
use crate::warning::Warning;
use crate::{Error, FileIndex, HostPort, Info, Layout, ReadOptions};

pub use layers::PieceHash;
pub(crate) use layers::PieceLayers;
pub use parts::{LayerAssembly, LayerPart, LayerProofs};

/// A torrent file (BEP 3 "metainfo files", BEP 5, 12, 17, 19, 38, 52).
///
/// ```
/// use tinytorrent_metainfo::Metainfo;
///
/// let bytes = b"d8:announce22:http://tracker.example4:infod6:lengthi20000e4:name5:a.bin\
///     12:piece lengthi16384e6:pieces40:ABCDEFGHIJKLMNOPQRSTABCDEFGHIJKLMNOPQRSTee";
/// let metainfo = Metainfo::from_bytes(bytes)?;
///
/// assert_eq!(metainfo.trackers(), [["http://tracker.example"]]);
/// let info = metainfo.info();
/// let last = info.geometry().piece(1).unwrap();
/// assert_eq!(info.geometry().piece_length(last), 20_000 - 16_384);
/// assert_eq!(info.piece_hash(last).unwrap(), *b"ABCDEFGHIJKLMNOPQRST");
/// assert_eq!(info.layout().file(0).unwrap().path.to_string(), "a.bin");
/// # Ok::<(), tinytorrent_metainfo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    info: Arc<Info>,
    /// All keys but `info` and `piece layers`, with the bytes of their values.
    root: BTreeMap<Vec<u8>, Vec<u8>>,
    layers: PieceLayers,
    trackers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    http_seeds: Vec<String>,
    nodes: Vec<HostPort>,
    comment: Option<String>,
    created_by: Option<String>,
    creation_date: Option<i64>,
    similar: Vec<InfoHashV1>,
    collections: Vec<String>,
    warnings: Warnings,
}

impl Metainfo {
    /// Reads a torrent file strictly, as the BEPs allow it.
    ///
    /// # Errors
    /// The first error, with byte offset and key path.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        ReadOptions::strict().read(bytes)
    }

    /// Reads a torrent file leniently. [`warnings`](Self::warnings) lists the faults that were accepted.
    ///
    /// # Errors
    /// The first error, with byte offset and key path.
    pub fn from_bytes_lenient(bytes: &[u8]) -> Result<Self, Error> {
        ReadOptions::lenient().read(bytes)
    }

    /// The info dictionary.
    pub fn info(&self) -> &Arc<Info> {
        &self.info
    }

    /// The info-hashes, which identify the torrent.
    pub fn hashes(&self) -> InfoHashes {
        self.info.hashes()
    }

    /// The files, and their places in the content.
    pub fn layout(&self) -> &Layout {
        self.info.layout()
    }

    /// Tracker URLs in tiers (BEP 12): those of `announce-list`, or `announce` if it has none.
    pub fn trackers(&self) -> &[Vec<String>] {
        &self.trackers
    }

    /// Web seeds of BEP 19, `url-list`. In a torrent of several files each URL ends in `/`. In a torrent
    /// of one file, in a folder or not, a URL that ends in `/` is the folder of the file, and another is
    /// the file itself.
    pub fn web_seeds(&self) -> &[String] {
        &self.web_seeds
    }

    /// Web seeds of BEP 17, `httpseeds`: another protocol than [`web_seeds`](Self::web_seeds).
    pub fn http_seeds(&self) -> &[String] {
        &self.http_seeds
    }

    /// Nodes of the DHT to start from (BEP 5, "torrent file extensions").
    pub fn nodes(&self) -> &[HostPort] {
        &self.nodes
    }

    /// The comment of the creator.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The program that created the torrent.
    pub fn created_by(&self) -> Option<&str> {
        self.created_by.as_deref()
    }

    /// The date of creation in seconds since 1970; negative before.
    pub fn creation_date(&self) -> Option<i64> {
        self.creation_date
    }

    /// Torrents that likely share files with this one, within `info` and beside it (BEP 38).
    pub fn similar(&self) -> impl Iterator<Item = InfoHashV1> {
        self.info.similar().iter().chain(&self.similar).copied()
    }

    /// Groups of torrents that likely share files, within `info` and beside it (BEP 38).
    pub fn collections(&self) -> impl Iterator<Item = &str> {
        self.info.collections().iter().chain(&self.collections).map(String::as_str)
    }

    /// The exact bytes of the value of any key beside `info` and `piece layers`.
    pub fn raw_value(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.root.get(key.as_ref()).map(Vec::as_slice)
    }

    /// The hashes of a file's pieces, in order (BEP 52 "piece layers"). `None` in a v1 torrent, for
    /// a file no larger than a piece, and if the torrent lacks them.
    pub fn piece_layer(&self, file: FileIndex) -> Option<&[[u8; 32]]> {
        self.layers.get(&self.info.pieces_root(file)?)
    }

    /// Returns true if no piece layer is missing. A v2 or hybrid torrent can then be verified by its
    /// SHA-256 hashes without more data.
    pub fn has_all_piece_layers(&self) -> bool {
        self.layers.are_complete(&self.info)
    }

    /// The hash of a piece of a v2 torrent (BEP 52). `None` in a v1 torrent, and if the torrent lacks
    /// the piece layer.
    pub fn piece_hash_v2(&self, piece: PieceIndex) -> Option<PieceHash> {
        self.layers.piece_hash(&self.info, piece)
    }

    /// Returns true for a piece of a hybrid that is verified by its tree alone, as it has more padding than
    /// 16 bytes for each byte of payload, and 1 MiB.
    ///
    /// The tree covers the payload, and the SHA-1 the padding too: hashing that would take 85 ms for one byte
    /// in a piece of 512 MiB. In all other pieces both hashes count (BEP 52, "upgrade path").
    pub fn is_verified_by_tree_alone(&self, piece: PieceIndex) -> bool {
        let geometry = self.info.geometry();
        let payload = u64::from(geometry.payload_length(piece));
        let padding = u64::from(geometry.piece_length(piece)) - payload;
        padding > MAX_SHA1_PADDING + payload * SHA1_PADDING_PER_BYTE
            && self.piece_hash_v2(piece).is_some()
    }

    /// The faults that reading accepted, in the order of the file. The number of those that are kept is
    /// limited by [`ReadOptions::max_warnings`].
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings.list
    }

    /// The number of all warnings, kept or not.
    pub fn warning_count(&self) -> usize {
        self.warnings.count
    }
}

/// Padding of a piece of a hybrid that is hashed in any case. It takes half a millisecond, which is what a file
/// costs that is created for a few bytes.
const MAX_SHA1_PADDING: u64 = 1 << 20;

/// Further padding that is hashed for each byte of payload. A peer that sends 10 MB a second has 160 MB hashed,
/// a tenth of what a core can do.
const SHA1_PADDING_PER_BYTE: u64 = 16;
