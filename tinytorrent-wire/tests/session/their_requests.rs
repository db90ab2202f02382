//! Requests of the peer to us, and our answers.

use tinytorrent_types::BLOCK_LENGTH;
use tinytorrent_wire::session::{Ignored, Refusal, Rule, Session, SessionConfig, Verdict};
use tinytorrent_wire::{Message, Request};

use super::{OURS, bits, block, breach, fast, plain, request, serving};

/// W-26: a length of zero is invalid, and the limit is configurable.
#[test]
fn request_has_a_customary_length() {
    let open = |config| serving(plain(config));
    for (length, rule) in [(0, Rule::RequestNotEmpty), (128 * 1024 + 1, Rule::RequestNotTooLong)] {
        let message = Message::Request(Request { index: 0, begin: 0, length });
        let refusal = Verdict::Refuse(Refusal::Tolerated(rule));
        breach(open, &message, rule, Some(refusal));
    }
    let mut config = SessionConfig::strict();
    config.max_request_length(BLOCK_LENGTH);
    let long = Request { length: 2 * BLOCK_LENGTH, ..request(0, 0) };
    let asked = open(SessionConfig::strict()).handle_received(&Message::Request(long));
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
    let mut session = serving(plain(SessionConfig::strict()));
    for (index, begin, length) in [(0, 1, 7), (0, 8192, 8192), (2, 0, 1000), (2, 999, 1)] {
        let message = Message::Request(Request { index, begin, length });
        assert_eq!(session.handle_received(&message), Ok(Verdict::Legal));
    }
}

/// W-29: it is refused, and the connection goes on.
#[test]
fn request_for_a_piece_we_lack_is_refused() {
    let mut session = plain(SessionConfig::strict());
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
        let mut config = SessionConfig::strict();
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

/// W-34, BEP 6: the choke comes first, then a reject of each request but the allowed-fast ones.
#[test]
fn choking_a_fast_peer_rejects_what_it_asked() {
    let mut session = serving(fast(SessionConfig::strict()));
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
    let mut session = serving(plain(SessionConfig::strict()));
    session.handle_received(&Message::Request(request(0, 0))).unwrap();
    assert_eq!(session.handle_sent(&Message::Choke), Ok(Verdict::Void(vec![request(0, 0)])));
    assert_eq!(session.requests_to_reject().count(), 0);
}

/// W-35, BEP 6: exactly one answer, to cancelled requests too.
#[test]
fn every_request_gets_one_answer_under_fast() {
    let mut session = serving(fast(SessionConfig::strict()));
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
        let mut session = serving(if is_fast { fast } else { plain }(SessionConfig::strict()));
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

/// W-34, W-36: a block in flight is the answer to its request.
#[test]
fn answer_that_has_begun_is_neither_cancelled_nor_rejected() {
    let mut session = serving(fast(SessionConfig::strict()));
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

/// W-44, BEP 6: served while choked, three times over.
#[test]
fn allowed_fast_is_served_while_choked_with_a_cap() {
    let mut session = fast(SessionConfig::strict());
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

/// W-47, BEP 6: requests in flight at a choke are no abuse, a flood is.
#[test]
fn requests_in_flight_at_a_choke_are_tolerated() {
    let mut session = serving(plain(SessionConfig::lenient()));
    session.handle_sent(&Message::Choke).unwrap();
    let message = Message::Request(request(0, 0));
    // As many as a request queue holds.
    for _ in 0..2_000 {
        let asked = session.handle_received(&message);
        assert_eq!(asked, Ok(Verdict::Refuse(Refusal::Choked)));
    }
    assert_eq!(session.handle_received(&message).unwrap_err().rule, Rule::NoRequestFlood);
    let mut session = plain(SessionConfig::lenient());
    for _ in 0..300 {
        let asked = session.handle_received(&message);
        assert_eq!(asked, Ok(Verdict::Refuse(Refusal::PieceMissing)));
    }
    assert_eq!(session.handle_received(&message).unwrap_err().rule, Rule::NoRequestFlood);
    let mut session = serving(plain(SessionConfig::lenient()));
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
    let mut session = Session::new(OURS, OURS, SessionConfig::lenient());
    let asked = session.handle_received(&Message::Request(request(0, 0)));
    assert_eq!(asked, Ok(Verdict::Refuse(Refusal::NoMetadata)));
    assert_eq!(session.requests_to_reject().collect::<Vec<_>>(), [request(0, 0)]);
}
