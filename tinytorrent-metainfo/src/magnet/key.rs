use core::fmt;

use tinytorrent_types::HexError;
use tinytorrent_types::hex::{self, Hex};

/// The key of a torrent that its owner may change: `xs=urn:btpk:` and `s` of a magnet link (BEP 46).
///
/// Whoever has the secret half signs the info-hash of the torrent of the day, and stores it in the DHT as a
/// mutable item (BEP 44), which is found by this key.
///
/// ```
/// use tinytorrent_metainfo::TorrentKey;
///
/// let key = TorrentKey::new([7; 32], *b"nightly")?;
/// assert_eq!(key.salt(), b"nightly");
/// # Ok::<(), tinytorrent_metainfo::KeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TorrentKey {
    public: [u8; 32],
    /// At most [`MAX_SALT`](Self::MAX_SALT) bytes.
    salt: Box<[u8]>,
}

/// An error of a text or of bytes that are no key of a torrent (BEP 46).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The public key is not 64 hexadecimal digits.
    #[error("no public key: {0}")]
    Public(HexError),
    /// The salt is not hexadecimal digits.
    #[error("no salt: {0}")]
    Salt(HexError),
    /// The salt is longer than BEP 44 allows.
    #[error("a salt of {found} bytes, the limit is {}", TorrentKey::MAX_SALT)]
    SaltTooLong {
        /// Its length in bytes.
        found: usize,
    },
}

impl TorrentKey {
    /// Bytes of a salt at most (BEP 44).
    pub const MAX_SALT: usize = 64;

    /// A key of these bytes. The salt tells several torrents of one owner apart; it is empty if there is one.
    ///
    /// # Errors
    /// [`KeyError::SaltTooLong`].
    pub fn new(public: [u8; 32], salt: impl Into<Box<[u8]>>) -> Result<Self, KeyError> {
        let salt = salt.into();
        if salt.len() > Self::MAX_SALT {
            return Err(KeyError::SaltTooLong { found: salt.len() });
        }
        Ok(Self { public, salt })
    }

    /// A key of the digits of `xs=urn:btpk:` and of `s`.
    pub(super) fn from_digits(public: &str, salt: &str) -> Result<Self, KeyError> {
        // A link may have a mebibyte of digits.
        if salt.len() > 2 * Self::MAX_SALT {
            return Err(KeyError::SaltTooLong { found: salt.len().div_ceil(2) });
        }
        let public = hex::decode(public).map_err(KeyError::Public)?;
        Self::new(public, hex::decode_vec(salt).map_err(KeyError::Salt)?)
    }

    /// The public key, of ed25519.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The salt, which is empty if there is none.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }
}

/// Its form in a magnet link, without what stands before it.
impl fmt::Display for TorrentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xs=urn:btpk:{}", Hex(&self.public))?;
        if !self.salt.is_empty() {
            write!(f, "&s={}", Hex(&self.salt))?;
        }
        Ok(())
    }
}
