//! [`Value`] in serde's data model.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::{fmt, str};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::{Integer, Value};

/// The largest number of nested lists and dictionaries. Serde recurses, and must not overflow the stack.
/// It is above the default limit of decoding, and that of `serde_json`.
const MAX_DEPTH: usize = 128;

/// Strings are text in other formats if they are UTF-8, and bytes otherwise.
///
/// # Errors
///
/// More than 128 nested lists and dictionaries, and integers of more than 128 bits, which serde lacks.
/// [`Value::encode`] writes them all.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Nested { value: self, room: MAX_DEPTH }.serialize(serializer)
    }
}

/// A value, and the number of levels that it may have.
struct Nested<'v> {
    value: &'v Value,
    room: usize,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = || self.room.checked_sub(1).ok_or_else(|| S::Error::custom(TooDeep));
        match self.value {
            Value::Bytes(bytes) => Text(bytes).serialize(serializer),
            Value::Integer(integer) => serialize_integer(integer, serializer),
            Value::List(values) => {
                let room = inner()?;
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Nested { value, room })?;
                }
                list.end()
            }
            Value::Dict(entries) => {
                let room = inner()?;
                let mut dict = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    dict.serialize_entry(&Text(key), &Nested { value, room })?;
                }
                dict.end()
            }
        }
    }
}

fn serialize_integer<S: Serializer>(integer: &Integer, serializer: S) -> Result<S::Ok, S::Error> {
    if let Some(number) = integer.as_i64() {
        return serializer.serialize_i64(number);
    }
    if let Some(number) = integer.as_u64() {
        return serializer.serialize_u64(number);
    }
    let digits =
        integer.as_big().and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default();
    if let Ok(number) = digits.parse() {
        return serializer.serialize_i128(number);
    }
    match digits.parse() {
        Ok(number) => serializer.serialize_u128(number),
        Err(_) => Err(S::Error::custom("an integer of more than 128 bits")),
    }
}

/// A string, as text if it is UTF-8.
struct Text<'v>(&'v [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_bytes(self.0),
        }
    }
}

/// From any format that describes itself. Booleans are integers. Floats and null are errors, and so are more
/// than 128 nested lists and maps. Of equal keys the first counts.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Seed { room: MAX_DEPTH }.deserialize(deserializer)
    }
}

/// A visitor of a value that may have this many levels.
#[derive(Clone, Copy)]
struct Seed {
    room: usize,
}

impl Seed {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let room = self.room.checked_sub(1).ok_or_else(|| E::custom(TooDeep))?;
        Ok(Self { room })
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! integers {
    ($($method:ident $type:ty)*) => {$(
        fn $method<E: Error>(self, number: $type) -> Result<Value, E> {
            Ok(number.into())
        }
    )*};
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an integer, a list or a dictionary")
    }

    integers! { visit_i64 i64 visit_u64 u64 visit_i128 i128 visit_u128 u128 }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(u8::from(flag).into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(bytes.into())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(bytes.into())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        // A length from outside is a claim, so that no room is reserved.
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut dict: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut entries = BTreeMap::new();
        while let Some(Key(key)) = dict.next_key()? {
            let value = dict.next_value_seed(inner)?;
            entries.entry(key).or_insert(value);
        }
        Ok(Value::Dict(entries))
    }
}

/// A key, which is a string.
struct Key(Vec<u8>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string as a key")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key, E> {
                Ok(Key(text.into()))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Key, E> {
                Ok(Key(bytes.to_vec()))
            }
        }

        deserializer.deserialize_any(KeyVisitor)
    }
}

/// The words of the error of too many levels.
struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lists and dictionaries are nested more than {MAX_DEPTH} deep")
    }
}
