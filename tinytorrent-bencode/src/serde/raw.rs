//! [`Raw`] in serde's data model: a newtype with a reserved name.

use core::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::Raw;

/// The name of the newtype, which no other type has.
pub(super) const NAME: &str = "$tinytorrent_bencode::Raw";

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, RawVisitor)
    }
}

/// The words for a deserializer that has no raw bytes.
pub(super) const EXPECTING: &str = "a bencoded value, from bencode itself";

/// The error of a deserializer of serde or of another format.
pub(super) const NO_RAW_BYTES: &str = "only bencode has raw bytes, and not below `#[serde(flatten)]` or in an \
    untagged or internally tagged enum, for which serde copies the values: use `Value` there, or a field of \
    its own outside";

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTING)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Self::Value, D::Error> {
        // A value could be encoded anew, but its bytes may have been others if reading was lenient, and
        // an info-hash of other bytes is wrong.
        Err(D::Error::custom(NO_RAW_BYTES))
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        // The document may have been decoded leniently, which this visitor cannot know.
        Raw::new_lenient(bytes).map_err(E::custom)
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(NAME, &Bytes(self.as_bytes()))
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
