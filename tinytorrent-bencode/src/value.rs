//! The owned tree.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map;
use alloc::vec::Vec;
use core::mem;

use crate::encode;
use crate::{Error, ErrorKind, Integer, Node};

/// An owned value, for building or changing a document step by step.
///
/// A dictionary is a sorted map, so that its encoding is always canonical. For reading,
/// [`Document`](crate::Document) is better, which copies nothing. Dropping does not recurse.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// The largest depth of a [`Value`] made from a node. Clones and comparisons recurse, and must not
/// overflow the stack.
const MAX_DEPTH: usize = 1000;

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
            next = innermost.next(out);
            if next.is_none() {
                out.push(b'e');
                open.pop();
            }
        }
    }
}

/// A container whose values are being written.
enum Open<'v> {
    List(core::slice::Iter<'v, Value>),
    Dict(btree_map::Iter<'v, Vec<u8>, Value>),
}

impl<'v> Open<'v> {
    /// The next value, after writing its key.
    fn next(&mut self, out: &mut Vec<u8>) -> Option<&'v Value> {
        match self {
            Self::List(values) => values.next(),
            Self::Dict(entries) => entries.next().map(|(key, value)| {
                encode::bytes(out, key);
                value
            }),
        }
    }
}

fn begin<'v>(value: &'v Value, out: &mut Vec<u8>) -> Option<Open<'v>> {
    match value {
        Value::Bytes(bytes) => encode::bytes(out, bytes),
        Value::Integer(integer) => {
            out.push(b'i');
            integer.write(out);
            out.push(b'e');
        }
        Value::List(values) => {
            out.push(b'l');
            return Some(Open::List(values.iter()));
        }
        Value::Dict(entries) => {
            out.push(b'd');
            return Some(Open::Dict(entries.iter()));
        }
    }
    None
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

impl Node<'_, '_> {
    /// A copy that owns its bytes. Of equal keys the first is kept, and integers become canonical.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooDeep`] beyond 1000 levels, which is possible only if
    /// [`Options::max_depth`](crate::Options::max_depth) is larger.
    pub fn to_value(&self) -> Result<Value, Error> {
        // A stack of our own, as in `encode_into`.
        let mut open: Vec<Building<'_, '_>> = Vec::new();
        let mut node = *self;
        loop {
            let mut done = match Building::begin(node) {
                Ok(building) => {
                    if open.len() == MAX_DEPTH {
                        return Err(node.error(ErrorKind::TooDeep { limit: MAX_DEPTH }));
                    }
                    open.push(building);
                    None
                }
                Err(leaf) => Some(leaf),
            };
            node = loop {
                let Some(innermost) = open.last_mut() else {
                    // Only a leaf or a container that has just ended leaves nothing open.
                    return Ok(done.unwrap_or_else(Value::dict));
                };
                if let Some(value) = done.take() {
                    innermost.add(value);
                }
                match innermost.next() {
                    Some(next) => break next,
                    None => done = open.pop().map(|building| building.value),
                }
            };
        }
    }
}

/// A container that is being copied.
struct Building<'doc, 'a> {
    value: Value,
    key: &'a [u8],
    list: crate::List<'doc, 'a>,
    dict: crate::Dict<'doc, 'a>,
}

impl<'doc, 'a> Building<'doc, 'a> {
    fn begin(node: Node<'doc, 'a>) -> Result<Self, Value> {
        let value = if let Some(bytes) = node.as_bytes() {
            return Err(bytes.into());
        } else if let Some(integer) = node.as_integer() {
            return Err(integer.into());
        } else if node.kind() == crate::Kind::List {
            Value::List(Vec::new())
        } else {
            Value::dict()
        };
        Ok(Self { value, key: &[], list: node.list(), dict: node.dict() })
    }

    fn next(&mut self) -> Option<Node<'doc, 'a>> {
        self.list.next().or_else(|| {
            let (key, node) = self.dict.next()?;
            self.key = key;
            Some(node)
        })
    }

    fn add(&mut self, value: Value) {
        match &mut self.value {
            Value::List(values) => values.push(value),
            Value::Dict(entries) => {
                entries.entry(self.key.to_vec()).or_insert(value);
            }
            Value::Bytes(_) | Value::Integer(_) => {}
        }
    }
}
