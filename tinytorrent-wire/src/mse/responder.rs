use bytes::{Buf, BufMut, BytesMut};
use tinytorrent_types::WireInfoHash;

use super::exchange::{PrivateKey, Secret};
use super::rc4::Rc4;
use super::{
    Cipher, MAX_PADDING, Method, MseConfig, MseError, Negotiated, Negotiation, ObfuscatedHash,
    PUBLIC_KEY_LENGTH, Randomness, Step, VERIFICATION, find_mark, is_plain,
};

/// The end that accepts the connection and looks up the torrent, by a function `F`. See [`Negotiation`] for its
/// calls.
pub struct Responder<F> {
    config: MseConfig,
    find: F,
    padding: Vec<u8>,
    state: State,
    out: BytesMut,
}

/// ```text
/// PublicKey ──their key──▶ Mark ──HASH('req1', S)──▶ Torrent ──▶ Padding ──▶ Initial ──▶ Done
/// ```
enum State {
    /// Waits for the peer's public key.
    PublicKey(PrivateKey),
    /// Searches for the hash of the secret behind the padding.
    Mark(Secret),
    /// Waits for the torrent and the offer.
    Torrent(Secret),
    /// Waits for the end of the second padding, and for the length of the initial bytes.
    Padding { agreed: Agreed, length: usize },
    /// Waits for the initial bytes.
    Initial { agreed: Agreed, length: usize },
    /// Done, or failed.
    Over,
}

/// The result of the offer, and the ciphers of the torrent.
struct Agreed {
    torrent: WireInfoHash,
    method: Method,
    send: Rc4,
    receive: Rc4,
}

impl<F> Responder<F>
where
    F: FnMut(&ObfuscatedHash) -> Option<WireInfoHash>,
{
    /// Waits for the peer to begin. The peer may speak BitTorrent without encryption. `find` looks up the torrent of
    /// an obfuscated hash, once at most.
    pub fn new(config: MseConfig, randomness: Randomness, find: F) -> Self {
        let state = State::PublicKey(PrivateKey::new(&randomness.private_key));
        Self { config, find, padding: randomness.padding, state, out: BytesMut::new() }
    }

    fn handle_public_key(
        &mut self,
        key: PrivateKey,
        received: &mut BytesMut,
    ) -> Result<(State, bool), MseError> {
        let Some(theirs) = received.first_chunk::<PUBLIC_KEY_LENGTH>() else {
            return Ok((State::PublicKey(key), true));
        };
        let secret = key.agree(theirs)?;
        received.advance(PUBLIC_KEY_LENGTH);
        // Not before their key has come: it may have been a handshake without encryption.
        self.out.put_slice(&key.public_key());
        self.out.put_slice(&self.padding);
        Ok((State::Mark(secret), false))
    }

    /// Takes the obfuscated torrent and, encrypted with its key, the offer.
    fn handle_torrent(
        &mut self,
        secret: Secret,
        received: &mut BytesMut,
    ) -> Result<(State, bool), MseError> {
        if received.len() < TORRENT_LENGTH {
            return Ok((State::Torrent(secret), true));
        }
        let mut fields = received.split_to(TORRENT_LENGTH);
        let mut hidden = [0; 20];
        fields.copy_to_slice(&mut hidden);
        // The ciphers depend on the torrent, so that nothing can be decrypted before it is known.
        let torrent = (self.find)(&secret.reveal(hidden)).ok_or(MseError::UnknownTorrent)?;
        let mut receive = secret.initiator_cipher(torrent);
        receive.apply(&mut fields);
        let mut verification = [0xff; 8];
        fields.copy_to_slice(&mut verification);
        if verification != VERIFICATION {
            return Err(MseError::Verification);
        }
        let method = self.config.select(fields.get_u32())?;
        let length = fields.get_u16();
        if usize::from(length) > MAX_PADDING {
            return Err(MseError::PaddingTooLong { length });
        }
        let send = secret.responder_cipher(torrent);
        let agreed = Agreed { torrent, method, send, receive };
        Ok((State::Padding { agreed, length: length.into() }, false))
    }

    /// Sends the selection, and decrypts the initial bytes and those behind them.
    fn finish(&mut self, agreed: Agreed, length: usize, received: &mut BytesMut) -> Step {
        let Agreed { torrent, method, mut send, mut receive } = agreed;
        let start = self.out.len();
        self.out.put_slice(&VERIFICATION);
        self.out.put_u32(method.bit());
        // The second padding is reserved for extensions, and empty in all known clients.
        self.out.put_u16(0);
        send.apply(&mut self.out[start..]);
        let (initial, rest) = received.split_at_mut(length);
        // The initial bytes are encrypted with RC4 in any case, the rest only if RC4 was selected.
        receive.apply(initial);
        let mut receive = Cipher::new(method, receive);
        receive.apply(rest);
        let send = Cipher::new(method, send);
        Step::Done(Box::new(Negotiated { torrent, method, receive, send }))
    }
}

impl<F> Negotiation for Responder<F>
where
    F: FnMut(&ObfuscatedHash) -> Option<WireInfoHash>,
{
    fn handle_received(&mut self, received: &mut BytesMut) -> Result<Step, MseError> {
        loop {
            // An error leaves it at `Over`, so that nothing goes on after a failure.
            let state = std::mem::replace(&mut self.state, State::Over);
            let (next, is_stuck) = match state {
                // A public key may begin like a handshake by chance, with a probability of 2^-160.
                State::PublicKey(key) => match is_plain(received) {
                    Some(true) => return Ok(Step::Plain),
                    _ => self.handle_public_key(key, received)?,
                },
                State::Mark(secret) => match find_mark(received, &secret.sync_mark())? {
                    Some(at) => {
                        received.advance(at + 20);
                        (State::Torrent(secret), false)
                    }
                    None => (State::Mark(secret), true),
                },
                State::Torrent(secret) => self.handle_torrent(secret, received)?,
                State::Padding { agreed, length } => padding(agreed, length, received),
                // The length was two bytes, so that a peer makes us buffer 64 KiB at most.
                State::Initial { agreed, length } if received.len() < length => {
                    (State::Initial { agreed, length }, true)
                }
                State::Initial { agreed, length } => {
                    return Ok(self.finish(agreed, length, received));
                }
                State::Over => return Ok(Step::NeedMore),
            };
            self.state = next;
            if is_stuck {
                return Ok(Step::NeedMore);
            }
        }
    }

    fn poll_transmit(&mut self, out: &mut BytesMut) {
        out.unsplit(self.out.split());
    }
}

/// Takes the second padding, and two bytes of length behind it.
fn padding(mut agreed: Agreed, length: usize, received: &mut BytesMut) -> (State, bool) {
    // `handle_torrent` has checked the length, so that this waits for 514 bytes at most.
    if received.len() < length + 2 {
        return (State::Padding { agreed, length }, true);
    }
    let mut fields = received.split_to(length + 2);
    agreed.receive.apply(&mut fields);
    fields.advance(length);
    let length = fields.get_u16().into();
    (State::Initial { agreed, length }, false)
}

/// Bytes of the torrent, the verification constant, the offer and the length of the padding.
const TORRENT_LENGTH: usize = 20 + 8 + 4 + 2;

impl<F> std::fmt::Debug for Responder<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder")
            .field("config", &self.config)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::PublicKey(_) => "PublicKey",
            State::Mark(_) => "Mark",
            State::Torrent(_) => "Torrent",
            State::Padding { .. } => "Padding",
            State::Initial { .. } => "Initial",
            State::Over => "Over",
        })
    }
}
