//! Wishes of the user while the torrent runs: other pieces, other limits.
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::time::Duration;

use play::{Play, request, requests};
use proptest::prelude::*;
use tinytorrent_sim::World;
use tinytorrent_swarm::{Action, BlockVerdict, Event, Input, LeaveReason, PeerKey};
use tinytorrent_types::{Bitfield, BlockDigest, Geometry, PeerId};
use tinytorrent_wire::{Feature, Message, Request};

fn pieces(geometry: &Geometry, wanted: impl Fn(u32) -> bool) -> Bitfield {
    let mut set = Bitfield::new(geometry.piece_count());
    for piece in geometry.pieces().filter(|piece| wanted(piece.get())) {
        set.insert(piece);
    }
    set
}

fn want(play: &mut Play, wanted: impl Fn(u32) -> bool) {
    let set = pieces(&play.geometry, wanted);
    play.swarm.set_wanted(play.now, set);
    play.tell(Input::BlocksWritten { bytes: 0 });
}

fn seed(play: &mut Play) -> PeerKey {
    let key = play.join(&[Feature::Fast, Feature::Extended]);
    play.say_extended(key, b"d1:md11:upload_onlyi3eee");
    play.say(key, Message::HaveAll);
    play.say(key, Message::Unchoke);
    key
}

/// The peer sends all blocks of a piece that it was asked for, and they are right.
fn send_piece(play: &mut Play, peer: PeerKey, index: u32) {
    let mut number = 0;
    while number < 32 {
        let next = request(index, number);
        let verdict = play.block(peer, next);
        assert!(verdict.block().is_some(), "{next:?}");
        play.tell(Input::BlocksWritten { bytes: next.length.into() });
        number += 1;
    }
    let piece = play.geometry.piece(index).unwrap();
    play.tell(Input::PieceVerified { piece, digests: Vec::new() });
}

#[test]
fn requests_for_pieces_that_are_not_wanted_any_more_are_cancelled() {
    let mut play = Play::new(false, |_| {});
    let peer = seed(&mut play);
    let first = requests(&play.heard(peer));
    let index = first[0].index;
    assert!(first.iter().all(|request| request.index == index));
    let other = (index + 1) % 8;
    want(&mut play, |piece| piece == other);
    let heard = play.heard(peer);
    assert!(first.iter().all(|request| heard.contains(&Message::Cancel(*request))));
    let then = requests(&heard);
    assert!(!then.is_empty() && then.iter().all(|request| request.index == other), "{then:?}");
}

#[test]
fn blocks_of_a_piece_that_is_wanted_again_are_not_asked_for_twice() {
    let mut play = Play::new(false, |_| {});
    let peer = seed(&mut play);
    let first = requests(&play.heard(peer));
    let index = first[0].index;
    let BlockVerdict::Store(here) = play.block(peer, first[0]) else { panic!() };
    want(&mut play, |piece| piece != index);
    want(&mut play, |piece| piece == index);
    let heard = play.heard(peer);
    let again: Vec<Request> =
        requests(&heard).into_iter().filter(|request| request.index == index).collect();
    assert!(!again.is_empty());
    assert!(again.iter().all(|request| request.begin != here.begin()), "{again:?}");
}

#[test]
fn less_may_be_all_there_is_to_do_and_more_goes_on() {
    let mut play = Play::new(false, |_| {});
    let peer = seed(&mut play);
    want(&mut play, |piece| piece < 2);
    let order: Vec<u32> = requests(&play.heard(peer)).iter().map(|request| request.index).collect();
    let done = *order.last().unwrap();
    send_piece(&mut play, peer, done);
    assert!(!play.swarm.is_finished());
    // A leecher, which is not left when there is nothing left to want.
    let leech = play.join(&[Feature::Fast, Feature::Extended]);
    play.say_extended(leech, b"d1:md11:upload_onlyi3eee");
    play.say(leech, Message::Have(1 - done));
    assert!(play.heard(leech).contains(&Message::Interested));
    want(&mut play, |piece| piece == done);
    assert!(play.swarm.is_finished() && play.events.contains(&Event::Finished));
    assert!(matches!(play.left(peer), Some(LeaveReason::Useless)));
    let heard = play.heard(leech);
    assert!(heard.contains(&Message::NotInterested), "{heard:?}");
    let said = |heard: &[Message], value: u8| {
        heard.iter().any(|message| {
            matches!(message, Message::Extended(said) if said.id == 3 && said.payload[..] == [value])
        })
    };
    assert!(said(&heard, 1), "BEP 21: we download nothing more");

    want(&mut play, |piece| piece < 2);
    assert!(!play.swarm.is_finished() && play.events.contains(&Event::Unfinished));
    let heard = play.heard(leech);
    assert!(said(&heard, 0) && heard.contains(&Message::Interested), "{heard:?}");
    let stats = play.swarm.stats(play.now);
    assert_eq!((stats.have_bytes, stats.wanted_left), (1 << 19, 1 << 19));
}

#[test]
fn a_piece_that_turns_out_wrong_when_nobody_wants_it_is_let_go() {
    let mut play = Play::new(false, |_| {});
    let peer = seed(&mut play);
    let index = requests(&play.heard(peer))[0].index;
    for number in 0..32 {
        play.block(peer, request(index, number));
        play.tell(Input::BlocksWritten { bytes: 16_384 });
    }
    want(&mut play, |piece| piece != index);
    play.heard(peer);
    let piece = play.geometry.piece(index).unwrap();
    play.tell(Input::PieceFailed { piece, digests: vec![BlockDigest::from_bytes([0; 20]); 32] });
    assert!(requests(&play.heard(peer)).iter().all(|request| request.index != index));
}

/// The pieces that a peer is asked for, in the order in which they are begun, until nothing is left.
fn order_of(play: &mut Play, peer: PeerKey) -> Vec<u32> {
    let mut order = Vec::new();
    let mut asked = requests(&play.heard(peer));
    while let Some(next) = asked.first().copied() {
        asked.remove(0);
        order.push(next.index);
        let verdict = play.block(peer, next);
        play.tell(Input::BlocksWritten { bytes: next.length.into() });
        if let BlockVerdict::StoreLast { block, .. } = verdict {
            play.tell(Input::PieceVerified { piece: block.piece(), digests: Vec::new() });
        }
        asked.extend(requests(&play.heard(peer)));
    }
    order.dedup();
    order
}

#[test]
fn priorities_count_before_rarity_and_nothing_is_left_out() {
    let mut play = Play::new(false, |_| {});
    let [low, high] =
        [[0, 3], [5, 6]].map(|set| pieces(&play.geometry, |piece| set.contains(&piece)));
    // Those of high priority are the most common ones.
    let common = play.join(&[Feature::Fast]);
    play.say(common, Message::Have(5));
    play.say(common, Message::Have(6));
    play.swarm.set_priorities(play.now, low, high);
    let peer = seed(&mut play);
    let order = order_of(&mut play, peer);
    let rank = |piece: &u32| match piece {
        5 | 6 => 0,
        0 | 3 => 2,
        _ => 1,
    };
    assert!(order.is_sorted_by_key(rank), "{order:?}");
    assert_eq!(order.len(), 8);
    assert!(play.swarm.is_finished());
    assert_eq!(play.swarm.availability().unwrap()[4..7], [0, 1, 1], "it is what peers have");
}

#[test]
fn priorities_for_another_number_of_pieces_are_ignored() {
    let order = |low: &Bitfield, high: &Bitfield| {
        let mut play = Play::new(false, |_| {});
        play.swarm.set_priorities(play.now, low.clone(), high.clone());
        let peer = seed(&mut play);
        order_of(&mut play, peer)
    };
    let (odd, none) = (Bitfield::full(3), Bitfield::new(8));
    assert_eq!(order(&odd, &none), order(&none, &odd), "three pieces are neither low nor high");
    assert_eq!(order(&odd, &none).len(), 8);
}

#[test]
fn priorities_hold_after_a_check_and_until_they_are_taken_back() {
    let mut play = Play::without_content(|_| {});
    let high = pieces(&play.geometry, |piece| piece == 7);
    let none = pieces(&play.geometry, |_| false);
    // Before the content is known.
    play.swarm.set_priorities(play.now, none.clone(), high);
    play.open(false);
    let peer = seed(&mut play);
    assert_eq!(requests(&play.heard(peer))[0].index, 7);
    play.swarm.begin_check(play.now);
    play.open(false);
    let peer = seed(&mut play);
    assert_eq!(requests(&play.heard(peer))[0].index, 7);
    // A peer that has nothing better is asked for the rest.
    let other = play.join(&[Feature::Fast]);
    play.say(other, Message::Have(1));
    play.say(other, Message::Unchoke);
    assert_eq!(requests(&play.heard(other))[0].index, 1);
    play.swarm.set_priorities(play.now, none.clone(), none);
    assert!(play.swarm.availability().unwrap().iter().sum::<u32>() == 9);
    play.swarm.check_invariants();
}

#[test]
fn fewer_places_leave_those_who_do_least() {
    let mut play = Play::new(false, |_| {});
    let [idle, busy, other] = [(); 3].map(|()| play.join(&[Feature::Fast]));
    for peer in [idle, busy, other] {
        play.say(peer, Message::HaveAll);
    }
    play.say(busy, Message::Unchoke);
    let asked = requests(&play.heard(busy));
    play.now += Duration::from_secs(1);
    play.block(busy, asked[0]);
    play.swarm.set_max_peers(play.now, 1);
    play.tell(Input::BlocksWritten { bytes: 0 });
    assert!(play.left(busy).is_none());
    assert!([idle, other].iter().all(|&peer| play.left(peer) == Some(&LeaveReason::Crowded)));
}

#[test]
fn after_a_pause_the_peers_are_dialed_at_once() {
    let mut play = Play::new(false, |_| {});
    let address = "20.0.0.1:6881".parse().unwrap();
    let peer = play.dial(address);
    play.greet(peer, PeerId::from_bytes([9; 20]), &[]);
    play.swarm.pause(play.now);
    play.tell(Input::BlocksWritten { bytes: 0 });
    assert_eq!(play.left(peer), Some(&LeaveReason::Stopped));
    assert_eq!(play.swarm.peers(play.now), []);
    play.actions.clear();
    play.swarm.resume(play.now);
    play.tell(Input::BlocksWritten { bytes: 0 });
    let is_dial =
        |action: &Action| matches!(action, Action::Connect { address: to, .. } if *to == address);
    assert!(play.actions.iter().any(is_dial));
}

/// What a check finds takes the place of what was known, and peers of before are found again.
#[test]
fn content_that_is_looked_at_again_is_what_the_check_says() {
    let mut play = Play::new(false, |_| {});
    let address = "20.0.0.1:6881".parse().unwrap();
    let peer = play.dial(address);
    play.greet(peer, PeerId::from_bytes([9; 20]), &[Feature::Fast]);
    play.say(peer, Message::HaveAll);
    play.say(peer, Message::Unchoke);
    let asked = requests(&play.heard(peer));
    send_piece(&mut play, peer, asked[0].index);
    let late = requests(&play.heard(peer)).last().copied().expect("it is asked for more");

    play.actions.clear();
    play.swarm.begin_check(play.now);
    play.tell(Input::BlocksWritten { bytes: 0 });
    assert_eq!(play.left(peer), Some(&LeaveReason::Checking));
    assert_eq!((play.swarm.have(), play.swarm.is_finished()), (None, false));
    // Nothing of before counts, and nobody is connected to.
    assert_eq!(play.block(peer, late), BlockVerdict::Discard);
    let piece = play.geometry.piece(asked[0].index).unwrap();
    play.tell(Input::PieceVerified { piece, digests: Vec::new() });
    play.now += Duration::from_secs(3_600);
    play.swarm.handle_timeout(play.now);
    play.tell(Input::BlocksWritten { bytes: 0 });
    let is_dial = |action: &Action| matches!(action, Action::Connect { .. });
    assert!(!play.actions.iter().any(is_dial), "{:?}", play.actions);
    assert!(play.swarm.accept(play.now, "20.0.0.2:6881".parse().unwrap()).is_none());
    play.swarm.check_invariants();

    let found = pieces(&play.geometry, |piece| piece == 5);
    play.content(found.clone());
    assert_eq!(play.swarm.have(), Some(&found));
    assert!(play.actions.iter().any(is_dial));
    let again = play.dial(address);
    play.greet(again, PeerId::from_bytes([9; 20]), &[Feature::Fast]);
    play.say(again, Message::HaveAll);
    play.say(again, Message::Unchoke);
    assert!(requests(&play.heard(again)).iter().all(|request| request.index != 5));
}

#[test]
fn seeds_that_were_left_are_dialed_at_once_when_something_is_wanted_again() {
    let mut play = Play::new(false, |_| {});
    want(&mut play, |piece| piece == 0);
    let address = "20.0.0.1:6881".parse().unwrap();
    let peer = play.dial(address);
    play.greet(peer, PeerId::from_bytes([9; 20]), &[Feature::Fast]);
    play.say(peer, Message::HaveAll);
    play.say(peer, Message::Unchoke);
    send_piece(&mut play, peer, 0);
    assert_eq!(play.left(peer), Some(&LeaveReason::Useless));
    play.actions.clear();
    let is_dial =
        |action: &Action| matches!(action, Action::Connect { address: to, .. } if *to == address);
    play.now += Duration::from_secs(1);
    play.swarm.handle_timeout(play.now);
    play.tell(Input::BlocksWritten { bytes: 0 });
    assert!(!play.actions.iter().any(is_dial));
    want(&mut play, |piece| piece < 2);
    assert!(play.actions.iter().any(is_dial), "{:?}", play.actions);
}

#[test]
fn a_check_that_finds_less_ends_the_seeding() {
    let mut play = Play::new(true, |_| {});
    assert!(play.swarm.is_finished());
    play.events.clear();
    play.swarm.begin_check(play.now);
    let found = pieces(&play.geometry, |piece| piece != 3);
    play.content(found);
    assert!(matches!(play.events[..], [Event::Unfinished]), "{:?}", play.events);
    play.events.clear();
    play.swarm.begin_check(play.now);
    let all = pieces(&play.geometry, |_| true);
    play.content(all);
    assert!(matches!(play.events[..], [Event::Finished]), "{:?}", play.events);
}

#[test]
fn the_peers_are_shown_as_they_are() {
    let mut play = Play::new(false, |_| {});
    let peer = seed(&mut play);
    play.say_extended(peer, b"d1:md11:upload_onlyi3ee1:v6:Test 1e");
    let asked = requests(&play.heard(peer));
    play.now += Duration::from_secs(2);
    play.block(peer, asked[0]);
    let shown = play.swarm.peers(play.now);
    let [view] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((view.key, view.client.as_deref()), (peer, Some("Test 1")));
    assert!(view.is_seed && view.is_incoming && view.pieces == 8);
    assert!(view.flow.we_are_interested && !view.flow.peer_chokes && view.flow.we_choke.is_some());
    assert_eq!(
        (view.downloaded, view.uploaded, view.connected),
        (16_384, 0, Duration::from_secs(2))
    );
    assert_eq!(view.flow.our_requests as usize, {
        let news = requests(&play.heard(peer));
        asked.len() - 1 + news.len()
    });
    assert_eq!(play.swarm.availability(), Some(vec![1; 8]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is wanted when: what is wanted in the end comes, and nothing comes twice.
    #[test]
    fn any_wishes_at_any_time_end_in_what_was_wanted_last(
        wishes in prop::collection::vec((0_u64..400, any::<u32>()), 0..12),
        last in any::<u32>(),
    ) {
        let geometry = Geometry::new(32 * 65_536 - 20_000, 65_536).unwrap();
        let mut world = World::new();
        world.uplink = 400_000;
        let seed = world.add(geometry.clone(), "all", |_| {});
        let half = world.add(geometry.clone(), "################................", |_| {});
        let leech = world.add(geometry.clone(), "none", |_| {});
        world.introduce(leech, &[seed, half]);
        for (millis, mask) in wishes {
            world.run(Duration::from_millis(millis), |_| false);
            let wanted = pieces(&geometry, |piece| mask >> piece & 1 == 1);
            world.with(leech, |swarm, now| swarm.set_wanted(now, wanted));
        }
        let wanted = pieces(&geometry, |piece| last >> piece & 1 == 1);
        world.with(leech, |swarm, now| swarm.set_wanted(now, wanted.clone()));
        // Whoever was left as useless is told of again.
        world.introduce(leech, &[seed]);
        let is_done = |world: &World| world.nodes[leech].swarm.is_finished();
        prop_assert!(world.run(Duration::from_secs(120), is_done));
        let have = world.nodes[leech].swarm.have().unwrap();
        prop_assert!(wanted.iter().all(|piece| have.get(piece)));
        world.nodes[leech].swarm.check_invariants();
    }
}
