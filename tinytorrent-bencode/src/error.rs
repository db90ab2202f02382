//! Errors: kind, byte offset and key path.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use crate::{DeviationKind, KeyPath, Kind};

/// An error of decoding or of typed access, with its place.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Located>);

#[derive(Clone, PartialEq, Eq)]
struct Located {
    kind: ErrorKind,
    offset: usize,
    path: KeyPath,
}

impl Error {
    /// An error at a byte offset and key path of the input.
    ///
    /// For parsers of documents, which have rules of their own. [`Node::error`] makes one with the place
    /// of a value.
    ///
    /// [`Node::error`]: crate::Node::error
    pub fn new(kind: ErrorKind, offset: usize, path: KeyPath) -> Self {
        Self(Box::new(Located { kind, offset, path }))
    }

    /// The kind of error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The offset in bytes from the start of the input.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The path of the value; empty for the root.
    pub fn path(&self) -> &KeyPath {
        &self.0.path
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_located(f, &self.0.kind, self.0.offset, &self.0.path)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Located { kind, offset, path } = &*self.0;
        let mut error = f.debug_struct("Error");
        error.field("kind", kind).field("offset", offset).field("path", path).finish()
    }
}

impl core::error::Error for Error {}

pub(crate) fn write_located(
    f: &mut fmt::Formatter<'_>,
    kind: &dyn fmt::Display,
    offset: usize,
    path: &KeyPath,
) -> fmt::Result {
    write!(f, "{kind}, at byte {offset}")?;
    if path.is_empty() { Ok(()) } else { write!(f, " in `{path}`") }
}

/// The kind of an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The first byte starts no bencoded value, so that the input is of another format.
    #[error("this is not bencode: {0}")]
    NotBencode(NotBencode),
    /// A byte is not allowed at this place.
    #[error("unexpected byte `{}`, expected {expected}", found.escape_ascii())]
    UnexpectedByte {
        /// The byte.
        found: u8,
        /// The bytes that are allowed.
        expected: &'static str,
    },
    /// A dictionary has another value than a string in the place of a key.
    #[error("a dictionary key is not a string")]
    KeyNotString,
    /// A dictionary ends after a key.
    #[error("a dictionary key has no value")]
    KeyWithoutValue,
    /// The input ends inside the value that starts at the error's offset.
    #[error(
        "the input ends {} {}, at least {needed} more bytes are needed",
        if .inside.is_some() { "inside" } else { "before" },
        .inside.map_or("a value", with_article)
    )]
    UnexpectedEnd {
        /// The innermost value that is not complete; `None` if nothing has begun.
        inside: Option<Kind>,
        /// The least number of bytes that could complete the document.
        needed: usize,
    },
    /// A string declares more bytes than the input has.
    #[error("a string declares {declared} bytes, only {available} are left")]
    StringTooLong {
        /// Bytes declared.
        declared: u64,
        /// Bytes left in the input.
        available: usize,
    },
    /// A string's length does not fit in 64 bits.
    #[error("a string length is beyond any size")]
    LengthOverflow,
    /// The input has a deviation, and decoding is strict.
    #[error("{0}")]
    NotCanonical(DeviationKind),
    /// There are more nested containers than [`Options::max_depth`](crate::Options::max_depth).
    #[error("containers are nested more than {limit} deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// There are more keys and values than [`Options::max_nodes`](crate::Options::max_nodes).
    #[error("there are more than {limit} keys and values")]
    TooManyNodes {
        /// The limit.
        limit: usize,
    },
    /// There are more bytes than [`Options::max_bytes`](crate::Options::max_bytes).
    #[error("the document is larger than {limit} bytes")]
    TooManyBytes {
        /// The limit.
        limit: usize,
    },
    /// A number has more digits than [`Options::max_digits`](crate::Options::max_digits).
    #[error("a number has more than {limit} digits")]
    TooManyDigits {
        /// The limit.
        limit: usize,
    },
    /// Access: a required key is missing.
    #[error("key `{0}` is missing")]
    MissingKey(String),
    /// Access: the value is not of the required kind.
    #[error("expected {}, found {}", with_article(*.expected), with_article(*.found))]
    WrongKind {
        /// The required kind.
        expected: Kind,
        /// The kind of the value.
        found: Kind,
    },
    /// Access: the string is not of the required length.
    #[error("expected a string of {expected} bytes, found {found}")]
    WrongLength {
        /// The required length in bytes.
        expected: usize,
        /// The length in bytes.
        found: usize,
    },
    /// Access: the integer does not fit in the required type.
    #[error("the integer does not fit in {0}")]
    OutOfRange(&'static str),
    /// Access: the string is not UTF-8.
    #[error("the string is not utf-8")]
    NotUtf8,
}

fn with_article(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "a string",
        Kind::Integer => "an integer",
        Kind::List => "a list",
        Kind::Dict => "a dictionary",
    }
}

/// The probable format of an input that is not bencode, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NotBencode {
    /// An HTML page, such as a login or an error, which starts with `<`.
    #[error("it starts with `<`, perhaps an html page")]
    Markup,
    /// Compressed bytes, which start with `1f 8b`.
    #[error("it starts with 1f 8b, it is gzip")]
    Gzip,
    /// A UTF-8 byte order mark, `ef bb bf`.
    #[error("it starts with a byte order mark")]
    ByteOrderMark,
    /// Spaces or line ends.
    #[error("it starts with white space")]
    WhiteSpace,
    /// Any other byte.
    #[error("it starts with `{}`", [*.0].escape_ascii())]
    Byte(u8),
}

impl NotBencode {
    pub(crate) fn new(input: &[u8], first: u8) -> Self {
        match input {
            [b'<', ..] => Self::Markup,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xef, 0xbb, 0xbf, ..] => Self::ByteOrderMark,
            [byte, ..] if byte.is_ascii_whitespace() => Self::WhiteSpace,
            _ => Self::Byte(first),
        }
    }
}
