//! BitTorrent content on disk: positioned I/O, verification, resume data; blocking, no runtime.
//!
//! ```text
//!            received blocks                        requests of peers
//!                  │ store, store_last                    │ read
//!   ┌──────────────▼──────────────────────────────────────▼─────────────┐
//!   │ Disk: threads, a budget of memory, hashing in lanes, a read cache │
//!   └──────────────┬──────────────────────────────────────┬─────────────┘
//!                  │ ranges of the content                │ Completion
//!   ┌──────────────▼───────────────┐                      ▼
//!   │ Storage: files below a root  │    PieceVerified, PieceFailed, BlockRead, …
//!   └──────────────────────────────┘
//! ```
//!
//! | you want to | use |
//! |---|---|
//! | read and write ranges of a torrent's content, wherever the borders of files lie | [`Storage`] |
//! | know which pieces on disk are right | [`verify()`] |
//! | go on where an earlier run ended, however it ended | [`recover()`] |
//! | download and upload without waiting for the disk | [`Disk`] |
//! | keep the number of open files small, over all torrents | [`FilePool`] |
//!
//! # Why it blocks
//! A disk cannot be waited for as a socket can: every way to do it without blocking ends in threads
//! or in one system's own interface. With threads of our own there is one place that decides how
//! many there are, what they hold in memory, and in which order they work; and programs without a
//! runtime, such as a verifier, need none.
//!
//! # What is promised
//! - Nothing outside the root is read or written: each element of a path is opened below the one
//!   before, and a symbolic link is never followed.
//! - [`Completion::PieceVerified`] comes after all of the piece is written. Only what was verified
//!   should be read for others.
//! - A kill at any moment loses what was in memory, at most 1 % of the content (and 192 KiB of a
//!   small one), as long as the caller heeds [`TorrentDisk::unstored_limit`]. It never claims what
//!   is not on disk.
//! - No error of the system is tried again in a loop: the piece stays missing, and the caller is
//!   told once, with a [`Fault`] that says what can be done.
//!
//! # Files beside the content
//! In the root folder, named after the info-hash, so that they go where the content goes:
//! `.<hash>.tinytorrent-resume` is the [`ResumeRecord`] of the last checkpoint,
//! `.<hash>.tinytorrent-journal` names blocks of unfinished pieces that were written since,
//! `.<hash>.tinytorrent-metadata` is the [`MetadataFile`] of a torrent that began without a torrent
//! file, and `.<hash>.tinytorrent-parts` has what wanted pieces have of unwanted files
//! ([`Storage::select`]).
//!
//! # A whole run
//!
//! ```
//! use std::{ops::ControlFlow, sync::Arc};
//! use tinytorrent_metainfo::Layout;
//! use tinytorrent_storage::{
//!     Completion, Counters, Disk, DiskOptions, PieceHashes, RecoverOptions, Storage,
//!     StorageOptions, TorrentOptions, VerifyOptions, recover,
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
//! // With a torrent file at hand: `Storage::for_info` and `PieceHashes::from_metainfo`.
//! let storage = Storage::open(layout, identity, root, &StorageOptions::default())?;
//! let storage = Arc::new(storage);
//!
//! // 1. What is there already?
//! let go_on = |_| ControlFlow::Continue(());
//! let Some(found) = recover(&storage, &hashes, &RecoverOptions::default(), go_on)? else {
//!     return Ok(()); // It was cancelled.
//! };
//! let mut missing = 2 - found.have.count();
//! storage.prepare()?;
//!
//! // 2. Blocks in, completions out.
//! let disk = Disk::new(&DiskOptions::default())?;
//! let (sender, completions) = std::sync::mpsc::channel();
//! let options = TorrentOptions::default();
//! let torrent = disk.add(storage, hashes, found, &options, move |done| drop(sender.send(done)));
//! # let geometry = torrent.storage().geometry();
//! # for piece in geometry.pieces() {
//! #     for block in geometry.blocks(piece) {
//! #         let begin = geometry.block_offset(block) as usize;
//! #         let data = content[begin..begin + block.length() as usize].to_vec();
//! torrent.store(block, data.into())?; // For each block of the piece, in any order.
//! #     }
//! torrent.verify(piece, VerifyOptions::default());
//! # }
//! while missing > 0 {
//!     match completions.recv()? {
//!         Completion::PieceVerified { .. } => missing -= 1,
//!         Completion::PieceUnstored { error, .. } => return Err(error.into()),
//!         _ => {}
//!     }
//! }
//!
//! // 3. A record for the next run.
//! torrent.checkpoint(Counters { downloaded: 40_000, ..Counters::default() });
//! assert!(matches!(completions.recv()?, Completion::Checkpointed));
//! disk.shutdown();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

pub use tinytorrent_folder::{FileStamp, FileTime, Operation};

pub use crate::{
    disk::{
        BlockDigest, Completion, Disk, DiskOptions, NotStored, TorrentDisk, TorrentOptions,
        VerifyOptions,
    },
    error::{Fault, StorageError},
    hashes::PieceHashes,
    pool::FilePool,
    resume::{
        Counters, MetadataFile, PartialPiece, RecordError, RecoverOptions, Recovered, ResumeRecord,
        recover,
    },
    storage::{Misfit, Storage, StorageOptions},
    turns::CheckTurns,
    verify::{Verified, VerifyProgress, verify},
};
