//! Rust types from and to bencode, with [serde]. Feature `serde`.
//!
//! | Rust | bencode |
//! |---|---|
//! | integers; `bool` as 0 and 1, read as false and anything else | integer |
//! | `str`, `char`, bytes (`&[u8]`, or through `serde_bytes`), unit variants by name | string |
//! | sequences, tuples | list |
//! | structs, maps with string keys; other variants as name and content | dictionary, sorted |
//! | `Some(value)` | the value |
//! | `None` as the value of a key | no key |
//! | [`Value`](crate::Value) | any value, as a tree |
//! | [`Raw`](crate::Raw) | any value, as its exact bytes |
//! | [`WithRaw`] | a Rust value and its exact bytes |
//!
//! Types with a human-readable form use it, such as IP addresses, which are text in the replies of
//! trackers. Floats, units, and `None` in other places are errors.
//!
//! Below `#[serde(flatten)]` and in untagged enums serde copies the values and hands out the copies. Of these
//! no raw bytes are left, so that [`Raw`](crate::Raw) and [`WithRaw`] are errors there, and
//! [`Value`](crate::Value) takes their place.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tinytorrent_bencode::Raw;
//! use tinytorrent_bencode::serde::{from_slice, to_vec};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Torrent<'a> {
//!     announce: &'a str,
//!     comment: Option<&'a str>,
//!     #[serde(borrow)]
//!     info: Raw<'a>,
//! }
//!
//! # fn main() -> Result<(), tinytorrent_bencode::serde::Error> {
//! let input = b"d8:announce3:url4:infod6:lengthi1eee";
//! let torrent: Torrent = from_slice(input)?;
//! assert_eq!((torrent.announce, torrent.comment), ("url", None));
//! assert_eq!(torrent.info.as_bytes(), b"d6:lengthi1ee");
//! assert_eq!(to_vec(&torrent)?, input);
//! # Ok(())
//! # }
//! ```

mod de;
mod raw;
mod ser;
mod value;
mod with_raw;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{KeyPath, Node, Options};

pub use self::de::NodeDeserializer;
pub use self::with_raw::WithRaw;

/// Deserializes a value from canonical bencode.
///
/// # Errors
///
/// [`Error`].
pub fn from_slice<'de, T: Deserialize<'de>>(input: &'de [u8]) -> Result<T, Error> {
    from_slice_with(&Options::strict(), input)
}

/// Deserializes a value with other [`Options`], such as the lenient ones. Of equal keys the first
/// counts.
///
/// # Errors
///
/// [`Error`].
pub fn from_slice_with<'de, T>(options: &Options, input: &'de [u8]) -> Result<T, Error>
where
    T: Deserialize<'de>,
{
    from_node(options.decode(input)?.root())
}

/// Deserializes a value from a part of a document.
///
/// # Errors
///
/// [`Error::Message`] with the place in the document.
pub fn from_node<'de, T: Deserialize<'de>>(node: Node<'_, 'de>) -> Result<T, Error> {
    T::deserialize(NodeDeserializer::new(node))
}

/// Serializes a value as canonical bencode.
///
/// # Errors
///
/// [`Error::Unsupported`], [`Error::Message`].
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    to_buffer(value, &mut out)?;
    Ok(out)
}

/// Serializes a value as canonical bencode behind the bytes of a buffer. An error leaves the buffer
/// unchanged.
///
/// # Errors
///
/// [`Error::Unsupported`], [`Error::Message`].
pub fn to_buffer<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    let before = out.len();
    let result = ser::write(value, out);
    if result.is_err() {
        out.truncate(before);
    }
    result
}

/// An error of serializing or deserializing a Rust value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input is not bencode, or a value is not of the required kind or range.
    #[error(transparent)]
    Bencode(#[from] crate::Error),
    /// An error of the type's own.
    #[error("{message}{place}")]
    Message {
        /// The message of the type.
        message: String,
        /// The place in the input, for deserializing.
        place: Place,
    },
    /// Serializing: bencode has no form for a Rust value.
    #[error("bencode has no {0}")]
    Unsupported(&'static str),
}

/// A place in the input; empty for an error of serializing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place(Option<(usize, KeyPath)>);

impl Place {
    /// The offset in bytes from the start of the input.
    pub fn offset(&self) -> Option<usize> {
        self.0.as_ref().map(|(offset, _)| *offset)
    }

    /// The path of the value.
    pub fn path(&self) -> Option<&KeyPath> {
        self.0.as_ref().map(|(_, path)| path)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((offset, path)) => crate::error::write_located(f, &"", *offset, path),
            None => Ok(()),
        }
    }
}

impl Error {
    /// The error with the place of a value, unless it has a place already.
    fn at(mut self, node: Node<'_, '_>) -> Self {
        // The innermost value comes first on the way out, and is the most exact place.
        if let Self::Message { place: Place(place @ None), .. } = &mut self {
            *place = Some((node.offset(), node.path()));
        }
        self
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Message { message: message.to_string(), place: Place::default() }
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Message { message: message.to_string(), place: Place::default() }
    }
}
