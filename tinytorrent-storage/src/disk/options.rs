use std::time::Duration;

/// Options of a [`Disk`](super::Disk): its use of threads and memory.
///
/// # Defaults
/// - [`threads`](Self::threads): 2
/// - [`content_threads`](Self::content_threads): 8
/// - [`memory`](Self::memory): 32 MiB
/// - [`read_cache`](Self::read_cache): 8 MiB
/// - [`read_memory`](Self::read_memory): as much as the read cache, and at least 1 MiB
/// - [`receive_buffer`](Self::receive_buffer): 256 KiB
/// - [`sync_before_have`](Self::sync_before_have): no
#[derive(Debug, Clone)]
pub struct DiskOptions {
    pub(super) threads: usize,
    pub(super) content_threads: usize,
    pub(super) memory: u64,
    pub(super) read_cache: u64,
    pub(super) read_memory: Option<u64>,
    pub(super) receive_buffer: usize,
    pub(super) sync_before_have: bool,
}

impl DiskOptions {
    /// Threads that write, hash and read files, at least 1. Default: 2, so that reads need not wait for a hash.
    /// More make use of a fast device; with 1, reads wait.
    pub fn threads(&mut self, threads: usize) -> &mut Self {
        self.threads = threads.max(1);
        self
    }

    /// Threads for [`Content`](crate::Content) of the program's own, at least 1. Default: 8. They are started with
    /// the first such content, and serve no files, so that a store that does not answer holds up no files. Each
    /// waits for one call; content in memory needs no more than one.
    pub fn content_threads(&mut self, threads: usize) -> &mut Self {
        self.content_threads = threads.max(1);
        self
    }

    /// Bytes of blocks in memory, of all torrents together, above which unfinished pieces are written
    /// and dropped from memory; at least 1 MiB. Default: 32 MiB. With less, more pieces whose blocks come
    /// out of order have to be read back for hashing. It is no hard limit: where the network is faster
    /// than the device, the caller has to wait, see
    /// [`TorrentDisk::unstored_bytes`](super::TorrentDisk::unstored_bytes).
    pub fn memory(&mut self, bytes: u64) -> &mut Self {
        self.memory = bytes.max(1 << 20);
        self
    }

    /// Bytes of the read cache. Default: 8 MiB. With less than a run of 256 KiB for each peer that is
    /// served, reads from disk are as small as requests. A run counts until the last block of it that was
    /// passed on is dropped, whether the cache still has it or not.
    pub fn read_cache(&mut self, bytes: u64) -> &mut Self {
        self.read_cache = bytes;
        self
    }

    /// Bytes of blocks that were read by themselves, and not from the cache, until they are dropped. Default:
    /// as many as the [`read_cache`](Self::read_cache) has, and at least 1 MiB.
    ///
    /// Above it, requests for reads wait until earlier blocks are dropped. So the caller has to drop them
    /// sooner or later without waiting for others, as one does that sends them. A block that is larger by
    /// itself is read alone.
    pub fn read_memory(&mut self, bytes: u64) -> &mut Self {
        self.read_memory = Some(bytes);
        self
    }

    pub(super) fn read_limit(&self) -> u64 {
        self.read_memory.unwrap_or(self.read_cache.max(1 << 20))
    }

    /// Bytes of a receive buffer, of which blocks are slices. Default: 256 KiB. A single block keeps its
    /// whole buffer in memory, and counts as much.
    pub fn receive_buffer(&mut self, bytes: usize) -> &mut Self {
        self.receive_buffer = bytes;
        self
    }

    /// Syncs a piece to the medium before it is reported as verified (S-26). Default: no. Without it, a
    /// power failure may lose pieces that were announced to peers; recovery notices that. It costs a
    /// sync for each batch of pieces.
    pub fn sync_before_have(&mut self, sync: bool) -> &mut Self {
        self.sync_before_have = sync;
        self
    }
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self {
            threads: 2,
            content_threads: 8,
            memory: 32 << 20,
            read_cache: 8 << 20,
            read_memory: None,
            receive_buffer: 256 << 10,
            sync_before_have: false,
        }
    }
}

/// The unwritten bytes of a torrent that make a batch: a three-hundredth of the content, within bounds.
///
/// A kill loses three batches at most, so 1 % of the content. Below 64 KiB, writes are too small to be
/// fast; above 8 MiB or an eighth of the memory, a batch does not gain from being larger.
pub(super) fn batch_bytes(total_length: u64, memory: u64) -> u64 {
    (total_length / 300).clamp(64 << 10, (memory / 8).clamp(64 << 10, 8 << 20))
}

/// The unwritten bytes of a torrent that keep the disk busy: a batch that is written, one that waits and
/// one that is coming in.
pub(super) fn unstored_limit(batch_bytes: u64) -> u64 {
    3 * batch_bytes
}

/// Time that a complete piece waits for others to be hashed with in lanes, while pieces come quickly. At
/// 100 MB/s, 400 kB come in that time.
pub(super) const LINGER: Duration = Duration::from_millis(4);

/// Complete pieces that fill all lanes: AVX-512 has 16.
pub(super) const FULL_LANES: usize = 16;

/// Time after which blocks are written, even if they are few. A kill of a slow download loses the blocks
/// of that time.
pub(super) const HOLD: Duration = Duration::from_secs(1);
