//! The window: how much of a link is used, how long its queue gets, and how it is shared.

use std::time::Duration;

use tinytorrent_sim::utp::{Link, World};

use crate::ms;

/// More than is ever written.
const ENDLESS: u64 = u64::MAX / 2;

/// A link with the given round trip in milliseconds, and a wide way back.
fn path(megabits: f64, round_trip: u64) -> [Link; 2] {
    [megabits, 10.0 * megabits].map(|megabits| Link::new(megabits, ms(round_trip) / 2))
}

/// Megabits a second of payload that each stream gets between two times, in seconds.
fn rates(world: &mut World, from: u64, to: u64) -> Vec<f64> {
    world.run(Duration::from_secs(from).saturating_sub(world.at));
    let read = |world: &World| -> Vec<u64> {
        world.hosts[1].streams.iter().map(|stream| stream.read).collect()
    };
    let before = read(world);
    world.traffic[0].waits.clear();
    world.run(Duration::from_secs(to).saturating_sub(world.at));
    let before = before.into_iter().chain(std::iter::repeat(0));
    let bits = read(world).into_iter().zip(before).map(|(after, before)| after - before);
    bits.map(|bytes| bytes as f64 / 125_000.0 / (to - from) as f64).collect()
}

/// The time in the queue that so many of a hundred packets did not exceed, in milliseconds.
fn wait(world: &World, percent: u32) -> f64 {
    world.traffic[0].waits.quantile(f64::from(percent) / 100.0).as_secs_f64() * 1e3
}

/// P-09, P-42
#[test]
fn alone_it_fills_the_link_and_adds_100_ms_at_most() {
    for (megabits, round_trip, begins) in
        [(1.0, 50, 2), (20.0, 10, 2), (20.0, 50, 2), (20.0, 200, 6)]
    {
        let mut world = World::new(path(megabits, round_trip));
        world.connect(0, ENDLESS);
        let start = rates(&mut world, 0, begins)[0];
        let first = wait(&world, 100);
        let rate = rates(&mut world, begins, 30)[0];
        let (usual, most) = (wait(&world, 50), wait(&world, 99));
        println!(
            "{megabits} Mbit/s, {round_trip} ms: {start:.2}, then {rate:.2}; {first:.0}, {usual:.0}, {most:.0} ms"
        );
        // Headers of uTP, UDP and IP take a thirtieth of a packet.
        let payload = megabits * 1_452.0 / 1_500.0;
        assert!(rate > 0.95 * payload, "{rate} of {payload}");
        assert!(usual <= 105.0, "{usual} ms");
        // Two packets of 1 Mbit/s are 24 ms.
        assert!(most <= 125.0, "{most} ms");
    }
}

/// The figures that the performance page names.
#[test]
fn a_hundred_megabits_are_filled_within_two_seconds() {
    let mut world = World::new(path(100.0, 50));
    world.connect(0, ENDLESS);
    let rate = rates(&mut world, 1, 6)[0];
    let most = wait(&world, 100);
    println!("{rate:.1} Mbit/s, {most:.0} ms");
    assert!(rate > 90.0 && most < 125.0, "{rate} Mbit/s, {most} ms");
}

/// P-07, P-42
#[test]
fn packets_that_change_places_cost_nothing() {
    let mut links = path(100.0, 50);
    (links[0].late, links[0].late_by) = (0.01, ms(5));
    let mut world = World::new(links);
    world.connect(0, ENDLESS);
    let rate = rates(&mut world, 1, 6)[0];
    println!("{rate:.1} Mbit/s");
    assert!(rate > 90.0, "{rate} Mbit/s");
    assert_eq!(world.hosts[0].stats(0).packets_resent, 0);
}

/// P-23, P-42
#[test]
fn one_packet_of_a_hundred_may_be_lost() {
    let mut links = path(100.0, 50);
    links[0].lost = 0.01;
    let mut world = World::new(links);
    world.connect(0, ENDLESS);
    let rate = rates(&mut world, 1, 20)[0];
    let stats = world.hosts[0].stats(0);
    println!("{rate:.1} Mbit/s, {stats:?}");
    assert!(rate > 8.0, "{rate} Mbit/s");
    assert_eq!(stats.timeouts, 0);
}

/// P-42
#[test]
fn two_flows_share_evenly_whenever_they_begin() {
    for later in [0, 5] {
        let mut world = World::new(path(20.0, 50));
        world.connect(0, ENDLESS);
        world.run(Duration::from_secs(later));
        world.connect(0, ENDLESS);
        let rates = rates(&mut world, 50, 90);
        let usual = wait(&world, 50);
        println!("{later} s later: {rates:.2?}, {usual:.0} ms");
        let half = (rates[0] + rates[1]) / 2.0;
        assert!((rates[0] - half).abs() < 0.1 * half, "{rates:?}");
        assert!(half > 0.95 * 9.68 && usual <= 105.0, "{rates:?}, {usual} ms");
    }
}

/// P-09, P-28
#[test]
fn clocks_that_drift_apart_change_nothing() {
    for millionths in [-200.0, 200.0] {
        let mut world = World::new(path(20.0, 50));
        world.hosts[1].clock.drift = millionths / 1e6;
        world.connect(0, ENDLESS);
        let rate = rates(&mut world, 60, 90)[0];
        let most = wait(&world, 95);
        println!("{millionths}: {rate:.2} Mbit/s, {most:.0} ms");
        assert!(rate > 0.95 * 19.36 && most <= 125.0, "{millionths}: {rate} Mbit/s, {most} ms");
    }
}
