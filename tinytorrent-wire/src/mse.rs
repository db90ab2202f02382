//! Message stream encryption, also called protocol encryption: the start of the connection looks like
//! random bytes, and the rest is encrypted with RC4 if both ends want that.
//!
//! The encryption hides BitTorrent from filters. It provides no security: RC4 is broken, and neither end is
//! authenticated.
//!
//! [`Stream`] negotiates over a socket, and then encrypts and decrypts: over whatever is
//! [`Read`](std::io::Read) and [`Write`](std::io::Write), and with the feature `tokio` over whatever is
//! `AsyncRead` and `AsyncWrite`. Beneath it are two machines without I/O, [`Initiator`] and [`Responder`]. Bytes go
//! in and out, randomness is an argument, and both are driven by the same calls, those of [`Negotiation`]:
//!
//! ```
//! use bytes::BytesMut;
//! use tinytorrent_types::WireInfoHash;
//! use tinytorrent_wire::mse::{MseConfig, Initiator, Negotiated, Negotiation, Responder, Step};
//! # use tinytorrent_wire::mse::{MseError, Randomness};
//!
//! /// One turn of an end: takes what has arrived, and sends what it answers.
//! fn turn(
//!     end: &mut impl Negotiation,
//!     received: &mut BytesMut,
//!     sent: &mut BytesMut,
//! ) -> Result<Option<Negotiated>, MseError> {
//!     let step = end.handle_received(received)?;
//!     end.poll_transmit(sent);
//!     Ok(if let Step::Done(done) = step { Some(*done) } else { None })
//! }
//!
//! let torrent = WireInfoHash::from_bytes([7; 20]);
//! # let (randomness, other_randomness) = (Randomness::new([1; 20], b"noise"), Randomness::new([2; 20], b""));
//! // 1. One end names the torrent, and sends its handshake along. The other one looks the torrent up.
//! let mut alice = Initiator::new(torrent, MseConfig::default(), randomness, b"hello");
//! let mut bob = Responder::new(MseConfig::default(), other_randomness, |hash| {
//!     (*hash == torrent.into()).then_some(torrent)
//! });
//!
//! // 2. They take turns, here without a socket.
//! let (mut to_bob, mut to_alice) = (BytesMut::new(), BytesMut::new());
//! turn(&mut alice, &mut to_alice, &mut to_bob)?; // its key
//! turn(&mut bob, &mut to_bob, &mut to_alice)?; // its key
//! turn(&mut alice, &mut to_alice, &mut to_bob)?; // the torrent, the offer, and "hello"
//! let Some(mut bob) = turn(&mut bob, &mut to_bob, &mut to_alice)? else { return Ok(()) };
//! let Some(mut alice) = turn(&mut alice, &mut to_alice, &mut to_bob)? else { return Ok(()) };
//!
//! // 3. Both streams go through their ciphers. Bytes that came with the negotiation are decrypted.
//! assert_eq!(&to_bob[..], b"hello");
//! let mut reply = *b"welcome";
//! bob.send.apply(&mut reply);
//! alice.receive.apply(&mut reply);
//! assert_eq!(reply, *b"welcome");
//! # Ok::<(), MseError>(())
//! ```

use std::fmt;

use bytes::BytesMut;
use thiserror::Error;
use tinytorrent_types::WireInfoHash;

mod exchange;
mod initiator;
mod rc4;
mod responder;
mod stream;
#[cfg(test)]
mod tests;

pub use initiator::Initiator;
pub use responder::Responder;
pub use stream::{NegotiateError, Parts, Policy, Stream};

/// One end of a negotiation: an [`Initiator`] or a [`Responder`].
///
/// After each [`handle_received`](Self::handle_received), send what [`poll_transmit`](Self::poll_transmit) gives,
/// and read more. An initiator has something to send before the first read.
pub trait Negotiation {
    /// Takes received bytes out of the buffer. The peer may be slow: what is not complete stays there. Once the
    /// negotiation is complete, the bytes left in the buffer are the start of the peer's stream, decrypted.
    ///
    /// The call that takes the public key of the peer computes two powers, in a twelfth of a millisecond; the others
    /// cost next to nothing.
    ///
    /// # Errors
    /// See [`MseError`]. After an error or the end it takes no more bytes.
    fn handle_received(&mut self, received: &mut BytesMut) -> Result<Step, MseError>;

    /// Appends the bytes to send now. There can be some after each call of
    /// [`handle_received`](Self::handle_received), the one with which the negotiation is complete included.
    fn poll_transmit(&mut self, out: &mut BytesMut);
}

/// The form of the stream after the negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Not encrypted: only the negotiation is hidden.
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

/// The methods that one end allows, and the one that it prefers.
///
/// # Defaults
/// RC4 is preferred, plaintext allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MseConfig {
    allowed: u32,
    preferred: Method,
}

impl MseConfig {
    /// Allows only this method.
    pub const fn only(method: Method) -> Self {
        Self { allowed: method.bit(), preferred: method }
    }

    /// Allows both methods, and prefers this one.
    pub const fn prefer(method: Method) -> Self {
        Self { allowed: Method::Plaintext.bit() | Method::Rc4.bit(), preferred: method }
    }

    /// Returns true if the method may be used.
    pub const fn allows(&self, method: Method) -> bool {
        self.allowed & method.bit() != 0
    }

    /// The method to use with a peer that offers these.
    fn select(&self, offered: u32) -> Result<Method, MseError> {
        // The responder chooses. Its preference counts before that of the initiator, which is not known.
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
            // Equal, not only set: the responder has to select one method.
            .find(|method| method.bit() == selected && self.allows(*method))
            .ok_or(MseError::NotOffered { selected })
    }
}

impl Default for MseConfig {
    fn default() -> Self {
        Self::prefer(Method::Rc4)
    }
}

/// The randomness of one end. Use it for one connection only.
#[derive(Clone)]
pub struct Randomness {
    private_key: [u8; PRIVATE_KEY_LENGTH],
    padding: Vec<u8>,
}

impl Randomness {
    /// A private key and 0 to 512 random bytes of padding, whose number is to be random as well. Bytes
    /// beyond 512 are left out.
    pub fn new(private_key: [u8; PRIVATE_KEY_LENGTH], padding: &[u8]) -> Self {
        let padding = &padding[..padding.len().min(MAX_PADDING)];
        Self { private_key, padding: padding.to_vec() }
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the private key, which must not reach a log.
        f.debug_struct("Randomness").field("padding", &self.padding.len()).finish_non_exhaustive()
    }
}

/// Bytes of a private key: 160 bits.
pub const PRIVATE_KEY_LENGTH: usize = 20;

/// The progress of a negotiation.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// More bytes are needed. There may be something to send.
    NeedMore,
    /// The peer begins with a handshake without encryption, and the buffer is unchanged. Only a
    /// [`Responder`] meets this; for an initiator it is [`MseError::NotEncrypted`].
    Plain,
    /// The negotiation is complete.
    Done(Box<Negotiated>),
}

/// The outcome of a negotiation. The bytes left in the receive buffer are decrypted.
#[derive(Debug)]
pub struct Negotiated {
    /// The torrent.
    pub torrent: WireInfoHash,
    /// The selected method.
    pub method: Method,
    /// The cipher of all bytes received from now on.
    pub receive: Cipher,
    /// The cipher of all bytes sent from now on.
    pub send: Cipher,
}

/// The cipher of one direction of the stream.
///
/// One word: the state of RC4, 258 bytes, is elsewhere, as most connections of most programs have none.
#[derive(Clone)]
pub struct Cipher(Option<Box<rc4::Rc4>>);

impl Cipher {
    /// Encrypts or decrypts the next bytes of the stream in place. With [`Method::Plaintext`] the bytes
    /// stay the same.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        if let Some(rc4) = &mut self.0 {
            rc4.apply(bytes);
        }
    }

    /// Returns true if the bytes stay the same.
    pub fn is_plaintext(&self) -> bool {
        self.0.is_none()
    }

    fn new(method: Method, rc4: rc4::Rc4) -> Self {
        Self((method == Method::Rc4).then(|| Box::new(rc4)))
    }

    const fn plaintext() -> Self {
        Self(None)
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the state, from which the stream could be decrypted.
        f.write_str(if self.is_plaintext() { "Cipher(plaintext)" } else { "Cipher(rc4)" })
    }
}

/// A hash of an info-hash, by which the initiator names the torrent without revealing it.
///
/// Compute it for each torrent that you serve, and look up the received one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObfuscatedHash([u8; 20]);

impl From<WireInfoHash> for ObfuscatedHash {
    fn from(torrent: WireInfoHash) -> Self {
        Self(exchange::sha1(&[b"req2", torrent.as_bytes()]))
    }
}

/// The failure of a negotiation. Close the connection; another one without encryption may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MseError {
    /// The public key makes the secret easy to guess.
    #[error("the peer's public key is weak")]
    WeakKey,
    /// The mark behind the padding is not within the allowed bytes.
    #[error("no mark within the {MAX_PADDING} bytes of padding")]
    MarkNotFound,
    /// The responder does not have the torrent.
    #[error("the peer named an unknown torrent")]
    UnknownTorrent,
    /// The verification constant is not zero: the two ends have different keys.
    #[error("the verification constant is wrong")]
    Verification,
    /// Padding over the limit of 512 bytes.
    #[error("padding of {length} bytes is over the limit of {MAX_PADDING}")]
    PaddingTooLong {
        /// The announced length.
        length: u16,
    },
    /// The initiator offers nothing that the responder allows.
    #[error("none of the offered methods {offered:#x} is allowed")]
    NoCommonMethod {
        /// The bits of the offer.
        offered: u32,
    },
    /// The responder answers with a handshake without encryption, though it was sent a public key.
    #[error("the peer answered without encryption")]
    NotEncrypted,
    /// The responder selected a method that was not offered, or several methods.
    #[error("the peer selected {selected:#x}, which was not offered")]
    NotOffered {
        /// The bits of the selection.
        selected: u32,
    },
}

/// Bytes of a public key, with which a negotiation begins: 768 bits.
pub const PUBLIC_KEY_LENGTH: usize = 96;

/// Limit of each padding, in bytes.
const MAX_PADDING: usize = 512;

/// The verification constant, by which an end sees that the other one has the same key.
const VERIFICATION: [u8; 8] = [0; 8];

/// Returns true for the start of a handshake without encryption (BEP 3), and `None` while that is undecided. By this
/// a [`Responder`] tells such a handshake from a public key.
pub fn is_plain(bytes: &[u8]) -> Option<bool> {
    const PLAIN: &[u8; 20] = b"\x13BitTorrent protocol";
    if bytes.iter().zip(PLAIN).any(|(found, plain)| found != plain) {
        return Some(false);
    }
    (bytes.len() >= PLAIN.len()).then_some(true)
}

/// The offset of the mark, behind the allowed padding at most. `None` while more bytes are needed.
fn find_mark(bytes: &[u8], mark: &[u8]) -> Result<Option<usize>, MseError> {
    let window = &bytes[..bytes.len().min(MAX_PADDING + mark.len())];
    match window.windows(mark.len()).position(|found| found == mark) {
        Some(at) => Ok(Some(at)),
        // All allowed offsets have been searched.
        None if window.len() == MAX_PADDING + mark.len() => Err(MseError::MarkNotFound),
        None => Ok(None),
    }
}
