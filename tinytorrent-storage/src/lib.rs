//! BitTorrent content on disk, or wherever a program keeps it: positioned I/O, verification, resume data;
//! blocking, no runtime.
//!
//! ```text
//!            received blocks                        requests of peers
//!                  │ store, store_last                    │ read
//!   ┌──────────────▼──────────────────────────────────────▼─────────────┐
//!   │ Disk: threads, a budget of memory, hashing in lanes, a read cache │
//!   └──────────────┬──────────────────────────────────────┬─────────────┘
//!                  │ ranges of the content                │ Completion
//!   ┌──────────────▼───────────────┐                      ▼
//!   │ Storage: files below a root, │    PieceVerified, PieceFailed, BlockRead, …
//!   │ or a Content of your own     │
//!   └──────────────────────────────┘
//! ```
//!
//! | you want to | use |
//! |---|---|
//! | read and write ranges of a torrent's content, wherever the borders of files lie | [`Storage`] |
//! | know which pieces on disk are right | [`verify()`] |
//! | continue after an earlier run, however it ended | [`recover()`] |
//! | download and upload without waiting for the disk | [`Disk`] |
//! | select, rename, move, check again or delete files while a [`Disk`] works on them | [`TorrentFiles`] |
//! | keep content somewhere else than in files below a folder | [`Content`]: [`MemoryContent`], [`FilesElsewhere`], or an implementation of your own |
//! | limit the number of open files, over all torrents | [`FilePool`] |
//!
//! # Why it blocks
//! Operating systems have no common interface to wait for a file as for a socket, so that asynchronous
//! file access ends up on threads in any case. With threads of its own, this crate decides how many there
//! are, how much memory their queues take, and in which order they work. And programs without a runtime,
//! such as a verifier, need none.
//!
//! # Guarantees
//! - Nothing outside the root is read or written: each element of a path is opened below the one
//!   before, and a symbolic link is never followed.
//! - [`Completion::PieceVerified`] comes after all of the piece is written. Only verified pieces should be
//!   read for peers.
//! - A kill at any moment loses the blocks in memory: at most 1 % of the content, or 192 KiB if that is
//!   more, as long as the caller respects [`TorrentDisk::unstored_limit`]. The next run finds everything
//!   else, and claims nothing that is not on disk.
//! - A kill while files are selected, renamed or moved loses nothing more than at any other moment. Nothing that
//!   exists is replaced, and nothing but files of the torrent is deleted.
//! - A failed operation is not tried again: the piece stays missing, and the error is reported once, with
//!   a [`Fault`] that names the remedy.
//! - Running out of file descriptors is no failure. Open files are closed, the least recently used first
//!   ([`FilePool`]), and if that is not enough, a [`Disk`] waits and loses nothing.
//!
//! # Files beside the content
//! They are in the root folder, so that they move with the content, and named after the info-hash:
//!
//! | file | content |
//! |---|---|
//! | `.<hash>.tinytorrent-resume` | the [`ResumeRecord`] of the last checkpoint |
//! | `.<hash>.tinytorrent-journal` | the blocks of unfinished pieces that are on disk |
//! | `.<hash>.tinytorrent-metadata` | the [`MetadataFile`] of a torrent that began without a torrent file |
//! | `.<hash>.tinytorrent-parts` | the data of wanted pieces that belongs to unwanted files ([`Storage::select`]) |
//! | `.<hash>.tinytorrent-names` | the names that the user has given to files ([`Storage::rename_files`]) |
//! | `.<hash>.tinytorrent-move` | in a folder that the content is leaving, how to finish that ([`Storage::move_to`]) |
//! | `.<hash>.tinytorrent-drafts` | in a folder that the content is moving to, a folder of copies that are not complete |
//!
//! # Content of your own
//! [`Storage::with_content`] takes any implementation of the trait [`Content`], and all of this crate works on
//! it, but for what is about files alone: selecting and renaming them, and the part file. Its record is kept by
//! [`Content::save_record`]. With the feature `contract`, the module `contract` is a test for an
//! implementation. The crate `tinytorrent-storage-object` has one for object stores.
//!
//! # A whole run
//!
//! ```
//! use std::{ops::ControlFlow, sync::Arc};
//! use tinytorrent_metainfo::Layout;
//! use tinytorrent_storage::{
//!     Completion, Counters, Disk, DiskOptions, PieceHashes, RecoverOptions, Storage,
//!     StorageOptions, TorrentDiskOptions, PieceVerifyOptions, recover,
//! };
//! # use tinytorrent_types::{InfoHashV1, InfoHashes};
//! # let content = vec![7; 40_000];
//! # let mut builder = Layout::builder(32_768);
//! # builder.file(["file"], 40_000);
//! # let layout = Arc::new(builder.build()?);
//! # let hashes = PieceHashes::from_v1(content.chunks(32_768).map(tinytorrent_hash::sha1));
//! # let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
//! # let folder = tempfile::tempdir()?;
//! # let root = folder.path();
//! // From a torrent file: `Storage::for_info` and `PieceHashes::from_metainfo`.
//! let storage = Storage::open(layout, identity, root, &StorageOptions::default())?;
//! let storage = Arc::new(storage);
//!
//! // 1. Find the pieces that are on disk already.
//! let go_on = |_| ControlFlow::Continue(());
//! let Some(found) = recover(&storage, &hashes, &RecoverOptions::default(), go_on)? else {
//!     return Ok(()); // The check was cancelled.
//! };
//! let mut missing = 2 - found.have.count();
//! storage.prepare()?;
//!
//! // 2. Store blocks and wait for completions.
//! let disk = Disk::new(&DiskOptions::default())?;
//! let (sender, completions) = std::sync::mpsc::channel();
//! let options = TorrentDiskOptions::default();
//! let torrent = disk.add(storage, hashes, found, &options, move |done| drop(sender.send(done)));
//! # let geometry = torrent.storage().geometry();
//! # for piece in geometry.pieces() {
//! #     for block in geometry.blocks(piece) {
//! #         let begin = geometry.block_offset(block) as usize;
//! #         let data = content[begin..begin + block.length() as usize].to_vec();
//! torrent.store(block, data.into())?; // For each block of the piece, in any order.
//! #     }
//! torrent.verify(piece, PieceVerifyOptions::default());
//! # }
//! while missing > 0 {
//!     match completions.recv()? {
//!         Completion::PieceVerified { .. } => missing -= 1,
//!         Completion::PieceUnstored { error, .. } => return Err(error.into()),
//!         _ => {}
//!     }
//! }
//!
//! // 3. Save a record for the next run.
//! torrent.checkpoint(Counters { downloaded: 40_000, ..Counters::default() });
//! assert!(matches!(completions.recv()?, Completion::Checkpointed));
//! disk.shutdown();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod content;
mod disk;
mod error;
mod hasher;
mod hashes;
mod parts;
mod pool;
mod presence;
mod resume;
mod storage;
mod turns;
mod vectored;
mod verify;

pub use tinytorrent_folder::{FileStamp, FileTime, Operation, is_out_of_descriptors};

#[cfg(any(test, feature = "contract"))]
pub use crate::content::contract;
pub use crate::{
    content::{Content, FilesElsewhere, MemoryContent},
    disk::{
        Completion, Disk, DiskFigures, DiskOptions, NotStored, PieceVerifyOptions, TorrentDisk,
        TorrentDiskOptions, TorrentFiles,
    },
    error::{Fault, StorageError},
    hashes::PieceHashes,
    pool::FilePool,
    resume::{
        Counters, MetadataFile, PartialPiece, RecordError, RecoverOptions, Recovered, ResumeRecord,
        recover,
    },
    storage::{Misfit, MoveProgress, Moved, RemovedFiles, Storage, StorageOptions},
    turns::CheckTurns,
    verify::{Verified, VerifyProgress, verify},
};

// What the signatures above name of other crates.
#[doc(no_inline)]
pub use bytes::Bytes;
#[doc(no_inline)]
pub use tinytorrent_folder::Error as FolderError;
#[doc(no_inline)]
pub use tinytorrent_metainfo::{
    FileIndex, Info, Layout, Metainfo, PathChange, PathChangeKind, ReadOptions,
};
#[doc(no_inline)]
pub use tinytorrent_types::{
    Bitfield, BlockDigest, BlockInfo, Geometry, InfoHashV1, InfoHashV2, InfoHashes, PieceIndex,
};
