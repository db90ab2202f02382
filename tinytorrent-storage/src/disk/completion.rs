use bytes::Bytes;
use tinytorrent_types::{BlockInfo, PieceIndex};

use crate::StorageError;

/// What became of a job of a [`TorrentDisk`](super::TorrentDisk).
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
    /// these bytes never exceeds what was accepted, and equals it when nothing is left to do. Another
    /// thread may be told before `store` has returned.
    ///
    /// One for each batch, before the completions of the pieces in it.
    BlocksWritten {
        /// How many bytes.
        bytes: u64,
    },
    /// The piece hashes right and all of it is written.
    PieceVerified {
        /// The piece.
        piece: PieceIndex,
        /// The digest of each of its blocks, in order, if [`VerifyOptions::digests`] asked.
        digests: Vec<BlockDigest>,
    },
    /// The piece hashes wrong. All of its blocks are forgotten.
    PieceFailed {
        /// The piece.
        piece: PieceIndex,
        /// The digest of each of its blocks, in order: blocks that differ from those of the good
        /// piece later are the bad ones.
        digests: Vec<BlockDigest>,
        /// Whether some blocks were written by an earlier run: then nobody is to blame, as they
        /// may never have reached the disk.
        is_recovered: bool,
    },
    /// The piece of a hybrid has the SHA-1 that the torrent says, but not the merkle root, or the other
    /// way round: the torrent contradicts itself, and no content can be right (BEP 52, "upgrade
    /// path"). Nobody who sent a block is at fault. All of its blocks are forgotten, and there is no
    /// use in storing more of the torrent.
    PieceInconsistent {
        /// The piece.
        piece: PieceIndex,
    },
    /// Blocks of the piece could not be written or read back. All of its blocks are forgotten, and
    /// nothing is tried again until it is stored anew.
    PieceUnstored {
        /// The piece.
        piece: PieceIndex,
        /// Why.
        error: StorageError,
    },
    /// Data for a peer.
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
        /// Why.
        error: StorageError,
    },
    /// All that was stored before the checkpoint is on the medium, and a resume record of it too.
    Checkpointed,
    /// The checkpoint was not made; the record before it, if any, still stands.
    NotCheckpointed {
        /// Why.
        error: StorageError,
    },
}

/// The SHA-1 of a block, by which a bad one is found once the good one is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockDigest(pub(crate) [u8; 20]);

impl BlockDigest {
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// What [`verify`](super::TorrentDisk::verify) is to do beside verifying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Whether the digests of blocks are wanted for a good piece too: when it failed before, they
    /// tell who sent bad blocks. They cost a second reading of the piece. Default: no.
    pub digests: bool,
}

impl VerifyOptions {
    /// With the digests of blocks.
    pub fn with_digests() -> Self {
        Self { digests: true }
    }
}

/// Why a block was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotStored {
    /// The block does not lie on the grid of 16 KiB, or the data is not as long as the block.
    #[error("the data is not a whole block of the piece")]
    NotABlock,
    /// It was there already, or the piece is verified.
    #[error("the block was stored before")]
    Duplicate,
    /// The disk is shut down.
    #[error("the disk is shut down")]
    Stopped,
}
