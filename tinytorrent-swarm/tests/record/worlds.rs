//! Recorded worlds replay equal, to the last action.

use std::time::{Duration, Instant};

use tinytorrent_sim::{Behaviour, Tape, WebServer, World, scramble};
use tinytorrent_swarm::record::{Replay, Replayed, replay};
use tinytorrent_swarm::{Event, Transports};
use tinytorrent_types::{Bitfield, Geometry};

/// 32 pieces of 64 KiB, the last one shorter.
fn geometry() -> Geometry {
    Geometry::new(32 * 65_536 - 20_000, 65_536).expect("a geometry")
}

/// Records the next so many nodes of a world.
fn record(world: &mut World, count: usize) -> Vec<Tape> {
    let tapes: Vec<_> = (0..count).map(|_| Tape::default()).collect();
    for (node, tape) in (world.nodes.len()..).zip(&tapes) {
        world.record(node, tape.clone());
    }
    tapes
}

/// The recording of a node, as it is at the end of its world.
pub(crate) fn leech_beside(behaviour: Behaviour) -> Vec<u8> {
    let mut world = World::new();
    let tapes = record(&mut world, 3);
    let seed = world.add(geometry(), "all", |_| {});
    let other = world.add(geometry(), "all", |_| {});
    let leech = world.add(geometry(), "none", |_| {});
    world.nodes[other].behaviour = behaviour;
    world.introduce(leech, &[other, seed]);
    assert!(world.run(Duration::from_secs(600), World::all_finished));
    drop(world);
    tapes[2].bytes()
}

fn play(recording: &[u8]) -> Replayed {
    replay(Instant::now(), recording, &[tinytorrent_hash::sha1, scramble]).expect("a recording")
}

fn assert_equal(tapes: &[Tape]) {
    for tape in tapes {
        let replayed = play(&tape.bytes());
        assert!(replayed.parting.is_none(), "{:#?}", replayed.parting);
        assert!(replayed.actions > 0 && !replayed.is_cut);
    }
}

#[test]
fn a_replay_shows_how_far_it_came() {
    let recording = leech_beside(Behaviour::Honest);
    let mut replay = Replay::new(Instant::now(), &recording[..], &[scramble]).expect("a recording");
    assert_eq!(replay.replayed().calls, 0);
    replay.run().expect("it can be read");
    let (shown, whole) = (replay.replayed(), play(&recording));
    assert_eq!((shown.calls, shown.actions), (whole.calls, whole.actions));
    assert!(shown.calls > 1_000 && !replay.is_masked());
}

#[test]
fn each_action_and_event_of_a_world_is_replayed() {
    let mut world = World::new();
    let tapes = record(&mut world, 2);
    let seed = world.add(geometry(), "all", |_| {});
    let leech = world.add(geometry(), "none", |_| {});
    world.introduce(leech, &[seed]);
    assert!(world.run(Duration::from_secs(60), World::all_finished));
    let events = world.nodes[leech].events.len() as u64;
    // A message each, a connection, and announces.
    let sent = world.nodes[leech].sent.len() as u64;
    let elapsed = world.elapsed();
    drop(world);
    assert_equal(&tapes);
    let replayed = play(&tapes[1].bytes());
    assert_eq!(replayed.events, events);
    assert!((sent..sent + 10).contains(&replayed.actions), "{sent} {}", replayed.actions);
    assert!(replayed.time <= elapsed && replayed.time > elapsed / 2);
}

#[test]
fn worlds_with_attackers_replay_equal() {
    for behaviour in Behaviour::ATTACKS {
        let replayed = play(&leech_beside(behaviour));
        assert!(replayed.parting.is_none(), "{behaviour:?}: {:#?}", replayed.parting);
    }
}

#[test]
fn worlds_with_metadata_pauses_files_and_web_seeds_replay_equal() {
    let geometry =
        Geometry::aligned([5, 100_001, 65_536, 16_385, 400_000], 65_536).expect("a geometry");
    let mut world = World::new();
    let tapes = record(&mut world, 4);
    let seed = world.add(geometry.clone(), "all", |config| {
        config.super_seeding(true).upload_limit(Some(100_000));
    });
    let named = world.add_unready(geometry.clone(), |config| {
        config.needs_metadata(true).transports(Transports::Both);
    });
    let other = world.add(geometry.clone(), "none", |config| {
        config.trackers(vec![vec!["http://tracker.invalid/announce".into()]]);
    });
    let late = world.add(geometry.clone(), "none", |config| {
        config.sequential(true).dht(true);
    });
    for node in [named, other, late] {
        world.introduce(node, &[seed, named, other, late]);
    }
    world.add_web_seed(late, WebServer::new(50_000));
    world.run(Duration::from_secs(2), |_| false);
    world.with(other, |swarm, now| {
        swarm.pause(now);
        swarm.set_priorities(now, Bitfield::new(12), Bitfield::full(12));
        swarm.set_urgent(now, [3, 1]);
        swarm.set_trackers(now, &[vec!["udp://tracker.invalid:1/announce".into()]]);
    });
    world.with(late, |swarm, now| {
        let reader = swarm.add_reader(now, 0..100_000);
        swarm.advance_reader(now, reader, 10);
        swarm.set_wanted(now, Bitfield::full(12));
        swarm.scrape(now);
        assert!(!swarm.peers(now).is_empty() && !swarm.web_seeds(now).is_empty());
        assert!(swarm.stats(now).peers > 0);
    });
    world.run(Duration::from_secs(5), |_| false);
    world.with(other, |swarm, now| swarm.resume(now));
    assert!(world.run(Duration::from_secs(600), World::all_finished));
    assert!(world.nodes[named].has_event(|event| matches!(event, Event::MetadataProgress { .. })));
    drop(world);
    assert_equal(&tapes);
}
