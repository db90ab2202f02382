//! What lenient reading let pass.

use crate::KeyPath;

/// One place where a document is not canonical bencode.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deviation {
    /// What is wrong.
    pub kind: DeviationKind,
    /// Where, in bytes from the start of the input.
    pub offset: usize,
    /// In which value, or at which key.
    pub path: KeyPath,
}

impl core::fmt::Display for Deviation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        crate::error::write_located(f, &self.kind, self.offset, &self.path)
    }
}

/// The ways in which deployed software departs from canonical bencode (BEP 3, "bencoding").
///
/// Strict reading refuses them as [`ErrorKind::NotCanonical`](crate::ErrorKind::NotCanonical), lenient
/// reading lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DeviationKind {
    /// `i-0e`; read as 0.
    #[error("an integer is negative zero")]
    NegativeZero,
    /// `i03e`; read as 3.
    #[error("an integer has a leading zero")]
    IntegerLeadingZero,
    /// `03:abc`; read as `abc`.
    #[error("a string length has a leading zero")]
    LengthLeadingZero,
    /// A key is less than the key before it, as raw bytes.
    #[error("a key is out of order")]
    UnsortedKey,
    /// A key occurs again in the same dictionary; lookups find the first.
    #[error("a key occurs twice")]
    DuplicateKey,
    /// Bytes follow the value.
    #[error("{count} bytes follow the value")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

/// A deviation as the decoder notes it; the path is found when somebody asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    pub(crate) kind: DeviationKind,
    pub(crate) offset: usize,
    pub(crate) token: usize,
}
