//! Our requests to the peer, and its answers.

use tinytorrent_types::BLOCK_LENGTH;
use tinytorrent_wire::extension::ExtendedHandshake;
use tinytorrent_wire::session::{Ignored, Rule, SessionConfig, Side, Verdict};
use tinytorrent_wire::{Message, Request};

use super::{bits, block, breach, fast, plain, request, served};

/// W-31, BEP 10.
#[test]
fn our_requests_stay_within_their_queue() {
    let mut session = served(fast(SessionConfig::strict()));
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
    let mut session = served(plain(SessionConfig::strict()));
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
    let mut session = served(fast(SessionConfig::strict()));
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

/// W-37, BEP 6: with fast the connection must be closed; without fast the block may be a late answer.
#[test]
fn unrequested_piece_closes_a_fast_connection() {
    let rule = Rule::PieceRequested;
    breach(|config| served(fast(config)), &block(request(0, 0)), rule, None);
    let mut config = SessionConfig::strict();
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
    assert_eq!(asking(SessionConfig::strict()).handle_received(&block(asked)), Ok(Verdict::Legal));
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
    let mut session = served(fast(SessionConfig::strict()));
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
    let mut config = SessionConfig::lenient();
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
    let mut session = fast(SessionConfig::strict());
    session.handle_received(&Message::HaveAll).unwrap();
    session.handle_received(&Message::AllowedFast(1)).unwrap();
    session.handle_sent(&Message::HaveNone).unwrap();
    session.handle_sent(&Message::Request(request(1, 0))).unwrap();
    assert!(session.may_request(1));
    session.handle_received(&Message::Reject(request(1, 0))).unwrap();
    assert!(!session.may_request(1));
}

/// W-42, BEP 6: it announces no piece, and is ignored for a piece that does not exist.
#[test]
fn allowed_fast_says_nothing_of_possession() {
    let mut session = fast(SessionConfig::strict());
    session.handle_received(&Message::HaveNone).unwrap();
    assert_eq!(session.handle_received(&Message::AllowedFast(1)), Ok(Verdict::Legal));
    assert!(session.pieces(Side::Peer).unwrap().is_empty());
    assert!(!session.may_request(1), "it does not have it");
    session.handle_received(&Message::Have(1)).unwrap();
    assert!(session.may_request(1), "choked, but allowed");
    let far = session.handle_received(&Message::AllowedFast(3));
    assert_eq!(far, Ok(Verdict::Ignore(Ignored::NoSuchPiece)));
}
