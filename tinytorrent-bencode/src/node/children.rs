//! The children of a list or a dictionary.

use core::fmt;

use crate::debug::{self, Part};
use crate::{Document, Node};

/// The values of a list, in order.
#[derive(Clone)]
pub struct List<'doc, 'a> {
    doc: &'doc Document<'a>,
    range: (usize, usize),
}

impl<'doc, 'a> List<'doc, 'a> {
    pub(super) fn new(doc: &'doc Document<'a>, range: (usize, usize)) -> Self {
        Self { doc, range }
    }
}

impl<'doc, 'a> Iterator for List<'doc, 'a> {
    type Item = Node<'doc, 'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (index, end) = self.range;
        if index >= end {
            return None;
        }
        self.range.0 = index + self.doc.tape[index].width();
        Some(Node::new(self.doc, index))
    }
}

/// The keys and values of a dictionary, in the order of the input.
#[derive(Clone)]
pub struct Dict<'doc, 'a> {
    doc: &'doc Document<'a>,
    range: (usize, usize),
}

impl<'doc, 'a> Dict<'doc, 'a> {
    pub(super) fn new(doc: &'doc Document<'a>, range: (usize, usize)) -> Self {
        Self { doc, range }
    }
}

impl<'doc, 'a> Iterator for Dict<'doc, 'a> {
    type Item = (&'a [u8], Node<'doc, 'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (index, end) = self.range;
        if index >= end {
            return None;
        }
        let tape = &self.doc.tape;
        let (key, value) = (tape[index], tape[index + 1]);
        self.range.0 = index + 1 + value.width();
        let key = &self.doc.input[key.start() + key.number() as usize..value.start()];
        Some((key, Node::new(self.doc, index + 1)))
    }
}

/// The children of a list or a dictionary, with their keys if it is a dictionary.
pub(crate) enum Children<'doc, 'a> {
    List(List<'doc, 'a>),
    Dict(Dict<'doc, 'a>),
}

impl<'doc, 'a> Iterator for Children<'doc, 'a> {
    type Item = (Option<&'a [u8]>, Node<'doc, 'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::List(list) => list.next().map(|node| (None, node)),
            Self::Dict(dict) => dict.next().map(|(key, node)| (Some(key), node)),
        }
    }
}

/// The values that are still to come.
impl fmt::Debug for List<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::write::<Node<'_, '_>>(Part::List(Children::List(self.clone())), f)
    }
}

/// The keys and values that are still to come.
impl fmt::Debug for Dict<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::write::<Node<'_, '_>>(Part::Dict(Children::Dict(self.clone())), f)
    }
}
