use bytes::Bytes;
use tinytorrent_types::{BlockDigest, BlockInfo, PieceIndex};

use crate::StorageError;

/// The outcome of a job of a [`TorrentDisk`](super::TorrentDisk).
#[derive(Debug)]
#[non_exhaustive]
pub enum Completion {
    /// Bytes of accepted blocks that are written, or dropped with a piece that failed or could not
    /// be written. They are no longer part of
    /// [`TorrentDisk::unstored_bytes`](super::TorrentDisk::unstored_bytes).
    ///
    /// The law for back-pressure: a block counts from the moment that
    /// [`store`](super::TorrentDisk::store) or [`store_last`](super::TorrentDisk::store_last) returns
    /// `Ok`, and each of its bytes is in exactly one `BlocksWritten`, whatever becomes of the block,
    /// its piece or the torrent: verified, failed, lost to an error, or written after the
    /// [`TorrentDisk`](super::TorrentDisk) was dropped. A refused block is in none. So the sum of
    /// these bytes never exceeds what was accepted, and equals it when nothing is left to do. The
    /// completion may come, on another thread, before `store` has returned.
    ///
    /// One for each batch, before the completions of the pieces in it.
    BlocksWritten {
        /// Number of bytes.
        bytes: u64,
    },
    /// The piece has the right hash, and all of it is written.
    PieceVerified {
        /// The piece.
        piece: PieceIndex,
        /// The digest of each of its blocks, in order, if [`PieceVerifyOptions::digests`] is set.
        digests: Vec<BlockDigest>,
    },
    /// The piece has a wrong hash. All of its blocks are forgotten.
    PieceFailed {
        /// The piece.
        piece: PieceIndex,
        /// The digest of each of its blocks, in order. The blocks whose digests differ from those of
        /// the right piece, once that has come, are the bad ones.
        digests: Vec<BlockDigest>,
        /// `true` if some blocks were written by an earlier run. They may never have reached the disk,
        /// so that no peer can be blamed.
        is_recovered: bool,
    },
    /// The piece of a hybrid has the right SHA-1 and a wrong merkle root, or the other way round. The
    /// torrent contradicts itself, so that no content can be right (BEP 52, "upgrade path"), and no peer
    /// is at fault. All blocks of the piece are forgotten. It is of no use to store more of the torrent.
    PieceInconsistent {
        /// The piece.
        piece: PieceIndex,
    },
    /// Blocks of the piece could not be written or read back. All of its blocks are forgotten, and have to
    /// be stored anew. Not for the lack of a file descriptor, which is waited for.
    ///
    /// With [`StorageError::IncompletePiece`], a request to verify the piece came too early, and its blocks
    /// are kept.
    PieceUnstored {
        /// The piece.
        piece: PieceIndex,
        /// The reason.
        error: StorageError,
    },
    /// A block was read.
    BlockRead {
        /// The tag of the request.
        tag: u64,
        /// The block.
        block: BlockInfo,
        /// Its bytes.
        data: Bytes,
    },
    /// The block could not be read.
    BlockUnread {
        /// The tag of the request.
        tag: u64,
        /// The block.
        block: BlockInfo,
        /// The reason.
        error: StorageError,
    },
    /// All blocks that were stored before the checkpoint are on the medium, and so is a resume record of
    /// them.
    Checkpointed,
    /// The checkpoint was not made; the old record, if any, is unchanged.
    NotCheckpointed {
        /// The reason.
        error: StorageError,
    },
}

/// Options of [`verify`](super::TorrentDisk::verify).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PieceVerifyOptions {
    /// Gives the digests of blocks for a right piece too. After a failure of the piece, they show which
    /// blocks were bad. They cost a second reading of the piece. Default: no.
    pub digests: bool,
}

impl PieceVerifyOptions {
    /// Options with [`digests`](Self::digests).
    pub fn with_digests() -> Self {
        Self { digests: true }
    }
}

/// The reason why a block was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotStored {
    /// The block does not lie on the grid of 16 KiB, or the data is not as long as the block.
    #[error("the data is not a whole block of the piece")]
    NotABlock,
    /// The block was stored before, or its piece is verified.
    #[error("the block was stored before")]
    Duplicate,
    /// The disk is shut down.
    #[error("the disk is shut down")]
    Stopped,
}
