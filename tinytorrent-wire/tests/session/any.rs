//! Any conversation.

use proptest::collection::vec;
use proptest::prelude::*;
use tinytorrent_types::BLOCK_LENGTH;
use tinytorrent_wire::session::{Session, SessionConfig};
use tinytorrent_wire::{Feature, Message, Request, Reserved};

use super::{OURS, bits, block, geometry};

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
        3 => super::common::message(),
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
        let mut bounded = SessionConfig::strict();
        bounded.max_outstanding(5);
        let mut strict = Some(Session::new(OURS, theirs, bounded));
        let mut bounded = SessionConfig::lenient();
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
