use std::time::Duration;

/// Options of a [`Bucket`](crate::Bucket): its use of memory and of the network, over all contents in it.
///
/// # Defaults
/// - [`write_memory`](Self::write_memory): 64 MiB
/// - [`read_memory`](Self::read_memory): 64 MiB
/// - [`read_ahead`](Self::read_ahead): 512 KiB
/// - [`parallel`](Self::parallel): 16
/// - [`attempts`](Self::attempts): 5
/// - [`timeout`](Self::timeout): 60 s
#[derive(Debug, Clone)]
pub struct ObjectOptions {
    pub(crate) write_memory: u64,
    pub(crate) read_memory: u64,
    pub(crate) read_ahead: u64,
    pub(crate) parallel: usize,
    pub(crate) attempts: u32,
    pub(crate) timeout: Duration,
}

impl ObjectOptions {
    /// Bytes of unfinished pieces in memory, of all contents; at least 1 MiB. Default: 64 MiB. Above it, the
    /// pieces that were written to longest ago leave memory for objects of their own (drafts), from which they
    /// are read back when they are complete: a request more for each, and two more later. Enough is the length
    /// of a piece for each peer that is downloaded from.
    ///
    /// Pieces that are being uploaded take up to a quarter of it in addition, and at least one piece.
    pub fn write_memory(&mut self, bytes: u64) -> &mut Self {
        self.write_memory = bytes.max(1 << 20);
        self
    }

    /// Bytes of parts of objects that were read, of all contents; at least twice the
    /// [`read_ahead`](Self::read_ahead). Default: 64 MiB. With less than two parts for each piece that is read at
    /// a time, parts are read again and again. A check reads 16 pieces at a time on each thread.
    pub fn read_memory(&mut self, bytes: u64) -> &mut Self {
        self.read_memory = bytes;
        self
    }

    /// Bytes that are read of an object with one request, from 16 KiB to 16 MiB. Default: 512 KiB. The next part
    /// of the piece is requested while this one is used. With more there are fewer requests, and more is read
    /// in vain for peers that ask for single blocks.
    pub fn read_ahead(&mut self, bytes: u64) -> &mut Self {
        self.read_ahead = bytes.clamp(16 << 10, 16 << 20);
        self
    }

    /// Requests to the store at a time, at least 1. Default: 16.
    pub fn parallel(&mut self, count: usize) -> &mut Self {
        self.parallel = count.clamp(1, 1 << 16);
        self
    }

    /// Times that a request is made that fails, at least 1. Default: 5, with pauses of 0.1 s that double up to
    /// 5 s. What the store refuses is not tried again: a wrong key, a lack of rights, an object that is not there.
    /// The clients of S3, GCS and Azure have attempts of their own within each of these; see `RetryConfig` of
    /// `object_store`.
    pub fn attempts(&mut self, count: u32) -> &mut Self {
        self.attempts = count.max(1);
        self
    }

    /// Time after which an attempt has failed. Default: 60 s. It should be enough for a whole piece.
    pub fn timeout(&mut self, timeout: Duration) -> &mut Self {
        self.timeout = timeout;
        self
    }
}

impl Default for ObjectOptions {
    fn default() -> Self {
        Self {
            write_memory: 64 << 20,
            read_memory: 64 << 20,
            read_ahead: 512 << 10,
            parallel: 16,
            attempts: 5,
            timeout: Duration::from_secs(60),
        }
    }
}
