//! The incremental hashers, one message each, and the one-shot functions.

use std::{fmt, io};

use crate::{
    algorithm::{Sha1Algorithm, Sha256Algorithm},
    lanes::Lanes,
    message::Core,
};

macro_rules! hasher {
    ($name:ident, $algorithm:ty, $size:literal, $update_many:ident, $finalize_many:ident) => {
        impl $name {
            /// A hasher of an empty message.
            pub const fn new() -> Self {
                Self { core: Core::new() }
            }

            /// Adds bytes to the message.
            pub fn update(&mut self, data: &[u8]) {
                self.core.update(data);
            }

            /// Ends the message, and returns its hash.
            pub fn finalize(self) -> [u8; $size] {
                self.core.finalize()
            }

            /// Adds one slice to each of many messages, in parallel lanes.
            ///
            /// Any number of messages and any lengths are allowed, since a lane takes the next pair
            /// when its slice ends. Lanes are fastest for many slices of similar length.
            pub fn update_many<'a>(feeds: impl IntoIterator<Item = (&'a mut Self, &'a [u8])>) {
                Lanes::new().$update_many(feeds);
            }

            /// Ends many messages in parallel lanes, and returns their hashes in the same order.
            pub fn finalize_many(hashers: impl IntoIterator<Item = Self>) -> Vec<[u8; $size]> {
                Lanes::new().$finalize_many(hashers)
            }
        }

        /// Adds all bytes to the message, and never fails.
        impl io::Write for $name {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                self.update(data);
                Ok(data.len())
            }

            fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
                self.update(data);
                Ok(())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

/// A hasher for SHA-1 of one message in parts: the hash of a v1 piece (BEP 3).
///
/// ```
/// use tinytorrent_hash::{Sha1, sha1};
///
/// let mut hasher = Sha1::new();
/// hasher.update(b"one ");
/// hasher.update(b"message");
/// assert_eq!(hasher.finalize(), sha1(b"one message"));
/// ```
///
/// It is a writer, so that a reader can be copied into it:
///
/// ```
/// use tinytorrent_hash::{Sha1, sha1};
///
/// let mut file: &[u8] = b"one message";
/// let mut hasher = Sha1::new();
/// std::io::copy(&mut file, &mut hasher)?;
/// assert_eq!(hasher.finalize(), sha1(b"one message"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Sha1 {
    pub(crate) core: Core<Sha1Algorithm>,
}

hasher!(Sha1, Sha1Algorithm, 20, sha1_update, sha1_finalize);

/// A hasher for SHA-256 of one message in parts: the hash of a v2 block (BEP 52).
///
/// ```
/// use tinytorrent_hash::{Sha256, sha256};
///
/// let mut hasher = Sha256::new();
/// hasher.update(b"one ");
/// hasher.update(b"message");
/// assert_eq!(hasher.finalize(), sha256(b"one message"));
/// ```
///
/// It is a [writer](std::io::Write), as [`Sha1`] is.
#[derive(Clone)]
pub struct Sha256 {
    pub(crate) core: Core<Sha256Algorithm>,
}

hasher!(Sha256, Sha256Algorithm, 32, sha256_update, sha256_finalize);

/// SHA-1 of one message.
pub fn sha1(message: &[u8]) -> [u8; 20] {
    let mut hasher = Sha1::new();
    hasher.update(message);
    hasher.finalize()
}

/// SHA-256 of one message.
pub fn sha256(message: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(message);
    hasher.finalize()
}
