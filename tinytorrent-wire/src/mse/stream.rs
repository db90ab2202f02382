//! Streams that encrypt what is written and decrypt what is read.

#[cfg(feature = "tokio")]
mod asynchronous;
mod outbox;
mod policy;
mod talk;

use std::fmt;
use std::io::{self, IoSlice, Read, Write};

use bytes::BytesMut;
use tinytorrent_types::WireInfoHash;

use self::outbox::Outbox;
pub use self::policy::{NegotiateError, Policy};
use self::talk::{Outcome, Talk};
use super::{Cipher, Method, Negotiated, Negotiation};

/// A stream `S` behind message stream encryption.
///
/// It is made by a negotiation, as either end. Then it is [`Read`] and [`Write`] if `S` is, and with the feature `tokio`
/// `AsyncRead` and `AsyncWrite` if `S` is.
///
/// ```no_run
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use std::time::Duration;
/// use tinytorrent_wire::mse::{MseConfig, Initiator, Policy, Randomness, Stream};
/// # use tinytorrent_types::{PeerId, WireInfoHash};
/// # use tinytorrent_wire::{Handshake, Reserved};
/// # let torrent = WireInfoHash::from_bytes([7; 20]);
/// # let (peer_id, reserved) = (PeerId::generate(*b"abcdefghijkl"), Reserved::empty());
/// # let (private_key, padding) = ([1; 20], [2; 100]);
///
/// let handshake = Handshake { reserved, info_hash: torrent, peer_id };
/// let socket = TcpStream::connect("192.0.2.1:6881")?;
/// socket.set_read_timeout(Some(Duration::from_secs(10)))?;
///
/// // The handshake of BEP 3 goes along with the negotiation.
/// let randomness = Randomness::new(private_key, &padding); // of your generator
/// let alice = Initiator::new(torrent, MseConfig::default(), randomness, &handshake.to_bytes());
/// let mut stream = Stream::negotiate(socket, alice, &Policy::default())?;
///
/// let mut theirs = [0; 68];
/// stream.read_exact(&mut theirs)?;
/// stream.write_all(b"\0\0\0\0")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Writing
/// The cipher is one stream, so that bytes cannot be encrypted twice. A write therefore takes its bytes, up to 32 KiB,
/// and keeps those that `S` does not take at once. The next write or flush sends them first, and reports what was wrong
/// with `S`. Over a stream that blocks nothing is kept. Over others, flush before you wait for an answer.
///
/// # Memory
/// 32 KiB while bytes are kept, and up to [`Policy::max_bytes`] until those that came with the negotiation are read.
/// With [`Method::Plaintext`] bytes are neither copied nor kept.
pub struct Stream<S> {
    inner: S,
    torrent: Option<WireInfoHash>,
    method: Option<Method>,
    receive: Cipher,
    /// Decrypted bytes that came with the negotiation and are not read yet.
    received: BytesMut,
    outbox: Outbox,
}

/// What a [`Stream`] is made of, for those who want to read and write on two threads, or decrypt in their own buffers.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts<S> {
    /// The stream beneath.
    pub inner: S,
    /// The cipher of all bytes read from it from now on.
    pub receive: Cipher,
    /// The cipher of all bytes written to it from now on.
    pub send: Cipher,
    /// Decrypted bytes that came with the negotiation and were not read.
    pub received: BytesMut,
    /// Encrypted bytes that have to be written first. None after a flush.
    pub unsent: BytesMut,
}

impl<S> Stream<S> {
    fn new(inner: S, received: BytesMut, outcome: Outcome) -> Self {
        let (negotiated, receive, send) = match outcome {
            Outcome::Plain => (None, Cipher::plaintext(), Cipher::plaintext()),
            Outcome::Negotiated(negotiated) => {
                let Negotiated { torrent, method, receive, send } = *negotiated;
                (Some((torrent, method)), receive, send)
            }
        };
        let (torrent, method) = negotiated.unzip();
        Self { inner, torrent, method, receive, received, outbox: Outbox::new(send) }
    }

    /// The torrent that the initiator named. `None` if the peer began without encryption: its handshake comes first in
    /// the stream, and names it.
    pub fn torrent(&self) -> Option<WireInfoHash> {
        self.torrent
    }

    /// The negotiated method. `None` if the peer began without encryption.
    pub fn method(&self) -> Option<Method> {
        self.method
    }

    /// The stream beneath, to set timeouts for instance. What is read from it or written to it is lost to the ciphers.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Takes the stream apart.
    pub fn into_parts(self) -> Parts<S> {
        let (send, unsent) = self.outbox.into_parts();
        let Self { inner, receive, received, .. } = self;
        Parts { inner, receive, send, received, unsent }
    }

    /// Bytes of the negotiation that fit, which are gone then.
    fn take_received(&mut self, room: usize) -> BytesMut {
        let part = self.received.split_to(room.min(self.received.len()));
        if self.received.is_empty() {
            // Gives the memory back.
            self.received = BytesMut::new();
        }
        part
    }
}

impl<S: Read + Write> Stream<S> {
    /// Negotiates as either end, over a stream that blocks. Both ends may send 608 bytes before they read, which every
    /// socket can hold.
    ///
    /// # Errors
    /// See [`NegotiateError`]. The stream is dropped.
    pub fn negotiate(
        mut inner: S,
        end: impl Negotiation,
        policy: &Policy,
    ) -> Result<Self, NegotiateError> {
        let mut talk = Talk::new(end, policy);
        let mut out = BytesMut::new();
        loop {
            let outcome = talk.step(&mut out)?;
            inner.write_all(&out)?;
            inner.flush()?;
            out.clear();
            if let Some(outcome) = outcome {
                return Ok(Self::new(inner, talk.received, outcome));
            }
            let mut buffer = [0; READ_LENGTH];
            let room = talk.room()?;
            let count = retried(|| inner.read(&mut buffer[..room]))?;
            talk.note_read(count)?;
            talk.received.extend_from_slice(&buffer[..count]);
        }
    }
}

impl<S: Read> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.received.is_empty() {
            let part = self.take_received(buffer.len());
            buffer[..part.len()].copy_from_slice(&part);
            return Ok(part.len());
        }
        let count = self.inner.read(buffer)?;
        self.receive.apply(&mut buffer[..count]);
        Ok(count)
    }
}

impl<S: Write> Write for Stream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.outbox.is_plaintext() {
            return self.inner.write(bytes);
        }
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.outbox.is_plaintext() {
            return self.inner.write_vectored(parts);
        }
        self.outbox.write_to(&mut self.inner)?;
        let count = self.outbox.encrypt(parts);
        // The bytes are taken, so that a failure cannot be told here. The next call meets it again.
        let _ = self.outbox.write_to(&mut self.inner);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.outbox.write_to(&mut self.inner)?;
        self.inner.flush()
    }
}

impl<S: fmt::Debug> fmt::Debug for Stream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("inner", &self.inner)
            .field("torrent", &self.torrent)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// Bytes of one read of a negotiation: most come whole, with up to 512 bytes of padding.
const READ_LENGTH: usize = 1024;

/// The result of a call that was not interrupted by a signal.
fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
