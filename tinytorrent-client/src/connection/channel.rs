//! A socket with the ciphers of its two directions, if it has any.

use std::io;

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use tinytorrent_types::WireInfoHash;
use tinytorrent_wire::mse::{
    Chance, Cipher, Config, Initiator, Method, Negotiated, ObfuscatedHash, Responder, Step,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::failure::ConnectFailure;
use crate::Encryption;

/// A connection before messages flow.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(super) stream: TcpStream,
    pub(super) receive: Option<Cipher>,
    pub(super) send: Option<Cipher>,
}

impl Channel {
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self { stream, receive: None, send: None }
    }

    pub(crate) fn set_nodelay(&self) -> io::Result<()> {
        self.stream.set_nodelay(true)
    }

    /// Reads what there is, decrypted, behind what was received before.
    pub(super) async fn read_more(
        &mut self,
        received: &mut BytesMut,
    ) -> Result<(), ConnectFailure> {
        let before = received.len();
        if self.stream.read_buf(received).await? == 0 {
            return Err(ConnectFailure::Closed);
        }
        decrypt(&mut self.receive, received, before);
        Ok(())
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bytes = encrypt(&mut self.send, Bytes::copy_from_slice(bytes));
        self.stream.write_all(&bytes).await
    }

    /// Hides a connection that we made from onlookers. `first` goes out as soon as it can.
    pub(super) async fn initiate(
        &mut self,
        torrent: WireInfoHash,
        encryption: Encryption,
        first: &[u8],
        received: &mut BytesMut,
    ) -> Result<(), ConnectFailure> {
        let mut initiator = Initiator::new(torrent, methods(encryption), chance(), first);
        let mut out = BytesMut::new();
        loop {
            let step = initiator.handle_received(received)?;
            initiator.poll_transmit(&mut out);
            self.stream.write_all_buf(&mut out).await?;
            match step {
                Step::Done(negotiated) => {
                    self.settle(*negotiated);
                    return Ok(());
                }
                Step::Plain | Step::NeedMore => self.read_more(received).await?,
            }
        }
    }

    /// Answers a stranger that may hide its connection; leaves one that does not alone.
    pub(super) async fn respond(
        &mut self,
        encryption: Encryption,
        find: impl Fn(&ObfuscatedHash) -> Option<WireInfoHash>,
        received: &mut BytesMut,
    ) -> Result<(), ConnectFailure> {
        if encryption == Encryption::Off {
            return Ok(());
        }
        let mut responder = Responder::new(methods(encryption), chance());
        let mut out = BytesMut::new();
        loop {
            match responder.handle_received_and_transmit(received, &find, &mut out)? {
                Step::Done(negotiated) => {
                    self.stream.write_all_buf(&mut out).await?;
                    self.settle(*negotiated);
                    return Ok(());
                }
                Step::Plain if encryption == Encryption::Require => {
                    return Err(ConnectFailure::Plain);
                }
                Step::Plain => return Ok(()),
                Step::NeedMore => {
                    self.stream.write_all_buf(&mut out).await?;
                    self.read_more(received).await?;
                }
            }
        }
    }

    fn settle(&mut self, negotiated: Negotiated) {
        let Negotiated { receive, send, .. } = negotiated;
        self.receive = Some(receive).filter(|cipher| !cipher.is_plaintext());
        self.send = Some(send).filter(|cipher| !cipher.is_plaintext());
    }
}

/// Decrypts what stands at `from` and behind it.
pub(super) fn decrypt(cipher: &mut Option<Cipher>, received: &mut BytesMut, from: usize) {
    if let Some(cipher) = cipher {
        cipher.apply(&mut received[from..]);
    }
}

/// Encrypts what is to go out; it is copied only if there is a cipher.
pub(super) fn encrypt(cipher: &mut Option<Cipher>, bytes: Bytes) -> Bytes {
    let Some(cipher) = cipher else { return bytes };
    let mut copy = BytesMut::from(&bytes[..]);
    cipher.apply(&mut copy);
    copy.freeze()
}

/// Where encryption is a must, so is RC4; where it is not, hiding the start is enough and costs
/// nothing later.
fn methods(encryption: Encryption) -> Config {
    match encryption {
        Encryption::Require => Config::only(Method::Rc4),
        Encryption::Off | Encryption::Prefer => Config::prefer(Method::Plaintext),
    }
}

fn chance() -> Chance {
    let mut random = rand::rng();
    let mut padding = [0_u8; 512];
    random.fill(&mut padding);
    let length = random.random_range(0..=padding.len());
    Chance::new(random.random(), &padding[..length])
}
