//! The tape: a table with a token of eight bytes for each value, each key and each end of a container.

use core::fmt;

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A string of any bytes, such as `4:spam`.
    String,
    /// An integer, such as `i42e`.
    Integer,
    /// A list, `l…e`.
    List,
    /// A dictionary with strings as keys, `d…e`.
    Dict,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::List => "list",
            Self::Dict => "dictionary",
        })
    }
}

/// The offset of a token, its tag, and a number that depends on the tag:
///
/// | token | number |
/// |---|---|
/// | string | bytes before its content: the length digits and the colon |
/// | integer | 0 |
/// | open list or dictionary | index of the container around it, or `NO_PARENT` |
/// | closed list or dictionary | tokens from it to its end, both included |
/// | end | 0 |
///
/// Bencode has no gaps, so a token ends where the next one starts; the tape closes with an end token
/// for the end of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    start: u32,
    meta: u32,
}

const NUMBER_BITS: u32 = 29;
const NUMBER_MASK: u32 = (1 << NUMBER_BITS) - 1;

/// The parent of the outermost container while it is open.
pub(crate) const NO_PARENT: u32 = NUMBER_MASK;

/// The largest number of nodes: indices of tokens have 29 bits, and a node has at most two tokens.
pub(crate) const MAX_NODES: usize = 1 << 27;

/// The largest length of an input: offsets have 32 bits.
pub(crate) const MAX_BYTES: usize = u32::MAX as usize - 1;

impl Token {
    pub(crate) const STRING: u32 = 0;
    pub(crate) const INTEGER: u32 = 1 << NUMBER_BITS;
    pub(crate) const LIST: u32 = 2 << NUMBER_BITS;
    pub(crate) const DICT: u32 = 3 << NUMBER_BITS;
    pub(crate) const END: u32 = 4 << NUMBER_BITS;

    /// A token with one of the tags above, and a number below 2^29.
    #[inline(always)]
    pub(crate) const fn new(start: usize, tag: u32, number: u32) -> Self {
        Self { start: start as u32, meta: tag | number }
    }

    #[inline(always)]
    pub(crate) const fn start(self) -> usize {
        self.start as usize
    }

    #[inline(always)]
    pub(crate) const fn number(self) -> u32 {
        self.meta & NUMBER_MASK
    }

    #[inline(always)]
    pub(crate) const fn tag(self) -> u32 {
        self.meta & !NUMBER_MASK
    }

    #[inline(always)]
    pub(crate) fn set_number(&mut self, number: u32) {
        self.meta = self.tag() | number;
    }

    pub(crate) const fn kind(self) -> Kind {
        match self.tag() {
            Self::STRING => Kind::String,
            Self::INTEGER => Kind::Integer,
            Self::LIST => Kind::List,
            _ => Kind::Dict,
        }
    }

    #[inline(always)]
    pub(crate) const fn is_container(self) -> bool {
        matches!(self.tag(), Self::LIST | Self::DICT)
    }

    /// The number of tokens to the next sibling, of a closed container or a leaf.
    #[inline(always)]
    pub(crate) const fn width(self) -> usize {
        if self.is_container() { self.number() as usize } else { 1 }
    }
}
