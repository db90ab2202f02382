//! Two ends agree however their bytes are cut; where one bit is turned on the way, they do not
//! panic, wait for ever, or take another torrent for the one that is meant.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_types::WireInfoHash;
use tinytorrent_wire::mse::{
    Initiator, Method, MseConfig, Negotiated, Negotiation, Randomness, Responder, Step,
};

const TORRENT: WireInfoHash = WireInfoHash::from_bytes([0xaa; 20]);

type Input<'a> = (([u8; 19], [u8; 19]), (u8, u8), Option<(bool, u16, u8)>, &'a [u8]);

fuzz_target!(|input: Input| {
    // A padding has 510 bytes at most, and each byte is on its way once.
    within(0, 0, 16 << 10, || run(input));
});

fn run(input: Input) {
    let (keys, paddings, turned, cuts) = input;
    let key = |bytes: [u8; 19]| {
        let mut key = [1; 20];
        key[1..].copy_from_slice(&bytes);
        key
    };
    let padding = |length: u8| vec![length; usize::from(length) * 2];
    let config =
        MseConfig::prefer(if paddings.0 % 2 == 0 { Method::Rc4 } else { Method::Plaintext });
    let mut alice = Initiator::new(
        TORRENT,
        config,
        Randomness::new(key(keys.0), &padding(paddings.0)),
        b"hello",
    );
    let find = |hash: &_| (*hash == TORRENT.into()).then_some(TORRENT);
    let mut bob = Responder::new(config, Randomness::new(key(keys.1), &padding(paddings.1)), find);
    let (mut to_bob, mut to_alice) = (Pipe::new(turned, true), Pipe::new(turned, false));
    let (mut alices, mut bobs): (Option<Negotiated>, Option<Negotiated>) = (None, None);
    let mut cuts = cuts.iter().map(|&cut| usize::from(cut) + 1).chain(std::iter::repeat(4096));
    // Cuts of one byte take as many rounds as there are bytes; then come large ones.
    for _ in 0..5_000 {
        alice.poll_transmit(&mut to_bob.sent);
        bob.poll_transmit(&mut to_alice.sent);
        to_bob.carry(cuts.next().unwrap_or(4096));
        to_alice.carry(cuts.next().unwrap_or(4096));
        if bobs.is_none() {
            match bob.handle_received(&mut to_bob.arrived) {
                Ok(Step::Done(done)) => bobs = Some(*done),
                Ok(Step::Plain) => panic!("nobody speaks plainly"),
                Ok(Step::NeedMore) => {}
                Err(_) => break,
            }
        }
        if alices.is_none() {
            match alice.handle_received(&mut to_alice.arrived) {
                Ok(Step::Done(done)) => alices = Some(*done),
                Ok(Step::Plain) => panic!("nobody speaks plainly"),
                Ok(Step::NeedMore) => {}
                Err(_) => break,
            }
        }
        if alices.is_some() && bobs.is_some() {
            break;
        }
    }
    if turned.is_none_or(|(_, _, bits)| bits == 0) {
        let (alices, bobs) = (alices.expect("agreed"), bobs.expect("agreed"));
        assert_eq!((alices.method, bobs.method), (config_method(paddings.0), alices.method));
        assert_eq!(&to_bob.arrived[..], &b"hello"[..to_bob.arrived.len().min(5)]);
    }
}

fn config_method(padding: u8) -> Method {
    if padding % 2 == 0 { Method::Rc4 } else { Method::Plaintext }
}

/// Bytes on their way, one of which may be turned.
struct Pipe {
    sent: BytesMut,
    arrived: BytesMut,
    carried: usize,
    turned: Option<(usize, u8)>,
}

impl Pipe {
    fn new(turned: Option<(bool, u16, u8)>, is_first: bool) -> Self {
        let turned = turned.filter(|&(first, ..)| first == is_first);
        let turned = turned.map(|(_, at, bits)| (usize::from(at), bits));
        Self { sent: BytesMut::new(), arrived: BytesMut::new(), carried: 0, turned }
    }

    fn carry(&mut self, count: usize) {
        let mut part = self.sent.split_to(count.min(self.sent.len()));
        if let Some((at, bits)) = self.turned
            && let Some(byte) = at.checked_sub(self.carried).and_then(|at| part.get_mut(at))
        {
            *byte ^= bits;
        }
        self.carried += part.len();
        self.arrived.unsplit(part);
    }
}
