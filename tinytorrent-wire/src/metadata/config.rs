use std::time::Duration;

/// Limits of a [`MetadataAssembly`](super::MetadataAssembly).
///
/// # Defaults
/// - [`max_size`](Self::max_size): 32 MiB
/// - [`requests_per_peer`](Self::requests_per_peer): 2
/// - [`request_timeout`](Self::request_timeout): 10 s
/// - [`reject_rest`](Self::reject_rest): 60 s
/// - [`attempt_timeout`](Self::attempt_timeout): 5 min
/// - [`memory`](Self::memory): 64 MiB
#[derive(Debug, Clone)]
pub struct AssemblyConfig {
    pub(super) max_size: u32,
    pub(super) requests_per_peer: usize,
    pub(super) request_timeout: Duration,
    pub(super) reject_rest: Duration,
    pub(super) attempt_timeout: Duration,
    pub(super) memory: u64,
}

impl Default for AssemblyConfig {
    fn default() -> Self {
        Self {
            max_size: 32 << 20,
            requests_per_peer: 2,
            request_timeout: Duration::from_secs(10),
            reject_rest: Duration::from_secs(60),
            attempt_timeout: Duration::from_secs(300),
            memory: 64 << 20,
        }
    }
}

impl AssemblyConfig {
    /// Sets the largest metadata to accept, in bytes. Default 32 MiB, more than any torrent that is known
    /// to be in use.
    pub fn max_size(&mut self, bytes: u32) -> &mut Self {
        self.max_size = bytes;
        self
    }

    /// Sets the requests in flight to one peer. Default 2: enough to keep it busy, and too few to look
    /// like a flood.
    pub fn requests_per_peer(&mut self, count: usize) -> &mut Self {
        self.requests_per_peer = count.max(1);
        self
    }

    /// Sets the timeout of a request, after which it goes to another peer. Default 10 s.
    pub fn request_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets the pause in requests to a peer after a reject or a timeout. Default 60 s, as in deployed
    /// clients.
    pub fn reject_rest(&mut self, rest: Duration) -> &mut Self {
        self.reject_rest = rest;
        self
    }

    /// Sets the time after which an attempt is dropped. Default 5 minutes.
    pub fn attempt_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets the bytes that all attempts together may come to, those that wait for their check included.
    /// Default 64 MiB. An attempt at a size beyond it is not made. While there is no room for all sizes that
    /// peers announce, those come first that most of them announce, then the smaller ones, and an attempt
    /// that is slow makes way. While the bytes of an attempt come in, up to half of its size is taken for a
    /// moment in addition, when they are moved.
    pub fn memory(&mut self, bytes: u64) -> &mut Self {
        self.memory = bytes;
        self
    }
}
