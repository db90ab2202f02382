//! The rules of a conversation, as conversations.

#[path = "session/any.rs"]
mod any;
mod common;
#[path = "session/features.rs"]
mod features;
#[path = "session/hashes.rs"]
mod hashes;
#[path = "session/our_requests.rs"]
mod our_requests;
#[path = "session/pieces.rs"]
mod pieces;
#[path = "session/their_requests.rs"]
mod their_requests;

use bytes::Bytes;
use tinytorrent_types::{BLOCK_LENGTH, Geometry};
use tinytorrent_wire::session::{Ignored, Rule, Session, SessionConfig, Side, Verdict};
use tinytorrent_wire::{Feature, HashRequest, Message, Piece, Request, Reserved};

/// Three pieces of two blocks, the last one of a single short block.
const TOTAL: u64 = 2 * 2 * BLOCK_LENGTH as u64 + 1000;

/// A message of each kind.
const OURS: Reserved = Reserved::empty()
    .with(Feature::Extended)
    .with(Feature::Fast)
    .with(Feature::Dht)
    .with(Feature::V2);

fn geometry() -> Geometry {
    Geometry::new(TOTAL, 2 * BLOCK_LENGTH).unwrap()
}

fn fast(config: SessionConfig) -> Session {
    with_features(OURS, config)
}

fn plain(config: SessionConfig) -> Session {
    with_features(Reserved::empty().with(Feature::Extended), config)
}

fn with_features(features: Reserved, config: SessionConfig) -> Session {
    let mut session = Session::new(OURS, features, config);
    session.learn_geometry(geometry()).unwrap();
    session
}

/// We are a seed and serve the peer.
fn serving(mut session: Session) -> Session {
    let all = Message::Bitfield(Bytes::from_static(&[0b1110_0000]));
    session.handle_sent(&all).unwrap();
    session.handle_sent(&Message::Unchoke).unwrap();
    session
}

/// The peer is a seed and serves us.
fn served(mut session: Session) -> Session {
    let all = Message::Bitfield(Bytes::from_static(&[0b1110_0000]));
    session.handle_received(&all).unwrap();
    session.handle_received(&Message::Unchoke).unwrap();
    session
}

fn request(index: u32, begin: u32) -> Request {
    Request { index, begin, length: BLOCK_LENGTH }
}

fn block(request: Request) -> Message {
    let data = vec![0; request.length as usize].into();
    Message::Piece(Piece { index: request.index, begin: request.begin, data })
}

fn hash_request() -> HashRequest {
    HashRequest { pieces_root: [1; 32], base_layer: 0, index: 4, length: 4, proof_layers: 2 }
}

fn bits(byte: u8) -> Message {
    Message::Bitfield(vec![byte].into())
}

/// Asserts the violation of a strict session and the verdict of a lenient one.
fn breach(
    make: impl Fn(SessionConfig) -> Session,
    message: &Message,
    rule: Rule,
    lenient: Option<Verdict>,
) {
    let violation = make(SessionConfig::strict()).handle_received(message).unwrap_err();
    assert_eq!((violation.rule, violation.from), (rule, Side::Peer));
    assert_eq!(violation.message, message.name());
    match (make(SessionConfig::lenient()).handle_received(message), lenient) {
        (Ok(verdict), Some(expected)) => assert_eq!(verdict, expected),
        (Err(violation), None) => assert_eq!(violation.rule, rule),
        (other, expected) => panic!("{other:?} where {expected:?} was due"),
    }
}

fn tolerated(rule: Rule) -> Option<Verdict> {
    Some(Verdict::Ignore(Ignored::Tolerated(rule)))
}
