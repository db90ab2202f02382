//! Copies of values that own their bytes.

use alloc::vec::Vec;

use crate::{Error, ErrorKind, Node, Value};

/// The largest depth of a [`Value`] made from a node. Clones and comparisons recurse, and must not
/// overflow the stack.
const MAX_DEPTH: usize = 1000;

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
