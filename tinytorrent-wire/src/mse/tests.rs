//! Two ends, and ends that are odd by hand. W-57, W-02.

use bytes::{BufMut, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use tinytorrent_types::WireInfoHash;

use super::exchange::{PrivateKey, Secret};
use super::*;

const TORRENT: WireInfoHash = WireInfoHash::from_bytes([0xaa; 20]);
const OTHER: WireInfoHash = WireInfoHash::from_bytes([0xbb; 20]);

/// A responder that has both torrents.
fn responder(config: MseConfig, randomness: Randomness) -> impl Negotiation {
    Responder::new(config, randomness, find)
}

fn find(hash: &ObfuscatedHash) -> Option<WireInfoHash> {
    [OTHER, TORRENT].into_iter().find(|torrent| *hash == (*torrent).into())
}

/// Bytes on their way, handed on in parts.
struct Pipe {
    sent: BytesMut,
    arrived: BytesMut,
}

impl Pipe {
    fn new() -> Self {
        Self { sent: BytesMut::new(), arrived: BytesMut::new() }
    }

    fn carry(&mut self, count: usize) {
        let count = count.min(self.sent.len());
        self.arrived.unsplit(self.sent.split_to(count));
    }
}

type Ends = (Result<Negotiated, MseError>, Result<Negotiated, MseError>, Pipe, Pipe);

/// Both ends talk until both are done or one fails; the parts say how far each carry reaches.
fn negotiate(mut alice: Initiator, mut bob: impl Negotiation, parts: &[usize]) -> Ends {
    let (mut to_bob, mut to_alice) = (Pipe::new(), Pipe::new());
    let (mut alices, mut bobs) = (None, None);
    let mut parts = parts.iter().copied().cycle();
    for _ in 0..20_000 {
        alice.poll_transmit(&mut to_bob.sent);
        bob.poll_transmit(&mut to_alice.sent);
        to_bob.carry(parts.next().unwrap_or(usize::MAX));
        to_alice.carry(parts.next().unwrap_or(usize::MAX));
        if bobs.is_none() {
            bobs = done(bob.handle_received(&mut to_bob.arrived));
        }
        if alices.is_none() {
            alices = done(alice.handle_received(&mut to_alice.arrived));
        }
        if let (Some(_), Some(_)) | (Some(Err(_)), _) | (_, Some(Err(_))) = (&alices, &bobs) {
            break;
        }
    }
    bob.poll_transmit(&mut to_alice.sent);
    let missing = || Err(MseError::MarkNotFound);
    (alices.unwrap_or_else(missing), bobs.unwrap_or_else(missing), to_bob, to_alice)
}

fn done(step: Result<Step, MseError>) -> Option<Result<Negotiated, MseError>> {
    match step {
        Ok(Step::Done(negotiated)) => Some(Ok(*negotiated)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }
}

fn randomness(seed: u8, padding: usize) -> Randomness {
    Randomness::new([seed; 20], &vec![seed.wrapping_mul(31); padding])
}

fn configs() -> [MseConfig; 4] {
    [
        MseConfig::only(Method::Plaintext),
        MseConfig::only(Method::Rc4),
        MseConfig::prefer(Method::Plaintext),
        MseConfig::prefer(Method::Rc4),
    ]
}

/// W-57: exactly one offered method is selected, by the responder's liking.
#[test]
fn responder_selects_one_of_the_offered_methods() {
    for ours in configs() {
        for theirs in configs() {
            let alice = Initiator::new(TORRENT, ours, randomness(1, 5), b"hello");
            let bob = responder(theirs, randomness(2, 7));
            let (alices, bobs, ..) = negotiate(alice, bob, &[usize::MAX]);
            let common = [theirs.preferred, Method::Plaintext, Method::Rc4]
                .into_iter()
                .find(|&method| ours.allows(method) && theirs.allows(method));
            match common {
                Some(method) => {
                    let (alices, bobs) = (alices.unwrap(), bobs.unwrap());
                    assert_eq!((alices.method, bobs.method), (method, method));
                    assert_eq!((alices.torrent, bobs.torrent), (TORRENT, TORRENT));
                }
                None => {
                    let offered = ours.allowed;
                    assert_eq!(bobs.unwrap_err(), MseError::NoCommonMethod { offered });
                }
            }
        }
    }
}

/// W-57: the first thing on the wire is 96 bytes of key and the padding, and looks like nothing.
#[test]
fn the_start_has_no_mark_of_bittorrent() {
    let mut out = BytesMut::new();
    let mut alice = Initiator::new(TORRENT, MseConfig::default(), randomness(1, 512), b"hello");
    alice.poll_transmit(&mut out);
    assert_eq!(out.len(), 96 + 512);
    assert_eq!(is_plain(&out), Some(false));
    let long = Randomness::new([1; 20], &[0; 600]);
    let mut alice = Initiator::new(TORRENT, MseConfig::default(), long, b"");
    out.clear();
    alice.poll_transmit(&mut out);
    assert_eq!(out.len(), 96 + 512, "no more padding than is allowed");
}

/// W-02: a handshake without encryption is recognized by its name, and left in the buffer.
#[test]
fn plain_handshake_is_told_apart() {
    let plain = b"\x13BitTorrent protocol and more";
    for length in 0..plain.len() {
        let mut received = BytesMut::from(&plain[..length]);
        let mut bob = responder(MseConfig::default(), randomness(2, 0));
        let step = bob.handle_received(&mut received);
        assert_eq!(matches!(step, Ok(Step::Plain)), length >= 20);
        assert_eq!(received.len(), length);
    }
    let mut received = BytesMut::from(&plain[..]);
    let mut alice = Initiator::new(TORRENT, MseConfig::default(), randomness(1, 0), b"");
    let step = alice.handle_received(&mut received);
    assert_eq!(step.unwrap_err(), MseError::NotEncrypted, "an initiator has sent its key");
}

/// W-57: a torrent that we have not is not spoken of.
#[test]
fn unknown_torrent_is_refused() {
    let unknown = WireInfoHash::from_bytes([0xcc; 20]);
    let alice = Initiator::new(unknown, MseConfig::default(), randomness(1, 5), b"hello");
    let bob = responder(MseConfig::default(), randomness(2, 7));
    assert_eq!(negotiate(alice, bob, &[usize::MAX]).1.unwrap_err(), MseError::UnknownTorrent);
}

/// W-57: no mark within the padding that is allowed, and not a byte later.
#[test]
fn noise_is_given_up_after_the_padding() {
    for (extra, fails) in [(512 + 19, false), (512 + 20, true)] {
        let mut received = BytesMut::from(&vec![0x55; 96 + extra][..]);
        let mut bob = responder(MseConfig::default(), randomness(2, 7));
        let step = bob.handle_received(&mut received);
        assert_eq!(step.err(), fails.then_some(MseError::MarkNotFound));
    }
    for (extra, fails) in [(512 + 7, false), (512 + 8, true)] {
        let mut received = BytesMut::from(&vec![0x55; 96 + extra][..]);
        let mut alice = Initiator::new(TORRENT, MseConfig::default(), randomness(1, 7), b"");
        let step = alice.handle_received(&mut received);
        assert_eq!(step.err(), fails.then_some(MseError::MarkNotFound));
    }
}

#[test]
fn weak_keys_end_it() {
    let mut bob = responder(MseConfig::default(), randomness(2, 7));
    let step = bob.handle_received(&mut BytesMut::from(&[0; 96][..]));
    assert_eq!(step.unwrap_err(), MseError::WeakKey);
    let mut alice = Initiator::new(TORRENT, MseConfig::default(), randomness(1, 7), b"");
    let step = alice.handle_received(&mut BytesMut::from(&[0xff; 96][..]));
    assert_eq!(step.unwrap_err(), MseError::WeakKey);
}

/// An initiator made by hand, which sends messages that ours never sends.
struct OddInitiator {
    secret: Secret,
    out: BytesMut,
}

impl OddInitiator {
    fn new(bob: &mut impl Negotiation, padding: usize) -> Self {
        let key = PrivateKey::new(&[9; 20]);
        let mut out = BytesMut::from(&key.public_key()[..]);
        let mut reply = BytesMut::new();
        let step = bob.handle_received(&mut out);
        bob.poll_transmit(&mut reply);
        assert!(matches!(step, Ok(Step::NeedMore)));
        let secret = key.agree(reply.first_chunk().unwrap()).unwrap();
        out.put_bytes(0x11, padding);
        out.put_slice(&secret.sync_mark());
        out.put_slice(&secret.obfuscate(TORRENT.into()));
        Self { secret, out }
    }

    fn say(mut self, zeros: &[u8], offered: u32, padding: &[u8], announced: u16) -> BytesMut {
        let start = self.out.len();
        self.out.put_slice(zeros);
        self.out.put_u32(offered);
        self.out.put_u16(announced);
        self.out.put_slice(padding);
        self.out.put_u16(5);
        self.out.put_slice(b"hello");
        self.secret.initiator_cipher(TORRENT).apply(&mut self.out[start..]);
        self.out
    }
}

/// W-57: PadA of every length, PadC of any, in any split.
#[test]
fn responder_bears_with_every_padding() {
    for (pad_a, pad_c) in [(0, 0), (1, 511), (511, 1), (512, 512)] {
        for part in [1, 7, 10_000] {
            let mut bob = responder(MseConfig::only(Method::Rc4), randomness(2, 3));
            let mut said = OddInitiator::new(&mut bob, pad_a).say(
                &VERIFICATION,
                2,
                &vec![0x77; pad_c],
                pad_c as u16,
            );
            let mut received = BytesMut::new();
            let negotiated = loop {
                received.unsplit(said.split_to(part.min(said.len())));
                match bob.handle_received(&mut received).unwrap() {
                    Step::Done(negotiated) => break negotiated,
                    _ => assert!(!said.is_empty(), "all was said"),
                }
            };
            assert_eq!((&received[..], negotiated.method), (&b"hello"[..], Method::Rc4));
        }
    }
}

#[test]
fn odd_initiators_are_refused() {
    let refused = |zeros: &[u8], offered, announced| {
        let mut bob = responder(MseConfig::only(Method::Rc4), randomness(2, 3));
        let mut said = OddInitiator::new(&mut bob, 9).say(zeros, offered, &[], announced);
        bob.handle_received(&mut said).unwrap_err()
    };
    assert_eq!(refused(&[0, 0, 0, 0, 0, 0, 0, 1], 2, 0), MseError::Verification);
    assert_eq!(refused(&VERIFICATION, 1, 0), MseError::NoCommonMethod { offered: 1 });
    assert_eq!(refused(&VERIFICATION, 0, 0), MseError::NoCommonMethod { offered: 0 });
    assert_eq!(refused(&VERIFICATION, 2, 513), MseError::PaddingTooLong { length: 513 });
}

/// A responder made by hand.
fn odd_response(
    alice: &mut Initiator,
    pad_b: usize,
    select: u32,
    pad_d: &[u8],
    announced: u16,
) -> BytesMut {
    let mut sent = BytesMut::new();
    alice.poll_transmit(&mut sent);
    let key = PrivateKey::new(&[8; 20]);
    let secret = key.agree(sent.first_chunk().unwrap()).unwrap();
    let mut out = BytesMut::from(&key.public_key()[..]);
    out.put_bytes(0x22, pad_b);
    let start = out.len();
    out.put_slice(&VERIFICATION);
    out.put_u32(select);
    out.put_u16(announced);
    out.put_slice(pad_d);
    out.put_slice(b"welcome");
    let plain_from = if select == 1 { out.len() - 7 } else { out.len() };
    secret.responder_cipher(TORRENT).apply(&mut out[start..plain_from]);
    out
}

/// W-57: the mark is found behind PadB of every length; PadD is passed over.
#[test]
fn initiator_bears_with_every_padding() {
    for (pad_b, pad_d) in [(0, 0), (1, 511), (511, 1), (512, 512)] {
        for (part, select) in [(1, 2), (7, 1), (10_000, 2), (10_000, 1)] {
            let mut alice =
                Initiator::new(TORRENT, MseConfig::default(), randomness(1, 3), b"hello");
            let mut said =
                odd_response(&mut alice, pad_b, select, &vec![0x77; pad_d], pad_d as u16);
            let mut received = BytesMut::new();
            let mut negotiated = loop {
                received.unsplit(said.split_to(part.min(said.len())));
                match alice.handle_received(&mut received).unwrap() {
                    Step::Done(negotiated) => break negotiated,
                    _ => assert!(!said.is_empty(), "all was said"),
                }
            };
            negotiated.receive.apply(&mut said);
            received.unsplit(said);
            assert_eq!(&received[..], b"welcome");
            assert_eq!(negotiated.receive.is_plaintext(), select == 1);
        }
    }
}

#[test]
fn odd_responders_are_refused() {
    let refused = |config, select, announced| {
        let mut alice = Initiator::new(TORRENT, config, randomness(1, 3), b"hello");
        let mut said = odd_response(&mut alice, 5, select, &[], announced);
        alice.handle_received(&mut said).unwrap_err()
    };
    let both = MseConfig::default();
    assert_eq!(refused(both, 3, 0), MseError::NotOffered { selected: 3 });
    assert_eq!(refused(both, 0, 0), MseError::NotOffered { selected: 0 });
    let rc4 = MseConfig::only(Method::Rc4);
    assert_eq!(refused(rc4, 1, 0), MseError::NotOffered { selected: 1 });
    assert_eq!(refused(both, 2, 513), MseError::PaddingTooLong { length: 513 });
}

#[test]
fn after_its_end_it_takes_nothing_more() {
    let mut bob = responder(MseConfig::default(), randomness(2, 7));
    let weak = bob.handle_received(&mut BytesMut::from(&[0; 96][..]));
    assert!(weak.is_err());
    let mut more = BytesMut::from(&b"more"[..]);
    assert!(matches!(bob.handle_received(&mut more), Ok(Step::NeedMore)));
    assert_eq!(more.len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// W-57: any keys, any padding, any split, either method: both streams arrive.
    #[test]
    fn streams_arrive_in_any_split(
        keys: ([u8; 20], [u8; 20]),
        paddings in (vec(any::<u8>(), 0..=512), vec(any::<u8>(), 0..=512)),
        parts in vec(1..200_usize, 1..8),
        method in prop::sample::select(vec![Method::Plaintext, Method::Rc4]),
        initial in vec(any::<u8>(), 0..100),
        later in vec(any::<u8>(), 1..100),
    ) {
        prop_assume!(keys.0 != [0; 20] && keys.1 != [0; 20]);
        let config = MseConfig::prefer(method);
        let alice = Initiator::new(TORRENT, config, Randomness::new(keys.0, &paddings.0), &initial);
        let bob = responder(config, Randomness::new(keys.1, &paddings.1));
        let (alices, bobs, mut to_bob, mut to_alice) = negotiate(alice, bob, &parts);
        let (mut alices, mut bobs) = (alices.unwrap(), bobs.unwrap());
        prop_assert_eq!((alices.method, bobs.method), (method, method));

        // Bytes received with the negotiation, bytes in flight, and bytes after them.
        let mut said = later.clone();
        alices.send.apply(&mut said);
        to_bob.sent.put_slice(&said);
        bobs.receive.apply(&mut to_bob.sent);
        let mut heard = to_bob.arrived.to_vec();
        heard.extend_from_slice(&to_bob.sent);
        prop_assert_eq!(heard, [initial, later.clone()].concat());

        let mut said = later.clone();
        bobs.send.apply(&mut said);
        to_alice.sent.put_slice(&said);
        alices.receive.apply(&mut to_alice.sent);
        let mut heard = to_alice.arrived.to_vec();
        heard.extend_from_slice(&to_alice.sent);
        prop_assert_eq!(heard, later);
    }

    #[test]
    fn noise_is_refused_or_waited_for(noise in vec(any::<u8>(), 0..900)) {
        let mut bob = responder(MseConfig::default(), randomness(2, 7));
        let mut received = BytesMut::from(&noise[..]);
        prop_assert!(!matches!(bob.handle_received(&mut received), Ok(Step::Done(_))));
        let mut alice = Initiator::new(TORRENT, MseConfig::default(), randomness(1, 7), b"");
        let mut received = BytesMut::from(&noise[..]);
        prop_assert!(!matches!(alice.handle_received(&mut received), Ok(Step::Done(_))));
    }
}
