//! Errors: kind, byte offset and key path.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use crate::{DeviationKind, KeyPath, Kind};

/// What went wrong and where, in decoding or in typed access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Located>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Located {
    kind: ErrorKind,
    offset: usize,
    path: KeyPath,
}

impl Error {
    /// An error at a byte offset and key path of the input.
    ///
    /// For those who read more out of a document than this crate knows of; [`Node::error`] fills in the
    /// place.
    ///
    /// [`Node::error`]: crate::Node::error
    pub fn new(kind: ErrorKind, offset: usize, path: KeyPath) -> Self {
        Self(Box::new(Located { kind, offset, path }))
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Where, in bytes from the start of the input.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// In which value; empty for the root.
    pub fn path(&self) -> &KeyPath {
        &self.0.path
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_located(f, &self.0.kind, self.0.offset, &self.0.path)
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

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The first byte starts no bencoded value. Not for a retry: the sender speaks something else.
    #[error("this is not bencode: {0}")]
    NotBencode(NotBencode),
    /// A byte that cannot stand here.
    #[error("unexpected byte `{}`, expected {expected}", found.escape_ascii())]
    UnexpectedByte {
        /// The byte.
        found: u8,
        /// What could have stood here.
        expected: &'static str,
    },
    /// A dictionary holds something other than a string in the place of a key.
    #[error("a dictionary key is not a string")]
    KeyNotString,
    /// A dictionary ends after a key.
    #[error("a dictionary key has no value")]
    KeyWithoutValue,
    /// The input ends inside the value that starts at the error's offset.
    #[error(
        "the input ends {} {}, at least {needed} more bytes are needed",
        if .inside.is_some() { "inside" } else { "before" },
        .inside.map_or("a value", what)
    )]
    UnexpectedEnd {
        /// The innermost value that is not complete; `None` if nothing has begun.
        inside: Option<Kind>,
        /// The least number of bytes that could complete the document.
        needed: usize,
    },
    /// A string declares more bytes than there are.
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
    /// Strict reading met something deployed but not canonical.
    #[error("{0}")]
    NotCanonical(DeviationKind),
    /// More containers within each other than [`Options::max_depth`](crate::Options::max_depth).
    #[error("containers are nested more than {limit} deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More keys and values than [`Options::max_nodes`](crate::Options::max_nodes).
    #[error("there are more than {limit} keys and values")]
    TooManyNodes {
        /// The limit.
        limit: usize,
    },
    /// More bytes than [`Options::max_bytes`](crate::Options::max_bytes).
    #[error("the document is larger than {limit} bytes")]
    TooManyBytes {
        /// The limit.
        limit: usize,
    },
    /// More digits in a number than [`Options::max_digits`](crate::Options::max_digits).
    #[error("a number has more than {limit} digits")]
    TooManyDigits {
        /// The limit.
        limit: usize,
    },
    /// Access: a required key is missing.
    #[error("key `{0}` is missing")]
    MissingKey(String),
    /// Access: a value of another kind than required.
    #[error("expected {}, found {}", what(*.expected), what(*.found))]
    WrongKind {
        /// What was asked for.
        expected: Kind,
        /// What is there.
        found: Kind,
    },
    /// Access: the integer does not fit in the type asked for.
    #[error("the integer does not fit in {0}")]
    OutOfRange(&'static str),
    /// Access: the string is not UTF-8.
    #[error("the string is not utf-8")]
    NotUtf8,
}

fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "a string",
        Kind::Integer => "an integer",
        Kind::List => "a list",
        Kind::Dict => "a dictionary",
    }
}

/// What the input is instead of bencode, as far as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NotBencode {
    /// `<`: most often the page of a login, a proxy or an error.
    #[error("it starts with `<`, perhaps an html page")]
    Markup,
    /// `1f 8b`: compressed, and nobody has decompressed it.
    #[error("it starts with 1f 8b, it is gzip")]
    Gzip,
    /// `ef bb bf`: a UTF-8 byte order mark.
    #[error("it starts with a byte order mark")]
    ByteOrderMark,
    /// Blanks or line ends come first.
    #[error("it starts with white space")]
    WhiteSpace,
    /// Anything else.
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
