//! The rules of a conversation, as conversations.

mod common;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tinytorrent_types::{BLOCK_LENGTH, Geometry};
use tinytorrent_wire::extension::{ExtendedHandshake, OurExtensions};
use tinytorrent_wire::session::{Config, Ignored, Refusal, Rule, Session, Side, Verdict};
use tinytorrent_wire::{Extended, Feature, HashRequest, Hashes, Message, Piece, Request, Reserved};

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

fn fast(config: Config) -> Session {
    with_features(OURS, config)
}

fn plain(config: Config) -> Session {
    with_features(Reserved::empty().with(Feature::Extended), config)
}

fn with_features(features: Reserved, config: Config) -> Session {
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

fn bits(byte: u8) -> Message {
    Message::Bitfield(vec![byte].into())
}

/// Asserts the violation of a strict session and the verdict of a lenient one.
fn breach(
    make: impl Fn(Config) -> Session,
    message: &Message,
    rule: Rule,
    lenient: Option<Verdict>,
) {
    let violation = make(Config::strict()).handle_received(message).unwrap_err();
    assert_eq!((violation.rule, violation.from), (rule, Side::Peer));
    assert_eq!(violation.message, message.name());
    match (make(Config::lenient()).handle_received(message), lenient) {
        (Ok(verdict), Some(expected)) => assert_eq!(verdict, expected),
        (Err(violation), None) => assert_eq!(violation.rule, rule),
        (other, expected) => panic!("{other:?} where {expected:?} was due"),
    }
}

fn tolerated(rule: Rule) -> Option<Verdict> {
    Some(Verdict::Ignore(Ignored::Tolerated(rule)))
}

/// W-24, BEP 3.
#[test]
fn both_sides_start_choked_and_not_interested() {
    let session = fast(Config::strict());
    for side in [Side::Us, Side::Peer] {
        assert!(session.is_choking(side) && !session.is_interested(side));
    }
    assert!(!session.may_request(0));
}

#[test]
fn choke_and_interest_are_per_side() {
    let mut session = fast(Config::lenient());
    for (message, side, choking, interested) in [
        (Message::Unchoke, Side::Peer, false, false),
        (Message::Interested, Side::Peer, false, true),
        (Message::Choke, Side::Peer, true, true),
        (Message::NotInterested, Side::Peer, true, false),
    ] {
        assert_eq!(session.handle_received(&message), Ok(Verdict::Legal));
        assert_eq!(session.is_choking(side), choking);
        assert_eq!(session.is_interested(side), interested);
        assert!(session.is_choking(Side::Us) && !session.is_interested(Side::Us));
    }
}

/// W-39, BEP 6: "the peer MUST close the connection".
#[test]
fn fast_messages_need_the_agreement() {
    let request = request(0, 0);
    for message in [
        Message::HaveAll,
        Message::HaveNone,
        Message::Suggest(0),
        Message::AllowedFast(0),
        Message::Reject(request),
    ] {
        breach(plain, &message, Rule::FastAgreed, None);
    }
}

/// W-08, W-46, W-48: a feature that one side lacks is off.
#[test]
fn messages_of_a_feature_need_both_sides() {
    let bare = |config| with_features(Reserved::empty(), config);
    let extended = Message::Extended(Extended { id: 0, payload: Bytes::from_static(b"de") });
    breach(bare, &extended, Rule::ExtendedAgreed, tolerated(Rule::ExtendedAgreed));
    breach(bare, &Message::Port(6881), Rule::DhtAgreed, Some(Verdict::Legal));
    let hashes = Message::HashRequest(hash_request());
    breach(bare, &hashes, Rule::V2Agreed, tolerated(Rule::V2Agreed));
    let mut by_v2_hash = bare(Config::strict().by_v2_hash(true).clone());
    assert_eq!(by_v2_hash.handle_received(&hashes), Ok(Verdict::Legal), "the hash says it all");
    let mut session = fast(Config::strict());
    session.handle_received(&Message::HaveNone).unwrap();
    for message in [extended, Message::Port(6881), hashes] {
        assert_eq!(session.handle_received(&message), Ok(Verdict::Legal));
    }
}

/// W-15, BEP 3: the bitfield is first; W-16: it may be left out.
#[test]
fn bitfield_comes_before_all_else() {
    let late = |config| {
        let mut session = plain(config);
        session.handle_received(&Message::Interested).unwrap();
        session
    };
    breach(late, &bits(0x80), Rule::AvailabilityNotLate, Some(Verdict::Legal));
    let mut session = plain(Config::strict());
    let hello = ExtendedHandshake::new(&OurExtensions::default()).to_message();
    assert_eq!(session.handle_received(&hello.into()), Ok(Verdict::Legal));
    assert_eq!(session.handle_received(&Message::KeepAlive), Ok(Verdict::Legal));
    assert_eq!(session.handle_received(&bits(0x80)), Ok(Verdict::Legal), "these may precede it");
}

/// W-40, BEP 6: exactly one of the three comes, and comes first.
#[test]
fn fast_peer_says_first_what_it_has() {
    for message in [Message::Interested, Message::Have(0), Message::Port(1)] {
        breach(fast, &message, Rule::AvailabilityFirst, Some(Verdict::Legal));
    }
    for message in [Message::HaveAll, Message::HaveNone, bits(0x80)] {
        assert_eq!(fast(Config::strict()).handle_received(&message), Ok(Verdict::Legal));
    }
}

/// W-20, W-40: the first one counts.
#[test]
fn second_bitfield_is_not_counted() {
    for first in [Message::HaveAll, Message::HaveNone, bits(0x80)] {
        for second in [Message::HaveAll, Message::HaveNone, bits(0x60)] {
            let twice = |config| {
                let mut session = fast(config);
                session.handle_received(&first).unwrap();
                session
            };
            let rule = Rule::AvailabilityOnce;
            breach(twice, &second, rule, tolerated(rule));
            let mut session = twice(Config::lenient());
            let pieces = session.pieces(Side::Peer).cloned();
            let _ = session.handle_received(&second);
            assert_eq!(session.pieces(Side::Peer).cloned(), pieces);
        }
    }
}

/// W-16, BEP 3: no bitfield is the same as have none.
#[test]
fn peer_without_bitfield_has_nothing() {
    let mut session = plain(Config::strict());
    session.handle_received(&Message::Have(1)).unwrap();
    assert_eq!(session.pieces(Side::Peer).unwrap().iter().collect::<Vec<_>>(), [1]);
}

/// W-17, W-18: one bit for each piece, rounded up to bytes.
#[test]
fn bitfield_of_another_length_is_refused() {
    for wrong in [&[][..], &[0, 0]] {
        let message = Message::Bitfield(wrong.to_vec().into());
        breach(plain, &message, Rule::BitfieldLength, None);
    }
    let mut empty = Session::new(OURS, Reserved::empty(), Config::strict());
    empty.learn_geometry(Geometry::new(0, 1).unwrap()).unwrap();
    let nothing = Message::Bitfield(Bytes::new());
    assert_eq!(empty.handle_received(&nothing), Ok(Verdict::Legal), "of no pieces it is right");
}

/// W-17, W-18, W-22, X-20: announcements before the metadata are checked after it.
#[test]
fn what_comes_before_the_metadata_is_checked_after() {
    let learn = |config, messages: &[Message]| {
        let mut session = Session::new(OURS, OURS, config);
        for message in messages {
            assert_eq!(session.handle_received(message), Ok(Verdict::Legal));
        }
        assert!(session.pieces(Side::Peer).is_none());
        session.learn_geometry(geometry()).map(|()| session)
    };
    let kept = learn(Config::strict(), &[bits(0x80), Message::Have(2)]).unwrap();
    assert_eq!(kept.pieces(Side::Peer).unwrap().iter().collect::<Vec<_>>(), [0, 2]);
    let long = learn(Config::lenient(), &[Message::Bitfield(vec![0; 2].into())]);
    assert_eq!(long.unwrap_err().rule, Rule::BitfieldLength);
    let far = learn(Config::lenient(), &[Message::HaveNone, Message::Have(3)]);
    assert_eq!(far.unwrap_err().rule, Rule::HaveInRange);
    let spare = learn(Config::strict(), &[bits(0x01)]);
    assert_eq!(spare.unwrap_err().rule, Rule::SpareBitsZero);
    assert!(
        learn(Config::lenient(), &[bits(0x01)]).unwrap().pieces(Side::Peer).unwrap().is_empty()
    );
}

/// W-41, X-20: the announcement is kept and applied later.
#[test]
fn have_all_before_the_metadata_makes_a_seed_after() {
    let mut session = Session::new(OURS, OURS, Config::strict());
    session.handle_received(&Message::HaveAll).unwrap();
    session.learn_geometry(geometry()).unwrap();
    assert!(session.pieces(Side::Peer).unwrap().is_full());
}

/// announcements count in their order.
#[test]
fn pieces_given_up_before_the_metadata_are_missing_after() {
    let learned = |say: &dyn Fn(&mut Session)| {
        let mut session = Session::new(OURS, OURS, Config::lenient());
        say(&mut session);
        session.learn_geometry(geometry()).unwrap();
        session.pieces(Side::Peer).unwrap().iter().collect::<Vec<_>>()
    };
    let hear = |session: &mut Session, message| drop(session.handle_received(&message).unwrap());
    let give_up = |session: &mut Session, index| drop(session.handle_dont_have(Side::Peer, index));
    for stated in [Message::HaveAll, bits(0b1110_0000)] {
        let after = learned(&|session| {
            hear(session, stated.clone());
            give_up(session, 1);
            give_up(session, 2);
            give_up(session, 99);
            hear(session, Message::Have(2));
        });
        assert_eq!(after, [0, 2]);
    }
}

#[test]
fn metadata_that_is_learned_twice_changes_nothing() {
    let mut session = fast(Config::strict());
    session.handle_received(&Message::HaveAll).unwrap();
    session.learn_geometry(geometry()).unwrap();
    assert!(session.pieces(Side::Peer).unwrap().is_full());
}

/// W-19, BEP 3.
#[test]
fn spare_bits_are_masked_when_lenient() {
    breach(plain, &bits(0b1010_0001), Rule::SpareBitsZero, Some(Verdict::Legal));
    let mut session = plain(Config::lenient());
    let _ = session.handle_received(&bits(0b1010_0001));
    assert_eq!(session.pieces(Side::Peer).unwrap().iter().collect::<Vec<_>>(), [0, 2]);
}

/// W-22.
#[test]
fn have_names_a_piece_of_the_torrent() {
    breach(plain, &Message::Have(3), Rule::HaveInRange, None);
    breach(plain, &Message::Have(u32::MAX), Rule::HaveInRange, None);
    let mut session = plain(Config::strict());
    assert_eq!(session.handle_received(&Message::Have(2)), Ok(Verdict::Legal));
    let again = session.handle_received(&Message::Have(2));
    assert_eq!(again, Ok(Verdict::Ignore(Ignored::Known)));
}

/// W-23.
#[test]
fn have_of_every_piece_makes_a_seed() {
    let mut session = plain(Config::strict());
    for index in 0..3 {
        assert!(!session.pieces(Side::Peer).unwrap().is_full());
        session.handle_received(&Message::Have(index)).unwrap();
    }
    assert!(session.pieces(Side::Peer).unwrap().is_full());
}

/// X-27, BEP 54.
#[test]
fn dont_have_takes_a_piece_back_and_voids_its_requests() {
    for is_fast in [true, false] {
        let mut session = served(if is_fast { fast } else { plain }(Config::strict()));
        session.handle_sent(&bits(0)).unwrap();
        for index in [0, 1] {
            session.handle_sent(&Message::Request(request(index, 0))).unwrap();
        }
        let void = session.handle_dont_have(Side::Peer, 0);
        let voided = Verdict::Void(vec![request(0, 0)]);
        assert_eq!(void, if is_fast { Verdict::Legal } else { voided });
        let again = session.handle_dont_have(Side::Peer, 0);
        assert_eq!(again, Verdict::Ignore(Ignored::Known));
        assert!(!session.may_request(0) && session.may_request(1));
    }
}

/// W-26: a length of zero is invalid, and the limit is configurable.
#[test]
fn request_has_a_customary_length() {
    let open = |config| serving(plain(config));
    for (length, rule) in [(0, Rule::RequestNotEmpty), (128 * 1024 + 1, Rule::RequestNotTooLong)] {
        let message = Message::Request(Request { index: 0, begin: 0, length });
        let refusal = Verdict::Refuse(Refusal::Tolerated(rule));
        breach(open, &message, rule, Some(refusal));
    }
    let mut config = Config::strict();
    config.max_request_length(BLOCK_LENGTH);
    let long = Request { length: 2 * BLOCK_LENGTH, ..request(0, 0) };
    let asked = open(Config::strict()).handle_received(&Message::Request(long));
    assert_eq!(asked, Ok(Verdict::Legal));
    let asked = open(config).handle_received(&Message::Request(long));
    assert_eq!(asked.unwrap_err().rule, Rule::RequestNotTooLong);
}

/// W-14, W-27: the range lies inside the named piece, which may be the shorter last one, and sums do not
/// overflow.
#[test]
fn request_lies_inside_one_piece() {
    let open = |config| serving(plain(config));
    let rule = Rule::RequestInRange;
    for (index, begin, length) in [
        (3, 0, 1),
        (u32::MAX, 0, 1),
        (0, 2 * BLOCK_LENGTH, 1),
        (0, BLOCK_LENGTH + 1, BLOCK_LENGTH),
        (2, 0, 1001),
        (0, u32::MAX, u32::from(u16::MAX)),
    ] {
        let message = Message::Request(Request { index, begin, length });
        breach(open, &message, rule, Some(Verdict::Refuse(Refusal::Tolerated(rule))));
    }
}

/// W-28.
#[test]
fn unaligned_requests_are_legal() {
    let mut session = serving(plain(Config::strict()));
    for (index, begin, length) in [(0, 1, 7), (0, 8192, 8192), (2, 0, 1000), (2, 999, 1)] {
        let message = Message::Request(Request { index, begin, length });
        assert_eq!(session.handle_received(&message), Ok(Verdict::Legal));
    }
}

/// W-29: it is refused, and the connection goes on.
#[test]
fn request_for_a_piece_we_lack_is_refused() {
    let mut session = plain(Config::strict());
    session.handle_sent(&bits(0x80)).unwrap();
    session.handle_sent(&Message::Unchoke).unwrap();
    let asked = session.handle_received(&Message::Request(request(1, 0)));
    assert_eq!(asked, Ok(Verdict::Refuse(Refusal::PieceMissing)));
    session.handle_sent(&Message::Have(1)).unwrap();
    let asked = session.handle_received(&Message::Request(request(1, 0)));
    assert_eq!(asked, Ok(Verdict::Legal));
}

/// W-30: over the cap, a reject answers with fast and nothing without.
#[test]
fn requests_over_the_cap_are_refused() {
    for is_fast in [true, false] {
        let mut config = Config::strict();
        config.max_outstanding(2);
        let mut session = serving(if is_fast { fast } else { plain }(config));
        if is_fast {
            session.handle_received(&Message::HaveNone).unwrap();
        }
        for (begin, verdict) in
            [(0, Verdict::Legal), (1, Verdict::Legal), (2, Verdict::Refuse(Refusal::QueueFull))]
        {
            let message = Message::Request(request(0, begin));
            assert_eq!(session.handle_received(&message), Ok(verdict));
        }
        let rejects: Vec<_> = session.requests_to_reject().collect();
        assert_eq!(rejects, if is_fast { vec![request(0, 2)] } else { vec![] });
    }
}

/// W-31, BEP 10.
#[test]
fn our_requests_stay_within_their_queue() {
    let mut session = served(fast(Config::strict()));
    assert_eq!(session.request_room(), 250, "the default of BEP 10");
    let mut handshake = ExtendedHandshake::default();
    handshake.request_queue = Some(2);
    session.handle_extended_handshake(&handshake);
    session.handle_sent(&Message::HaveNone).unwrap();
    for begin in [0, BLOCK_LENGTH] {
        assert!(session.may_request(0));
        session.handle_sent(&Message::Request(request(0, begin))).unwrap();
    }
    assert_eq!(session.request_room(), 0);
    assert!(!session.may_request(1));
    session.handle_received(&block(request(0, 0))).unwrap();
    assert!(session.may_request(1));
}

/// W-32, BEP 6: without fast, a choke voids open requests.
#[test]
fn choke_without_fast_voids_our_requests() {
    let mut session = served(plain(Config::strict()));
    let asked = [request(0, 0), request(1, 0)];
    for request in asked {
        session.handle_sent(&Message::Request(request)).unwrap();
    }
    let choked = session.handle_received(&Message::Choke);
    assert_eq!(choked, Ok(Verdict::Void(asked.to_vec())));
    assert_eq!(session.our_requests().count(), 0);
    let late = session.handle_received(&block(asked[0]));
    assert_eq!(late, Ok(Verdict::Legal), "it was under way");
    let again = session.handle_received(&block(asked[0]));
    assert_eq!(again, Ok(Verdict::Ignore(Ignored::Late)), "once");
}

/// W-33, BEP 6: with fast, each request stays until its answer.
#[test]
fn choke_with_fast_keeps_our_requests() {
    let mut session = served(fast(Config::strict()));
    session.handle_sent(&Message::HaveNone).unwrap();
    let asked = [request(0, 0), request(1, 0)];
    for request in asked {
        session.handle_sent(&Message::Request(request)).unwrap();
    }
    assert_eq!(session.handle_received(&Message::Choke), Ok(Verdict::Legal));
    assert_eq!(session.our_requests().collect::<Vec<_>>(), asked);
    assert_eq!(session.handle_received(&block(asked[0])), Ok(Verdict::Legal));
    assert_eq!(session.handle_received(&Message::Reject(asked[1])), Ok(Verdict::Legal));
    assert_eq!(session.our_requests().count(), 0);
}

/// W-34, BEP 6: the choke comes first, then a reject of each request but the allowed-fast ones.
#[test]
fn choking_a_fast_peer_rejects_what_it_asked() {
    let mut session = serving(fast(Config::strict()));
    session.handle_received(&Message::HaveNone).unwrap();
    session.handle_sent(&Message::AllowedFast(1)).unwrap();
    for index in 0..3 {
        let request = Request { length: 1000, ..request(index, 0) };
        session.handle_received(&Message::Request(request)).unwrap();
    }
    assert_eq!(session.requests_to_reject().count(), 0, "not before the choke");
    assert_eq!(session.handle_sent(&Message::Choke), Ok(Verdict::Legal));
    let rejects: Vec<_> = session.requests_to_reject().collect();
    assert_eq!(rejects.iter().map(|request| request.index).collect::<Vec<_>>(), [0, 2]);
    for request in rejects {
        session.handle_sent(&Message::Reject(request)).unwrap();
    }
    assert_eq!(session.peer_requests().map(|request| request.index).collect::<Vec<_>>(), [1]);
}

/// W-34: without fast, our choke voids the requests of the peer.
#[test]
fn choking_a_plain_peer_voids_what_it_asked() {
    let mut session = serving(plain(Config::strict()));
    session.handle_received(&Message::Request(request(0, 0))).unwrap();
    assert_eq!(session.handle_sent(&Message::Choke), Ok(Verdict::Void(vec![request(0, 0)])));
    assert_eq!(session.requests_to_reject().count(), 0);
}

/// W-35, BEP 6: exactly one answer, to cancelled requests too.
#[test]
fn every_request_gets_one_answer_under_fast() {
    let mut session = serving(fast(Config::strict()));
    session.handle_received(&Message::HaveNone).unwrap();
    let asked = [request(0, 0), request(0, BLOCK_LENGTH)];
    for request in asked {
        session.handle_received(&Message::Request(request)).unwrap();
    }
    session.handle_received(&Message::Cancel(asked[0])).unwrap();
    assert_eq!(session.peer_requests().count(), 2, "the cancelled one is owed an answer");
    assert_eq!(
        session.handle_sent(&Message::Reject(asked[0])),
        Ok(Verdict::Ignore(Ignored::Withdrawn))
    );
    assert_eq!(session.handle_sent(&block(asked[1])), Ok(Verdict::Legal));
    for answer in [Message::Reject(asked[0]), block(asked[1])] {
        assert!(session.handle_sent(&answer).is_err(), "once is enough");
    }
}

/// W-36.
#[test]
fn cancel_withdraws_a_request() {
    let cancel = Message::Cancel(request(0, 0));
    for is_fast in [true, false] {
        let mut session = serving(if is_fast { fast } else { plain }(Config::strict()));
        session.handle_received(&bits(0)).unwrap();
        let unknown = session.handle_received(&cancel);
        assert_eq!(unknown, Ok(Verdict::Ignore(Ignored::NothingToCancel)));
        session.handle_received(&Message::Request(request(0, 0))).unwrap();
        assert_eq!(session.handle_received(&cancel), Ok(Verdict::Legal));
        assert_eq!(session.peer_requests().count(), usize::from(is_fast));
        let again = session.handle_received(&cancel);
        assert_eq!(again, Ok(Verdict::Ignore(Ignored::NothingToCancel)));
        let rejects: Vec<_> = session.requests_to_reject().collect();
        assert_eq!(rejects, if is_fast { vec![request(0, 0)] } else { vec![] });
    }
}

/// W-37, BEP 6: with fast the connection must be closed; without fast the block may be a late answer.
#[test]
fn unrequested_piece_closes_a_fast_connection() {
    let rule = Rule::PieceRequested;
    breach(|config| served(fast(config)), &block(request(0, 0)), rule, None);
    let mut config = Config::strict();
    config.max_unasked(3);
    let mut session = served(plain(config));
    for _ in 0..3 {
        let late = session.handle_received(&block(request(0, 0)));
        assert_eq!(late, Ok(Verdict::Ignore(Ignored::Late)));
    }
    let flood = session.handle_received_block(request(0, 0).into());
    assert_eq!(flood.unwrap_err().rule, Rule::NoBlockFlood);
}

/// W-38: the block is the requested one, and no longer.
#[test]
fn piece_matches_an_outstanding_request() {
    let asked = request(0, 0);
    let asking = |config| {
        let mut session = served(fast(config));
        session.handle_sent(&bits(0)).unwrap();
        session.handle_sent(&Message::Request(asked)).unwrap();
        session
    };
    for wrong in [request(1, 0), request(0, 1), Request { length: BLOCK_LENGTH + 1, ..asked }] {
        breach(asking, &block(wrong), Rule::PieceRequested, None);
    }
    let void = Some(Verdict::Void(vec![asked]));
    let short = Request { length: BLOCK_LENGTH - 1, ..asked };
    breach(asking, &block(short), Rule::PieceLength, void.clone());
    // BitComet is known to reject like this.
    let empty = Request { length: 0, ..asked };
    breach(asking, &block(empty), Rule::PieceNotEmpty, void);
    assert_eq!(asking(Config::strict()).handle_received(&block(asked)), Ok(Verdict::Legal));
}

/// W-39, BEP 6: SHOULD close.
#[test]
fn reject_of_what_was_not_asked_is_a_breach() {
    let rule = Rule::RejectRequested;
    let message = Message::Reject(request(0, 0));
    breach(|config| served(fast(config)), &message, rule, None);
}

/// W-36, BEP 6: a reject answers a cancelled request as well as an open one.
#[test]
fn reject_of_a_cancelled_request_is_its_answer() {
    let mut session = served(fast(Config::strict()));
    session.handle_sent(&Message::HaveNone).unwrap();
    for begin in [0, BLOCK_LENGTH] {
        session.handle_sent(&Message::Request(request(0, begin))).unwrap();
    }
    session.handle_sent(&Message::Cancel(request(0, 0))).unwrap();
    assert_eq!(session.open_requests().collect::<Vec<_>>(), [request(0, BLOCK_LENGTH)]);
    assert_eq!(session.request_room(), 248, "the peer may have both in its queue");
    let answer = session.handle_received(&Message::Reject(request(0, 0)));
    assert_eq!(answer, Ok(Verdict::Ignore(Ignored::Withdrawn)));
    let again = session.handle_received(&Message::Reject(request(0, 0)));
    assert_eq!(again.unwrap_err().rule, Rule::RejectRequested);
}

/// A peer that rejects every request only wastes our time.
#[test]
fn endless_rejects_are_a_flood() {
    let mut config = Config::lenient();
    config.max_rejects(3);
    let mut session = served(fast(config));
    let mut round = |answer: &dyn Fn(Request) -> Message| {
        session.handle_sent(&Message::Request(request(0, 0))).unwrap();
        session.handle_received(&answer(request(0, 0)))
    };
    for _ in 0..2 {
        for _ in 0..3 {
            assert_eq!(round(&Message::Reject), Ok(Verdict::Legal));
        }
        assert_eq!(round(&block), Ok(Verdict::Legal));
    }
    assert!((0..3).all(|_| round(&Message::Reject).is_ok()));
    assert_eq!(round(&Message::Reject).unwrap_err().rule, Rule::NoRejectFlood);
}

/// BEP 6: a peer may revoke an allowed-fast piece by a reject; repeated requests would be useless.
#[test]
fn rejected_piece_is_not_allowed_fast_any_more() {
    let mut session = fast(Config::strict());
    session.handle_received(&Message::HaveAll).unwrap();
    session.handle_received(&Message::AllowedFast(1)).unwrap();
    session.handle_sent(&Message::HaveNone).unwrap();
    session.handle_sent(&Message::Request(request(1, 0))).unwrap();
    assert!(session.may_request(1));
    session.handle_received(&Message::Reject(request(1, 0))).unwrap();
    assert!(!session.may_request(1));
}

/// W-34, W-36: a block in flight is the answer to its request.
#[test]
fn answer_that_has_begun_is_neither_cancelled_nor_rejected() {
    let mut session = serving(fast(Config::strict()));
    session.handle_received(&Message::HaveNone).unwrap();
    for begin in [0, BLOCK_LENGTH] {
        session.handle_received(&Message::Request(request(0, begin))).unwrap();
    }
    assert_eq!(session.begin_answer(), Some(request(0, 0)));
    assert_eq!(session.next_request(), Some(request(0, BLOCK_LENGTH)));
    let cancel = session.handle_received(&Message::Cancel(request(0, 0)));
    assert_eq!(cancel, Ok(Verdict::Ignore(Ignored::NothingToCancel)));
    session.handle_sent(&Message::Choke).unwrap();
    assert_eq!(session.requests_to_reject().collect::<Vec<_>>(), [request(0, BLOCK_LENGTH)]);
    assert_eq!(session.handle_sent_block(request(0, 0).into()), Ok(Verdict::Legal));
    assert!(session.begun_answers().is_empty());
}

/// W-42, BEP 6: it announces no piece, and is ignored for a piece that does not exist.
#[test]
fn allowed_fast_says_nothing_of_possession() {
    let mut session = fast(Config::strict());
    session.handle_received(&Message::HaveNone).unwrap();
    assert_eq!(session.handle_received(&Message::AllowedFast(1)), Ok(Verdict::Legal));
    assert!(session.pieces(Side::Peer).unwrap().is_empty());
    assert!(!session.may_request(1), "it does not have it");
    session.handle_received(&Message::Have(1)).unwrap();
    assert!(session.may_request(1), "choked, but allowed");
    let far = session.handle_received(&Message::AllowedFast(3));
    assert_eq!(far, Ok(Verdict::Ignore(Ignored::NoSuchPiece)));
}

/// W-44, BEP 6: served while choked, three times over.
#[test]
fn allowed_fast_is_served_while_choked_with_a_cap() {
    let mut session = fast(Config::strict());
    session.handle_sent(&bits(0b1110_0000)).unwrap();
    session.handle_received(&Message::HaveNone).unwrap();
    session.handle_sent(&Message::AllowedFast(0)).unwrap();
    let asked = session.handle_received(&Message::Request(request(1, 0)));
    assert_eq!(asked, Ok(Verdict::Refuse(Refusal::Choked)));
    for _ in 0..3 {
        for begin in [0, BLOCK_LENGTH] {
            let asked = session.handle_received(&Message::Request(request(0, begin)));
            assert_eq!(asked, Ok(Verdict::Legal));
        }
    }
    let asked = session.handle_received(&Message::Request(request(0, 0)));
    assert_eq!(asked, Ok(Verdict::Refuse(Refusal::FastUsedUp)));
}

/// W-45: a suggestion of a piece that does not exist is ignored.
#[test]
fn suggest_is_advice_only() {
    let mut session = fast(Config::strict());
    session.handle_received(&Message::HaveNone).unwrap();
    assert_eq!(session.handle_received(&Message::Suggest(2)), Ok(Verdict::Legal));
    let far = session.handle_received(&Message::Suggest(3));
    assert_eq!(far, Ok(Verdict::Ignore(Ignored::NoSuchPiece)));
    assert!(session.pieces(Side::Peer).unwrap().is_empty());
}

/// W-47, BEP 6: requests in flight at a choke are no abuse, a flood is.
#[test]
fn requests_in_flight_at_a_choke_are_tolerated() {
    let mut session = serving(plain(Config::lenient()));
    session.handle_sent(&Message::Choke).unwrap();
    let message = Message::Request(request(0, 0));
    // As many as a request queue holds.
    for _ in 0..2_000 {
        let asked = session.handle_received(&message);
        assert_eq!(asked, Ok(Verdict::Refuse(Refusal::Choked)));
    }
    assert_eq!(session.handle_received(&message).unwrap_err().rule, Rule::NoRequestFlood);
    let mut session = plain(Config::lenient());
    for _ in 0..300 {
        let asked = session.handle_received(&message);
        assert_eq!(asked, Ok(Verdict::Refuse(Refusal::PieceMissing)));
    }
    assert_eq!(session.handle_received(&message).unwrap_err().rule, Rule::NoRequestFlood);
    let mut session = serving(plain(Config::lenient()));
    for _ in 0..10 {
        session.handle_sent(&Message::Choke).unwrap();
        for _ in 0..200 {
            assert!(session.handle_received(&message).is_ok());
        }
        session.handle_sent(&Message::Unchoke).unwrap();
    }
}

/// W-16: nothing can be served before the metadata is known.
#[test]
fn requests_before_the_metadata_are_refused() {
    let mut session = Session::new(OURS, OURS, Config::lenient());
    let asked = session.handle_received(&Message::Request(request(0, 0)));
    assert_eq!(asked, Ok(Verdict::Refuse(Refusal::NoMetadata)));
    assert_eq!(session.requests_to_reject().collect::<Vec<_>>(), [request(0, 0)]);
}

/// W-13.
#[test]
fn unknown_messages_are_ignored() {
    let mut session = plain(Config::strict());
    let unknown = Message::Unknown { id: 99, payload: Bytes::new() };
    assert_eq!(session.handle_received(&unknown), Ok(Verdict::Ignore(Ignored::Unknown)));
}

fn hash_request() -> HashRequest {
    HashRequest { pieces_root: [1; 32], base_layer: 0, index: 4, length: 4, proof_layers: 2 }
}

/// W-48, W-49, BEP 52.
#[test]
fn hashes_answer_a_request_for_hashes() {
    let answer = |request, count: usize| {
        let hashes = vec![0; 32 * count].into();
        Message::Hashes(Box::new(Hashes { request, hashes }))
    };
    let asking = |config| {
        let mut session = served(fast(config));
        session.handle_sent(&bits(0)).unwrap();
        session.handle_sent(&Message::HashRequest(hash_request())).unwrap();
        session
    };
    assert_eq!(
        asking(Config::strict()).handle_received(&answer(hash_request(), 5)),
        Ok(Verdict::Legal)
    );
    let reject = Message::HashReject(hash_request());
    assert_eq!(asking(Config::strict()).handle_received(&reject), Ok(Verdict::Legal));
    let rule = Rule::HashesLength;
    breach(asking, &answer(hash_request(), 4), rule, None);
    let other = HashRequest { index: 8, ..hash_request() };
    let rule = Rule::HashesRequested;
    breach(asking, &answer(other, 5), rule, tolerated(rule));
    breach(asking, &Message::HashReject(other), rule, tolerated(rule));
    let rule = Rule::HashRequestShape;
    let odd = Message::HashRequest(HashRequest { length: 3, ..hash_request() });
    let refused = Verdict::Refuse(Refusal::Tolerated(rule));
    breach(|config| served(fast(config)), &odd, rule, Some(refused));
    // libtorrent asks for the last hash of a file alone.
    let single = Message::HashRequest(HashRequest { length: 1, ..hash_request() });
    breach(|config| served(fast(config)), &single, rule, Some(Verdict::Legal));
}

/// The same rules find our own mistakes.
#[test]
fn what_we_send_is_judged_too() {
    let mut session = plain(Config::strict());
    let violation = session.handle_sent(&Message::HaveAll).unwrap_err();
    assert_eq!((violation.from, violation.rule), (Side::Us, Rule::FastAgreed));
    assert_eq!(
        violation.to_string(),
        "have all from us: the fast extension was not agreed upon (BEP 6)"
    );
}

fn learned(mut session: Session) -> Option<Session> {
    session.learn_geometry(geometry()).is_ok().then_some(session)
}

/// A message of a small torrent, so that rules are kept and broken often enough.
fn likely_message() -> impl Strategy<Value = Message> {
    let small = (0..4_u32, 0..3_u32, 0..3_u32).prop_map(|(index, begin, length)| Request {
        index,
        begin: begin * BLOCK_LENGTH,
        length: [0, 1000, BLOCK_LENGTH][length as usize],
    });
    prop_oneof![
        3 => common::message(),
        4 => small.clone().prop_map(Message::Request),
        2 => small.clone().prop_map(Message::Cancel),
        2 => small.clone().prop_map(Message::Reject),
        4 => small.prop_map(block),
        1 => (0..4_u32).prop_map(Message::Have),
        1 => (0..4_u32).prop_map(Message::AllowedFast),
        1 => any::<u8>().prop_map(bits),
        2 => Just(Message::Unchoke),
        1 => Just(Message::Choke),
    ]
}

proptest! {
    /// The state stays consistent and bounded whatever a peer sends. A message that passes strict judging has
    /// the same effect when lenient.
    #[test]
    fn any_conversation_is_accounted_for(
        features in any::<[bool; 4]>(),
        learns_at in 0..60_usize,
        messages in vec((any::<bool>(), likely_message()), 0..120),
    ) {
        let all = [Feature::Fast, Feature::Extended, Feature::Dht, Feature::V2];
        let theirs = all.into_iter().zip(features).filter(|(_, is_on)| *is_on);
        let theirs = theirs.fold(Reserved::empty(), |set, (feature, _)| set.with(feature));
        let mut bounded = Config::strict();
        bounded.max_outstanding(5);
        let mut strict = Some(Session::new(OURS, theirs, bounded));
        let mut bounded = Config::lenient();
        bounded.max_outstanding(5);
        let mut lenient = Session::new(OURS, theirs, bounded);
        for (at, (is_ours, message)) in messages.iter().enumerate() {
            if at == learns_at {
                strict = strict.take().and_then(learned);
                if lenient.learn_geometry(geometry()).is_err() {
                    break;
                }
            }
            let judge = |session: &mut Session| if *is_ours {
                session.handle_sent(message)
            } else {
                session.handle_received(message)
            };
            let leniently = judge(&mut lenient);
            if let Some(session) = &mut strict {
                match judge(session) {
                    Ok(verdict) => prop_assert_eq!(leniently.as_ref(), Ok(&verdict)),
                    Err(_) => strict = None,
                }
            }
            if leniently.is_err() {
                break;
            }
            prop_assert!(lenient.peer_requests().count() <= 10);
            prop_assert!(lenient.our_requests().count() <= 10);
            prop_assert!(lenient.requests_to_reject().count() <= lenient.peer_requests().count());
        }
    }
}
