use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::raw;
use crate::Raw;

/// The name of the newtype, which no other type has.
pub(super) const NAME: &str = "$tinytorrent_bencode::serde::WithRaw";

/// A value together with its exact bytes: an info dictionary and the bytes of its info-hash.
///
/// It serializes as the bytes that were read, so that keys without a field are kept. The value cannot be
/// changed in place, since the bytes would no longer be its own.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tinytorrent_bencode::serde::{WithRaw, from_slice, to_vec};
///
/// #[derive(Serialize, Deserialize)]
/// struct Torrent<'a> {
///     #[serde(borrow)]
///     info: WithRaw<'a, Info>,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Info {
///     name: String,
/// }
///
/// # fn main() -> Result<(), tinytorrent_bencode::serde::Error> {
/// let input = b"d4:infod4:name1:t6:source1:xee";
/// let torrent: Torrent = from_slice(input)?;
/// assert_eq!(torrent.info.name, "t");
/// assert_eq!(torrent.info.raw().as_bytes(), b"d4:name1:t6:source1:xe");
/// assert_eq!(to_vec(&torrent)?, input);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithRaw<'a, T> {
    value: T,
    raw: Raw<'a>,
}

impl<'a, T> WithRaw<'a, T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The exact bytes of the value in the input.
    pub fn raw(&self) -> &Raw<'a> {
        &self.raw
    }

    /// The value alone.
    pub fn into_value(self) -> T {
        self.value
    }

    /// The value and its bytes.
    pub fn into_parts(self) -> (T, Raw<'a>) {
        (self.value, self.raw)
    }
}

impl<T> Deref for WithRaw<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for WithRaw<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, WithRawVisitor(PhantomData))
    }
}

struct WithRawVisitor<'a, T>(PhantomData<WithRaw<'a, T>>);

impl<'de: 'a, 'a, T: Deserialize<'de>> Visitor<'de> for WithRawVisitor<'a, T> {
    type Value = WithRaw<'a, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(raw::EXPECTING)
    }

    /// The deserializer gives the same value twice.
    fn visit_seq<A: SeqAccess<'de>>(self, mut twice: A) -> Result<Self::Value, A::Error> {
        let raw = twice.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let value = twice.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
        Ok(WithRaw { value, raw })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Self::Value, D::Error> {
        Err(D::Error::custom(raw::NO_RAW_BYTES))
    }
}

impl<T> Serialize for WithRaw<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}
