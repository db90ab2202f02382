//! SHA-1 and SHA-256 of many messages at once, in SIMD lanes chosen at run time.
//!
//! A torrent has thousands of pieces, each with a hash of its own, and a processor can compress up to
//! 16 messages at once in the lanes of its vector registers. Creation, verification and fast downloads
//! have many pieces to hash, and lanes are several times as fast as one piece after the other, even
//! with SHA-NI.
//!
//! # What to call
//!
//! | input | SHA-1 (BEP 3) | SHA-256 (BEP 52) |
//! |---|---|---|
//! | one message | [`sha1()`] | [`sha256()`] |
//! | one message in parts, or from a reader | [`Sha1`] | [`Sha256`] |
//! | many messages in memory | [`sha1_many`] | [`sha256_many`] |
//! | many messages, each a list of slices | [`sha1_scattered`] | [`sha256_scattered`] |
//! | a slice of each of many messages | [`Sha1::update_many`] | [`Sha256::update_many`] |
//! | a layer of a merkle tree | | [`sha256_pairs`] |
//!
//! Messages may have any lengths: a lane takes the next message when its own ends. Only a 64-byte
//! block that lies in two slices is copied.
//!
//! # A file in pieces, read in slices that stay in the cache
//!
//! ```
//! use tinytorrent_hash::{Sha1, sha1};
//!
//! let content = vec![7; 5 * 40_000];
//! let pieces: Vec<&[u8]> = content.chunks(40_000).collect();
//!
//! let mut hashers = vec![Sha1::new(); pieces.len()];
//! for begin in (0..40_000).step_by(16_384) {
//!     let end = 40_000.min(begin + 16_384);
//!     Sha1::update_many(hashers.iter_mut().zip(pieces.iter().map(|piece| &piece[begin..end])));
//! }
//! let hashes = Sha1::finalize_many(hashers);
//! assert_eq!(hashes[0], sha1(pieces[0]));
//! ```

mod algorithm;
mod engine;
mod hasher;
mod kernel;
#[cfg(target_arch = "x86_64")]
mod kernels;
mod lanes;
mod message;

pub use crate::{
    hasher::{Sha1, Sha256, sha1, sha256},
    kernel::Kernel,
    lanes::Lanes,
};

/// SHA-1 of each message, of any lengths.
///
/// ```
/// let mut hashes = [[0; 20]; 2];
/// tinytorrent_hash::sha1_many(&["piece one", "piece two"], &mut hashes);
/// assert_eq!(hashes[1], tinytorrent_hash::sha1(b"piece two"));
/// ```
///
/// # Panics
///
/// If `hashes` is not as long as `messages`.
pub fn sha1_many<M: AsRef<[u8]>>(messages: &[M], hashes: &mut [[u8; 20]]) {
    Lanes::new().sha1_many(messages, hashes);
}

/// SHA-1 of each message, where a message is a list of slices of any lengths.
///
/// A downloaded piece consists of blocks of 16 KiB, which need not be copied into one buffer.
///
/// ```
/// let mut hashes = [[0; 20]; 2];
/// tinytorrent_hash::sha1_scattered(&[["piece ", "one"], ["piece ", "two"]], &mut hashes);
/// assert_eq!(hashes[1], tinytorrent_hash::sha1(b"piece two"));
/// ```
///
/// # Panics
///
/// If `hashes` is not as long as `messages`.
pub fn sha1_scattered<M, S>(messages: &[M], hashes: &mut [[u8; 20]])
where
    M: AsRef<[S]>,
    S: AsRef<[u8]>,
{
    Lanes::new().sha1_scattered(messages, hashes);
}

/// SHA-256 of each message, of any lengths: the leaves of a merkle tree (BEP 52, "pieces root").
///
/// ```
/// let file = vec![0; 40_000];
/// let blocks: Vec<&[u8]> = file.chunks(16_384).collect();
/// let mut leaves = vec![[0; 32]; blocks.len()];
/// tinytorrent_hash::sha256_many(&blocks, &mut leaves);
/// assert_eq!(leaves[2], tinytorrent_hash::sha256(&file[32_768..]));
/// ```
///
/// # Panics
///
/// If `hashes` is not as long as `messages`.
pub fn sha256_many<M: AsRef<[u8]>>(messages: &[M], hashes: &mut [[u8; 32]]) {
    Lanes::new().sha256_many(messages, hashes);
}

/// SHA-256 of each message, where a message is a list of slices of any lengths.
///
/// # Panics
///
/// If `hashes` is not as long as `messages`.
pub fn sha256_scattered<M, S>(messages: &[M], hashes: &mut [[u8; 32]])
where
    M: AsRef<[S]>,
    S: AsRef<[u8]>,
{
    Lanes::new().sha256_scattered(messages, hashes);
}

/// SHA-256 of each pair of neighbours: a layer of a merkle tree from the layer below it (BEP 52).
///
/// ```
/// use tinytorrent_hash::{sha256, sha256_pairs};
///
/// let leaves = [[1; 32], [2; 32], [3; 32], [4; 32]];
/// let mut parents = [[0; 32]; 2];
/// sha256_pairs(&leaves, &mut parents);
/// assert_eq!(parents[1], sha256(leaves[2..].as_flattened()));
/// ```
///
/// # Panics
///
/// If `parents` is not half as long as `children`.
pub fn sha256_pairs(children: &[[u8; 32]], parents: &mut [[u8; 32]]) {
    Lanes::new().sha256_pairs(children, parents);
}
