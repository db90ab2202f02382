use bytes::{Buf, BufMut, BytesMut};
use tinytorrent_types::WireInfoHash;

use super::exchange::PrivateKey;
use super::rc4::Rc4;
use super::{
    Cipher, MAX_PADDING, MseConfig, MseError, Negotiated, Negotiation, PUBLIC_KEY_LENGTH,
    Randomness, Step, VERIFICATION, find_mark, is_plain,
};

/// The end that makes the connection and names the torrent. See [`Negotiation`] for its calls.
#[derive(Debug)]
pub struct Initiator {
    torrent: WireInfoHash,
    config: MseConfig,
    state: State,
    /// The first bytes of our stream, sent before the answer: the handshake of BEP 3.
    initial: Vec<u8>,
    out: BytesMut,
}

/// ```text
/// PublicKey ──their key──▶ Mark ──ENCRYPT(VC)──▶ Selection ──padding──▶ Done
/// ```
enum State {
    /// Waits for the peer's public key.
    PublicKey(PrivateKey),
    /// Searches for the verification constant behind the padding.
    Mark { send: Rc4, receive: Rc4, mark: [u8; 8] },
    /// Waits for the method and the length of the second padding.
    Selection { send: Rc4, receive: Rc4 },
    /// Waits for the end of the second padding.
    Padding { send: Rc4, receive: Rc4, selected: u32, left: usize },
    /// Done, or failed.
    Over,
}

impl Initiator {
    /// Begins the negotiation; there is something to send. `initial`, as a rule the handshake of BEP 3, is
    /// sent encrypted with the second message, which saves a round trip. Bytes beyond 65,535 are left
    /// out.
    pub fn new(
        torrent: WireInfoHash,
        config: MseConfig,
        randomness: Randomness,
        initial: &[u8],
    ) -> Self {
        let key = PrivateKey::new(&randomness.private_key);
        let mut out = BytesMut::with_capacity(PUBLIC_KEY_LENGTH + randomness.padding.len());
        out.put_slice(&key.public_key());
        out.put_slice(&randomness.padding);
        let initial = initial[..initial.len().min(usize::from(u16::MAX))].to_vec();
        Self { torrent, config, state: State::PublicKey(key), initial, out }
    }

    /// Takes the peer's key, and sends the obfuscated torrent, the offer and the first bytes of our stream.
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
        let mut send = secret.initiator_cipher(self.torrent);
        let receive = secret.responder_cipher(self.torrent);
        self.out.put_slice(&secret.sync_mark());
        self.out.put_slice(&secret.obfuscate(self.torrent.into()));
        // The two hashes before are not encrypted: the responder has no key until it knows the
        // torrent.
        let start = self.out.len();
        self.out.put_slice(&VERIFICATION);
        self.out.put_u32(self.config.allowed);
        // The second padding is reserved for extensions, and empty in all known clients.
        self.out.put_u16(0);
        // `new` has cut it to 65,535 bytes.
        self.out.put_u16(self.initial.len() as u16);
        self.out.put_slice(&self.initial);
        send.apply(&mut self.out[start..]);
        // The peer sends the verification constant encrypted. Its ciphertext is the mark to search for.
        let mut mark = VERIFICATION;
        receive.clone().apply(&mut mark);
        Ok((State::Mark { send, receive, mark }, false))
    }

    fn finish(
        &mut self,
        send: Rc4,
        receive: Rc4,
        selected: u32,
        received: &mut BytesMut,
    ) -> Result<Step, MseError> {
        let method = self.config.accept(selected)?;
        let mut receive = Cipher::new(method, receive);
        receive.apply(received);
        let send = Cipher::new(method, send);
        Ok(Step::Done(Box::new(Negotiated { torrent: self.torrent, method, receive, send })))
    }
}

impl Negotiation for Initiator {
    fn handle_received(&mut self, received: &mut BytesMut) -> Result<Step, MseError> {
        loop {
            // An error leaves it at `Over`, so that nothing goes on after a failure.
            let state = std::mem::replace(&mut self.state, State::Over);
            let (next, is_stuck) = match state {
                // A public key may begin like a handshake by chance, with a probability of 2^-160.
                State::PublicKey(key) => match is_plain(received) {
                    Some(true) => return Err(MseError::NotEncrypted),
                    _ => self.handle_public_key(key, received)?,
                },
                State::Mark { send, receive, mark } => find(send, receive, mark, received)?,
                State::Selection { send, receive } => selection(send, receive, received)?,
                State::Padding { send, mut receive, selected, left } => {
                    let part = left.min(received.len());
                    receive.apply(&mut received.split_to(part));
                    if part == left {
                        return self.finish(send, receive, selected, received);
                    }
                    (State::Padding { send, receive, selected, left: left - part }, true)
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

fn find(
    send: Rc4,
    mut receive: Rc4,
    mark: [u8; 8],
    received: &mut BytesMut,
) -> Result<(State, bool), MseError> {
    let Some(at) = find_mark(received, &mark)? else {
        return Ok((State::Mark { send, receive, mark }, true));
    };
    received.advance(at);
    // The cipher moves on over the constant, whose content is known.
    receive.apply(&mut received.split_to(mark.len()));
    Ok((State::Selection { send, receive }, false))
}

fn selection(
    send: Rc4,
    mut receive: Rc4,
    received: &mut BytesMut,
) -> Result<(State, bool), MseError> {
    if received.len() < 6 {
        return Ok((State::Selection { send, receive }, true));
    }
    let mut fields = received.split_to(6);
    receive.apply(&mut fields);
    let selected = fields.get_u32();
    let length = fields.get_u16();
    if usize::from(length) > MAX_PADDING {
        return Err(MseError::PaddingTooLong { length });
    }
    Ok((State::Padding { send, receive, selected, left: length.into() }, false))
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::PublicKey(_) => "PublicKey",
            State::Mark { .. } => "Mark",
            State::Selection { .. } => "Selection",
            State::Padding { .. } => "Padding",
            State::Over => "Over",
        })
    }
}
