//! Features of both sides, choking and interest.

use bytes::Bytes;
use tinytorrent_wire::session::{Ignored, Rule, SessionConfig, Side, Verdict};
use tinytorrent_wire::{Extended, Message, Reserved};

use super::{breach, fast, hash_request, plain, request, tolerated, with_features};

/// W-24, BEP 3.
#[test]
fn both_sides_start_choked_and_not_interested() {
    let session = fast(SessionConfig::strict());
    for side in [Side::Us, Side::Peer] {
        assert!(session.is_choking(side) && !session.is_interested(side));
    }
    assert!(!session.may_request(0));
}

#[test]
fn choke_and_interest_are_per_side() {
    let mut session = fast(SessionConfig::lenient());
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
    let mut by_v2_hash = bare(SessionConfig::strict().by_v2_hash(true).clone());
    assert_eq!(by_v2_hash.handle_received(&hashes), Ok(Verdict::Legal), "the hash says it all");
    let mut session = fast(SessionConfig::strict());
    session.handle_received(&Message::HaveNone).unwrap();
    for message in [extended, Message::Port(6881), hashes] {
        assert_eq!(session.handle_received(&message), Ok(Verdict::Legal));
    }
}

/// W-13.
#[test]
fn unknown_messages_are_ignored() {
    let mut session = plain(SessionConfig::strict());
    let unknown = Message::Unknown { id: 99, payload: Bytes::new() };
    assert_eq!(session.handle_received(&unknown), Ok(Verdict::Ignore(Ignored::Unknown)));
}

/// The same rules find our own mistakes.
#[test]
fn what_we_send_is_judged_too() {
    let mut session = plain(SessionConfig::strict());
    let violation = session.handle_sent(&Message::HaveAll).unwrap_err();
    assert_eq!((violation.from, violation.rule), (Side::Us, Rule::FastAgreed));
    assert_eq!(
        violation.to_string(),
        "have all from us: the fast extension was not agreed upon (BEP 6)"
    );
}
