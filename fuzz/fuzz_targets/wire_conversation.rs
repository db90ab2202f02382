//! Two ends that send each other any bytes from the first one on, a handshake or not: however they arrive, they are read
//! the same; the two accounts of what was said are one; and memory is in proportion to the bytes.
#![no_main]

use bytes::{Buf, BytesMut};
use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_types::{Geometry, PeerId, WireInfoHash};
use tinytorrent_wire::session::{Session, SessionConfig, Side};
use tinytorrent_wire::{Decoder, Feature, Handshake, HandshakeOpening, Message, Reserved};

const MAX_OUTSTANDING: usize = 5;

#[derive(Debug, PartialEq, Eq)]
enum Ending {
    NoHandshake,
    BadFrame,
    Violation,
    MoreIsAwaited,
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (setup, cut, bytes) = input;
    // A message is five bytes at least, and some 60 in memory; lists and buffers grow by doubling.
    let whole = within(bytes.len(), 128, 64 << 10, || converse(setup, bytes, usize::MAX));
    assert_eq!(converse(setup, bytes, usize::from(cut).max(1)), whole);
});

/// The bytes are for both ends by turns: a length, and so many bytes. Returns the number of messages and the end.
fn converse(setup: u8, bytes: &[u8], cut: usize) -> (usize, Ending) {
    let mut ends = [End::new(setup, 0), End::new(setup, 1)];
    // Most inputs would get no further without a handshake.
    if setup & 1 == 0 {
        for (to, from) in [(0, 1), (1, 0)] {
            let handshake = ends[from].handshake().to_bytes();
            ends[to].receive(&handshake, cut);
        }
    }
    let (mut rest, mut to, mut count) = (bytes, 0, 0);
    while let [length, tail @ ..] = rest {
        let (part, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = tail;
        for piece in part.chunks(cut) {
            ends[to].receive(piece, usize::MAX);
            let Ok(is_open) = ends[to].shake_hands() else { return (count, Ending::NoHandshake) };
            if !is_open {
                continue;
            }
            loop {
                let message = match ends[to].next_message() {
                    Ok(Some(message)) => message,
                    Ok(None) => break,
                    Err(ending) => return (count, ending),
                };
                count += 1;
                if !said(&mut ends, to, &message, setup) {
                    return (count, Ending::Violation);
                }
            }
        }
        to = 1 - to;
    }
    (count, Ending::MoreIsAwaited)
}

/// Both ends judge a message on its way to one of them. Returns `false` if it breaks a rule.
fn said(ends: &mut [End; 2], to: usize, message: &Message, setup: u8) -> bool {
    let sent = ends[1 - to].session.handle_sent(message);
    let received = ends[to].session.handle_received(message);
    let is_legal = received.is_ok();
    let verdict = |side| {
        move |violation: tinytorrent_wire::session::Violation| {
            assert_eq!(violation.from, side);
            violation.rule
        }
    };
    assert_eq!(sent.map_err(verdict(Side::Us)), received.map_err(verdict(Side::Peer)));
    for end in ends.iter_mut() {
        let session = &mut end.session;
        assert!(session.our_requests().count() <= 2 * MAX_OUTSTANDING);
        assert!(session.peer_requests().count() <= 2 * MAX_OUTSTANDING);
        assert!(session.requests_to_reject().count() <= session.peer_requests().count());
        if matches!(message, Message::Unchoke) && setup & 2 != 0 {
            let geometry = Geometry::new(3 * 32_768 - 1000, 32_768).expect("it is one");
            if session.geometry().is_none() && session.learn_geometry(geometry).is_err() {
                return false;
            }
        }
    }
    let [one, other] = &*ends;
    assert!(one.session.our_requests().eq(other.session.peer_requests()));
    assert!(other.session.our_requests().eq(one.session.peer_requests()));
    is_legal
}

struct End {
    name: u8,
    reserved: Reserved,
    session: Session,
    received: BytesMut,
    decoder: Decoder,
    is_open: bool,
}

impl End {
    fn new(setup: u8, name: u8) -> Self {
        let features = |bits: u8| -> Reserved {
            let all = [Feature::Fast, Feature::Extended, Feature::Dht, Feature::V2];
            let chosen = all.into_iter().enumerate().filter(|(at, _)| bits >> at & 1 == 0);
            chosen.map(|(_, feature)| feature).collect()
        };
        let reserved = features(setup >> 4);
        let mut config =
            if setup & 4 == 0 { SessionConfig::strict() } else { SessionConfig::lenient() };
        config.max_outstanding(MAX_OUTSTANDING);
        let mut session = Session::new(reserved, reserved, config);
        if setup & 2 == 0 {
            let geometry = Geometry::new(3 * 32_768 - 1000, 32_768).expect("it is one");
            session.learn_geometry(geometry).expect("nothing was said");
        }
        let (received, decoder) = (BytesMut::new(), Decoder::new());
        Self { name, reserved, session, received, decoder, is_open: false }
    }

    fn handshake(&self) -> Handshake {
        Handshake {
            reserved: self.reserved,
            info_hash: WireInfoHash::from_bytes([7; 20]),
            peer_id: PeerId::from_bytes([self.name; 20]),
        }
    }

    fn receive(&mut self, bytes: &[u8], cut: usize) {
        for part in bytes.chunks(cut) {
            self.received.extend_from_slice(part);
            let _ = self.shake_hands();
        }
    }

    /// Reads the handshake, if it is due. Returns `true` once it has come.
    fn shake_hands(&mut self) -> Result<bool, ()> {
        if self.is_open {
            return Ok(true);
        }
        let opening = HandshakeOpening::parse(&self.received).map_err(drop)?;
        assert_eq!(opening.is_some(), self.received.len() >= HandshakeOpening::LENGTH);
        let before = self.received.clone();
        let Some(handshake) = Handshake::decode(&mut self.received).map_err(drop)? else {
            assert!(before.len() < Handshake::LENGTH);
            return Ok(false);
        };
        assert_eq!(opening.map(|opening| opening.info_hash), Some(handshake.info_hash));
        assert_eq!(handshake.to_bytes()[..], before[..before.len() - self.received.remaining()]);
        self.is_open = true;
        Ok(true)
    }

    fn next_message(&mut self) -> Result<Option<Message>, Ending> {
        self.decoder.decode(&mut self.received).map_err(|_| Ending::BadFrame)
    }
}
