use tinytorrent_bencode as bencode;

use crate::PathPolicy;

/// Settings of reading torrents: mode, path policy and limits.
///
/// Strict reading accepts only torrents that the BEPs allow. Lenient reading accepts the torrents in
/// circulation, and lists their faults in [`Metainfo::warnings`](crate::Metainfo::warnings).
///
/// # Defaults
///
/// | option | default |
/// |---|---|
/// | mode | strict |
/// | [`path_policy`](Self::path_policy) | [`PathPolicy::System`] |
/// | [`max_bytes`](Self::max_bytes) | 128 MiB |
/// | [`max_depth`](Self::max_depth) | 210 |
/// | [`max_nodes`](Self::max_nodes) | 3,000,000 |
/// | [`max_pieces`](Self::max_pieces) | 2^21 |
/// | [`max_padding`](Self::max_padding) | 4 GiB, and 64 bytes for each of payload |
/// | [`max_warnings`](Self::max_warnings) | 100 |
///
/// ```
/// use tinytorrent_metainfo::{PathPolicy, ReadOptions};
///
/// let mut options = ReadOptions::lenient();
/// options.path_policy(PathPolicy::Portable);
/// // Lenient reading accepts bytes behind the value; Windows does not accept a `:`.
/// let torrent = b"d4:infod6:lengthi1e4:name3:a:b12:piece lengthi16384e\
///     6:pieces20:ABCDEFGHIJKLMNOPQRSTee\n";
/// let metainfo = options.read(torrent)?;
/// assert_eq!(metainfo.info().name(), "a_b");
/// assert_eq!(metainfo.warnings().len(), 2);
/// # Ok::<(), tinytorrent_metainfo::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReadOptions {
    pub(crate) lenient: bool,
    pub(crate) policy: PathPolicy,
    pub(crate) max_pieces: u32,
    pub(crate) max_padding: u64,
    pub(crate) max_warnings: usize,
    pub(crate) bencode: bencode::Options,
}

impl ReadOptions {
    /// Accepts only torrents that the BEPs allow.
    pub fn strict() -> Self {
        Self::new(false, bencode::Options::strict())
    }

    /// Accepts the torrents in circulation, and collects their faults as warnings.
    pub fn lenient() -> Self {
        Self::new(true, bencode::Options::lenient())
    }

    fn new(lenient: bool, mut bencode: bencode::Options) -> Self {
        bencode.max_bytes(128 << 20).max_depth(210);
        let policy = PathPolicy::default();
        Self {
            lenient,
            policy,
            max_pieces: 1 << 21,
            max_padding: 4 << 30,
            max_warnings: 100,
            bencode,
        }
    }

    /// The rules by which names become paths. Default: [`PathPolicy::System`].
    pub fn path_policy(&mut self, policy: PathPolicy) -> &mut Self {
        self.policy = policy;
        self
    }

    /// Bytes of a torrent at most. Default: 128 MiB, twice the size of 2^21 pieces with v2 hashes.
    pub fn max_bytes(&mut self, bytes: usize) -> &mut Self {
        self.bencode.max_bytes(bytes);
        self
    }

    /// Depth of nested lists and dictionaries at most. Default: 210, enough for file trees of
    /// [`MAX_DEPTH`](crate::MAX_DEPTH) folders. Reading does not recurse, so more is safe.
    pub fn max_depth(&mut self, depth: usize) -> &mut Self {
        self.bencode.max_depth(depth);
        self
    }

    /// Keys and values at most. Default: 3,000,000 as in libtorrent, enough for 400,000 files. Each
    /// costs 8 bytes during reading.
    pub fn max_nodes(&mut self, nodes: usize) -> &mut Self {
        self.bencode.max_nodes(nodes);
        self
    }

    /// Pieces at most. Default: 2^21 as in libtorrent. More cost memory for bitfields and for the state
    /// of each piece.
    pub fn max_pieces(&mut self, pieces: u32) -> &mut Self {
        self.max_pieces = pieces;
        self
    }

    /// Bytes of padding at the ends of pieces at most, besides 64 for each byte of payload, in a torrent of
    /// v1 alone (BEP 47). Default: 4 GiB, which a core hashes in two or three seconds.
    ///
    /// Nobody has to send padding, but SHA-1 covers it: with pieces of 512 MiB, a peer would make us hash as
    /// much for one byte. With pieces of 1 MiB, 4,096 files of any size have room, and more if they have 16
    /// KiB each. Hybrids need no limit: see
    /// [`Metainfo::is_verified_by_tree_alone`](crate::Metainfo::is_verified_by_tree_alone).
    pub fn max_padding(&mut self, bytes: u64) -> &mut Self {
        self.max_padding = bytes;
        self
    }

    /// The limit of padding for so much payload.
    pub(crate) fn padding_limit(&self, payload: u64) -> u64 {
        self.max_padding.saturating_add(payload.saturating_mul(PADDING_PER_BYTE))
    }

    /// Warnings that are kept; the others are counted. Default: 100.
    pub fn max_warnings(&mut self, warnings: usize) -> &mut Self {
        self.max_warnings = warnings;
        // Deviations of bencode become warnings, so more of them would be dropped later.
        self.bencode.max_deviations(warnings);
        self
    }
}

/// Bytes of padding for each byte of payload. A download of 10 MB a second has then 640 MB to hash, a third of
/// what a core can do. Real torrents have less than one byte; tiny ones, up to some hundreds, fit into 4 GiB.
const PADDING_PER_BYTE: u64 = 64;

impl Default for ReadOptions {
    fn default() -> Self {
        Self::strict()
    }
}
