//! Message stream encryption, also called protocol encryption: the connection is made to look
//! like noise, and is encrypted with RC4 if both ends want that.
//!
//! Pure: bytes go in and out, chance is an argument. It hides BitTorrent from those who filter
//! it in passing. It is no security: RC4 is broken, and nobody proves who they are.
//!
//! ```
//! use bytes::BytesMut;
//! use tinytorrent_types::WireInfoHash;
//! use tinytorrent_wire::mse::{Chance, Config, Initiator, Responder, Step};
//!
//! let torrent = WireInfoHash::from_bytes([7; 20]);
//! # let (mut to_bob, mut to_alice) = (BytesMut::new(), BytesMut::new());
//! # let (chance, other_chance) = (Chance::new([1; 20], b"noise"), Chance::new([2; 20], b""));
//! // 1. The side that connects begins, and says something at once: its handshake.
//! let mut alice = Initiator::new(torrent, Config::default(), chance, b"hello");
//! alice.poll_transmit(&mut to_bob);
//!
//! // 2. The side that accepts finds out which torrent is meant.
//! let mut bob = Responder::new(Config::default(), other_chance);
//! let is_ours = |hash: &_| (*hash == torrent.into()).then_some(torrent);
//! # bob.handle_received(&mut to_bob, is_ours)?;
//! # bob.poll_transmit(&mut to_alice);
//! # alice.handle_received(&mut to_alice)?;
//! # alice.poll_transmit(&mut to_bob);
//! let Step::Done(bob) = bob.handle_received_and_transmit(&mut to_bob, is_ours, &mut to_alice)?
//! else {
//!     return Ok(()); // read more
//! };
//!
//! // 3. From then on both streams go through their ciphers. What had come is decrypted.
//! assert_eq!(&to_bob[..], b"hello");
//! let Step::Done(mut alice) = alice.handle_received(&mut to_alice)? else { return Ok(()) };
//! let mut reply = *b"welcome";
//! let mut sending = bob.send;
//! sending.apply(&mut reply);
//! alice.receive.apply(&mut reply);
//! assert_eq!(reply, *b"welcome");
//! # Ok::<(), tinytorrent_wire::mse::MseError>(())
//! ```

use std::fmt;

use thiserror::Error;
use tinytorrent_types::WireInfoHash;

mod exchange;
mod initiator;
mod rc4;
mod responder;
#[cfg(test)]
mod tests;

pub use initiator::Initiator;
pub use responder::Responder;

/// How the stream goes on after the negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// As it is: only the start was hidden.
    Plaintext,
    /// Encrypted with RC4.
    Rc4,
}

impl Method {
    const fn bit(self) -> u32 {
        match self {
            Method::Plaintext => 1,
            Method::Rc4 => 2,
        }
    }
}

/// Which methods one end allows, and which it likes best.
///
/// # Defaults
/// RC4 is preferred, plaintext allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    allowed: u32,
    preferred: Method,
}

impl Config {
    /// Only this method.
    pub const fn only(method: Method) -> Self {
        Self { allowed: method.bit(), preferred: method }
    }

    /// Both methods, this one if the other end allows it.
    pub const fn prefer(method: Method) -> Self {
        Self { allowed: Method::Plaintext.bit() | Method::Rc4.bit(), preferred: method }
    }

    /// Whether the method may be used.
    pub const fn allows(&self, method: Method) -> bool {
        self.allowed & method.bit() != 0
    }

    /// The method to use with a peer that offers these.
    fn select(&self, offered: u32) -> Result<Method, MseError> {
        let other = match self.preferred {
            Method::Plaintext => Method::Rc4,
            Method::Rc4 => Method::Plaintext,
        };
        [self.preferred, other]
            .into_iter()
            .find(|&method| self.allows(method) && offered & method.bit() != 0)
            .ok_or(MseError::NoCommonMethod { offered })
    }

    /// The method that the peer selected, which must be one of ours.
    fn accept(&self, selected: u32) -> Result<Method, MseError> {
        [Method::Plaintext, Method::Rc4]
            .into_iter()
            .find(|method| method.bit() == selected && self.allows(*method))
            .ok_or(MseError::NotOffered { selected })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::prefer(Method::Rc4)
    }
}

/// What one end contributes of chance. Use it for one connection only.
#[derive(Clone)]
pub struct Chance {
    private_key: [u8; PRIVATE_KEY_LENGTH],
    padding: Vec<u8>,
}

impl Chance {
    /// A private key, and 0 to 512 bytes of noise, whose number should be chance too. What is
    /// over 512 is left out.
    pub fn new(private_key: [u8; PRIVATE_KEY_LENGTH], padding: &[u8]) -> Self {
        let padding = &padding[..padding.len().min(MAX_PADDING)];
        Self { private_key, padding: padding.to_vec() }
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chance").field("padding", &self.padding.len()).finish_non_exhaustive()
    }
}

/// Bytes of a private key: 160 bits.
pub const PRIVATE_KEY_LENGTH: usize = 20;

/// How far a negotiation has come.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// More has to come in. There may be something to send.
    NeedMore,
    /// The peer speaks plain BitTorrent. Nothing was taken from the buffer.
    Plain,
    /// All is agreed upon.
    Done(Box<Negotiated>),
}

/// The outcome of a negotiation. What is left in the buffer of received bytes is decrypted.
#[derive(Debug)]
pub struct Negotiated {
    /// The torrent that is meant.
    pub torrent: WireInfoHash,
    /// How the stream goes on.
    pub method: Method,
    /// For all that comes in from now on.
    pub receive: Cipher,
    /// For all that goes out from now on.
    pub send: Cipher,
}

/// One direction of the stream.
#[derive(Clone)]
pub struct Cipher(Option<rc4::Rc4>);

impl Cipher {
    /// Encrypts what goes out, or decrypts what came in, in place and in order. With
    /// [`Method::Plaintext`] it leaves all as it is.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        if let Some(rc4) = &mut self.0 {
            rc4.apply(bytes);
        }
    }

    /// Whether it leaves all as it is.
    pub fn is_plaintext(&self) -> bool {
        self.0.is_none()
    }

    fn new(method: Method, rc4: rc4::Rc4) -> Self {
        Self((method == Method::Rc4).then_some(rc4))
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_plaintext() { "Cipher(plaintext)" } else { "Cipher(rc4)" })
    }
}

/// A torrent as the responder sees it: who knows the torrent can make it, nobody can undo it.
///
/// Make one of each torrent you serve, and look up the one that comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObfuscatedHash([u8; 20]);

impl From<WireInfoHash> for ObfuscatedHash {
    fn from(torrent: WireInfoHash) -> Self {
        Self(exchange::sha1(&[b"req2", torrent.as_bytes()]))
    }
}

/// Why a negotiation failed. The connection is of no more use; it may be tried again in plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MseError {
    /// A public key that leaves nothing to guess.
    #[error("the peer's public key is weak")]
    WeakKey,
    /// The mark that ends the padding did not come in time.
    #[error("no mark within the {MAX_PADDING} bytes of padding")]
    MarkNotFound,
    /// The responder has no such torrent, or will not say.
    #[error("the peer means a torrent that is not known")]
    UnknownTorrent,
    /// The verification constant is not zero: the ends disagree about the key.
    #[error("the verification constant is wrong")]
    Verification,
    /// Padding that is over the limit of 512 bytes.
    #[error("padding of {length} bytes is over the limit of {MAX_PADDING}")]
    PaddingTooLong {
        /// What the peer announces.
        length: u16,
    },
    /// The initiator offers nothing that the responder allows.
    #[error("none of the offered methods {offered:#x} is allowed")]
    NoCommonMethod {
        /// The bits of the offer.
        offered: u32,
    },
    /// The responder selected what was not offered, or several methods.
    #[error("the peer selected {selected:#x}, which was not offered")]
    NotOffered {
        /// The bits of the selection.
        selected: u32,
    },
}

/// Bytes of a public key.
const KEY_LENGTH: usize = 96;

/// The most bytes of each padding.
const MAX_PADDING: usize = 512;

/// Eight zeros, to see whether the other end has the same key.
const VERIFICATION: [u8; 8] = [0; 8];

/// Whether these bytes are the start of a plain handshake; `None` if it cannot be told yet.
fn is_plain(bytes: &[u8]) -> Option<bool> {
    const PLAIN: &[u8; 20] = b"\x13BitTorrent protocol";
    if bytes.iter().zip(PLAIN).any(|(found, plain)| found != plain) {
        return Some(false);
    }
    (bytes.len() >= PLAIN.len()).then_some(true)
}

/// Where the mark stands, with at most the allowed padding before it; `None` if more is needed.
fn find_mark(bytes: &[u8], mark: &[u8]) -> Result<Option<usize>, MseError> {
    let window = &bytes[..bytes.len().min(MAX_PADDING + mark.len())];
    match window.windows(mark.len()).position(|found| found == mark) {
        Some(at) => Ok(Some(at)),
        None if window.len() == MAX_PADDING + mark.len() => Err(MseError::MarkNotFound),
        None => Ok(None),
    }
}
