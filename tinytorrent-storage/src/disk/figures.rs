use std::sync::atomic::{AtomicU64, Ordering};

/// The work of a [`Disk`](super::Disk): what it holds now, and what it has done since its start, over all torrents.
///
/// The figures do not have to be of one instant, as threads go on meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct DiskFigures {
    /// Bytes of accepted blocks that are not written yet.
    pub unstored_bytes: u64,
    /// Upper bound of the bytes of memory that accepted blocks keep allocated.
    pub held_bytes: u64,
    /// Bytes of memory that reads keep allocated, the read cache included.
    pub read_memory: u64,
    /// Torrents with jobs that wait, are due later, or are being done.
    pub active_torrents: u64,
    /// Blocks that were asked for, and that no thread reads yet.
    pub waiting_reads: u64,
    /// Bytes of blocks that were written, and of those that were dropped as their piece was lost.
    pub stored_bytes: u64,
    /// Blocks that were read for peers and readers.
    pub read_blocks: u64,
    /// Bytes of these blocks.
    pub read_bytes: u64,
    /// Those of these blocks that were in the read cache.
    pub cache_hits: u64,
    /// Pieces that were hashed and are right.
    pub right_pieces: u64,
    /// Pieces that were hashed and are wrong.
    pub wrong_pieces: u64,
    /// Resume records that were written.
    pub records: u64,
    /// Pieces that could not be written or hashed.
    pub store_errors: u64,
    /// Blocks that could not be read.
    pub read_errors: u64,
    /// Resume records that could not be written.
    pub record_errors: u64,
}

/// What a disk has done, as its threads count it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) stored_bytes: Count,
    pub(super) read_blocks: Count,
    pub(super) read_bytes: Count,
    pub(super) cache_hits: Count,
    pub(super) right_pieces: Count,
    pub(super) wrong_pieces: Count,
    pub(super) records: Count,
    pub(super) store_errors: Count,
    pub(super) read_errors: Count,
    pub(super) record_errors: Count,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    /// The figures of what was done; zero of what is held.
    pub(super) fn figures(&self) -> DiskFigures {
        DiskFigures {
            stored_bytes: self.stored_bytes.get(),
            read_blocks: self.read_blocks.get(),
            read_bytes: self.read_bytes.get(),
            cache_hits: self.cache_hits.get(),
            right_pieces: self.right_pieces.get(),
            wrong_pieces: self.wrong_pieces.get(),
            records: self.records.get(),
            store_errors: self.store_errors.get(),
            read_errors: self.read_errors.get(),
            record_errors: self.record_errors.get(),
            ..DiskFigures::default()
        }
    }
}
