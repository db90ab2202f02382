/// Limits of a [`Session`](super::Session), and its strictness.
///
/// # Defaults
/// - lenient
/// - [`max_request_length`](Self::max_request_length): 128 KiB
/// - [`max_outstanding`](Self::max_outstanding): 2,000
/// - [`max_refused`](Self::max_refused): 300
/// - [`max_unasked`](Self::max_unasked): 2,000
/// - [`max_rejects`](Self::max_rejects): 4,000
/// - [`fast_allowance`](Self::fast_allowance): 3
/// - [`by_v2_hash`](Self::by_v2_hash): no
#[derive(Debug, Clone)]
pub struct SessionConfig {
    pub(super) is_strict: bool,
    pub(super) max_request_length: u32,
    pub(super) max_outstanding: usize,
    pub(super) max_refused: usize,
    pub(super) max_unasked: usize,
    pub(super) max_rejects: usize,
    pub(super) fast_allowance: u32,
    pub(super) is_by_v2_hash: bool,
}

impl SessionConfig {
    /// Lenient limits, for clients: harmless deviations of deployed clients are tolerated.
    pub fn lenient() -> Self {
        Self {
            is_strict: false,
            max_request_length: 128 * 1024,
            max_outstanding: 2000,
            max_refused: 300,
            max_unasked: 2000,
            max_rejects: 4000,
            fast_allowance: 3,
            is_by_v2_hash: false,
        }
    }

    /// Strict limits, for tests of other clients: each breach of a BEP is a violation.
    pub fn strict() -> Self {
        Self { is_strict: true, ..Self::lenient() }
    }

    /// Sets the longest request to serve, in bytes. Default 128 KiB: BEP 3 has 16 KiB, but longer ones are
    /// in use. A higher limit lets a peer make us read more at once.
    pub fn max_request_length(&mut self, bytes: u32) -> &mut Self {
        self.max_request_length = bytes;
        self
    }

    /// Sets the length of a request queue; requests beyond it are refused. Default 2,000, as in
    /// libtorrent. Announce it as `reqq`.
    pub fn max_outstanding(&mut self, count: usize) -> &mut Self {
        self.max_outstanding = count;
        self
    }

    /// Sets the number of refused requests in a row that make a flood, for missing pieces for example.
    /// Default 300. While the sender is choked, as many as a request queue holds are no flood.
    pub fn max_refused(&mut self, count: usize) -> &mut Self {
        self.max_refused = count;
        self
    }

    /// Sets the number of blocks without a request that make a flood, without the fast extension. Default
    /// 2,000: more than can be in flight at a choke or a cancel.
    pub fn max_unasked(&mut self, count: usize) -> &mut Self {
        self.max_unasked = count;
        self
    }

    /// Sets the number of rejects without a block between them that make a flood. Default 4,000: a peer that
    /// chokes rejects a whole request queue, and this is twice as many as most queues hold.
    pub fn max_rejects(&mut self, count: usize) -> &mut Self {
        self.max_rejects = count;
        self
    }

    /// Sets the bytes of an allowed-fast piece to serve while choked, in lengths of the piece. Default 3, as
    /// in libtorrent.
    pub fn fast_allowance(&mut self, times: u32) -> &mut Self {
        self.fast_allowance = times;
        self
    }

    /// Sets that the handshakes name the torrent by its v2 info-hash. Messages about hashes are legal then
    /// without the v2 bit, which is for the upgrade of a hybrid named by its v1 info-hash (BEP 52).
    pub fn by_v2_hash(&mut self, is_by_v2_hash: bool) -> &mut Self {
        self.is_by_v2_hash = is_by_v2_hash;
        self
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self::lenient()
    }
}
