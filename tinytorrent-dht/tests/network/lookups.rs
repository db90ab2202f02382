//! What look-ups find, and what they cost.

use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use tinytorrent_dht::{Announce, Event, Item, NodeId, SearchId, SearchReport};
use tinytorrent_types::WireInfoHash;

use crate::world::World;

fn hash(n: u8) -> WireInfoHash {
    WireInfoHash::from_bytes([n.wrapping_mul(37); 20])
}

fn end_of(world: &World, index: usize, search: SearchId) -> Option<SearchReport> {
    world.nodes[index].events.iter().find_map(|(_, event)| match event {
        Event::SearchEnded { search: ended, report } if *ended == search => Some(report.clone()),
        _ => None,
    })
}

/// Runs a search to its end.
#[track_caller]
fn run(
    world: &mut World,
    index: usize,
    begin: impl FnOnce(std::time::Instant, &mut tinytorrent_dht::Node) -> SearchId,
) -> SearchReport {
    let search = world.with(index, begin);
    world.run_until(|world| end_of(world, index, search).is_some());
    world.check_invariants();
    end_of(world, index, search).unwrap()
}

fn peers_of(world: &World, index: usize) -> Vec<SocketAddr> {
    let peers = world.nodes[index].events.iter().filter_map(|(_, event)| match event {
        Event::PeersFound { peers, .. } => Some(peers.clone()),
        _ => None,
    });
    let mut peers: Vec<_> = peers.flatten().collect();
    peers.sort();
    peers
}

fn at_port(world: &World, index: usize, port: u16) -> SocketAddr {
    SocketAddr::new(world.nodes[index].address.ip(), port)
}

const ANNOUNCE: Announce = Announce { port: Some(5_000), is_seed: false };

#[test]
fn announced_peers_are_found_with_the_closest_nodes() {
    // D-20, D-37, D-44
    let mut world = World::network(1, 200);
    for n in 0..5 {
        let report = run(&mut world, 10, |now, node| node.announce(now, hash(n), ANNOUNCE));
        assert_eq!(report.stored, 8);
        let closest = world.closest(hash(n).into(), 8);
        let found: Vec<_> = report.closest.iter().map(|node| node.address).collect();
        let others = closest.iter().filter(|index| **index != 10);
        let right = others.filter(|index| found.contains(&world.nodes[**index].address)).count();
        assert!(right >= 7, "{right} of the eight closest");
        let report =
            run(&mut world, 20 + usize::from(n), |now, node| node.find_peers(now, hash(n)));
        assert_eq!(report.peers, 1);
        assert_eq!(peers_of(&world, 20 + usize::from(n)), [at_port(&world, 10, 5_000)]);
        assert!(report.queries <= 60, "{} queries", report.queries);
    }
}

#[test]
fn an_implied_port_is_that_of_the_socket() {
    // D-07
    let mut world = World::network(2, 50);
    let implied = Announce { port: None, is_seed: false };
    run(&mut world, 3, |now, node| node.announce(now, hash(1), implied));
    run(&mut world, 4, |now, node| node.find_peers(now, hash(1)));
    assert_eq!(peers_of(&world, 4), [world.nodes[3].address]);
}

#[test]
fn peers_are_found_though_datagrams_are_lost_and_nodes_are_dead_or_behind_nats() {
    // D-39, D-40
    let mut world = World::network(3, 200);
    world.lost_of_1000 = 50;
    for index in 50..200 {
        match index % 10 {
            0..3 => world.nodes[index].is_dead = true,
            3..5 => world.nodes[index].is_behind_nat = true,
            _ => {}
        }
    }
    let mut found = 0;
    for n in 0..10 {
        run(&mut world, 1, |now, node| node.announce(now, hash(n), ANNOUNCE));
        let reader = 20 + usize::from(n);
        let report = run(&mut world, reader, |now, node| node.find_peers(now, hash(n)));
        found += usize::from(peers_of(&world, reader).contains(&at_port(&world, 1, 5_000)));
        assert!(report.queries <= 100, "{} queries", report.queries);
    }
    assert_eq!(found, 10);
}

#[test]
fn silent_nodes_do_not_hold_up_a_look_up() {
    // D-39
    let mut world = World::network(4, 200);
    (50..200).step_by(4).for_each(|index| world.nodes[index].is_dead = true);
    for n in 0..10 {
        let begun = world.now;
        run(&mut world, usize::from(n), |now, node| node.find_peers(now, hash(n)));
        let took = world.now - begun;
        assert!(
            took < Duration::from_secs(5),
            "{took:?} of virtual time, where a query is lost after 15 s"
        );
    }
}

#[test]
fn peers_are_handed_out_before_the_end() {
    // D-43
    let mut world = World::network(5, 200);
    run(&mut world, 10, |now, node| node.announce(now, hash(1), ANNOUNCE));
    (50..200).step_by(5).for_each(|index| world.nodes[index].is_dead = true);
    run(&mut world, 20, |now, node| node.find_peers(now, hash(1)));
    let events = &world.nodes[20].events;
    let found =
        events.iter().find(|(_, event)| matches!(event, Event::PeersFound { .. })).unwrap().0;
    let ended =
        events.iter().find(|(_, event)| matches!(event, Event::SearchEnded { .. })).unwrap().0;
    assert!(found < ended);
}

#[test]
fn items_are_found_and_newer_ones_replace_older_ones() {
    // D-22, D-23, D-69
    let mut world = World::network(6, 100);
    let item = Item::from_text("Hello World!").unwrap();
    let report = run(&mut world, 1, |now, node| node.put(now, item.clone(), None));
    assert_eq!(report.stored, 8);
    run(&mut world, 2, |now, node| node.get(now, item.target()));
    let items = |world: &World, index: usize| -> Vec<Item> {
        let items = world.nodes[index].events.iter().filter_map(|(_, event)| match event {
            Event::ItemFound { item, .. } => Some(item.clone()),
            _ => None,
        });
        items.collect()
    };
    assert_eq!(items(&world, 2), [item]);
    let sign = |seq, value: &[u8]| Item::sign(&[9; 32], b"name", seq, value).unwrap();
    let (first, second) = (sign(1, b"3:old"), sign(2, b"3:new"));
    let key = first.mutable_part().unwrap().key;
    run(&mut world, 1, |now, node| node.put(now, first.clone(), None));
    run(&mut world, 3, |now, node| node.put(now, second.clone(), Some(1)));
    let report = run(&mut world, 4, |now, node| node.put(now, first, None));
    assert_eq!(report.stored, 0, "it is older");
    run(&mut world, 5, |now, node| node.get_mutable(now, key, b"name"));
    assert_eq!(items(&world, 5).last(), Some(&second));
    run(&mut world, 6, |now, node| node.get_mutable(now, key, b"other"));
    assert!(items(&world, 6).is_empty());
}

#[test]
fn a_scrape_counts_peers_and_seeds_once() {
    // D-25, D-61
    let mut world = World::network(7, 120);
    for index in 1..41 {
        let announce = Announce { port: Some(1), is_seed: index <= 10 };
        run(&mut world, index, |now, node| node.announce(now, hash(1), announce));
    }
    let report = run(&mut world, 50, |now, node| node.scrape(now, hash(1)));
    let scrape = report.scrape.unwrap();
    let (seeds, peers) = (scrape.seeds.estimate(), scrape.peers.estimate());
    assert!((9.0..11.0).contains(&seeds), "{seeds} of 10 seeds");
    assert!((27.0..33.0).contains(&peers), "{peers} of 30 peers");
    run(&mut world, 60, |now, node| node.find_leeches(now, hash(1)));
    let seeds: Vec<_> = (1..11).map(|index| at_port(&world, index, 1)).collect();
    let found = peers_of(&world, 60);
    assert!(!found.is_empty() && found.iter().all(|peer| !seeds.contains(peer)));
}

#[test]
fn both_families_are_searched_and_never_mixed() {
    // D-11
    let mut world = World::new(8);
    for index in 0..80 {
        world.add(index % 2 == 1, |config| {
            config.only(if index % 2 == 1 {
                tinytorrent_dht::Family::V6
            } else {
                tinytorrent_dht::Family::V4
            });
        });
        let router = world.nodes[index % 2].address;
        if index > 1 {
            world.nodes[index].node.add_router(router);
        }
    }
    world.run_for(Duration::from_secs(60));
    for index in 0..80 {
        let is_v6 = index % 2 == 1;
        assert!(world.nodes[index].node.nodes().all(|node| node.address.is_ipv6() == is_v6));
        assert!(world.nodes[index].node.nodes().count() > 8);
    }
    run(&mut world, 10, |now, node| node.announce(now, hash(1), ANNOUNCE));
    run(&mut world, 11, |now, node| node.announce(now, hash(1), ANNOUNCE));
    run(&mut world, 20, |now, node| node.find_peers(now, hash(1)));
    run(&mut world, 21, |now, node| node.find_peers(now, hash(1)));
    assert_eq!(peers_of(&world, 20), [at_port(&world, 10, 5_000)]);
    assert_eq!(peers_of(&world, 21), [at_port(&world, 11, 5_000)]);
}

#[test]
fn sybils_of_one_network_do_not_hide_peers() {
    // D-41, D-42
    let mut world = World::network(9, 100);
    let target: NodeId = hash(3).into();
    // They answer as nodes do, and have ids next to the target, which do not fit their addresses.
    for n in 0..60u8 {
        let address = SocketAddr::from(([66, 66, 0, n], 6881));
        let mut id = *target.as_bytes();
        id[19] ^= n + 1;
        let sybil = world.add_at(address, |config| {
            let id = Some(NodeId::from_bytes(id));
            config.saved(tinytorrent_dht::SavedNodes { id, id6: None, nodes: Vec::new() });
        });
        let router = world.nodes[0].address;
        world.nodes[sybil].node.add_router(router);
    }
    world.run_for(Duration::from_secs(120));
    let report = run(&mut world, 10, |now, node| node.announce(now, hash(3), ANNOUNCE));
    assert_eq!(report.stored, 8);
    let is_sybil = |address: &SocketAddr| address.ip().to_string().starts_with("66.66.");
    assert!(report.closest.iter().all(|node| !is_sybil(&node.address)));
    run(&mut world, 20, |now, node| node.find_peers(now, hash(3)));
    assert_eq!(peers_of(&world, 20), [at_port(&world, 10, 5_000)]);
}

#[test]
fn many_searches_share_the_budget_of_queries_in_turns() {
    // D-45
    let mut world = World::network(10, 100);
    let node = world.add(false, |config| {
        config.queries_per_second(20);
    });
    let router = world.nodes[0].address;
    world.nodes[node].node.add_router(router);
    world.run_for(Duration::from_secs(60));
    let before = world.nodes[node].node.stats().queries_out;
    let begun = world.now;
    let searches: Vec<_> =
        (0..30).map(|n| world.with(node, |now, node| node.find_peers(now, hash(n)))).collect();
    world.run_until(|world| searches.iter().all(|search| end_of(world, node, *search).is_some()));
    let took = (world.now - begun).as_secs_f64();
    let queries = (world.nodes[node].node.stats().queries_out - before) as f64;
    // Upkeep asks one node each second at most, beside the budget.
    assert!(queries <= 10.0 + 20.0 * took + took + 2.0, "{queries} in {took} s");
    let ends: Vec<_> = searches.iter().map(|search| {
        let events = &world.nodes[node].events;
        events.iter().position(|(_, event)| matches!(event, Event::SearchEnded { search: ended, .. } if ended == search)).unwrap()
    }).collect();
    assert!(ends.iter().min() > Some(&0));
    let first_end = world.nodes[node]
        .events
        .iter()
        .find(|(_, event)| matches!(event, Event::SearchEnded { .. }))
        .unwrap()
        .0;
    assert!((first_end - begun).as_secs_f64() > took / 4.0, "none is served before all others");
}

#[test]
fn a_network_stays_whole_while_nodes_come_and_go() {
    // D-08, D-09, D-51
    let mut world = World::network(11, 40);
    for _ in 0..10 {
        for _ in 0..3 {
            let index = world.rng.random_range(1..world.nodes.len());
            world.nodes[index].is_dead = true;
            let new = world.add(false, |_| {});
            let router = world.nodes[0].address;
            world.nodes[new].node.add_router(router);
        }
        world.run_for(Duration::from_secs(180));
    }
    let alive: Vec<_> =
        (0..world.nodes.len()).filter(|index| !world.nodes[*index].is_dead).collect();
    let addresses: std::collections::HashSet<_> =
        alive.iter().map(|index| world.nodes[*index].address).collect();
    let (mut all, mut there) = (0, 0);
    for index in &alive {
        for node in world.nodes[*index].node.nodes() {
            all += 1;
            there += usize::from(addresses.contains(&node.address));
        }
    }
    assert!(there * 10 >= all * 8, "{there} of {all} nodes of the tables are there");
    run(&mut world, alive[5], |now, node| node.announce(now, hash(1), ANNOUNCE));
    run(&mut world, alive[9], |now, node| node.find_peers(now, hash(1)));
    assert_eq!(peers_of(&world, alive[9]), [at_port(&world, alive[5], 5_000)]);
}
