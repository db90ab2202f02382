//! A bencode codec that keeps spans: strict or lenient, with limits, and with the place of errors.
//!
//! [`decode`] turns borrowed bytes into a [`Document`]: one flat table of eight-byte tokens, made in
//! one pass without recursion. [`Node`]s are cheap cursors into it; strings, keys and raw spans are
//! slices of the input and outlive the document.
//!
//! ```
//! use tinytorrent_bencode::{self as bencode, MaybeNode};
//!
//! # fn main() -> Result<(), bencode::Error> {
//! let input = b"d4:infod5:filesld6:lengthi42e4:pathl1:aeeeee";
//! let doc = bencode::decode(input)?;
//!
//! // Optional: a chain of lookups gives `None` if a step is missing or of another kind.
//! let file = doc.get("info").get("files").index(0);
//! assert_eq!(file.get("length").as_u64(), Some(42));
//! assert_eq!(file.get("md5sum").as_bytes(), None);
//!
//! // Required: the error names the byte offset and the key path.
//! let info = doc.root().require("info")?;
//! let error = info.require("name").unwrap_err();
//! assert_eq!(error.to_string(), "key `name` is missing, at byte 7 in `info`");
//!
//! // The exact bytes of a value, for the info-hash.
//! assert_eq!(info.raw(), &input[7..input.len() - 1]);
//! # Ok(())
//! # }
//! ```
//!
//! Deployed software does not always write canonical bencode: [`Options::lenient`] accepts the known
//! [deviations](Deviation) and lists them. [`Options::decode_prefix`] decodes a value with bytes after
//! it, [`Options::decode_each`] a value with a long list that is not kept, and [`Scanner`] finds the
//! end of a value that arrives in parts.
//!
//! For output, [`encode`] has builders that write into a buffer, and [`Value`] is an owned tree. Both
//! give canonical bencode only.
//!
//! ```
//! use tinytorrent_bencode::encode;
//!
//! let mut out = Vec::new();
//! encode::dict(&mut out, |d| {
//!     d.bytes("y", "q");
//!     d.dict("a", |d| d.integer("port", 6881));
//! });
//! assert_eq!(out, b"d1:ad4:porti6881ee1:y1:qe");
//! ```
//!
//! # Features
//!
//! - `std` (default): passed on to the dependencies. Without it the crate is `no_std` with `alloc`.
//! - `serde`: module `serde`, for types that derive `Serialize` and `Deserialize`, and both for [`Value`].

#![no_std]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod debug;
mod decode;
mod deviation;
mod document;
pub mod encode;
mod error;
mod grammar;
mod integer;
mod maybe;
mod node;
mod options;
mod path;
mod raw;
mod scan;
#[cfg(feature = "serde")]
pub mod serde;
mod token;
mod value;

pub use decode::{KnownValue, ListVisitor};
pub use deviation::{Deviation, DeviationKind};
pub use document::{Document, Prefix};
pub use error::{Error, ErrorKind, NotBencode};
pub use integer::Integer;
pub use maybe::MaybeNode;
pub use node::{Dict, List, Node};
pub use options::Options;
pub use path::{KeyPath, PathElement};
pub use raw::Raw;
pub use scan::{Scan, Scanner};
pub use token::Kind;
pub use value::Value;

/// Decodes one canonical value that fills the whole input, within the default [limits](Options).
///
/// # Errors
///
/// [`Error`] with kind, byte offset and key path if the input is not bencode, not canonical, or
/// exceeds a limit.
pub fn decode(input: &[u8]) -> Result<Document<'_>, Error> {
    Options::strict().decode(input)
}

/// Decodes one value with the deviations of deployed software, within the default
/// [limits](Options).
///
/// # Errors
///
/// [`Error`] if the input is not bencode at all or exceeds a limit.
pub fn decode_lenient(input: &[u8]) -> Result<Document<'_>, Error> {
    Options::lenient().decode(input)
}
