//! Magnet links (BEP 9 "magnet URI format", BEP 46, BEP 53).

mod escape;
mod key;
mod link;
mod parameters;
mod pasted;
mod read;
mod selection;

use core::fmt;
use std::str::FromStr;

use tinytorrent_types::InfoHashes;

use crate::HostPort;
use parameters::Parameters;

pub use key::{KeyError, TorrentKey};
pub use link::{KeyMagnet, MagnetLink};
pub use selection::FileSelection;

/// A magnet link: the info-hashes of a torrent, with trackers, peers and other sources.
///
/// Reading accepts links as they are pasted from web pages and mails, and as desktops pass them to
/// programs: with blanks, quotes and text around them, `&amp;` or `&#38;` for `&`, `magnet:///?`, links
/// that are escaped as a whole, bad escapes, unknown parameters. A link that is written and read again
/// is the same.
///
/// A link with a key alone (BEP 46) has no info-hash before the DHT is asked, and is no `Magnet`: read it as a
/// [`MagnetLink`].
///
/// ```
/// use tinytorrent_metainfo::Magnet;
///
/// let magnet: Magnet = "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c\
///     &dn=Big+Buck+Bunny&tr=udp%3A%2F%2Ftracker.example%3A6969&so=0,2-4".parse()?;
/// assert_eq!(magnet.name.as_deref(), Some("Big Buck Bunny"));
/// assert_eq!(magnet.trackers, ["udp://tracker.example:6969"]);
/// assert!(magnet.selection.contains(3) && !magnet.selection.contains(1));
/// assert_eq!(magnet.to_string().parse::<Magnet>()?, magnet);
/// # Ok::<(), tinytorrent_metainfo::MagnetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Magnet {
    /// `xt`: the info-hashes of the torrent.
    pub hashes: InfoHashes,
    /// `xs=urn:btpk:` and `s`: the key of an owner who may name another torrent (BEP 46).
    pub key: Option<TorrentKey>,
    /// `dn`: a name to show until the metadata is there. It comes from a stranger and is not sanitised
    /// for use as a path.
    pub name: Option<String>,
    /// `xl`: the length of the content in bytes. It is a hint and may be wrong.
    pub length: Option<u64>,
    /// `tr`: trackers, each a tier of its own.
    pub trackers: Vec<String>,
    /// `ws`: web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// `xs`: URLs of the torrent file.
    pub exact_sources: Vec<String>,
    /// `as`: URLs of the content.
    pub acceptable_sources: Vec<String>,
    /// `x.pe`: peers to connect to. They come from a stranger and should pass an address filter.
    pub peers: Vec<HostPort>,
    /// `dht`: nodes of the DHT to start from.
    pub nodes: Vec<HostPort>,
    /// `so`: the files to download, all if there is none (BEP 53).
    pub selection: FileSelection,
}

/// An error of a text that is not a usable magnet link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MagnetError {
    /// The text does not begin with `magnet:?`.
    #[error("a magnet link begins with `magnet:?`")]
    Scheme,
    /// The text is longer than [`Magnet::MAX_LENGTH`].
    #[error("a magnet link of {found} bytes, the limit is {}", Magnet::MAX_LENGTH)]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// No `xt` has an info-hash. Hashes of other networks do not count.
    #[error("no `xt` with `urn:btih:` or `urn:btmh:`")]
    NoInfoHash,
    /// A `btih` has neither 40 hexadecimal digits nor 32 of base32 (BEP 9).
    #[error("a btih of {found} characters, 40 or 32 were expected")]
    HashLength {
        /// The length of the `btih` in characters.
        found: usize,
    },
    /// A hash has a character that is not a digit of its notation.
    #[error("`{hash}` is not a hash")]
    HashDigits {
        /// The hash in the link.
        hash: String,
    },
    /// The multihash of a `btmh` is not SHA-256, code `1220` (BEP 9).
    #[error("multihash `{multihash}` is not supported, only `1220` and 64 digits")]
    UnsupportedMultihash {
        /// The multihash in the link, or its beginning.
        multihash: String,
    },
    /// The link has two different hashes of the same kind.
    #[error("two different info-hashes")]
    Conflict,
    /// The link has a key (BEP 46) and no info-hash; read it as a [`MagnetLink`], and ask the DHT for the
    /// torrent of the key.
    #[error("the link has a key and no info-hash, which only the DHT knows")]
    KeyOnly,
    /// The link has no key (BEP 46).
    #[error("no `xs` with `urn:btpk:`")]
    NoKey,
    /// The link has a key alone, which is not usable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The link has a key alone, and another one, or another salt for it.
    #[error("two different keys, or salts of a key")]
    KeyConflict,
}

impl Magnet {
    /// Bytes of a link at most: enough for some ten thousand trackers.
    pub const MAX_LENGTH: usize = 1 << 20;

    /// Trackers, web seeds, sources, peers, nodes or ranges of files at most; more are dropped.
    pub const MAX_ENTRIES: usize = 10_000;

    /// The link to the torrent with this info-hash: 40 hexadecimal digits or 32 of base32 for v1, 64
    /// hexadecimal digits or a multihash of 68 that begins with `1220` for v2, in upper or lower case.
    /// `None` for other text.
    ///
    /// Parsing does not accept a bare info-hash, since it may also be the name of a file.
    pub fn from_info_hash(text: &str) -> Option<Self> {
        read::read_info_hash(text).map(Self::new)
    }

    /// A link with info-hashes alone.
    ///
    /// ```
    /// use tinytorrent_metainfo::{InfoHashV1, Magnet};
    ///
    /// let hash: InfoHashV1 = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c".parse()?;
    /// let mut magnet = Magnet::new(hash.into());
    /// magnet.trackers.push("http://tracker.example/announce".into());
    /// assert!(magnet.to_string().starts_with("magnet:?xt=urn:btih:dd8255ec"));
    /// # Ok::<(), tinytorrent_metainfo::HexError>(())
    /// ```
    pub fn new(hashes: InfoHashes) -> Self {
        Self::with_parameters(hashes, None, Parameters::default())
    }

    fn with_parameters(
        hashes: InfoHashes,
        key: Option<TorrentKey>,
        parameters: Parameters,
    ) -> Self {
        let Parameters {
            name,
            length,
            trackers,
            web_seeds,
            exact_sources,
            acceptable_sources,
            peers,
            nodes,
            selection,
        } = parameters;
        Self {
            hashes,
            key,
            name,
            length,
            trackers,
            web_seeds,
            exact_sources,
            acceptable_sources,
            peers,
            nodes,
            selection,
        }
    }
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(text: &str) -> Result<Self, MagnetError> {
        match text.parse()? {
            MagnetLink::Torrent(magnet) => Ok(magnet),
            MagnetLink::Key(_) => Err(MagnetError::KeyOnly),
        }
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("magnet:?xt=urn:")?;
        match (self.hashes.v1(), self.hashes.v2()) {
            // In a multihash `12` stands for SHA-256, and `20` for its 32 bytes (BEP 9).
            (Some(v1), Some(v2)) => write!(f, "btih:{v1}&xt=urn:btmh:1220{v2}")?,
            (Some(v1), None) => write!(f, "btih:{v1}")?,
            (None, Some(v2)) => write!(f, "btmh:1220{v2}")?,
            (None, None) => unreachable!("`InfoHashes` has at least one hash"),
        }
        if let Some(key) = &self.key {
            write!(f, "&{key}")?;
        }
        // A copy, which costs nothing beside the escapes.
        Parameters::from(self.clone()).fmt(f)
    }
}

#[cfg(test)]
mod tests;
