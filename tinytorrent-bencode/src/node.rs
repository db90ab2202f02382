//! Cursors into a document.

mod children;
mod owned;
mod required;

use alloc::borrow::Cow;
use core::{fmt, str};

use self::children::Children;
pub use self::children::{Dict, List};
use crate::debug::{self, Part, Tree};
use crate::token::Token;
use crate::{Document, Integer, KeyPath, Kind, Raw, grammar};

/// A cursor to one value of a [`Document`], as cheap to copy as a slice.
///
/// The methods `as_…` return `None` for another kind of value, for optional data. The methods `to_…`
/// and [`require`](Self::require) return an [`Error`](crate::Error) with offset and key path, for required data.
/// Lookups on `Option<Node>` chain through [`MaybeNode`](crate::MaybeNode).
///
/// `'a` is the lifetime of the input: slices outlive the document.
#[derive(Clone, Copy)]
pub struct Node<'doc, 'a> {
    doc: &'doc Document<'a>,
    index: usize,
}

impl<'doc, 'a> Node<'doc, 'a> {
    pub(crate) fn new(doc: &'doc Document<'a>, index: usize) -> Self {
        Self { doc, index }
    }

    #[cfg(feature = "serde")]
    pub(crate) fn is_in_canonical_document(&self) -> bool {
        self.doc.is_canonical()
    }

    #[inline]
    fn token(&self) -> Token {
        self.doc.tape[self.index]
    }

    /// The kind of value.
    #[inline]
    pub fn kind(&self) -> Kind {
        self.token().kind()
    }

    /// The offset of the value, in bytes from the start of the input.
    #[inline]
    pub fn offset(&self) -> usize {
        self.token().start()
    }

    /// The path from the root. Takes time in proportion to the number of values before this one.
    pub fn path(&self) -> KeyPath {
        KeyPath::of_token(self.doc.input, &self.doc.tape, self.index)
    }

    /// The exact bytes of the value in the input.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        &self.doc.input[self.token().start()..self.end()]
    }

    /// The exact bytes of the value, to embed in other [output](crate::encode).
    pub fn to_raw(&self) -> Raw<'a> {
        Raw::trusted(self.raw())
    }

    #[inline]
    fn end(&self) -> usize {
        let token = self.token();
        // Bencode has no gaps, so a string or integer ends where the next token starts.
        if token.is_container() {
            self.doc.tape[self.index + token.width() - 1].start() + 1
        } else {
            self.doc.tape[self.index + 1].start()
        }
    }

    /// The bytes of a string.
    #[inline]
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        let token = self.token();
        (token.tag() == Token::STRING).then(|| {
            let start = token.start() + token.number() as usize;
            &self.doc.input[start..self.doc.tape[self.index + 1].start()]
        })
    }

    /// The bytes of a string of exactly `N` bytes, such as an info-hash.
    #[inline]
    pub fn as_array<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.as_bytes().and_then(|bytes| bytes.try_into().ok())
    }

    /// The text of a string that is UTF-8.
    #[inline]
    pub fn as_str(&self) -> Option<&'a str> {
        self.as_bytes().and_then(|bytes| str::from_utf8(bytes).ok())
    }

    /// The sign and digits of an integer of any size, as they stand in the input.
    #[inline]
    pub fn as_digits(&self) -> Option<&'a [u8]> {
        (self.token().tag() == Token::INTEGER).then(|| {
            let raw = self.raw();
            &raw[1..raw.len() - 1]
        })
    }

    /// An integer of -2^63 to 2^63 - 1.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        let digits = self.as_digits()?;
        match digits {
            // By subtraction from 0, as the magnitude of -2^63 is no `i64`.
            [b'-', digits @ ..] => 0i64.checked_sub_unsigned(grammar::number(digits)?),
            digits => grammar::number(digits)?.try_into().ok(),
        }
    }

    /// An integer of 0 to 2^64 - 1.
    #[inline]
    pub fn as_u64(&self) -> Option<u64> {
        let digits = self.as_digits()?;
        // Most integers are short, and reading eight bytes at once costs less than a loop of digits.
        if let (Some(short), Some(window)) =
            (8usize.checked_sub(digits.len()), self.doc.input[..self.end() - 1].last_chunk())
            && matches!(digits, [b'0'..=b'9', ..])
        {
            return Some(grammar::short_number(*window, short));
        }
        match digits {
            // `i-0e`, which lenient decoding accepts.
            [b'-', digits @ ..] => (grammar::number(digits)? == 0).then_some(0),
            digits => grammar::number(digits),
        }
    }

    /// An integer that is not negative and fits in a type, such as a port in `u16`.
    #[inline]
    pub fn as_uint<T: TryFrom<u64>>(&self) -> Option<T> {
        self.as_u64()?.try_into().ok()
    }

    /// An integer of any size.
    pub fn as_integer(&self) -> Option<Integer> {
        self.as_digits().map(Integer::from_digits)
    }

    /// An integer as a boolean: every number but 0 is true, as in libtorrent for `private`.
    pub fn as_bool(&self) -> Option<bool> {
        self.as_digits().map(|digits| digits.iter().any(|digit| matches!(digit, b'1'..=b'9')))
    }

    /// The value of a key; `None` if this is no dictionary or has no such key.
    ///
    /// The order of the keys does not matter, and of equal keys the first counts. Takes time in
    /// proportion to the number of keys: to visit many, iterate over [`dict`](Self::dict).
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Node<'doc, 'a>> {
        let key = key.as_ref();
        self.dict().find(|(found, _)| *found == key).map(|(_, value)| value)
    }

    /// The value at a position of a list, from 0; `None` if this is no list or is shorter.
    ///
    /// Takes time in proportion to the position: to visit all, iterate over [`list`](Self::list).
    #[inline]
    pub fn index(&self, position: usize) -> Option<Node<'doc, 'a>> {
        self.list().nth(position)
    }

    /// The values of a list in order; none if this is no list.
    #[inline]
    pub fn list(&self) -> List<'doc, 'a> {
        List::new(self.doc, self.children(Token::LIST))
    }

    /// The keys and values of a dictionary in the order of the input; none if this is no dictionary.
    #[inline]
    pub fn dict(&self) -> Dict<'doc, 'a> {
        Dict::new(self.doc, self.children(Token::DICT))
    }

    #[inline]
    fn children(&self, tag: u32) -> (usize, usize) {
        let token = self.token();
        if token.tag() == tag { (self.index + 1, self.index + token.width() - 1) } else { (0, 0) }
    }
}

/// The value for people: `{"length": 42, "pieces": 0x0123…}`. Long values are cut.
impl fmt::Debug for Node<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::write::<Self>(self.part(), f)
    }
}

impl<'doc, 'a> Tree<'a> for Node<'doc, 'a> {
    type Children = Children<'doc, 'a>;

    fn part(self) -> Part<'a, Children<'doc, 'a>> {
        match self.kind() {
            Kind::String => Part::Bytes(self.as_bytes().unwrap_or_default()),
            Kind::Integer => Part::Integer(Cow::Owned(Integer::from_digits(
                self.as_digits().unwrap_or_default(),
            ))),
            Kind::List => Part::List(Children::List(self.list())),
            Kind::Dict => Part::Dict(Children::Dict(self.dict())),
        }
    }
}
