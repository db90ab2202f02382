//! A first seed that sends little more than one copy (BEP 16).
#![allow(clippy::disallowed_methods, reason = "tests need a first instant")]

#[allow(dead_code, reason = "other tests use the rest")]
mod play;

use std::time::Duration;

use play::{Play, request};
use tinytorrent_sim::{Behaviour, Node, WebServer, World};
use tinytorrent_swarm::LeaveReason;
use tinytorrent_types::{Bitfield, Geometry};
use tinytorrent_wire::{Feature, Message};

const MINUTE: Duration = Duration::from_secs(60);

const PIECE: u32 = 32_768;

/// A super seed, and others that know it and, if `are_friends`, each other.
fn world(pieces: u64, others: usize, is_super: bool, are_friends: bool) -> (World, Vec<Node>) {
    let geometry = Geometry::new(pieces * u64::from(PIECE), PIECE).unwrap();
    let mut world = World::new();
    (world.uplink, world.check_every) = (1_000_000, 20);
    let seed = world.add(geometry.clone(), "all", |config| _ = config.super_seeding(is_super));
    let leeches: Vec<_> = (0..others)
        .map(|_| world.add(geometry.clone(), "none", |config| _ = config.exchange(are_friends)))
        .collect();
    for &node in &leeches {
        let mut known = vec![seed];
        known.extend(leeches.iter().filter(|&&other| are_friends && other != node));
        world.introduce(node, &known);
    }
    (world, leeches)
}

/// Copies that the seed, the first node, has sent.
fn copies(world: &mut World) -> f64 {
    let now = world.now;
    let stats = world.nodes[0].swarm.stats(now);
    stats.uploaded as f64 / stats.have_bytes as f64
}

fn heard_haves(play: &mut Play, by: tinytorrent_swarm::PeerKey) -> Vec<u32> {
    let heard = play.heard(by).into_iter().filter_map(|message| match message {
        Message::Have(piece) => Some(piece),
        Message::HaveAll | Message::Bitfield(_) => panic!("it was told of everything"),
        _ => None,
    });
    heard.collect()
}

fn is_super_seeding(play: &Play) -> bool {
    play.swarm.is_super_seeding()
}

/// S-31
#[test]
fn a_crowd_gets_everything_of_little_more_than_one_copy() {
    for (pieces, others) in [(64, 2), (64, 5), (100, 12), (20, 25)] {
        let (mut world, _) = world(pieces, others, true, true);
        assert!(world.run(20 * MINUTE, World::all_finished), "{pieces} {others}");
        let sent = copies(&mut world);
        assert!(sent <= 1.1, "{sent} copies of {pieces} pieces for {others} peers");
        // A seed that holds nothing back sends more.
        let (mut usual, _) = self::world(pieces, others, false, true);
        assert!(usual.run(20 * MINUTE, World::all_finished));
        assert!(copies(&mut usual) > sent);
    }
}

/// S-31: each is told of the next piece though nobody shows that it has the last one.
#[test]
fn a_peer_that_is_alone_waits_for_nobody() {
    let (mut world, _) = world(64, 1, true, true);
    assert!(world.run(MINUTE, World::all_finished));
    let took = world.elapsed();
    let (mut usual, _) = self::world(64, 1, false, true);
    assert!(usual.run(MINUTE, World::all_finished));
    assert!(took < 2 * usual.elapsed(), "{took:?} of {:?}", usual.elapsed());
}

/// S-31
#[test]
fn peers_that_do_not_know_each_other_get_everything() {
    let (mut world, _) = world(32, 6, true, false);
    assert!(world.run(10 * MINUTE, World::all_finished));
}

/// S-31
#[test]
fn peers_that_pass_nothing_on_keep_nobody_from_anything() {
    for behaviour in [
        Behaviour::Stalls,
        Behaviour::AsksNothing,
        Behaviour::Silent,
        Behaviour::Rejects,
        Behaviour::Flaps,
    ] {
        let (mut world, leeches) = world(32, 12, true, true);
        for &node in &leeches[..8] {
            world.nodes[node].behaviour = behaviour;
        }
        let honest = leeches[8..].to_vec();
        let are_done =
            |world: &World| honest.iter().all(|&node| world.nodes[node].swarm.is_finished());
        assert!(world.run(20 * MINUTE, are_done), "{behaviour:?}");
    }
}

/// S-31
#[test]
fn the_pieces_of_peers_that_leave_come_again() {
    let (mut world, leeches) = world(64, 6, true, true);
    // One after the other goes away with what it has.
    for &node in &leeches[..4] {
        world.run(Duration::from_secs(1), |_| false);
        world.with(node, |swarm, now| swarm.pause(now));
    }
    let stay = leeches[4..].to_vec();
    let are_done = |world: &World| stay.iter().all(|&node| world.nodes[node].swarm.is_finished());
    assert!(world.run(20 * MINUTE, are_done));
}

/// S-31: with the fast extension as well as without.
#[test]
fn the_next_piece_is_told_of_once_another_peer_has_the_last_one() {
    for features in [&[][..], &[Feature::Fast]] {
        let mut play = Play::new(true, |config| _ = config.super_seeding(true));
        assert!(is_super_seeding(&play));
        let (one, two) = (play.join(features), play.join(features));
        if !features.is_empty() {
            [one, two].into_iter().for_each(|peer| play.say(peer, Message::HaveNone));
        }
        let first = heard_haves(&mut play, one);
        let second = heard_haves(&mut play, two);
        // One that was alone for a while was told of some more.
        let last = *first.last().unwrap();
        assert_eq!(second.len(), 1);
        assert!(!first.contains(&second[0]));
        play.say(one, Message::Interested);
        play.say(one, Message::Request(request(second[0], 0)));
        assert_eq!(play.served(), 0, "it was not told of that");
        play.say(one, Message::Request(request(last, 0)));
        assert_eq!(play.served(), 1);
        first.iter().for_each(|&piece| play.say(one, Message::Have(piece)));
        assert_eq!(heard_haves(&mut play, one), [], "nobody has it from there");
        play.say(two, Message::Have(last));
        assert_eq!(heard_haves(&mut play, one).len(), 1);
        assert_eq!(heard_haves(&mut play, two), [], "its own piece is not there");
    }
}

/// S-31
#[test]
fn it_ends_with_the_second_seed() {
    for is_seed_from_the_start in [true, false] {
        let mut play = Play::new(true, |config| _ = config.super_seeding(true));
        let (peer, other) = (play.join(&[Feature::Fast]), play.join(&[Feature::Fast]));
        play.say(peer, Message::HaveNone);
        let mut told = heard_haves(&mut play, peer);
        if is_seed_from_the_start {
            play.say(other, Message::HaveAll);
        } else {
            (0..8).for_each(|piece| play.say(other, Message::Have(piece)));
        }
        assert_eq!(play.left(other), Some(&LeaveReason::Useless));
        assert!(!is_super_seeding(&play));
        play.wait(Duration::from_secs(2));
        told.extend(heard_haves(&mut play, peer));
        told.sort_unstable();
        assert_eq!(told, (0..8).collect::<Vec<_>>());
        let late = play.join(&[Feature::Fast]);
        assert!(play.heard(late).contains(&Message::HaveAll));
    }
}

/// S-31
#[test]
fn the_user_begins_and_ends_it() {
    let mut play = Play::new(true, |_| {});
    let before = play.join(&[Feature::Fast]);
    assert!(play.heard(before).contains(&Message::HaveAll));
    play.swarm.set_super_seeding(play.now, true);
    let peer = play.join(&[Feature::Fast]);
    play.say(peer, Message::HaveNone);
    let mut told = heard_haves(&mut play, peer);
    assert!(told.len() < 8);
    play.swarm.set_super_seeding(play.now, false);
    play.wait(Duration::from_secs(2));
    told.extend(heard_haves(&mut play, peer));
    assert_eq!((told.len(), is_super_seeding(&play)), (8, false));
    // One that downloads has nothing to hold back.
    let mut leech = Play::new(false, |config| _ = config.super_seeding(true));
    leech.swarm.set_super_seeding(leech.now, true);
    assert!(!is_super_seeding(&leech));
}

/// A peer that has a piece by others does not tell whoever has it, too, and one that does not want a piece never will.
#[test]
fn a_peer_that_fetches_only_a_part_of_a_piece_gets_the_others() {
    let (mut world, leeches) = world(4, 1, true, false);
    let mut server = WebServer::new(20_000);
    server.wrong = 1..2;
    world.add_web_seed(leeches[0], server);
    assert!(world.run(3 * MINUTE, World::all_finished));

    let (mut world, leeches) = self::world(4, 1, true, false);
    let mut wanted = Bitfield::new(4);
    let geometry = world.nodes[leeches[0]].geometry.clone();
    // The first one, of which it is told first, is none of them.
    geometry.pieces().skip(1).for_each(|piece| _ = wanted.insert(piece));
    world.with(leeches[0], |swarm, now| swarm.set_wanted(now, wanted));
    assert!(world.run(3 * MINUTE, World::all_finished));
}
