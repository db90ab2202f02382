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
