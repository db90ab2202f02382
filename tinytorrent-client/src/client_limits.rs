use crate::Client;
use crate::client_options::least_memory;
use crate::memory::Memory;

/// The limits over all torrents of a client. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct ClientLimits {
    /// Received bytes of content a second.
    pub download: Option<u64>,
    /// Sent bytes of content a second.
    pub upload: Option<u64>,
    /// Number of torrents that download at a time. The others wait, in the order of the torrents.
    pub active_downloads: Option<usize>,
    /// Number of torrents that seed at a time.
    pub active_seeds: Option<usize>,
    /// Number of contents that are checked at a time. On each disk there is one at most.
    pub active_checks: Option<usize>,
    /// Number of peers that are served at a time.
    pub upload_slots: Option<usize>,
    /// Number of connections that are being made at a time.
    pub half_open: Option<usize>,
    /// Number of connections that are begun in a second.
    pub dials_per_second: Option<u32>,
    /// Number of connections; `None` for as many as there are descriptors for.
    pub max_connections: Option<usize>,
    /// Bytes of memory for what other hosts send and ask for.
    pub memory: u64,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            download: None,
            upload: None,
            active_downloads: None,
            active_seeds: None,
            active_checks: None,
            upload_slots: None,
            half_open: None,
            dials_per_second: None,
            max_connections: None,
            memory: 48 << 20,
        }
    }
}

/// Limits over all torrents, which can change at any time.
impl Client {
    /// The limits over all torrents. No torrent is locked for it.
    pub fn limits(&self) -> ClientLimits {
        self.resources().conductor.limits()
    }

    /// Limits the received bytes of content a second, over all torrents; `None` for no limit. Torrents that can
    /// use it get it; the limit of each holds as well. It is divided anew each 250 ms, at a cost that grows with the
    /// number of torrents.
    pub fn set_download_limit(&self, bytes_per_second: Option<u64>) {
        self.change_limits(|limits| limits.download = bytes_per_second);
    }

    /// Limits the sent bytes of content a second, over all torrents; `None` for no limit. It is divided as the
    /// [download limit](Self::set_download_limit) is.
    pub fn set_upload_limit(&self, bytes_per_second: Option<u64>) {
        self.change_limits(|limits| limits.upload = bytes_per_second);
    }

    /// Limits the number of torrents that download at a time; see
    /// [`ClientOptions::active_downloads`](crate::ClientOptions::active_downloads). Those beyond it disconnect at once, and are
    /// [`Queued`](crate::State::Queued).
    pub fn set_active_downloads(&self, count: Option<usize>) {
        self.change_limits(|limits| limits.active_downloads = count);
    }

    /// Limits the number of torrents that seed at a time, as [`set_active_downloads`](Self::set_active_downloads)
    /// does for downloads.
    pub fn set_active_seeds(&self, count: Option<usize>) {
        self.change_limits(|limits| limits.active_seeds = count);
    }

    /// Limits the number of peers that are served at a time; see [`ClientOptions::upload_slots`](crate::ClientOptions::upload_slots). Slots are dealt anew
    /// each 250 ms, at a cost that grows with the number of torrents.
    pub fn set_upload_slots(&self, count: Option<usize>) {
        self.change_limits(|limits| limits.upload_slots = count);
    }

    /// Limits the number of connections that are being made at a time; see [`ClientOptions::half_open`](crate::ClientOptions::half_open). Those that
    /// are being made go on. It is divided as the [slots](Self::set_upload_slots) are.
    pub fn set_half_open(&self, count: Option<usize>) {
        self.change_limits(|limits| limits.half_open = count);
    }

    /// Limits the number of connections that are begun in a second; see [`ClientOptions::dials_per_second`](crate::ClientOptions::dials_per_second). It is
    /// divided as the [slots](Self::set_upload_slots) are.
    pub fn set_dials_per_second(&self, count: Option<u32>) {
        self.change_limits(|limits| limits.dials_per_second = count);
    }

    /// Limits the number of contents that are checked at a time; see [`ClientOptions::active_checks`](crate::ClientOptions::active_checks). Checks that
    /// run go on.
    pub fn set_active_checks(&self, count: Option<usize>) {
        self.change_limits(|limits| limits.active_checks = count);
        self.resources().checks.set_limit(count);
    }

    /// Limits the number of connections; see [`ClientOptions::max_connections`](crate::ClientOptions::max_connections). `None` is as many as there
    /// are descriptors for. Those beyond the limit are closed, first those of least use of the torrents with most.
    pub fn set_max_connections(&self, count: Option<usize>) {
        self.change_limits(|limits| limits.max_connections = count);
        let resources = self.resources();
        resources.places.set_limit(resources.options.connection_count(count));
    }

    /// Changes the bytes of memory for what other hosts send and ask for; see [`ClientOptions::memory`](crate::ClientOptions::memory). With
    /// less, connections wait until what they hold is written or read. A torrent that was added before
    /// accepts metadata of the size that it accepted then. The time grows with the number of torrents.
    pub fn set_memory(&self, bytes: u64) {
        let (bytes, resources) = (least_memory(bytes), self.resources());
        self.change_limits(|limits| limits.memory = bytes);
        resources.memory.set_budget(bytes);
        resources.disk.set_memory(&resources.options.disk(bytes));
        resources.dialer.set_queues(Memory::queues(bytes));
        resources.buffers.trim();
        for torrent in resources.registry.all() {
            torrent.change(|driver, now| driver.follow_memory(now));
        }
    }

    fn change_limits(&self, change: impl FnOnce(&mut ClientLimits)) {
        self.resources().conductor.change(change);
    }
}
