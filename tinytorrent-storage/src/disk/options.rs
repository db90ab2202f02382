use std::time::Duration;

/// How a [`Disk`](super::Disk) uses memory, threads and time.
///
/// # Defaults
/// - [`threads`](Self::threads): 2
/// - [`memory`](Self::memory): 32 MiB
/// - [`read_cache`](Self::read_cache): 8 MiB
/// - [`receive_buffer`](Self::receive_buffer): 256 KiB
/// - [`sync_before_have`](Self::sync_before_have): no
#[derive(Debug, Clone)]
pub struct DiskOptions {
    pub(super) threads: usize,
    pub(super) memory: u64,
    pub(super) read_cache: u64,
    pub(super) receive_buffer: usize,
    pub(super) sync_before_have: bool,
}

impl DiskOptions {
    /// Threads that write, hash and read. Default: 2, so that uploads need not wait for a hash.
    /// More help a fast device; fewer, at least 1, make uploads wait.
    pub fn threads(&mut self, threads: usize) -> &mut Self {
        self.threads = threads.max(1);
        self
    }

    /// Bytes of received blocks that may be held for all torrents together, before unfinished
    /// pieces are written and dropped from memory. Default: 32 MiB, at least 1 MiB. More spares
    /// reading back; less makes pieces that come out of order be read back for hashing. It is not
    /// a limit by itself: a device that is slower than the network has to be
    /// waited for, see [`TorrentDisk::unstored_bytes`](super::TorrentDisk::unstored_bytes).
    pub fn memory(&mut self, bytes: u64) -> &mut Self {
        self.memory = bytes.max(1 << 20);
        self
    }

    /// Bytes of content that are kept for uploads. Default: 8 MiB. Less than a run of 256 KiB for
    /// each peer that is served makes reads as small as requests.
    pub fn read_cache(&mut self, bytes: u64) -> &mut Self {
        self.read_cache = bytes;
        self
    }

    /// How large the buffers are that blocks are slices of. Default: 256 KiB. A block alone in
    /// its buffer counts as much as the buffer.
    pub fn receive_buffer(&mut self, bytes: usize) -> &mut Self {
        self.receive_buffer = bytes;
        self
    }

    /// Whether a piece is brought to the medium before it is reported (S-26). Default: no; then a
    /// power failure may lose pieces that others were told of, which resuming finds out. It costs
    /// a sync for each batch of pieces.
    pub fn sync_before_have(&mut self, sync: bool) -> &mut Self {
        self.sync_before_have = sync;
        self
    }
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self {
            threads: 2,
            memory: 32 << 20,
            read_cache: 8 << 20,
            receive_buffer: 256 << 10,
            sync_before_have: false,
        }
    }
}

/// How many unwritten bytes of a torrent make a batch: a three-hundredth of the content, as three
/// batches are what a kill costs at most, but no less than makes a decent write and no more than
/// lanes can use and memory allows.
pub(super) fn batch_bytes(total_length: u64, memory: u64) -> u64 {
    (total_length / 300).clamp(64 << 10, (memory / 8).clamp(64 << 10, 8 << 20))
}

/// How many unwritten bytes of a torrent keep the disk busy: a batch that is written, one that
/// waits and one that comes in.
pub(super) fn unstored_limit(batch_bytes: u64) -> u64 {
    3 * batch_bytes
}

/// Complete pieces wait so long for others to be hashed with in lanes; only while pieces come
/// quickly. At 100 MB/s that is a piece of 256 KiB.
pub(super) const LINGER: Duration = Duration::from_millis(4);

/// So many complete pieces fill all lanes (16 of AVX-512).
pub(super) const FULL_LANES: usize = 16;

/// Blocks are written when they have been held so long, even if few: what a kill costs a slow
/// download.
pub(super) const HOLD: Duration = Duration::from_secs(1);
