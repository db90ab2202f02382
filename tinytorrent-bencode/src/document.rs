//! The decoded document.

use alloc::vec::Vec;
use core::fmt;

use crate::deviation::Noted;
use crate::token::Token;
use crate::{Deviation, KeyPath, Node};

/// A decoded value: a flat table of tokens over the borrowed input.
///
/// A key or a value takes eight bytes, a list or a dictionary sixteen. The table does not nest, so
/// that dropping it does not recurse.
#[derive(Clone)]
pub struct Document<'a> {
    pub(crate) input: &'a [u8],
    pub(crate) tape: Vec<Token>,
    pub(crate) noted: Vec<Noted>,
    pub(crate) deviation_count: usize,
}

impl<'a> Document<'a> {
    /// The outermost value.
    pub fn root(&self) -> Node<'_, 'a> {
        Node::new(self, 0)
    }

    /// The value of a key of the root; see [`Node::get`].
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Node<'_, 'a>> {
        self.root().get(key)
    }

    /// The exact bytes of the value, without those that follow it.
    pub fn raw(&self) -> &'a [u8] {
        self.root().raw()
    }

    /// The deviations that lenient decoding accepted, in the order of the input, up to
    /// [`Options::max_deviations`](crate::Options::max_deviations).
    pub fn deviations(&self) -> impl Iterator<Item = Deviation> + '_ {
        self.noted.iter().map(|noted| Deviation {
            kind: noted.kind,
            offset: noted.offset,
            path: KeyPath::of_token(self.input, &self.tape, noted.token),
        })
    }

    /// The number of all deviations.
    pub fn deviation_count(&self) -> usize {
        self.deviation_count
    }

    /// True if the input is canonical bencode, so that encoding it again gives the same bytes.
    pub fn is_canonical(&self) -> bool {
        self.deviation_count == 0
    }

    /// The number of keys and values.
    pub fn node_count(&self) -> usize {
        self.tape.iter().filter(|token| token.tag() != Token::END).count()
    }
}

/// The value for people, as that of [`Node`]. Long values are cut.
impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}

/// The result of [`Options::decode_prefix`](crate::Options::decode_prefix).
#[derive(Debug, Clone)]
pub enum Prefix<'a> {
    /// A value, and its length in bytes.
    Complete(Document<'a>, usize),
    /// The start of a value.
    Incomplete {
        /// The least number of further bytes that could complete it, at least 1.
        needed: usize,
    },
}
