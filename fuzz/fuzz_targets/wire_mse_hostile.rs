//! Both ends of message stream encryption against any bytes: as they come, and behind a key exchange, so that every
//! field is what the input says. However they arrive the outcome is the same, through the machine and through a stream,
//! and memory is in proportion to the bytes.
#![no_main]

use std::io::{self, Read, Write};

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_types::WireInfoHash;
use tinytorrent_wire::mse::{
    Initiator, Method, MseConfig, MseError, NegotiateError, Negotiation, Policy, Randomness,
    Responder, Step, Stream,
};

const TORRENT: WireInfoHash = WireInfoHash::from_bytes([0xaa; 20]);

/// Bytes before the encrypted fields of the initiator: the mark, and the torrent.
const HASHES: usize = 40;

/// Length of the encrypted fields of an initiator and of a responder without padding, and of the latter's method.
const OFFER: usize = 8 + 4 + 2 + 2;
const ANSWER: usize = 8 + 4 + 2;

fuzz_target!(|input: (u8, u8, u8, &[u8])| {
    let (setup, cut, padding, bytes) = input;
    let cut = usize::from(cut).max(1);
    let config = match setup >> 4 & 3 {
        0 => MseConfig::only(Method::Rc4),
        1 => MseConfig::only(Method::Plaintext),
        2 => MseConfig::prefer(Method::Plaintext),
        _ => MseConfig::default(),
    };
    // All of it but a key may be padding.
    let noise = vec![0x55; usize::from(padding) * 2];
    let is_keyed = setup & 2 != 0;
    if setup & 1 == 0 {
        let said = if is_keyed { hostile_offer(config, &noise, bytes) } else { bytes.to_vec() };
        compare(|| responder(config), &said, cut);
    } else {
        let said = if is_keyed { hostile_answer(config, &noise, bytes) } else { bytes.to_vec() };
        compare(|| initiator(config, b"hello"), &said, cut);
    }
});

fn initiator(config: MseConfig, initial: &[u8]) -> Initiator {
    Initiator::new(TORRENT, config, Randomness::new([1; 20], &[2; 30]), initial)
}

fn responder(config: MseConfig) -> impl Negotiation {
    let find = |hash: &_| (*hash == TORRENT.into()).then_some(TORRENT);
    Responder::new(config, Randomness::new([3; 20], &[4; 50]), find)
}

/// The outcome of a negotiation: the method, and the bytes that came with it; or that it has not ended.
type Outcome = Result<Option<(Option<Method>, Vec<u8>)>, MseError>;

fn compare<N: Negotiation>(end: impl Fn() -> N, said: &[u8], cut: usize) {
    // The bytes are held once, and the machine has its key, its padding and two ciphers.
    let whole = within(said.len(), 4, 16 << 10, || negotiate(end(), said, said.len().max(1)));
    assert_eq!(negotiate(end(), said, cut), whole);
    let mut policy = Policy::default();
    policy.max_bytes(said.len() + 1).max_reads(u32::MAX).accept_plain(true);
    let socket = Script { said, cut };
    let streamed =
        within(said.len(), 8, 32 << 10, || match Stream::negotiate(socket, end(), &policy) {
            Ok(mut stream) => {
                let mut rest = Vec::new();
                let method = stream.method();
                stream.read_to_end(&mut rest).expect("it can be read");
                Ok(Some((method, rest)))
            }
            Err(NegotiateError::Closed) => Ok(None),
            Err(NegotiateError::Mse(error)) => Err(error),
            Err(error) => panic!("{error}"),
        });
    assert_eq!(streamed, whole);
}

fn negotiate(mut end: impl Negotiation, said: &[u8], cut: usize) -> Outcome {
    let (mut received, mut out) = (BytesMut::new(), BytesMut::new());
    let mut parts = said.chunks(cut);
    loop {
        let step = end.handle_received(&mut received)?;
        end.poll_transmit(&mut out);
        assert!(out.len() <= 96 + 50 + 100, "an end says little");
        let (method, mut cipher) = match step {
            Step::NeedMore => {
                let Some(part) = parts.next() else { return Ok(None) };
                received.extend_from_slice(part);
                continue;
            }
            Step::Plain => (None, None),
            Step::Done(done) => {
                assert_eq!(done.torrent, TORRENT);
                (Some(done.method), Some(done.receive))
            }
        };
        let mut rest = received.to_vec();
        for part in parts {
            let mut part = part.to_vec();
            if let Some(cipher) = &mut cipher {
                cipher.apply(&mut part);
            }
            rest.extend_from_slice(&part);
        }
        return Ok(Some((method, rest)));
    }
}

/// What an initiator sends that has a right key, and any fields behind it.
fn hostile_offer(config: MseConfig, padding: &[u8], fields: &[u8]) -> Vec<u8> {
    let fields = &fields[..fields.len().min(2_000)];
    // An honest initiator meets a responder, with as many bytes as are needed. Its fields are known, and so is the key
    // stream over them.
    let known = vec![0; fields.len().saturating_sub(OFFER)];
    let mut alice = initiator(config, &known);
    let (mut said, mut reply) = (BytesMut::new(), BytesMut::new());
    alice.poll_transmit(&mut said);
    let mut key = said.split_to(96).to_vec();
    let mut bob = responder(config);
    let _ = bob.handle_received(&mut BytesMut::from(&key[..]));
    bob.poll_transmit(&mut reply);
    let _ = alice.handle_received(&mut reply);
    let mut message = BytesMut::new();
    alice.poll_transmit(&mut message);
    let mut honest = vec![0; OFFER];
    let methods = [Method::Plaintext, Method::Rc4].map(|method| config.allows(method));
    honest[11] = u8::from(methods[0]) | u8::from(methods[1]) << 1;
    honest[14..].copy_from_slice(&(known.len() as u16).to_be_bytes());
    replace(&mut message[HASHES..], &honest, fields);
    message.truncate(HASHES + fields.len());
    key.extend_from_slice(padding);
    key.extend_from_slice(&message);
    key
}

/// What a responder sends that has a right key, and any fields behind it.
fn hostile_answer(config: MseConfig, padding: &[u8], fields: &[u8]) -> Vec<u8> {
    let mut alice = initiator(config, b"hello");
    // Whoever prefers a method of the offer agrees with it, and has RC4 for what follows if that may be.
    let method = if config.allows(Method::Rc4) { Method::Rc4 } else { Method::Plaintext };
    let mut bob = responder(MseConfig::only(method));
    let (mut to_bob, mut said) = (BytesMut::new(), BytesMut::new());
    let mut answer = Vec::new();
    let done = loop {
        alice.poll_transmit(&mut to_bob);
        let step = bob.handle_received(&mut to_bob).expect("alice is honest");
        bob.poll_transmit(&mut said);
        answer.extend_from_slice(&said);
        let _ = alice.handle_received(&mut said);
        if let Step::Done(done) = step {
            break done;
        }
    };
    // Its key and 50 bytes of padding, which are ours to choose.
    let mut message = answer.split_off(96 + 50);
    answer.truncate(96);
    let mut honest = vec![0; ANSWER];
    honest[11] = if method == Method::Rc4 { 2 } else { 1 };
    // The key stream goes on over what follows.
    let mut more = vec![0; fields.len().saturating_sub(ANSWER)];
    let mut send = done.send;
    send.apply(&mut more);
    message.extend_from_slice(&more);
    replace(&mut message, &honest, fields);
    message.truncate(fields.len());
    answer.extend_from_slice(padding);
    answer.extend_from_slice(&message);
    answer
}

/// Replaces known bytes beneath a key stream by others. Known bytes that are left out are zeros.
fn replace(message: &mut [u8], known: &[u8], wanted: &[u8]) {
    let known = known.iter().copied().chain(std::iter::repeat(0));
    for ((byte, known), wanted) in message.iter_mut().zip(known).zip(wanted) {
        *byte ^= known ^ wanted;
    }
}

/// A socket that delivers this, so many bytes at a time.
struct Script<'a> {
    said: &'a [u8],
    cut: usize,
}

impl Read for Script<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.cut.min(buffer.len());
        self.said.read(&mut buffer[..count])
    }
}

impl Write for Script<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
