//! Web seeds beside peers and alone, on a virtual clock.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use tinytorrent_sim::{Behaviour, Node, WebServer, World};
use tinytorrent_swarm::{WebSeedKey, WebSeedState};
use tinytorrent_types::{Bitfield, BlockInfo, Geometry};
use tinytorrent_wire::Message;

const MIB: u64 = 1 << 20;

fn geometry(bytes: u64) -> Geometry {
    Geometry::new(bytes, 1 << 18).unwrap()
}

fn leech(world: &mut World, bytes: u64) -> Node {
    world.add(geometry(bytes), "none", |_| {})
}

fn finishes(world: &mut World, node: Node, seconds: u64) -> bool {
    let limit = Duration::from_secs(seconds);
    let is_done = world.run(limit, |world| world.nodes[node].swarm.is_finished());
    world.nodes[node].swarm.check_invariants();
    is_done
}

fn sent(world: &World, node: Node, seed: WebSeedKey) -> Vec<BlockInfo> {
    world.nodes[node].web_seeds[&seed].sent.clone()
}

/// F-17
#[test]
fn a_web_seed_alone_gives_everything_once_and_is_no_peer() {
    let mut world = World::new();
    let node = leech(&mut world, 40 * MIB + 5);
    let seed = world.add_web_seed(node, WebServer::new(20 * MIB));
    assert!(finishes(&mut world, node, 60));
    // The end of the last fetch is reported behind its last block.
    world.run(Duration::from_secs(1), |_| false);
    let now = world.now;
    let stats = world.nodes[node].swarm.stats(now);
    assert_eq!((stats.downloaded, stats.wasted, stats.peers), (40 * MIB + 5, 0, 0));
    assert!(world.nodes[node].swarm.peers(now).is_empty());
    let view = world.nodes[node].swarm.web_seeds(now)[0];
    assert_eq!((view.key, view.downloaded), (seed, 40 * MIB + 5));
    assert_eq!(view.state, WebSeedState::Idle);
    let blocks = sent(&world, node, seed).len() as u64;
    assert_eq!(blocks, (40 * MIB + 5).div_ceil(16_384));
}

/// F-17, F-18: of two sources, no block comes twice but at the end, and both help.
#[test]
fn a_web_seed_and_a_peer_share_the_work() {
    let mut world = World::new();
    world.uplink = 4 * MIB;
    let peer = world.add(geometry(64 * MIB), "all", |_| {});
    let node = leech(&mut world, 64 * MIB);
    let seed = world.add_web_seed(node, WebServer::new(4 * MIB));
    world.introduce(node, &[peer]);
    assert!(finishes(&mut world, node, 60));
    let now = world.now;
    let stats = world.nodes[node].swarm.stats(now);
    assert_eq!((stats.downloaded, stats.wasted), (64 * MIB, 0));
    let from_web = world.nodes[node].swarm.web_seeds(now)[0].downloaded;
    assert!((20 * MIB..44 * MIB).contains(&from_web), "{from_web}");
    assert!(world.elapsed() < Duration::from_secs(12), "{:?}", world.elapsed());
    // The web seed begins at the beginning, and the peer at the end.
    assert_eq!(sent(&world, node, seed)[0].piece().get(), 0);
    let of_peer = world.nodes[node].sent.iter().filter_map(|(_, message)| match message {
        Message::Request(request) => Some(request.index),
        _ => None,
    });
    // But for those that it allows us before it unchokes us (BEP 6).
    let of_peer: Vec<_> = of_peer.collect();
    let near = of_peer.iter().filter(|&&index| index < 100).count();
    assert!(of_peer.contains(&255) && near < 10 * 16, "{near} requests near the beginning");
}

/// F-18: slow and silent servers hold up nobody, also those that were asked for everything.
#[test]
fn a_slow_web_seed_leaves_to_peers_what_they_send_sooner() {
    for (bytes_per_second, sends_whole_files) in
        [(1, false), (1 << 10, true), (20 << 10, false), (20 << 10, true), (256 << 10, true)]
    {
        let mut world = World::new();
        world.uplink = MIB;
        let peer = world.add(geometry(16 * MIB), "all", |_| {});
        let node = leech(&mut world, 16 * MIB);
        let server = WebServer { sends_whole_files, ..WebServer::new(bytes_per_second) };
        world.add_web_seed(node, server);
        world.introduce(node, &[peer]);
        let what = (bytes_per_second, sends_whole_files);
        assert!(finishes(&mut world, node, 600), "{what:?}");
        // The peer alone takes 16 s.
        assert!(world.elapsed() < Duration::from_secs(21), "{what:?}: {:?}", world.elapsed());
        let now = world.now;
        let stats = world.nodes[node].swarm.stats(now);
        assert_eq!(stats.downloaded, 16 * MIB, "{what:?}");
        assert!(stats.wasted < MIB, "{what:?}: {}", stats.wasted);
    }
}

/// F-18: and the other way round.
#[test]
fn slow_peers_leave_to_a_web_seed_what_it_sends_sooner() {
    for uplink in [1, 1 << 10, 20 << 10] {
        let mut world = World::new();
        world.uplink = uplink;
        let peers: Vec<_> = (0..5).map(|_| world.add(geometry(16 * MIB), "all", |_| {})).collect();
        let node = leech(&mut world, 16 * MIB);
        world.add_web_seed(node, WebServer::new(MIB));
        world.introduce(node, &peers);
        assert!(finishes(&mut world, node, 600), "{uplink}");
        // The web seed alone takes 16 s.
        assert!(world.elapsed() < Duration::from_secs(21), "{uplink}: {:?}", world.elapsed());
    }
}

/// F-18
#[test]
fn a_web_seed_begins_with_the_largest_gap() {
    let mut world = World::new();
    let have = format!("{}{}{}{}", "#".repeat(8), ".".repeat(10), "#", ".".repeat(45));
    let node = world.add(geometry(16 * MIB), &have, |_| {});
    let seed = world.add_web_seed(node, WebServer::new(MIB));
    assert!(finishes(&mut world, node, 60));
    let sent = sent(&world, node, seed);
    assert_eq!(sent[0].piece().get(), 19);
    assert_eq!(sent.len(), 55 * 16);
}

/// F-09
#[test]
fn a_wrong_file_is_not_asked_for_again_and_others_are() {
    let mut world = World::new();
    let node = leech(&mut world, 16 * MIB);
    let server = WebServer { wrong: 8..16, ..WebServer::new(10 * MIB) };
    let seed = world.add_web_seed(node, server);
    assert!(!finishes(&mut world, node, 60), "the wrong file comes from nobody");
    let have = world.nodes[node].swarm.have().unwrap().count();
    assert_eq!(have, 56);
    let wrong = sent(&world, node, seed);
    let of_wrong = wrong.iter().filter(|block| (8..16).contains(&block.piece().get())).count();
    assert!(of_wrong <= 2 * 8 * 16, "{of_wrong} blocks of a file that is wrong");
    // A peer that has it completes the download.
    let peer = world.add(geometry(16 * MIB), "all", |_| {});
    world.introduce(node, &[peer]);
    assert!(finishes(&mut world, node, 60));
}

/// F-06
#[test]
fn a_missing_file_does_not_fail_the_others() {
    let mut world = World::new();
    let node = leech(&mut world, 16 * MIB);
    let server = WebServer { missing: 20..40, ..WebServer::new(10 * MIB) };
    let seed = world.add_web_seed(node, server);
    assert!(!finishes(&mut world, node, 60));
    assert_eq!(world.nodes[node].swarm.have().unwrap().count(), 44);
    let now = world.now;
    assert_eq!(world.nodes[node].swarm.web_seeds(now)[0].failures, 0);
    assert_eq!(sent(&world, node, seed).len(), 44 * 16);
}

/// F-07
#[test]
fn a_busy_server_is_left_alone_for_a_while() {
    let mut world = World::new();
    let node = leech(&mut world, MIB);
    world.add_web_seed(node, WebServer { busy: 2, ..WebServer::new(10 * MIB) });
    world.run(Duration::from_secs(5), |_| false);
    let now = world.now;
    let state = world.nodes[node].swarm.web_seeds(now)[0].state;
    assert!(matches!(state, WebSeedState::Resting(_)), "{state:?}");
    assert!(finishes(&mut world, node, 200));
    let took = world.elapsed().as_secs();
    assert!((90..100).contains(&took), "30 s, then 60 s, and not {took}");
}

/// F-12: what has come of a fetch that breaks is kept.
#[test]
fn a_connection_that_breaks_costs_no_block() {
    let mut world = World::new();
    let node = leech(&mut world, 8 * MIB);
    let seed = world.add_web_seed(node, WebServer { breaks: 3, ..WebServer::new(10 * MIB) });
    assert!(finishes(&mut world, node, 300));
    assert_eq!(sent(&world, node, seed).len(), 8 * 64);
}

/// F-15
#[test]
fn the_download_limit_holds_for_web_seeds() {
    let mut world = World::new();
    let node = world.add(geometry(8 * MIB), "none", |config| {
        config.download_limit(Some(MIB));
    });
    world.add_web_seed(node, WebServer::new(100 * MIB));
    assert!(finishes(&mut world, node, 60));
    let took = world.elapsed().as_secs_f64();
    assert!((7.5..9.0).contains(&took), "{took}");
}

#[test]
fn a_pause_ends_fetches_and_nothing_is_lost() {
    let mut world = World::new();
    let node = leech(&mut world, 8 * MIB);
    let seed = world.add_web_seed(node, WebServer::new(2 * MIB));
    world.run(Duration::from_secs(1), |_| false);
    world.with(node, |swarm, now| swarm.pause(now));
    let before = sent(&world, node, seed).len();
    assert!(before > 0);
    world.run(Duration::from_secs(10), |_| false);
    assert_eq!(sent(&world, node, seed).len(), before);
    world.with(node, |swarm, now| swarm.resume(now));
    assert!(finishes(&mut world, node, 60));
    assert_eq!(sent(&world, node, seed).len(), 8 * 64);
}

#[test]
fn only_wanted_pieces_are_fetched() {
    let mut world = World::new();
    let node = leech(&mut world, 16 * MIB);
    let seed = world.add_web_seed(node, WebServer::new(MIB));
    world.run(Duration::from_millis(200), |_| false);
    let mut wanted = Bitfield::new(64);
    let geometry = geometry(16 * MIB);
    geometry.pieces().skip(40).take(8).for_each(|piece| _ = wanted.insert(piece));
    world.with(node, |swarm, now| swarm.set_wanted(now, wanted.clone()));
    let before = sent(&world, node, seed).len();
    assert!(finishes(&mut world, node, 60));
    let after = sent(&world, node, seed);
    assert!(after[before..].iter().all(|block| wanted.contains(block.piece())));
}

#[test]
fn what_a_reader_waits_for_comes_first() {
    let mut world = World::new();
    let node = leech(&mut world, 64 * MIB);
    let seed = world.add_web_seed(node, WebServer::new(2 * MIB));
    // All connections are busy with the beginning.
    world.run(Duration::from_secs(4), |_| false);
    world.with(node, |swarm, now| {
        swarm.add_reader(now, 48 * MIB..49 * MIB);
    });
    let has =
        |world: &World| (192..196).all(|index| world.nodes[node].swarm.have().unwrap().get(index));
    assert!(
        world.run(Duration::from_secs(3), has),
        "a MiB at two a second, and no queue before it"
    );
    assert!(sent(&world, node, seed).iter().any(|block| block.piece().get() == 192));
}

#[test]
fn a_web_seed_that_is_removed_leaves_its_blocks_to_others() {
    let mut world = World::new();
    let node = leech(&mut world, 16 * MIB);
    let slow = world.add_web_seed(node, WebServer::new(1));
    world.run(Duration::from_secs(1), |_| false);
    let quick = world.add_web_seed(node, WebServer::new(10 * MIB));
    world.run(Duration::from_secs(20), |_| false);
    assert!(!world.nodes[node].swarm.is_finished(), "a part is the slow one's");
    world.with(node, |swarm, now| swarm.remove_web_seed(now, slow));
    assert!(finishes(&mut world, node, 20));
    let mut times = HashMap::new();
    sent(&world, node, quick).into_iter().for_each(|block| *times.entry(block).or_insert(0) += 1);
    assert!(times.values().all(|&times| times == 1));
}

/// F-04, F-14
#[test]
fn a_server_of_whole_files_does_not_rest_for_that() {
    let mut world = World::new();
    let node = leech(&mut world, 16 * MIB);
    let server = WebServer { sends_whole_files: true, ..WebServer::new(10 * MIB) };
    let seed = world.add_web_seed(node, server);
    assert!(finishes(&mut world, node, 5));
    let now = world.now;
    assert_eq!(world.nodes[node].swarm.web_seeds(now)[0].failures, 0);
    assert_eq!(sent(&world, node, seed).len(), 16 * 64);
}

/// A web seed with some of the faults that servers have.
fn server() -> impl Strategy<Value = WebServer> {
    let missing = prop_oneof![Just(0..0), (0..20_u32).prop_map(|first| first..first + 5)];
    (1..8_u64, missing, 0..2_u32, 0..3_u32, any::<bool>()).prop_map(
        |(speed, missing, busy, breaks, sends_whole_files)| WebServer {
            missing,
            busy,
            breaks,
            sends_whole_files,
            ..WebServer::new(speed * MIB / 2)
        },
    )
}

/// The pieces of a peer, the bytes a second that it sends, and its behaviour.
fn peer() -> impl Strategy<Value = (String, u64, Behaviour)> {
    let have = prop_oneof![Just("all".to_owned()), "[#.]{24}"];
    let behaviour = prop_oneof![
        4 => Just(Behaviour::Honest),
        1 => Just(Behaviour::Stalls),
        1 => (1..20_u32).prop_map(Behaviour::StallsAfter),
        1 => (1..4_u32).prop_map(Behaviour::Trickles),
        1 => Just(Behaviour::Rejects),
    ];
    (have, 1..8_u64, behaviour).prop_map(|(have, speed, how)| (have, speed * MIB / 2, how))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// F-17: whatever peers and web seeds do, all comes from one honest web seed, and what comes twice are the blocks
    /// that were taken over from somebody who was late.
    #[test]
    fn a_swarm_with_web_seeds_and_peers_completes_and_little_comes_twice(
        servers in prop::collection::vec(server(), 0..3),
        peers in prop::collection::vec(peer(), 0..4),
    ) {
        let mut world = World::new();
        world.check_every = 64;
        let content = 6 * MIB - 7;
        let peers: Vec<Node> = peers.into_iter().map(|(have, uplink, behaviour)| {
            let peer = world.add(geometry(content), &have, |_| {});
            world.nodes[peer].behaviour = behaviour;
            world.nodes[peer].uplink = Some(uplink);
            peer
        }).collect();
        let node = leech(&mut world, content);
        world.introduce(node, &peers);
        for server in servers {
            world.add_web_seed(node, server);
        }
        world.add_web_seed(node, WebServer::new(2 * MIB));
        prop_assert!(finishes(&mut world, node, 300));
        world.run(Duration::from_secs(5), |_| false);
        let now = world.now;
        let stats = world.nodes[node].swarm.stats(now);
        prop_assert_eq!(stats.downloaded, content);
        prop_assert!(stats.wasted <= MIB, "{} bytes came twice", stats.wasted);
        let from_web: u64 =
            world.nodes[node].swarm.web_seeds(now).iter().map(|view| view.downloaded).sum();
        prop_assert!(world.nodes[node].swarm.downloaded_from_web_seeds() <= from_web);
    }
}
