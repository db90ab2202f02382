//! Laws of a DHT of our nodes, in virtual time. `examples/dht_world.rs` measures the same in larger worlds.

use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_dht::Announce;
use tinytorrent_sim::{DhtWorld, Links, LookUp, SybilIds, torrent};

const ANNOUNCE: Announce = Announce { port: Some(5_000), is_seed: false };

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// A world whose tables are filled, with a fifth of its nodes behind NATs.
fn world(seed: u64, count: usize) -> DhtWorld {
    let mut world = DhtWorld::new(seed, Links { loss: 0.05, ..Links::default() });
    world.populate(count, 0.2);
    world.run_for(minutes(6));
    world
}

fn peer(world: &DhtWorld, node: usize) -> SocketAddr {
    SocketAddr::new(world.nodes[node].address.ip(), 5_000)
}

/// The value below which a share of the others is.
fn quantile<T: Ord + Copy>(values: impl Iterator<Item = T>, share: f64) -> T {
    let mut values: Vec<_> = values.collect();
    values.sort();
    values[((values.len() - 1) as f64 * share).round() as usize]
}

#[test]
fn look_ups_are_fast_and_find_announced_peers_though_a_third_is_dead() {
    // D-20, D-39, D-40, D-43
    let mut world = world(1, 500);
    world.silence(0.3);
    let announcers: Vec<_> = (0..10).map(|_| world.random_node()).collect();
    for (n, node) in (0..).zip(&announcers) {
        let announced = world.announce(*node, torrent(n), ANNOUNCE);
        assert!(announced.report.stored >= 4, "{} nodes store it", announced.report.stored);
    }
    let (mut look_ups, mut agreement) = (Vec::<LookUp>::new(), 0.0);
    for n in 0..50 {
        let (node, announcer) = (world.random_node(), announcers[n as usize % 10]);
        let look_up = world.look_up(node, torrent(n % 10));
        assert_eq!(look_up.peers, [peer(&world, announcer)]);
        assert!(look_up.report.queries <= 60, "{} queries", look_up.report.queries);
        agreement += world.agreement(node, torrent(n % 10).into(), &look_up.report) / 50.0;
        look_ups.push(look_up);
    }
    assert!(agreement > 0.8, "of the closest eight {agreement}");
    let first = |share| quantile(look_ups.iter().map(|look_up| look_up.first.unwrap()), share);
    assert!(first(0.5) < Duration::from_millis(300), "{:?}", first(0.5));
    assert!(first(1.0) < Duration::from_secs(1), "{:?}", first(1.0));
    let end = quantile(look_ups.iter().map(|look_up| look_up.took), 0.5);
    assert!(end < Duration::from_millis(1_500), "{end:?}");
    world.check_invariants();
}

#[test]
fn one_seed_gives_one_history() {
    let history = |seed| {
        let mut world = DhtWorld::new(seed, Links { loss: 0.05, ..Links::default() });
        world.populate(60, 0.2);
        world.churn(minutes(2));
        world.run_for(minutes(2));
        let announced = world.announce(1, torrent(1), ANNOUNCE);
        world.announce(2, torrent(1), ANNOUNCE);
        let found = world.look_up(3, torrent(1));
        let stats: Vec<_> = world.nodes.iter().map(|node| node.node.stats()).collect();
        (world.now - world.start, world.datagrams, stats, announced.took, found.took, found.peers)
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7).1, history(8).1);
}

#[test]
fn sybils_of_one_network_do_not_hide_peers() {
    // D-10, D-41, D-42
    for (seed, ids) in [(2, SybilIds::Chosen), (3, SybilIds::Fitting)] {
        let mut world = world(seed, 500);
        let hash = torrent(1);
        let sybils = world.add_sybils(hash.into(), [66, 66], ids, 200);
        world.run_for(minutes(10));
        let announcer = world.random_node();
        let announced = world.announce(announcer, hash, ANNOUNCE);
        let theirs = |look_up: &LookUp| {
            let closest = look_up.report.closest.iter();
            closest.filter(|node| sybils.contains(&node.address)).count()
        };
        assert!(theirs(&announced) <= 2, "{ids:?}: {} of the closest", theirs(&announced));
        for _ in 0..20 {
            let node = world.random_node();
            let look_up = world.look_up(node, hash);
            assert_eq!(look_up.peers, [peer(&world, announcer)], "{ids:?}");
            assert!(look_up.report.queries <= 60, "{} queries", look_up.report.queries);
        }
    }
}

#[test]
fn forged_answers_change_nothing() {
    // D-16
    let run = |is_spoofed: bool| {
        let mut world = world(4, 200);
        let liar: SocketAddr = "6.6.6.6:6".parse().unwrap();
        world.announce(1, torrent(1), ANNOUNCE);
        for node in 2..12 {
            world.nodes[node].spoofed = is_spoofed.then_some(liar);
        }
        let look_ups: Vec<_> = (2..12).map(|node| world.look_up(node, torrent(1))).collect();
        let unsolicited: u64 = (2..12).map(|node| world.nodes[node].node.stats().unsolicited).sum();
        let told = look_ups.into_iter().map(|look_up| (look_up.peers, look_up.took));
        (told.collect::<Vec<_>>(), unsolicited)
    };
    let ((told, few), (spoofed, many)) = (run(false), run(true));
    assert_eq!(told, spoofed);
    assert!(many > few + 100, "forged answers came: {many}, and {few} without");
}

#[test]
fn tables_stay_full_and_fresh_while_nodes_come_and_go() {
    // D-08, D-09, D-49, D-51
    let mut world = world(5, 300);
    (0..5).for_each(|node| world.nodes[node].stays = true);
    world.churn(minutes(60));
    let before: Vec<_> = (0..5).map(|node| world.nodes[node].node.stats().bytes_out).collect();
    world.run_for(minutes(90));
    for (node, before) in before.into_iter().enumerate() {
        let table = world.table(node);
        assert!(table.full > 0.75 && table.fresh > 0.75, "{table:?}");
        let sent = world.nodes[node].node.stats().bytes_out - before;
        assert!(sent / (90 * 60) < 1_000, "{} bytes a second", sent / (90 * 60));
    }
    world.announce(0, torrent(1), ANNOUNCE);
    for node in 1..5 {
        assert_eq!(world.look_up(node, torrent(1)).peers, [peer(&world, 0)]);
    }
}

#[test]
fn on_a_link_of_seconds_look_ups_are_slow_instead_of_empty() {
    // D-39
    let mut world = world(6, 100);
    world.links.median = Duration::from_secs(3);
    world.links.spread = 0.1;
    // The first one knows short round trips, and the second one long ones.
    for node in [1, 2] {
        let announced = world.announce(node, torrent(1), ANNOUNCE);
        assert!(announced.report.stored >= 6, "{} nodes store it", announced.report.stored);
    }
    for node in [3, 1, 2] {
        assert_eq!(world.look_up(node, torrent(1)).peers.len(), 2);
    }
}

#[test]
fn where_few_nodes_are_silent_ones_are_waited_for_a_second_after_the_last_query() {
    // D-39
    let mut world =
        DhtWorld::new(7, Links { median: Duration::from_millis(20), ..Links::default() });
    world.populate(16, 0.0);
    world.run_for(minutes(3));
    (6..16).for_each(|node| world.nodes[node].is_silent = true);
    world.announce(1, torrent(1), ANNOUNCE);
    let look_up = world.look_up(2, torrent(1));
    assert_eq!(look_up.peers, [peer(&world, 1)]);
    assert!(look_up.took < Duration::from_millis(1_500), "{:?}", look_up.took);
}
