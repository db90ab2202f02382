//! Serialization of Rust values.

use alloc::vec::Vec;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{Error, raw};
use crate::encode::{self, DictEncoder};

/// Appends a value, which must not be `None`.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    let before = out.len();
    value.serialize(Writer { out, raw: false })?;
    // Only `None` appends nothing, and a list has no form for a missing value.
    if out.len() == before { Err(Error::Unsupported("form for a lone `None`")) } else { Ok(()) }
}

/// A serializer of one value. It appends nothing for `None`.
struct Writer<'out> {
    out: &'out mut Vec<u8>,
    /// True if the bytes of the value are bencode already.
    raw: bool,
}

impl<'out> Writer<'out> {
    /// Begins the dictionary of a variant with content, and writes the variant's name as its key.
    fn variant(self, name: &'static str) -> &'out mut Vec<u8> {
        // A single key cannot be out of order, so that no `DictEncoder` is needed.
        self.out.push(b'd');
        encode::bytes(self.out, name);
        self.out
    }
}

macro_rules! integers {
    ($($method:ident $type:ident)*) => {$(
        fn $method(self, number: $type) -> Result<(), Error> {
            encode::integer(self.out, number);
            Ok(())
        }
    )*};
}

impl<'out> Serializer for Writer<'out> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Values<'out>;
    type SerializeTuple = Values<'out>;
    type SerializeTupleStruct = Values<'out>;
    type SerializeTupleVariant = Values<'out>;
    type SerializeMap = Entries<'out>;
    type SerializeStruct = Entries<'out>;
    type SerializeStructVariant = Entries<'out>;

    integers! {
        serialize_i8 i8 serialize_i16 i16 serialize_i32 i32 serialize_i64 i64
        serialize_u8 u8 serialize_u16 u16 serialize_u32 u32 serialize_u64 u64
        serialize_i128 i128 serialize_u128 u128
    }

    fn serialize_bool(self, flag: bool) -> Result<(), Error> {
        // Bencode has no booleans; `private` is an integer too (BEP 27).
        self.serialize_u8(u8::from(flag))
    }

    fn serialize_f32(self, _: f32) -> Result<(), Error> {
        Err(Error::Unsupported("floating point numbers"))
    }

    fn serialize_f64(self, _: f64) -> Result<(), Error> {
        Err(Error::Unsupported("floating point numbers"))
    }

    fn serialize_char(self, letter: char) -> Result<(), Error> {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        self.serialize_bytes(text.as_bytes())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        if self.raw {
            self.out.extend_from_slice(bytes);
        } else {
            encode::bytes(self.out, bytes);
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        // The dictionary around it leaves out the key.
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Err(Error::Unsupported("unit"))
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        Err(Error::Unsupported("unit"))
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        // Serde has no raw values, so `Raw` is a newtype with a name of its own.
        value.serialize(Writer { out: self.out, raw: name == raw::NAME })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let out = self.variant(variant);
        write(value, out)?;
        out.push(b'e');
        Ok(())
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Values<'out>, Error> {
        self.out.push(b'l');
        Ok(Values { out: self.out, end: b"e" })
    }

    fn serialize_tuple(self, length: usize) -> Result<Values<'out>, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        length: usize,
    ) -> Result<Values<'out>, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Values<'out>, Error> {
        let out = self.variant(variant);
        out.push(b'l');
        Ok(Values { out, end: b"ee" })
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Entries<'out>, Error> {
        Ok(Entries { dict: DictEncoder::begin(self.out), key: Vec::new(), end: b"" })
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Entries<'out>, Error> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Entries<'out>, Error> {
        let dict = DictEncoder::begin(self.variant(variant));
        Ok(Entries { dict, key: Vec::new(), end: b"e" })
    }
}

/// A serializer of the values of a list.
struct Values<'out> {
    out: &'out mut Vec<u8>,
    end: &'static [u8],
}

impl Values<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        write(value, self.out)
    }

    fn finish(self) -> Result<(), Error> {
        self.out.extend_from_slice(self.end);
        Ok(())
    }
}

macro_rules! values {
    ($($trait:ident $method:ident)*) => {$(
        impl $trait for Values<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.add(value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

values! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

/// A serializer of the entries of a dictionary.
struct Entries<'out> {
    dict: DictEncoder<'out>,
    /// The key of the next value.
    key: Vec<u8>,
    /// The end of the dictionary around it, if this is the content of a variant.
    end: &'static [u8],
}

impl Entries<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, key: &[u8], value: &T) -> Result<(), Error> {
        self.dict.try_entry(key, |out| value.serialize(Writer { out, raw: false }))
    }

    fn finish(self) -> Result<(), Error> {
        self.dict.end().extend_from_slice(self.end);
        Ok(())
    }
}

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key.clear();
        write(key, &mut self.key)?;
        // The key must be a string, and the dictionary encoder writes the length itself.
        let colon = self.key.iter().position(|byte| *byte == b':');
        match (self.key[0], colon) {
            (b'0'..=b'9', Some(colon)) => drop(self.key.drain(..=colon)),
            _ => return Err(Error::Unsupported("key but a string")),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        // Put back below, so that the next key uses the same buffer.
        let key = core::mem::take(&mut self.key);
        let result = self.add(&key, value);
        self.key = key;
        result
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

macro_rules! entries {
    ($($trait:ident)*) => {$(
        impl $trait for Entries<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.add(key.as_bytes(), value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

entries! { SerializeStruct SerializeStructVariant }
