//! The owned tree.

mod children;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::{fmt, mem};

use self::children::Children;
use crate::debug::{self, Part, Tree};
use crate::{Integer, encode};

/// An owned value, for building or changing a document step by step.
///
/// A dictionary is a sorted map, so that its encoding is always canonical. For reading,
/// [`Document`](crate::Document) is better, which copies nothing. Dropping does not recurse.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// A string, of any bytes.
    Bytes(Vec<u8>),
    /// An integer of any size.
    Integer(Integer),
    /// A list.
    List(Vec<Value>),
    /// A dictionary.
    Dict(BTreeMap<Vec<u8>, Value>),
}

impl Value {
    /// An empty dictionary.
    pub fn dict() -> Self {
        Self::Dict(BTreeMap::new())
    }

    /// The bytes of a string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// An integer.
    pub fn as_integer(&self) -> Option<&Integer> {
        if let Self::Integer(integer) = self { Some(integer) } else { None }
    }

    /// The values of a list.
    pub fn as_list(&self) -> Option<&Vec<Self>> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The values of a list, mutable.
    pub fn as_list_mut(&mut self) -> Option<&mut Vec<Self>> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The keys and values of a dictionary.
    pub fn as_dict(&self) -> Option<&BTreeMap<Vec<u8>, Self>> {
        if let Self::Dict(dict) = self { Some(dict) } else { None }
    }

    /// The keys and values of a dictionary, mutable.
    pub fn as_dict_mut(&mut self) -> Option<&mut BTreeMap<Vec<u8>, Self>> {
        if let Self::Dict(dict) = self { Some(dict) } else { None }
    }

    /// The value of a key of a dictionary.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&Self> {
        self.as_dict()?.get(key.as_ref())
    }

    /// Sets the value of a key of a dictionary, and returns the old one. Another kind of value is not
    /// changed, and the new value is returned.
    pub fn insert(&mut self, key: impl AsRef<[u8]>, value: impl Into<Self>) -> Option<Self> {
        match self {
            Self::Dict(dict) => dict.insert(key.as_ref().to_vec(), value.into()),
            _ => Some(value.into()),
        }
    }

    /// The bytes of a string, by value.
    pub fn into_bytes(mut self) -> Option<Vec<u8>> {
        if let Self::Bytes(bytes) = &mut self { Some(mem::take(bytes)) } else { None }
    }

    /// The values of a list, by value.
    pub fn into_list(mut self) -> Option<Vec<Self>> {
        if let Self::List(list) = &mut self { Some(mem::take(list)) } else { None }
    }

    /// The keys and values of a dictionary, by value.
    pub fn into_dict(mut self) -> Option<BTreeMap<Vec<u8>, Self>> {
        if let Self::Dict(dict) = &mut self { Some(mem::take(dict)) } else { None }
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.encode_into(&mut out);
        out
    }

    /// Appends the canonical encoding.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        // A stack of our own, since recursion could overflow that of the thread.
        let mut open = Vec::new();
        let mut next = Some(self);
        loop {
            if let Some(value) = next {
                open.extend(begin(value, out));
            }
            let Some(innermost) = open.last_mut() else { return };
            next = innermost.next().map(|(key, value)| {
                key.into_iter().for_each(|key| encode::bytes(out, key));
                value
            });
            if next.is_none() {
                out.push(b'e');
                open.pop();
            }
        }
    }
}

/// Writes a string, an integer, or the start of a container, whose children are returned.
fn begin<'v>(value: &'v Value, out: &mut Vec<u8>) -> Option<Children<'v>> {
    let (start, children) = match value.part() {
        Part::Bytes(bytes) => {
            encode::bytes(out, bytes);
            return None;
        }
        Part::Integer(integer) => {
            out.push(b'i');
            integer.write(out);
            out.push(b'e');
            return None;
        }
        Part::List(children) => (b'l', children),
        Part::Dict(children) => (b'd', children),
    };
    out.push(start);
    Some(children)
}

/// The value for people: `{"length": 42, "pieces": 0x0123…}`. Long values are cut.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::write::<&Self>(self.part(), f)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // The generated drop of a deep value would recurse.
        let mut pending = Vec::new();
        take_children(self, &mut pending);
        while let Some(mut value) = pending.pop() {
            take_children(&mut value, &mut pending);
        }
    }
}

/// Moves the values out of a container that has other containers, so that its drop does not recurse.
fn take_children(value: &mut Value, into: &mut Vec<Value>) {
    let is_container = |value: &Value| matches!(value, Value::List(_) | Value::Dict(_));
    match value {
        // Containers of strings and integers only are left to the generated drop.
        Value::List(values) if values.iter().any(is_container) => into.append(values),
        Value::Dict(entries) if entries.values().any(is_container) => {
            into.extend(mem::take(entries).into_values());
        }
        _ => {}
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Self {
        Self::List(values)
    }
}

impl From<BTreeMap<Vec<u8>, Value>> for Value {
    fn from(entries: BTreeMap<Vec<u8>, Value>) -> Self {
        Self::Dict(entries)
    }
}

impl From<Integer> for Value {
    fn from(integer: Integer) -> Self {
        Self::Integer(integer)
    }
}

macro_rules! from_integers {
    ($($type:ty)*) => {$(
        impl From<$type> for Value {
            fn from(number: $type) -> Self {
                Self::Integer(number.into())
            }
        }
    )*};
}

from_integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);
