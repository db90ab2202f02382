//! Hashes of v2 torrents, between peers (BEP 52, "hash request").
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::time::Duration;

use bytes::Bytes;
use play::Play;
use tinytorrent_swarm::{Action, ConnectionError, Input, LeaveReason, PeerKey};
use tinytorrent_types::{Geometry, InfoHashV1, InfoHashV2, InfoHashes};
use tinytorrent_wire::{Feature, HashRequest, Hashes, Message};

fn hybrid() -> InfoHashes {
    InfoHashes::from_both(InfoHashV1::from_bytes([7; 20]), InfoHashV2::from_bytes([8; 32]))
}

fn request(at: u32) -> HashRequest {
    let length = 512;
    HashRequest { pieces_root: [9; 32], base_layer: 2, index: at * 512, length, proof_layers: 9 }
}

fn answer(request: HashRequest) -> Message {
    let hashes = Bytes::from(vec![1; 32 * request.hash_count() as usize]);
    Message::Hashes(Box::new(Hashes { request, hashes }))
}

/// What a peer was asked for since the last look.
fn asked(play: &mut Play, peer: PeerKey) -> Vec<u32> {
    let heard = play.heard(peer).into_iter();
    let requests = heard.filter_map(|message| match message {
        Message::HashRequest(request) => Some(request.index / 512),
        _ => None,
    });
    requests.collect()
}

fn lacking(count: u32) -> Play {
    let mut play = Play::of(hybrid(), |_| {});
    play.tell(Input::HashesNeeded((0..count).map(request).collect()));
    play
}

fn to_check(play: &Play) -> usize {
    let checks = |action: &&Action| matches!(action, Action::CheckHashes { .. });
    play.actions.iter().filter(checks).count()
}

// V-21, W-48
#[test]
fn hashes_are_asked_of_those_who_have_something() {
    let mut play = lacking(3);
    let [seed, partial, newcomer] = [(); 3].map(|()| play.join(&[Feature::V2]));
    assert_eq!(asked(&mut play, seed), [], "it has said nothing yet");
    play.say(seed, Message::Bitfield(Bytes::from_static(&[0xff])));
    assert_eq!(asked(&mut play, seed), [0, 1]);
    play.say(partial, Message::Have(3));
    assert_eq!(asked(&mut play, partial), [2]);
    assert_eq!(asked(&mut play, newcomer), []);
    play.say(seed, answer(request(1)));
    assert_eq!(to_check(&play), 1);
    for (peer, at) in [(seed, 1), (partial, 0), (newcomer, 2)] {
        play.say(peer, answer(request(at)));
    }
    assert_eq!(to_check(&play), 1, "nobody asked them for these");
    let checked = Input::HashesChecked { peer: seed, request: request(1), is_right: true };
    play.tell(checked);
    play.open(false);
    assert!(play.left(seed).is_none() && play.left(partial).is_none());
}

#[test]
fn refusals_silence_and_departures_send_the_question_to_others() {
    let mut play = lacking(2);
    let [first, second] = [(); 2].map(|()| play.join(&[Feature::V2]));
    play.say(first, Message::Bitfield(Bytes::from_static(&[0xff])));
    assert_eq!(asked(&mut play, first), [0, 1]);
    play.say(second, Message::Bitfield(Bytes::from_static(&[0xff])));
    play.say(first, Message::HashReject(request(0)));
    assert_eq!(asked(&mut play, second), [0]);
    play.wait(Duration::from_secs(25));
    assert!(asked(&mut play, second).contains(&1), "the first one said nothing to this");
    play.tell(Input::ConnectionClosed { peer: second, error: ConnectionError::Closed });
    play.wait(Duration::from_secs(5));
    let mut again = asked(&mut play, first);
    again.sort_unstable();
    assert_eq!(again, [0, 1]);
}

// V-13
#[test]
fn whoever_sends_wrong_hashes_is_banned_and_others_are_asked() {
    let mut play = lacking(1);
    let [liar, honest] = [(); 2].map(|()| play.join(&[Feature::V2]));
    for peer in [liar, honest] {
        play.say(peer, Message::Bitfield(Bytes::from_static(&[0xff])));
    }
    play.say(liar, answer(request(0)));
    assert_eq!(to_check(&play), 1);
    let checked = Input::HashesChecked { peer: liar, request: request(0), is_right: false };
    play.tell(checked);
    assert_eq!(play.left(liar), Some(&LeaveReason::Banned));
    assert_eq!(asked(&mut play, honest), [0]);
}

// W-48, W-49
#[test]
fn requests_for_hashes_are_all_answered_and_not_for_ever() {
    let mut play = Play::of(hybrid(), |_| {});
    let peer = play.join(&[Feature::V2]);
    play.say(peer, Message::HashRequest(request(0)));
    assert_eq!(play.heard(peer), [Message::HashReject(request(0))], "nothing is known yet");
    play.open(true);
    play.heard(peer);
    let odd = HashRequest { length: 3, ..request(0) };
    play.say(peer, Message::HashRequest(odd));
    assert_eq!(play.heard(peer), [Message::HashReject(odd)]);

    let (mut reads, mut rejects) = (0_u32, 0);
    for _ in 0..200 {
        play.actions.clear();
        play.say(peer, Message::HashRequest(request(0)));
        let wants = Action::ReadHashes { peer, request: request(0) };
        if play.actions.contains(&wants) {
            reads += 1;
            let Message::Hashes(hashes) = answer(request(0)) else { unreachable!() };
            let hashes = (reads % 2 == 0).then_some(hashes.hashes);
            play.tell(Input::HashesRead { peer, request: request(0), hashes });
        }
        match &play.heard(peer)[..] {
            [Message::HashReject(rejected)] if *rejected == request(0) => rejects += 1,
            [Message::Hashes(hashes)] => assert_eq!(hashes.request, request(0)),
            other => panic!("{other:?}"),
        }
    }
    assert!((60..100).contains(&reads), "{reads}");
    assert_eq!(rejects, reads.div_ceil(2) + 200 - reads);
}

#[test]
fn hashes_are_served_in_portions_that_memory_can_bear() {
    let mut play = Play::of(hybrid(), |_| {});
    play.geometry = Geometry::new(1 << 30, 1 << 14).unwrap();
    play.open(true);
    let peer = play.join(&[Feature::V2]);
    play.heard(peer);
    let large = HashRequest { length: 8192, ..request(0) };
    let mut ask = || {
        (0..40).for_each(|_| play.say(peer, Message::HashRequest(large)));
        let rejects = play.heard(peer).len();
        let reads = play.actions.drain(..).filter(|a| matches!(a, Action::ReadHashes { .. }));
        let reads = reads.count();
        assert_eq!(reads + rejects, 40, "every request is answered");
        play.wait(Duration::from_millis(1));
        reads
    };
    assert_eq!([ask(), ask()], [32, 32]);
}
