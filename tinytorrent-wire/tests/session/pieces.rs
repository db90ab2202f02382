//! Pieces that a peer has: bitfields, announcements, and what is taken back.

use bytes::Bytes;
use tinytorrent_types::Geometry;
use tinytorrent_wire::extension::{ExtendedHandshake, OurExtensions};
use tinytorrent_wire::session::{Ignored, Rule, Session, SessionConfig, Side, Verdict};
use tinytorrent_wire::{Message, Reserved};

use super::{OURS, bits, breach, fast, geometry, plain, request, served, tolerated};

/// W-15, BEP 3: the bitfield is first; W-16: it may be left out.
#[test]
fn bitfield_comes_before_all_else() {
    let late = |config| {
        let mut session = plain(config);
        session.handle_received(&Message::Interested).unwrap();
        session
    };
    breach(late, &bits(0x80), Rule::AvailabilityNotLate, Some(Verdict::Legal));
    let mut session = plain(SessionConfig::strict());
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
        assert_eq!(fast(SessionConfig::strict()).handle_received(&message), Ok(Verdict::Legal));
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
            let mut session = twice(SessionConfig::lenient());
            let pieces = session.pieces(Side::Peer).cloned();
            let _ = session.handle_received(&second);
            assert_eq!(session.pieces(Side::Peer).cloned(), pieces);
        }
    }
}

/// W-16, BEP 3: no bitfield is the same as have none.
#[test]
fn peer_without_bitfield_has_nothing() {
    let mut session = plain(SessionConfig::strict());
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
    let mut empty = Session::new(OURS, Reserved::empty(), SessionConfig::strict());
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
    let kept = learn(SessionConfig::strict(), &[bits(0x80), Message::Have(2)]).unwrap();
    assert_eq!(kept.pieces(Side::Peer).unwrap().iter().collect::<Vec<_>>(), [0, 2]);
    let long = learn(SessionConfig::lenient(), &[Message::Bitfield(vec![0; 2].into())]);
    assert_eq!(long.unwrap_err().rule, Rule::BitfieldLength);
    let far = learn(SessionConfig::lenient(), &[Message::HaveNone, Message::Have(3)]);
    assert_eq!(far.unwrap_err().rule, Rule::HaveInRange);
    let spare = learn(SessionConfig::strict(), &[bits(0x01)]);
    assert_eq!(spare.unwrap_err().rule, Rule::SpareBitsZero);
    assert!(
        learn(SessionConfig::lenient(), &[bits(0x01)])
            .unwrap()
            .pieces(Side::Peer)
            .unwrap()
            .is_empty()
    );
}

/// W-41, X-20: the announcement is kept and applied later.
#[test]
fn have_all_before_the_metadata_makes_a_seed_after() {
    let mut session = Session::new(OURS, OURS, SessionConfig::strict());
    session.handle_received(&Message::HaveAll).unwrap();
    session.learn_geometry(geometry()).unwrap();
    assert!(session.pieces(Side::Peer).unwrap().is_full());
}

/// announcements count in their order.
#[test]
fn pieces_given_up_before_the_metadata_are_missing_after() {
    let learned = |say: &dyn Fn(&mut Session)| {
        let mut session = Session::new(OURS, OURS, SessionConfig::lenient());
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
    let mut session = fast(SessionConfig::strict());
    session.handle_received(&Message::HaveAll).unwrap();
    session.learn_geometry(geometry()).unwrap();
    assert!(session.pieces(Side::Peer).unwrap().is_full());
}

/// W-19, BEP 3.
#[test]
fn spare_bits_are_masked_when_lenient() {
    breach(plain, &bits(0b1010_0001), Rule::SpareBitsZero, Some(Verdict::Legal));
    let mut session = plain(SessionConfig::lenient());
    let _ = session.handle_received(&bits(0b1010_0001));
    assert_eq!(session.pieces(Side::Peer).unwrap().iter().collect::<Vec<_>>(), [0, 2]);
}

/// W-22.
#[test]
fn have_names_a_piece_of_the_torrent() {
    breach(plain, &Message::Have(3), Rule::HaveInRange, None);
    breach(plain, &Message::Have(u32::MAX), Rule::HaveInRange, None);
    let mut session = plain(SessionConfig::strict());
    assert_eq!(session.handle_received(&Message::Have(2)), Ok(Verdict::Legal));
    let again = session.handle_received(&Message::Have(2));
    assert_eq!(again, Ok(Verdict::Ignore(Ignored::Known)));
}

/// W-23.
#[test]
fn have_of_every_piece_makes_a_seed() {
    let mut session = plain(SessionConfig::strict());
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
        let mut session = served(if is_fast { fast } else { plain }(SessionConfig::strict()));
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

/// W-45: a suggestion of a piece that does not exist is ignored.
#[test]
fn suggest_is_advice_only() {
    let mut session = fast(SessionConfig::strict());
    session.handle_received(&Message::HaveNone).unwrap();
    assert_eq!(session.handle_received(&Message::Suggest(2)), Ok(Verdict::Legal));
    let far = session.handle_received(&Message::Suggest(3));
    assert_eq!(far, Ok(Verdict::Ignore(Ignored::NoSuchPiece)));
    assert!(session.pieces(Side::Peer).unwrap().is_empty());
}
