//! BitTorrent content on disk: positioned I/O, verification, resume data; blocking, no runtime.

mod disk;
mod error;
mod hashes;
mod parts;
mod pool;
mod presence;
mod resume;
mod root;
mod storage;
mod vectored;
mod verify;

pub use crate::{
    disk::{
        BlockDigest, Completion, Disk, DiskOptions, NotStored, TorrentDisk, TorrentOptions,
        VerifyOptions,
    },
    error::{Fault, Operation, StorageError},
    hashes::PieceHashes,
    pool::FilePool,
    resume::{
        Counters, PartialPiece, RecordError, RecoverOptions, Recovered, ResumeRecord, recover,
    },
    root::FileStamp,
    storage::{Storage, StorageOptions},
    verify::{Verified, VerifyProgress, verify},
};
