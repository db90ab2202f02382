//! Swarms that talk to each other on a clock of their own.

use std::io::ErrorKind;
use std::time::Duration;

use tinytorrent_sim::{Behaviour, World, address_of};
use tinytorrent_swarm::{DiskError, Event, Input, LeaveReason};
use tinytorrent_tracker::AnnounceEvent;
use tinytorrent_types::{Bitfield, Geometry};
use tinytorrent_wire::Message;

const MINUTE: Duration = Duration::from_secs(60);

/// 32 pieces of 64 KiB, the last one shorter.
fn geometry() -> Geometry {
    Geometry::new(32 * 65_536 - 20_000, 65_536).unwrap()
}

#[test]
fn a_leecher_gets_everything_from_a_seed() {
    let mut world = World::new();
    let seed = world.add(geometry(), "all", |_| {});
    let leech = world.add(geometry(), "none", |_| {});
    world.introduce(leech, &[seed]);
    assert!(world.run(MINUTE, World::all_finished));
    let stats = world.nodes[leech].swarm.stats(world.now);
    assert_eq!(stats.downloaded, geometry().total_length());
    assert_eq!((stats.wasted, stats.left), (0, 0));
    assert!(world.nodes[leech].has_event(|event| *event == Event::Finished));
}

// V-15: no request goes beyond the end of a file.
#[test]
fn pieces_that_end_with_their_file_are_asked_for_to_their_end() {
    let geometry = Geometry::aligned([5, 100_001, 65_536, 16_385, 400_000], 65_536).unwrap();
    let mut world = World::new();
    let seed = world.add(geometry.clone(), "all", |_| {});
    let leech = world.add(geometry.clone(), "none", |_| {});
    world.introduce(leech, &[seed]);
    assert!(world.run(MINUTE, World::all_finished));
    let stats = world.nodes[leech].swarm.stats(world.now);
    assert_eq!(stats.downloaded, geometry.total_length());
    assert_eq!((stats.have_bytes, stats.left), (5 + 100_001 + 65_536 + 16_385 + 400_000, 0));
}

#[test]
fn a_seed_that_comes_to_us_serves_as_well() {
    let mut world = World::new();
    let leech = world.add(geometry(), "none", |_| {});
    let seed = world.add(geometry(), "all", |_| {});
    world.introduce(seed, &[leech]);
    assert!(world.run(MINUTE, World::all_finished));
}

#[test]
fn two_halves_make_two_wholes() {
    let mut world = World::new();
    let a = world.add(geometry(), "################................", |_| {});
    let b = world.add(geometry(), "................################", |_| {});
    world.introduce(a, &[b]);
    assert!(world.run(MINUTE, World::all_finished));
    assert_eq!(world.nodes[a].swarm.stats(world.now).wasted, 0);
}

#[test]
fn both_ends_dial_at_once_and_one_connection_stays() {
    // W-56
    let mut world = World::new();
    world.uplink = 50_000;
    let a = world.add(geometry(), "################................", |_| {});
    let b = world.add(geometry(), "................################", |_| {});
    world.introduce(a, &[b]);
    world.introduce(b, &[a]);
    // A round trip for the handshakes, one for what the peers say of themselves, and one for the proof.
    world.run(Duration::from_millis(180), |_| false);
    for node in [a, b] {
        assert_eq!(world.nodes[node].swarm.stats(world.now).peers, 1);
    }
    assert!(world.run(5 * MINUTE, World::all_finished));
    let joined = |node: usize| {
        let events = world.nodes[node].events.iter();
        events.filter(|event| matches!(event, Event::PeerJoined { .. })).count()
    };
    assert_eq!([joined(a), joined(b)], [2, 2], "none is made anew");
}

#[test]
fn a_seed_that_dials_those_who_dial_it_counts_each_once() {
    // W-56
    let mut world = World::new();
    world.uplink = 50_000;
    let seed = world.add(geometry(), "all", |_| {});
    let crowd: Vec<_> = (0..12).map(|_| world.add(geometry(), "none", |_| {})).collect();
    for &node in &crowd {
        world.introduce(node, &[seed]);
    }
    world.introduce(seed, &crowd);
    world.run(Duration::from_millis(180), |_| false);
    assert_eq!(world.nodes[seed].swarm.stats(world.now).peers, 12);
    for &node in &crowd {
        assert_eq!(world.nodes[node].swarm.stats(world.now).peers, 1);
    }
}

#[test]
fn a_crowd_of_leechers_feeds_itself() {
    let mut world = World::new();
    let seed = world.add(geometry(), "all", |_| {});
    let crowd: Vec<_> = (0..12).map(|_| world.add(geometry(), "none", |_| {})).collect();
    for &node in &crowd {
        let mut others = crowd.clone();
        others.retain(|&other| other != node);
        others.push(seed);
        world.introduce(node, &others);
    }
    assert!(world.run(10 * MINUTE, World::all_finished));
    let from_seed = world.nodes[seed].swarm.stats(world.now).uploaded;
    assert!(from_seed < 9 * geometry().total_length(), "the crowd shares: {from_seed}");
}

#[test]
fn the_liars_are_banned_and_the_honest_are_not() {
    // S-05: one honest and two corrupting seeds.
    let mut world = World::new();
    let honest = world.add(geometry(), "all", |_| {});
    let liars = [3, 5].map(|every| {
        let liar = world.add(geometry(), "all", |_| {});
        world.nodes[liar].behaviour = Behaviour::Corrupt(every);
        liar
    });
    let leech = world.add(geometry(), "none", |_| {});
    world.introduce(leech, &[honest, liars[0], liars[1]]);
    assert!(world.run(5 * MINUTE, |world| world.nodes[leech].swarm.is_finished()));
    let mut banned = world.nodes[leech].banned();
    banned.sort();
    assert_eq!(banned, liars.map(address_of));
    assert!(world.nodes[leech].swarm.stats(world.now).hash_failures > 0);
}

#[test]
fn padding_that_nobody_sent_is_not_wasted() {
    let geometry = Geometry::new(65_536, 65_536).unwrap().padded([(0, 40_000)]);
    let mut world = World::new();
    let liar = world.add(geometry.clone(), "all", |_| {});
    world.nodes[liar].behaviour = Behaviour::Corrupt(1);
    let leech = world.add(geometry, "none", |_| {});
    world.introduce(leech, &[liar]);
    world.run(MINUTE, |world| !world.nodes[leech].banned().is_empty());
    let stats = world.nodes[leech].swarm.stats(world.now);
    assert_eq!((stats.wasted, stats.downloaded), (2 * 16_384, 2 * 16_384));
}

#[test]
fn a_stalled_peer_does_not_hold_up_the_rest() {
    // S-07
    let mut world = World::new();
    let stalled = world.add(geometry(), "all", |_| {});
    world.nodes[stalled].behaviour = Behaviour::Stalls;
    let honest = world.add(geometry(), "all", |_| {});
    let leech = world.add(geometry(), "none", |_| {});
    world.introduce(leech, &[stalled, honest]);
    assert!(world.run(MINUTE, |world| world.nodes[leech].swarm.is_finished()));
    assert!(world.elapsed() < Duration::from_secs(30), "the end game helps: {:?}", world.elapsed());
}

#[test]
fn what_a_lone_stalled_peer_owes_is_asked_of_the_next() {
    let mut world = World::new();
    let stalled = world.add(geometry(), "all", |_| {});
    world.nodes[stalled].behaviour = Behaviour::Stalls;
    let leech = world.add(geometry(), "none", |_| {});
    world.introduce(leech, &[stalled]);
    world.run(Duration::from_secs(45), |_| false);
    let honest = world.add(geometry(), "all", |_| {});
    world.introduce(leech, &[honest]);
    assert!(world.run(MINUTE, |world| world.nodes[leech].swarm.is_finished()));
}

#[test]
fn slow_peers_do_not_take_over_from_each_other_for_ever() {
    let mut world = World::new();
    let slow: Vec<_> = (0..3).map(|_| world.add(geometry(), "all", |_| {})).collect();
    let leech = world.add(geometry(), "none", |_| {});
    world.introduce(leech, &slow);
    // They deliver for a while, and then fall silent all at once.
    world.run(Duration::from_millis(200), |_| false);
    for &node in &slow {
        world.nodes[node].behaviour = Behaviour::Stalls;
    }
    world.run(5 * MINUTE, |_| false);
    let honest = world.add(geometry(), "all", |_| {});
    world.introduce(leech, &[honest]);
    assert!(world.run(MINUTE, |world| world.nodes[leech].swarm.is_finished()));
}

#[test]
fn metadata_comes_from_peers_and_nobody_is_dropped_for_it() {
    // the bitfield said before the metadata counts after it.
    let mut world = World::new();
    let seed = world.add(geometry(), "all", |_| {});
    let magnet = world.add_unready(geometry(), |config| {
        config.needs_metadata(true);
    });
    world.introduce(magnet, &[seed]);
    assert!(world.run(MINUTE, |world| world.nodes[magnet].swarm.is_finished()));
    let joined = world.nodes[magnet].events.iter();
    assert_eq!(joined.filter(|event| matches!(event, Event::PeerJoined { .. })).count(), 1);
    let progress = |bytes| Event::MetadataProgress { bytes, total: 40_000 };
    for bytes in [16_384, 2 * 16_384] {
        assert!(world.nodes[magnet].has_event(|event| *event == progress(bytes)));
    }
}

#[test]
fn a_liar_about_metadata_does_not_keep_a_magnet_from_resolving() {
    //
    let mut world = World::new();
    let liar = world.add(geometry(), "all", |_| {});
    world.nodes[liar].behaviour = Behaviour::LiesAboutMetadata;
    let honest = world.add(geometry(), "all", |_| {});
    let magnet = world.add_unready(geometry(), |config| {
        config.needs_metadata(true);
    });
    world.introduce(magnet, &[liar, honest]);
    assert!(world.run(5 * MINUTE, |world| world.nodes[magnet].swarm.is_finished()));
}

#[test]
fn choked_peer_is_not_asked() {
    // W-43, W-44: but for the pieces that it allows fast.
    let mut world = World::new();
    let geometry = Geometry::new(64 << 15, 1 << 15).unwrap();
    let seed = world.add(geometry.clone(), "all", |config| {
        config.upload_slots(0);
    });
    let leech = world.add(geometry, "none", |_| {});
    world.introduce(leech, &[seed]);
    world.run(MINUTE, |_| false);
    assert_eq!(world.nodes[leech].count_sent("interested"), 1);
    assert_eq!(world.nodes[seed].count_sent("allowed fast"), 10);
    assert_eq!(world.nodes[leech].count_sent("request"), 20, "two blocks of each of the ten");
    assert_eq!(world.nodes[leech].swarm.have().map(Bitfield::count), Some(10));
}

#[test]
fn leechers_that_queue_for_one_slot_all_finish() {
    let mut world = World::new();
    world.uplink = 20_000;
    let seed = world.add(geometry(), "all", |config| {
        // Nobody is to find another source.
        config.upload_slots(1).exchange(false);
    });
    let crowd: Vec<_> = (0..3).map(|_| world.add(geometry(), "none", |_| {})).collect();
    for &node in &crowd {
        world.introduce(node, &[seed]);
    }
    assert!(world.run(60 * MINUTE, World::all_finished));
    assert!(world.nodes[seed].count_sent("choke") > 3, "the slot goes round");
    for &node in &crowd {
        let stats = world.nodes[node].swarm.stats(world.now);
        assert_eq!((stats.downloaded, stats.wasted), (geometry().total_length(), 0));
    }
}

/// Of a crowd that is interested and asks for nothing, one peer that asks is served all the same.
fn is_served_in_a_crowd_that_asks_for_nothing(have: &str) {
    let mut world = World::new();
    let source = world.add(geometry(), have, |config| _ = config.exchange(false));
    let join = |world: &mut World| {
        let node = world.add(geometry(), "none", |config| _ = config.exchange(false));
        world.introduce(node, &[source]);
        node
    };
    for _ in 0..30 {
        let idle = join(&mut world);
        world.nodes[idle].behaviour = Behaviour::AsksNothing;
    }
    world.run(Duration::from_secs(1), |_| false);
    let honest = join(&mut world);
    let begins = world.now;
    let downloads = |world: &World| !world.nodes[honest].received.is_empty();
    assert!(world.run(Duration::from_secs(15), downloads), "{have}");
    let has_half = |world: &World| world.nodes[honest].swarm.have().unwrap().count() >= 16;
    assert!(world.run(Duration::from_secs(15), has_half), "{have}");
    assert!(world.now - begins < Duration::from_secs(20));
}

#[test]
fn who_asks_gets_a_slot_of_those_who_do_not() {
    // S-23
    is_served_in_a_crowd_that_asks_for_nothing("all");
    is_served_in_a_crowd_that_asks_for_nothing("################................");
}

#[test]
fn the_tracker_hears_started_completed_and_stopped_once() {
    // T-07, H-23
    let mut world = World::new();
    let seed = world.add(geometry(), "all", |_| {});
    let leech = world.add_unready(geometry(), |config| {
        config.trackers(vec![vec!["udp://192.0.2.9:6969/announce".into()]]);
    });
    world.nodes[leech].tracker_peers = vec![address_of(seed)];
    world.ready(leech, Bitfield::new(geometry().piece_count()));
    assert!(world.run(MINUTE, |world| world.nodes[leech].swarm.is_finished()));
    world.run(Duration::from_secs(1), |_| false);
    world.with(leech, |swarm, now| swarm.stop(now));
    assert!(world.run(MINUTE, |world| world.nodes[leech].swarm.is_stopped()));
    let announces = &world.nodes[leech].announces;
    let events: Vec<_> = announces.iter().map(|task| task.request.event).collect();
    use AnnounceEvent::{Completed, Started, Stopped};
    assert_eq!(events, [Started, Completed, Stopped]);
    assert_eq!(announces[0].request.left, Some(geometry().total_length()));
    assert_eq!(announces[1].request.left, Some(0));
    assert_eq!(announces[1].request.downloaded, geometry().total_length());
}

#[test]
fn the_tracker_is_asked_again_when_nobody_is_left() {
    // T-12
    let mut world = World::new();
    let leech = world.add(geometry(), "none", |config| {
        config.trackers(vec![vec!["udp://192.0.2.9:6969/announce".into()]]);
    });
    world.run(12 * MINUTE, |_| false);
    // The tracker said half an hour.
    let announces = world.nodes[leech].announces.len();
    assert!((2..=4).contains(&announces), "{announces} announces in twelve lonely minutes");
}

#[test]
fn peers_learn_of_each_other_from_a_common_one() {
    //
    let mut world = World::new();
    world.uplink = 20_000;
    let hub = world.add(geometry(), "all", |_| {});
    let a = world.add(geometry(), "################................", |_| {});
    let b = world.add(geometry(), "................################", |_| {});
    world.introduce(a, &[hub]);
    world.introduce(b, &[hub]);
    let met = |world: &World| {
        let joined = world.nodes[a].events.iter();
        let others = joined.filter_map(|event| match event {
            Event::PeerJoined { address, .. } => Some(address.ip()),
            _ => None,
        });
        others.clone().any(|ip| ip == address_of(b).ip())
    };
    assert!(world.run(2 * MINUTE, met));
}

#[test]
fn a_private_torrent_exchanges_nobody() {
    // X-24, BEP 27
    let mut world = World::new();
    world.is_private = true;
    world.uplink = 20_000;
    let hub = world.add(geometry(), "all", |_| {});
    let a = world.add(geometry(), "none", |_| {});
    let b = world.add(geometry(), "none", |_| {});
    world.introduce(a, &[hub]);
    world.introduce(b, &[hub]);
    world.run(3 * MINUTE, |_| false);
    assert!(world.nodes[a].events.iter().all(|event| match event {
        Event::PeerJoined { address, .. } => address.ip() == address_of(hub).ip(),
        _ => true,
    }));
}

#[test]
fn two_seeds_have_nothing_for_each_other() {
    // W-52
    let mut world = World::new();
    let a = world.add(geometry(), "all", |_| {});
    let b = world.add(geometry(), "all", |_| {});
    world.introduce(a, &[b]);
    world.run(Duration::from_secs(1), |_| false);
    let reasons = |node: usize| world.nodes[node].disconnected.iter().map(|(_, r)| r.clone());
    let all: Vec<_> = reasons(a).chain(reasons(b)).collect();
    assert!(!all.is_empty() && all.iter().all(|reason| *reason == LeaveReason::Useless));
}

#[test]
fn a_connection_to_ourselves_is_closed_and_not_tried_again() {
    // W-04
    let mut world = World::new();
    let node = world.add(geometry(), "none", |_| {});
    world.introduce(node, &[node]);
    world.run(10 * MINUTE, |_| false);
    let left = &world.nodes[node].disconnected;
    assert!(left.iter().all(|(_, reason)| *reason == LeaveReason::OurselvesFound));
    assert!((1..=2).contains(&left.len()), "{left:?}");
}

#[test]
fn a_silent_peer_is_left_and_a_living_one_kept() {
    // W-11: both ends send keep-alives, so nobody is left.
    let mut world = World::new();
    let a = world.add(geometry(), "none", |_| {});
    let b = world.add(geometry(), "none", |_| {});
    world.introduce(a, &[b]);
    world.run(30 * MINUTE, |_| false);
    assert_eq!(world.nodes[a].swarm.stats(world.now).peers, 1);
    assert!(world.nodes[a].count_sent("keep-alive") >= 10);
}

#[test]
fn a_rate_limit_holds() {
    let mut world = World::new();
    let seed = world.add(geometry(), "all", |_| {});
    let leech = world.add(geometry(), "none", |config| {
        config.download_limit(Some(100_000));
    });
    world.introduce(leech, &[seed]);
    assert!(world.run(5 * MINUTE, |world| world.nodes[leech].swarm.is_finished()));
    let rate = geometry().total_length() as f64 / world.elapsed().as_secs_f64();
    assert!((80_000.0..=110_000.0).contains(&rate), "{rate}");
}

#[test]
fn an_upload_limit_is_shared_fairly() {
    // S-24
    let mut world = World::new();
    let seed = world.add(geometry(), "all", |config| {
        config.upload_limit(Some(200_000));
    });
    let crowd: Vec<_> = (0..4)
        .map(|_| {
            world.add(geometry(), "none", |config| {
                config.exchange(false);
            })
        })
        .collect();
    for &node in &crowd {
        world.introduce(node, &[seed]);
    }
    world.run(Duration::from_secs(20), |_| false);
    let got: Vec<_> =
        crowd.iter().map(|&node| world.nodes[node].swarm.stats(world.now).downloaded).collect();
    let (least, most) = (got.iter().min().unwrap(), got.iter().max().unwrap());
    assert!(most - least <= 8 * 16_384, "{got:?}");
    assert!((3_500_000..=4_400_000).contains(&got.iter().sum::<u64>()), "{got:?}");
}

#[test]
fn a_download_limit_gives_each_peer_a_turn() {
    // S-24
    let mut world = World::new();
    let seeds: Vec<_> = (0..4).map(|_| world.add(geometry(), "all", |_| {})).collect();
    let leech = world.add(geometry(), "none", |config| {
        config.download_limit(Some(200_000));
    });
    world.introduce(leech, &seeds);
    assert!(world.run(MINUTE, |world| world.nodes[leech].swarm.is_finished()));
    let gave: Vec<_> =
        seeds.iter().map(|&node| world.nodes[node].swarm.stats(world.now).uploaded).collect();
    let (least, most) = (gave.iter().min().unwrap(), gave.iter().max().unwrap());
    assert!(most < &(2 * least), "{gave:?}");
}

#[test]
fn the_end_game_wastes_little() {
    // S-06
    let mut world = World::new();
    let geometry = Geometry::new(24 << 20, 1 << 18).unwrap();
    let seeds: Vec<_> = (0..8).map(|_| world.add(geometry.clone(), "all", |_| {})).collect();
    let leech = world.add(geometry, "none", |_| {});
    world.introduce(leech, &seeds);
    assert!(world.run(5 * MINUTE, |world| world.nodes[leech].swarm.is_finished()));
    let stats = world.nodes[leech].swarm.stats(world.now);
    assert!(stats.wasted * 100 < stats.downloaded, "{} wasted", stats.wasted);
}

#[test]
fn an_unreachable_peer_costs_nothing_but_its_own_place() {
    let mut world = World::new();
    let dead: Vec<_> = (0..5)
        .map(|_| {
            let dead = world.add(geometry(), "all", |_| {});
            world.nodes[dead].behaviour = Behaviour::Unreachable;
            dead
        })
        .collect();
    let seed = world.add(geometry(), "all", |_| {});
    let leech = world.add(geometry(), "none", |_| {});
    world.introduce(leech, &dead);
    world.introduce(leech, &[seed]);
    assert!(world.run(MINUTE, |world| world.nodes[leech].swarm.is_finished()));
    assert!(world.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_connection_that_is_left_before_its_answer_is_gone_at_both_ends() {
    let mut world = World::new();
    let a = world.add(geometry(), "none", |_| {});
    let b = world.add(geometry(), "none", |_| {});
    world.introduce(a, &[b]);
    // The handshake is there, its answer on the way.
    world.run(Duration::from_millis(30), |_| false);
    assert_eq!(world.nodes[b].swarm.stats(world.now).peers, 1);
    world.with(a, |swarm, now| swarm.pause(now));
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!(world.nodes[b].swarm.stats(world.now).peers, 0);
}

#[test]
fn what_was_stopped_is_not_resumed() {
    for is_stopped in [false, true] {
        let mut world = World::new();
        let seed = world.add(geometry(), "all", |_| {});
        let leech = world.add(geometry(), "none", |_| {});
        world.introduce(leech, &[seed]);
        world.with(leech, |swarm, now| if is_stopped { swarm.stop(now) } else { swarm.pause(now) });
        world.run(MINUTE, |_| false);
        world.with(leech, |swarm, now| swarm.resume(now));
        assert_eq!(world.run(MINUTE, World::all_finished), !is_stopped);
        assert_eq!(world.nodes[leech].swarm.is_stopped(), is_stopped);
    }
}

#[test]
fn a_disk_that_fails_pauses_the_torrent() {
    // S-13
    let mut world = World::new();
    let seed = world.add(geometry(), "all", |_| {});
    let leech = world.add(geometry(), "none", |_| {});
    world.introduce(leech, &[seed]);
    world.run(Duration::from_millis(200), |_| false);
    let full = DiskError { kind: ErrorKind::StorageFull, message: "no space left".into() };
    world.input(leech, Input::DiskFailed { piece: None, error: full });
    world.run(MINUTE, |_| false);
    assert!(world.nodes[leech].has_event(|event| matches!(event, Event::Paused { .. })));
    assert_eq!(world.nodes[leech].swarm.stats(world.now).peers, 0);
}

#[test]
fn the_same_seed_gives_the_same_story() {
    let story = || {
        let mut world = World::new();
        let seed = world.add(geometry(), "all", |_| {});
        let crowd: Vec<_> = (0..3).map(|_| world.add(geometry(), "none", |_| {})).collect();
        for &node in &crowd {
            world.introduce(node, &[seed]);
        }
        assert!(world.run(10 * MINUTE, World::all_finished));
        let requests =
            world.nodes[crowd[0]].sent.iter().filter_map(|(to, message)| match message {
                Message::Request(request) => Some((*to, *request)),
                _ => None,
            });
        (requests.collect::<Vec<_>>(), world.elapsed())
    };
    assert_eq!(story(), story());
}
