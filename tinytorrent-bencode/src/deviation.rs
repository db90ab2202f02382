//! Deviations from canonical bencode that lenient decoding accepts.

use crate::KeyPath;

/// One place where a document is not canonical bencode.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deviation {
    /// The kind of deviation.
    pub kind: DeviationKind,
    /// The offset in bytes from the start of the input.
    pub offset: usize,
    /// The path of the value or key.
    pub path: KeyPath,
}

impl core::fmt::Display for Deviation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        crate::error::write_located(f, &self.kind, self.offset, &self.path)
    }
}

/// The kinds of deviation from canonical bencode in deployed software (BEP 3, "bencoding").
///
/// Strict decoding refuses them with [`ErrorKind::NotCanonical`](crate::ErrorKind::NotCanonical),
/// lenient decoding lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DeviationKind {
    /// Negative zero, `i-0e`, which is read as 0.
    #[error("an integer is negative zero")]
    NegativeZero,
    /// An integer with a leading zero, such as `i03e`, which is read as 3.
    #[error("an integer has a leading zero")]
    IntegerLeadingZero,
    /// A length with a leading zero, such as `03:abc`, which is read as `abc`.
    #[error("a string length has a leading zero")]
    LengthLeadingZero,
    /// A key that is less than the key before it, as raw bytes.
    #[error("a key is out of order")]
    UnsortedKey,
    /// A key that occurs again in the same dictionary; lookups find the first.
    #[error("a key occurs twice")]
    DuplicateKey,
    /// Bytes behind the value.
    #[error("{count} bytes follow the value")]
    TrailingBytes {
        /// The number of bytes.
        count: usize,
    },
}

/// A deviation as the decoder records it. Its path is computed on request, since that takes time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    pub(crate) kind: DeviationKind,
    pub(crate) offset: usize,
    pub(crate) token: usize,
}
