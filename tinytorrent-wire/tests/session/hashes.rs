//! Requests for hashes, and their answers.

use tinytorrent_wire::session::{Refusal, Rule, SessionConfig, Verdict};
use tinytorrent_wire::{HashRequest, Hashes, Message};

use super::{bits, breach, fast, hash_request, served, tolerated};

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
        asking(SessionConfig::strict()).handle_received(&answer(hash_request(), 5)),
        Ok(Verdict::Legal)
    );
    let reject = Message::HashReject(hash_request());
    assert_eq!(asking(SessionConfig::strict()).handle_received(&reject), Ok(Verdict::Legal));
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
