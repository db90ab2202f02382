//! Chains of lookups through optional values.

use crate::{Dict, List, Node};

/// The lookups of [`Node`] on `Option<Node>`, so that they chain:
/// `doc.get("info").get("files").index(3)`.
///
/// Each step returns `None`, or an empty iterator, if the value is missing or of another kind.
pub trait MaybeNode<'doc, 'a: 'doc>: Sized {
    /// The node, if there is one.
    fn node(&self) -> Option<Node<'doc, 'a>>;

    /// [`Node::get`].
    #[inline]
    fn get(&self, key: impl AsRef<[u8]>) -> Option<Node<'doc, 'a>> {
        self.node()?.get(key)
    }

    /// [`Node::index`].
    #[inline]
    fn index(&self, position: usize) -> Option<Node<'doc, 'a>> {
        self.node()?.index(position)
    }

    /// [`Node::as_bytes`].
    #[inline]
    fn as_bytes(&self) -> Option<&'a [u8]> {
        self.node()?.as_bytes()
    }

    /// [`Node::as_array`].
    #[inline]
    fn as_array<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.node()?.as_array()
    }

    /// [`Node::as_str`].
    #[inline]
    fn as_str(&self) -> Option<&'a str> {
        self.node()?.as_str()
    }

    /// [`Node::as_i64`].
    #[inline]
    fn as_i64(&self) -> Option<i64> {
        self.node()?.as_i64()
    }

    /// [`Node::as_u64`].
    #[inline]
    fn as_u64(&self) -> Option<u64> {
        self.node()?.as_u64()
    }

    /// [`Node::as_uint`].
    #[inline]
    fn as_uint<T: TryFrom<u64>>(&self) -> Option<T> {
        self.node()?.as_uint()
    }

    /// [`Node::as_bool`].
    #[inline]
    fn as_bool(&self) -> Option<bool> {
        self.node()?.as_bool()
    }

    /// [`Node::raw`].
    #[inline]
    fn raw(&self) -> Option<&'a [u8]> {
        Some(self.node()?.raw())
    }

    /// [`Node::list`].
    #[inline]
    fn list(&self) -> core::iter::Flatten<core::option::IntoIter<List<'doc, 'a>>> {
        self.node().map(|node| node.list()).into_iter().flatten()
    }

    /// [`Node::dict`].
    #[inline]
    fn dict(&self) -> core::iter::Flatten<core::option::IntoIter<Dict<'doc, 'a>>> {
        self.node().map(|node| node.dict()).into_iter().flatten()
    }
}

impl<'doc, 'a> MaybeNode<'doc, 'a> for Option<Node<'doc, 'a>> {
    #[inline]
    fn node(&self) -> Option<Node<'doc, 'a>> {
        *self
    }
}
