//! Torrent files and magnet links, v1, v2 and hybrid: read, edit, create, lay out, verify.
//!
//! | input | output | type |
//! |---|---|---|
//! | the bytes of a .torrent | its parts, checked | [`Metainfo`], with options [`ReadOptions`] |
//! | an info dictionary from peers (BEP 9) | the same | [`Info`] |
//! | a link from a web page | info-hashes, trackers, peers | [`Magnet`] |
//! | a link that may have the key of an owner instead (BEP 46) | that key | [`MagnetLink`] |
//! | a range of the content, a piece, a block | files and offsets | [`Layout`] |
//! | names from strangers | paths that are safe to write | [`PathPolicy`], [`SafePath`] |
//! | a file or folder | a .torrent | [`CreateOptions`] |
//! | a .torrent and a folder | the pieces that are right | [`VerifyOptions`] |
//! | a v2 torrent without its piece layers | the layers from peers, proven part by part | [`LayerAssembly`], [`LayerProofs`] |
//! | hashes of a v2 file | its tree, layers, proofs | [`merkle`] |
//!
//! # The one rule
//!
//! A name from a torrent reaches the file system only as a [`SafePath`], which only a [`PathPolicy`]
//! makes. An info-hash is made only from the bytes of the info dictionary as they were read.
//!
//! # Strict and lenient
//!
//! [`Metainfo::from_bytes`] accepts torrents that the BEPs allow. [`Metainfo::from_bytes_lenient`]
//! accepts the torrents in circulation, and lists their faults in [`Metainfo::warnings`], each with its
//! byte offset and key path. A client reads leniently; a tracker or an index that accepts uploads reads
//! strictly.
//!
//! # From a torrent to bytes on disk
//!
//! ```
//! use std::path::Path;
//! use tinytorrent_metainfo::Metainfo;
//!
//! # let bytes = b"d4:infod5:filesld6:lengthi10e4:pathl1:aeed6:lengthi20e4:pathl2:..1:beee\
//! #     4:name1:t12:piece lengthi16384e6:pieces20:ABCDEFGHIJKLMNOPQRSTee";
//! // 1. Read it.
//! let metainfo = Metainfo::from_bytes(bytes)?;
//! let (info, layout) = (metainfo.info(), metainfo.layout());
//!
//! // 2. Show its name and size, and the paths that will differ on disk.
//! println!("{}: {} bytes", info.name(), layout.payload_length_total());
//! for change in info.path_changes() {
//!     println!("{} becomes {}", change.original, change.written);
//! }
//!
//! // 3. Find the places of each block that arrives.
//! for piece in info.geometry().pieces() {
//!     for block in info.geometry().blocks(piece) {
//!         for span in layout.block_spans(block).filter(|span| !span.is_pad) {
//!             let file = layout.file(span.file.get()).unwrap();
//!             let path = file.path.below(Path::new("/downloads"));
//!             println!("{}: {} bytes at {}", path.display(), span.length, span.offset);
//!         }
//!     }
//!     // 4. Compare the hash of the whole piece with this one.
//!     println!("{:02x?}", info.piece_hash(piece));
//! }
//! # assert_eq!(layout.file(1).unwrap().path.to_string(), "t/_/b");
//! # Ok::<(), tinytorrent_metainfo::Error>(())
//! ```
//!
//! # Limits
//!
//! Reading is pure: no clock, no randomness, no files. Creation and verification read the disk;
//! [`DiskPaths`] creates and removes files if it is allowed to. Downloading and storage are in other
//! crates.

#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it reads files")]
mod content;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it reads files")]
mod create;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it examines files")]
mod disk_paths;
mod error;
mod escape;
mod file_index;
mod host_port;
mod info;
mod layout;
mod link_target;
mod magnet;
pub mod merkle;
mod metainfo;
mod options;
mod path;
mod report;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it reads files")]
mod verify;
mod warning;

pub use content::{Observer, Progress};
pub use create::{
    CreateError, CreateNote, CreateNoteKind, CreateOptions, CreatePlan, LinkPolicy, NameFault,
    OutputConflict, Refusal, RefusalReason, Refusals,
};
pub use disk_paths::{DiskPaths, RenameError, Trying};
pub use error::{Error, ErrorKind};
pub use file_index::FileIndex;
pub use host_port::{HostPort, HostPortError};
pub use info::{Info, Version};
pub use layout::{
    File, FileAttributes, FileSpan, Layout, LayoutBuilder, LayoutError, MAX_DEPTH, Spans,
};
pub use link_target::LinkTarget;
pub use magnet::{FileSelection, KeyError, KeyMagnet, Magnet, MagnetError, MagnetLink, TorrentKey};
pub use metainfo::{LayerAssembly, LayerPart, LayerProofs, Metainfo, PieceHash};
pub use options::ReadOptions;
pub use path::{Elements, PathChange, PathChangeKind, PathPolicy, SafePath};
pub use verify::{FileFault, FileFaultKind, VerifyError, VerifyOptions, VerifyReport};
pub use warning::{Warning, WarningKind};

// What the signatures above name of other crates.
#[doc(no_inline)]
pub use tinytorrent_bencode::{
    DeviationKind, Error as BencodeError, ErrorKind as BencodeErrorKind, KeyPath, Kind, NotBencode,
    PathElement,
};
#[doc(no_inline)]
pub use tinytorrent_folder::{Error as FolderError, Folder};
#[doc(no_inline)]
pub use tinytorrent_types::{
    Bitfield, BlockInfo, Geometry, GeometryError, HexError, InfoHashV1, InfoHashV2, InfoHashes,
    InfoHashesError, PieceIndex, WireInfoHash,
};
