//! The children of an owned list or dictionary.

use alloc::borrow::Cow;
use alloc::collections::btree_map;
use alloc::vec::Vec;
use core::slice;

use crate::Value;
use crate::debug::{Part, Tree};

/// The children of a list or a dictionary, with their keys if it is a dictionary.
pub(crate) enum Children<'v> {
    List(slice::Iter<'v, Value>),
    Dict(btree_map::Iter<'v, Vec<u8>, Value>),
}

impl<'v> Iterator for Children<'v> {
    type Item = (Option<&'v [u8]>, &'v Value);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::List(values) => values.next().map(|value| (None, value)),
            Self::Dict(entries) => entries.next().map(|(key, value)| (Some(&key[..]), value)),
        }
    }
}

impl<'v> Tree<'v> for &'v Value {
    type Children = Children<'v>;

    fn part(self) -> Part<'v, Children<'v>> {
        match self {
            Value::Bytes(bytes) => Part::Bytes(bytes),
            Value::Integer(integer) => Part::Integer(Cow::Borrowed(integer)),
            Value::List(values) => Part::List(Children::List(values.iter())),
            Value::Dict(entries) => Part::Dict(Children::Dict(entries.iter())),
        }
    }
}
