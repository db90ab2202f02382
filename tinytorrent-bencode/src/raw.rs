//! Values kept as their exact bytes.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use crate::{Error, Options, debug};

/// The exact bytes of one value, which are known to be bencode. An info-hash is one of such bytes.
///
/// [Encoding](crate::encode) a raw value appends the bytes as they are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Raw<'a>(Cow<'a, [u8]>);

impl<'a> Raw<'a> {
    /// The bytes of one canonical value.
    ///
    /// # Errors
    ///
    /// As [`decode`](crate::decode).
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        crate::decode(bytes)?;
        Ok(Self::trusted(bytes))
    }

    /// The bytes of one value, with the deviations of deployed software. Bytes behind it are left out.
    ///
    /// # Errors
    ///
    /// As [`decode_lenient`](crate::decode_lenient).
    pub fn new_lenient(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut options = Options::lenient();
        // Only the end of the value is needed here, so no deviation is recorded.
        Ok(Self::trusted(options.max_deviations(0).decode(bytes)?.raw()))
    }

    /// Bytes that were decoded as a value before.
    pub(crate) fn trusted(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The owned bytes; borrowed bytes are copied.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_owned()
    }

    /// The same value with owned bytes; borrowed bytes are copied.
    pub fn into_owned(self) -> Raw<'static> {
        Raw(Cow::Owned(self.0.into_owned()))
    }
}

/// The bencode, with `\xXX` for bytes that are not printable ASCII. Long values are cut.
impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raw(")?;
        debug::write_bencode(&self.0, f)?;
        f.write_str(")")
    }
}

impl AsRef<[u8]> for Raw<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
