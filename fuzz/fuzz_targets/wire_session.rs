//! Whatever two peers say, the accounts of their conversation are bounded, and what strict judging
//! lets pass is taken in the same way by lenient judging.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_types::Geometry;
use tinytorrent_wire::session::{Session, SessionConfig, Side, Verdict, Violation};
use tinytorrent_wire::{Decoder, Feature, Message, Reserved};

const MAX_OUTSTANDING: usize = 5;

fuzz_target!(|input: (u64, u8, &[u8])| {
    let (reserved, learns_at, stream) = input;
    // A message is five bytes at least; two sessions keep eight of a `have`, in lists that grow by doubling.
    within(stream.len(), 64, 64 << 10, || run(reserved, learns_at, stream));
});

fn run(reserved: u64, learns_at: u8, stream: &[u8]) {
    let theirs = Reserved::from_bytes(reserved.to_be_bytes());
    let session = |mut config: SessionConfig| {
        config.max_outstanding(MAX_OUTSTANDING);
        Session::new(Reserved::from(Feature::ALL), theirs, config)
    };
    let mut strict = Some(session(SessionConfig::strict()));
    let mut lenient = session(SessionConfig::lenient());
    let geometry = Geometry::new(3 * 32_768 - 1000, 32_768).unwrap();
    let mut decoder = Decoder::new();
    for (at, message) in decoder.split_frames(&mut BytesMut::from(stream)).enumerate() {
        let Ok(message) = message else { return };
        if at == usize::from(learns_at) {
            strict = strict.take().filter(|_| true).and_then(|mut session| {
                session.learn_geometry(geometry.clone()).is_ok().then_some(session)
            });
            if lenient.learn_geometry(geometry.clone()).is_err() {
                return;
            }
        }
        // Whose message it is must not depend on chance, and be both ways in any mixture.
        let from = if message.encoded_length() % 3 == 0 { Side::Us } else { Side::Peer };
        let leniently = judge(&mut lenient, from, &message);
        if let Some(session) = &mut strict {
            match judge(session, from, &message) {
                Ok(verdict) => assert_eq!(leniently, Ok(verdict)),
                Err(_) => strict = None,
            }
        }
        if leniently.is_err() {
            return;
        }
        assert!(lenient.our_requests().count() <= 2 * MAX_OUTSTANDING);
        assert!(lenient.peer_requests().count() <= 2 * MAX_OUTSTANDING);
        assert!(lenient.requests_to_reject().count() <= lenient.peer_requests().count());
    }
}

fn judge(session: &mut Session, from: Side, message: &Message) -> Result<Verdict, Violation> {
    match from {
        Side::Us => session.handle_sent(message),
        Side::Peer => session.handle_received(message),
    }
}
