//! Values kept as their exact bytes.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::{Error, Options};

/// One value as its exact bytes, known to be bencode: what an info-hash is made of.
///
/// Embedding it in what is [encoded](crate::encode) changes nothing in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Raw<'a>(Cow<'a, [u8]>);

impl<'a> Raw<'a> {
    /// One canonical value.
    ///
    /// # Errors
    ///
    /// As [`decode`](crate::decode).
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        crate::decode(bytes)?;
        Ok(Self::trusted(bytes))
    }

    /// One value, canonical or as deployed; bytes after it are left out.
    ///
    /// # Errors
    ///
    /// As [`decode_lenient`](crate::decode_lenient).
    pub fn new_lenient(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut options = Options::lenient();
        Ok(Self::trusted(options.max_deviations(0).decode(bytes)?.raw()))
    }

    /// Bytes that a document has proved to be a value.
    pub(crate) fn trusted(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, with a copy if they are borrowed.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_owned()
    }

    /// The same value with bytes of its own.
    pub fn into_owned(self) -> Raw<'static> {
        Raw(Cow::Owned(self.0.into_owned()))
    }
}

impl AsRef<[u8]> for Raw<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
