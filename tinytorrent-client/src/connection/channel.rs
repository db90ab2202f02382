//! A socket, with a cipher for each direction if the connection is encrypted.

use std::io;

use bytes::BytesMut;
use rand::RngExt;
use tinytorrent_swarm::Transport;
use tinytorrent_types::WireInfoHash;
use tinytorrent_wire::mse::{
    Cipher, Initiator, Method, MseConfig, Negotiated, Negotiation, ObfuscatedHash,
    PUBLIC_KEY_LENGTH, Randomness, Responder, Step, is_plain,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::failure::ConnectFailure;
use super::handshake::Stranger;
use super::stream::Stream;
use crate::Encryption;
use crate::places::Place;

/// A connection during the handshakes.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(super) stream: Stream,
    pub(super) receive: Option<Cipher>,
    pub(super) send: Option<Cipher>,
    /// The place among the connections of the client.
    pub(super) place: Place,
}

impl Channel {
    pub(crate) fn plain(stream: Stream, place: Place) -> Self {
        Self { stream, receive: None, send: None, place }
    }

    pub(crate) fn transport(&self) -> Transport {
        self.stream.transport()
    }

    /// Returns `true` if payload is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.send.is_some()
    }

    pub(crate) fn configure(&self) -> io::Result<()> {
        self.stream.configure()
    }

    /// Reads and decrypts the bytes that are there, and appends them.
    pub(super) async fn read_more(
        &mut self,
        received: &mut BytesMut,
    ) -> Result<(), ConnectFailure> {
        let before = received.len();
        // The initial bytes of an encrypted handshake could be 64 KiB of each stranger.
        if before >= MAX_HANDSHAKE {
            return Err(ConnectFailure::TooLong);
        }
        if self.stream.read_buf(received).await? == 0 {
            return Err(ConnectFailure::Closed);
        }
        // From the new bytes on: the earlier ones are decrypted, or came before the cipher.
        decrypt(&mut self.receive, received, before);
        Ok(())
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut bytes = bytes.to_vec();
        if let Some(cipher) = &mut self.send {
            cipher.apply(&mut bytes);
        }
        self.stream.write_all(&bytes).await
    }

    /// Encrypts an outgoing connection. `first` is sent with the encryption handshake, as soon as the
    /// protocol allows.
    pub(super) async fn initiate(
        &mut self,
        torrent: WireInfoHash,
        encryption: Encryption,
        first: &[u8],
        received: &mut BytesMut,
    ) -> Result<(), ConnectFailure> {
        let initiator = Initiator::new(torrent, methods(encryption), randomness(), first);
        self.negotiate(initiator, received, || {}).await
    }

    /// Answers the encryption handshake of an incoming connection, if it begins with one.
    pub(super) async fn respond(
        &mut self,
        encryption: Encryption,
        stranger: &impl Stranger,
        find: impl Fn(&ObfuscatedHash) -> Option<WireInfoHash>,
        received: &mut BytesMut,
    ) -> Result<(), ConnectFailure> {
        if encryption == Encryption::Off {
            return Ok(());
        }
        loop {
            match is_plain(received) {
                Some(true) if encryption == Encryption::Require => {
                    return Err(ConnectFailure::Plain);
                }
                Some(true) => return Ok(()),
                Some(false) if received.len() >= PUBLIC_KEY_LENGTH => break,
                Some(false) | None => {
                    self.read_more(received).await?;
                    stranger.note_progress();
                }
            }
        }
        stranger.wait_for_key_exchange().await;
        let responder = Responder::new(methods(encryption), randomness(), find);
        self.negotiate(responder, received, || stranger.note_progress()).await
    }

    /// Negotiates as either end.
    async fn negotiate(
        &mut self,
        mut end: impl Negotiation,
        received: &mut BytesMut,
        note_progress: impl Fn(),
    ) -> Result<(), ConnectFailure> {
        let mut out = BytesMut::new();
        loop {
            let step = end.handle_received(received)?;
            end.poll_transmit(&mut out);
            // Passes no cipher, as the negotiation has encrypted its own part.
            self.stream.write_all_buf(&mut out).await?;
            match step {
                Step::Done(negotiated) => {
                    self.set_ciphers(*negotiated);
                    return Ok(());
                }
                Step::Plain => return Err(ConnectFailure::Plain),
                Step::NeedMore => {
                    self.read_more(received).await?;
                    note_progress();
                }
            }
        }
    }

    fn set_ciphers(&mut self, negotiated: Negotiated) {
        let Negotiated { receive, send, .. } = negotiated;
        self.receive = Some(receive).filter(|cipher| !cipher.is_plaintext());
        // The writer would copy each block for a cipher that changes nothing.
        self.send = Some(send).filter(|cipher| !cipher.is_plaintext());
    }
}

/// Bytes of a handshake at most, with all its padding and the first messages behind it.
const MAX_HANDSHAKE: usize = 4096;

/// Decrypts the bytes from this offset on.
pub(super) fn decrypt(cipher: &mut Option<Cipher>, received: &mut BytesMut, from: usize) {
    if let Some(cipher) = cipher {
        cipher.apply(&mut received[from..]);
    }
}

/// Returns the ciphers to negotiate. If encryption is required, that is RC4. If not, it is enough to
/// hide the handshake, and the messages behind it are plain, which costs nothing.
fn methods(encryption: Encryption) -> MseConfig {
    match encryption {
        Encryption::Require => MseConfig::only(Method::Rc4),
        Encryption::Off | Encryption::Prefer => MseConfig::prefer(Method::Plaintext),
    }
}

fn randomness() -> Randomness {
    let mut random = rand::rng();
    let mut padding = [0_u8; 512];
    random.fill(&mut padding);
    // A filter would know a handshake of constant length.
    let length = random.random_range(0..=padding.len());
    Randomness::new(random.random(), &padding[..length])
}
