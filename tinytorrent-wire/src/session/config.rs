/// Limits of a [`Session`](super::Session), and how strictly it judges.
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
pub struct Config {
    pub(super) is_strict: bool,
    pub(super) max_request_length: u32,
    pub(super) max_outstanding: usize,
    pub(super) max_refused: usize,
    pub(super) max_unasked: usize,
    pub(super) max_rejects: usize,
    pub(super) fast_allowance: u32,
    pub(super) is_by_v2_hash: bool,
}

impl Config {
    /// Bears with what deployed clients do, as far as it does no harm. For clients.
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

    /// Every breach of a BEP is a violation. For tests of other clients.
    pub fn strict() -> Self {
        Self { is_strict: true, ..Self::lenient() }
    }

    /// The longest request to serve, in bytes. Default 128 KiB: BEP 3 has 16 KiB, but larger ones
    /// are seen. More lets a peer make us read more at once.
    pub fn max_request_length(&mut self, bytes: u32) -> &mut Self {
        self.max_request_length = bytes;
        self
    }

    /// Requests that one side may have open; those beyond are refused. Default 2,000, as libtorrent.
    /// Announce it as `reqq`.
    pub fn max_outstanding(&mut self, count: usize) -> &mut Self {
        self.max_outstanding = count;
        self
    }

    /// Requests in a row that cannot be served and make a flood: for pieces that are not there, say.
    /// Default 300. Those that come while the sender is choked may be as many as it may have open.
    pub fn max_refused(&mut self, count: usize) -> &mut Self {
        self.max_refused = count;
        self
    }

    /// Blocks that answer nothing and make a flood, without the fast extension. Default 2,000: more than
    /// can be under way at a choke or a cancel.
    pub fn max_unasked(&mut self, count: usize) -> &mut Self {
        self.max_unasked = count;
        self
    }

    /// Rejects without a block between them that make a flood. Default 4,000: a peer that chokes
    /// rejects all that is open, twice as many as most take.
    pub fn max_rejects(&mut self, count: usize) -> &mut Self {
        self.max_rejects = count;
        self
    }

    /// Times that the length of an allowed-fast piece may be requested while choked. Default 3, as
    /// libtorrent.
    pub fn fast_allowance(&mut self, times: u32) -> &mut Self {
        self.fast_allowance = times;
        self
    }

    /// True if the handshakes name the torrent by its v2 info-hash. Then both sides speak of hashes
    /// without a bit for it, which only upgrades a hybrid that is named by its v1 info-hash (BEP 52).
    pub fn by_v2_hash(&mut self, is_by_v2_hash: bool) -> &mut Self {
        self.is_by_v2_hash = is_by_v2_hash;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::lenient()
    }
}
