//! Deserialization of Rust values from a document.

use alloc::collections::BTreeSet;
use core::str;

use serde::de::value::BorrowedBytesDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Error, raw, with_raw};
use crate::{Dict, ErrorKind, Kind, List, Node};

/// A serde deserializer of one value of a document.
#[derive(Debug, Clone, Copy)]
pub struct NodeDeserializer<'doc, 'de> {
    node: Node<'doc, 'de>,
}

impl<'doc, 'de> NodeDeserializer<'doc, 'de> {
    /// A deserializer of this value.
    pub fn new(node: Node<'doc, 'de>) -> Self {
        Self { node }
    }

    fn list<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut values = Values { list: self.node.to_list()? };
        let result = visitor.visit_seq(&mut values)?;
        // A visitor of a tuple stops at its length, and further values would be lost unseen.
        match values.list.count() {
            0 => Ok(result),
            more => Err(Error::custom(format_args!("{more} values more than expected"))),
        }
    }

    fn dict<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let dict = self.node.to_dict()?;
        // Only a document with deviations can have equal keys, which serde refuses.
        let seen = (!self.node.is_in_canonical_document()).then(BTreeSet::new);
        visitor.visit_map(Entries { dict, value: None, seen })
    }

    fn integer<T: str::FromStr>(self, name: &'static str) -> Result<T, Error> {
        let Some(digits) = self.node.as_digits() else {
            // No integer, so that this is always an error.
            return Err(self.node.to_i64().map(drop).unwrap_err().into());
        };
        str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| self.node.error(ErrorKind::OutOfRange(name)).into())
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let number = self.integer::<$type>(stringify!($type))?;
            visitor.$visit(number).map_err(|error: Error| error.at(self.node))
        }
    )*};
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let node = self.node;
        match node.kind() {
            Kind::String => visitor.visit_borrowed_bytes(node.to_bytes()?),
            Kind::List => self.list(visitor),
            Kind::Dict => self.dict(visitor),
            Kind::Integer => match (node.as_i64(), node.as_u64()) {
                // Most types take an `i64`; larger numbers are tried as others.
                (Some(number), _) => visitor.visit_i64(number),
                (None, Some(number)) => visitor.visit_u64(number),
                (None, None) => match self.integer("u128") {
                    Ok(number) => visitor.visit_u128(number),
                    Err(_) => visitor.visit_i128(self.integer("i128")?),
                },
            },
        }
        .map_err(|error: Error| error.at(node))
    }

    integers! {
        deserialize_i8 visit_i8 i8
        deserialize_i16 visit_i16 i16
        deserialize_i32 visit_i32 i32
        deserialize_i64 visit_i64 i64
        deserialize_i128 visit_i128 i128
        deserialize_u8 visit_u8 u8
        deserialize_u16 visit_u16 u16
        deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64
        deserialize_u128 visit_u128 u128
    }

    // Any number but 0 is true, as in libtorrent for `private` (B-29).
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.as_bool() {
            Some(flag) => visitor.visit_bool(flag).map_err(|error: Error| error.at(self.node)),
            None => Err(self.node.to_i64().map(drop).unwrap_err().into()),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.node.to_str()?;
        visitor.visit_borrowed_str(text).map_err(|error: Error| error.at(self.node))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // A missing value is a missing key, so that a value which is here is `Some`.
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match name {
            raw::NAME => visitor.visit_borrowed_bytes(self.node.raw()),
            with_raw::NAME => visitor.visit_seq(Twice { node: self.node, left: 2 }),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (name, content) = match self.node.as_bytes() {
            Some(name) => (name, None),
            None => {
                let mut dict = self.node.to_dict()?;
                match (dict.next(), dict.next()) {
                    (Some((name, content)), None) => (name, Some(content)),
                    _ => return Err(Error::custom("a variant is one key").at(self.node)),
                }
            }
        };
        visitor.visit_enum(Variant { name, content }).map_err(|error: Error| error.at(self.node))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // The document is decoded already, and there is nothing to skip.
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        f32 f64 bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

struct Values<'doc, 'de> {
    list: List<'doc, 'de>,
}

impl<'de> SeqAccess<'de> for Values<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.list.next().map(|node| seed.deserialize(NodeDeserializer::new(node))).transpose()
    }
}

/// The same value twice, for [`WithRaw`](super::WithRaw).
struct Twice<'doc, 'de> {
    node: Node<'doc, 'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Twice<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(NodeDeserializer::new(self.node)).map(Some)
    }
}

struct Entries<'doc, 'de> {
    dict: Dict<'doc, 'de>,
    value: Option<Node<'doc, 'de>>,
    /// The keys so far, if the document can have equal keys.
    seen: Option<BTreeSet<&'de [u8]>>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        for (key, value) in &mut self.dict {
            if self.seen.as_mut().is_none_or(|seen| seen.insert(key)) {
                self.value = Some(value);
                return seed.deserialize(KeyDeserializer { key }).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let node = self.value.take().ok_or_else(|| Error::custom("a value before its key"))?;
        seed.deserialize(NodeDeserializer::new(node)).map_err(|error| error.at(node))
    }
}

/// A deserializer of a key, as a string or as bytes.
struct KeyDeserializer<'de> {
    key: &'de [u8],
}

impl<'de> Deserializer<'de> for KeyDeserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.key)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match str::from_utf8(self.key) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => Err(Error::invalid_value(Unexpected::Bytes(self.key), &visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(Variant { name: self.key, content: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Variant<'doc, 'de> {
    name: &'de [u8],
    content: Option<Node<'doc, 'de>>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = seed.deserialize(BorrowedBytesDeserializer::<Error>::new(self.name))?;
        Ok((name, self))
    }
}

impl Variant<'_, '_> {
    fn no_content() -> Error {
        Error::custom("a variant with content is a dictionary of one key")
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            None => Ok(()),
            Some(node) => Err(Error::custom("a variant without content is a string").at(node)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(NodeDeserializer::new(self.content.ok_or_else(Self::no_content)?))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        NodeDeserializer::new(self.content.ok_or_else(Self::no_content)?).list(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        NodeDeserializer::new(self.content.ok_or_else(Self::no_content)?).dict(visitor)
    }
}
