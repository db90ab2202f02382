//! The window: how much of a link is used, how long its queue gets, and how it is shared.

use std::time::Duration;

use tinytorrent_sim::utp::{Link, World};

use crate::{ENDLESS, Figures, ms};

/// A link with the given round trip in milliseconds, and a wide way back.
fn path(megabits: f64, round_trip: u64) -> [Link; 2] {
    [megabits, 10.0 * megabits].map(|megabits| Link::new(megabits, ms(round_trip) / 2))
}

/// P-09, P-42
#[test]
fn alone_it_fills_the_link_and_adds_100_ms_at_most() {
    for (megabits, round_trip, begins) in [
        (1.0, 50, 2),
        (2.0, 200, 10),
        (20.0, 5, 2),
        (20.0, 50, 2),
        (20.0, 200, 6),
        (100.0, 5, 2),
        (100.0, 200, 16),
    ] {
        let mut world = World::new(path(megabits, round_trip));
        world.connect(0, ENDLESS);
        let start = Figures::between(&mut world, 0, begins);
        let figures = Figures::between(&mut world, begins, 30);
        println!("{megabits} Mbit/s, {round_trip} ms: {start:?}, then {figures:?}");
        // On a long path the window has grown for a round trip until the queue is seen.
        assert!(start.peak <= 180.0, "{start:?}");
        let Figures { usual, most, .. } = figures;
        let rate = figures.utp[0];
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
    let Figures { utp: rates, peak: most, .. } = Figures::between(&mut world, 1, 6);
    println!("{rates:?} Mbit/s, {most:.0} ms");
    let rate = rates[0];
    assert!(rate > 90.0 && most < 125.0, "{rate} Mbit/s, {most} ms");
}

#[test]
fn a_gigabit_is_filled_where_buffers_hold_what_the_path_does() {
    let mut links = path(1_000.0, 50);
    links[0].queue = ms(200);
    let mut world = World::with_configs(links, 1, |config| {
        config.send_buffer(32 << 20).receive_buffer(32 << 20);
    });
    world.connect(0, ENDLESS);
    let figures = Figures::between(&mut world, 2, 4);
    println!("{figures:?}");
    assert!(figures.utp[0] > 950.0 && figures.peak < 125.0, "{figures:?}");
}

/// P-23, P-42
#[test]
fn queues_shorter_than_the_target_are_enough() {
    for (megabits, round_trip, queue, least) in [
        (20.0, 5, 10, 0.98),
        (20.0, 50, 10, 0.9),
        (20.0, 50, 25, 0.95),
        (20.0, 200, 50, 0.75),
        (100.0, 50, 10, 0.85),
        (100.0, 50, 50, 0.9),
    ] {
        let mut links = path(megabits, round_trip);
        links[0].queue = ms(queue);
        let mut world = World::new(links);
        world.connect(0, ENDLESS);
        let figures = Figures::between(&mut world, 10, 60);
        let (used, stats) =
            (figures.utp[0] / megabits * 1_500.0 / 1_452.0, world.hosts[0].stats(0));
        println!("{megabits} Mbit/s, {round_trip} ms, {queue} ms: {used:.3}, {figures:?}");
        assert!(used > least, "{megabits} Mbit/s, {queue} ms: {figures:?}");
        assert!(stats.packets_resent * 50 < stats.packets_sent, "{stats:?}");
    }
}

/// P-30
#[test]
fn a_window_for_which_the_other_end_has_no_room_does_not_grow() {
    let mut world = World::with_configs(path(100.0, 50), 1, |config| {
        config.receive_buffer(64 << 10);
    });
    world.connect(0, ENDLESS);
    world.run(Duration::from_secs(20));
    let stats = world.hosts[0].stats(0);
    assert!((64 << 10..=160 << 10).contains(&stats.window), "{stats:?}");
}

/// P-07, P-42
#[test]
fn packets_that_change_places_cost_nothing() {
    let mut links = path(100.0, 50);
    (links[0].late, links[0].late_by) = (0.01, ms(5));
    let mut world = World::new(links);
    world.connect(0, ENDLESS);
    let rate = Figures::between(&mut world, 1, 6).utp[0];
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
    let rate = Figures::between(&mut world, 1, 20).utp[0];
    let stats = world.hosts[0].stats(0);
    println!("{rate:.1} Mbit/s, {stats:?}");
    assert!(rate > 8.0, "{rate} Mbit/s");
    assert_eq!(stats.timeouts, 0);
}

/// P-23, P-42
#[test]
fn a_short_path_that_loses_packets_is_used_all_the_same() {
    let mut links = path(1_000.0, 1);
    links.iter_mut().for_each(|link| link.lost = 0.02);
    let mut world = World::new(links);
    world.connect(0, ENDLESS);
    let rate = Figures::between(&mut world, 1, 10).utp[0];
    println!("{rate:.1} Mbit/s, {:?}", world.hosts[0].stats(0));
    // Six packets each millisecond, as TCP would have in flight (Mathis).
    assert!(rate > 60.0, "{rate} Mbit/s");
}

/// P-42
#[test]
fn two_flows_share_evenly_whenever_they_begin() {
    for (megabits, later) in [(20.0, 0), (20.0, 5), (20.0, 20), (100.0, 0), (100.0, 5)] {
        let mut world = World::new(path(megabits, 50));
        world.connect(0, ENDLESS);
        world.run(Duration::from_secs(later));
        world.connect(0, ENDLESS);
        let Figures { utp: rates, usual, .. } = Figures::between(&mut world, 60, 100);
        println!("{megabits} Mbit/s, {later} s later: {rates:.2?}, {usual:.0} ms");
        let half = (rates[0] + rates[1]) / 2.0;
        assert!((rates[0] - half).abs() < 0.1 * half, "{rates:?}");
        let payload = megabits * 1_452.0 / 1_500.0;
        assert!(half > 0.95 * payload / 2.0 && usual <= 105.0, "{rates:?}, {usual} ms");
    }
}

/// P-09, P-28
#[test]
fn clocks_that_drift_apart_change_nothing() {
    for millionths in [-200.0, 200.0] {
        let mut world = World::new(path(20.0, 50));
        world.hosts[1].clock.drift = millionths / 1e6;
        world.connect(0, ENDLESS);
        let figures = Figures::between(&mut world, 300, 330);
        let (rate, most) = (figures.utp[0], figures.most);
        println!("{millionths}: {rate:.2} Mbit/s, {most:.0} ms");
        assert!(rate > 0.95 * 19.36 && most <= 125.0, "{millionths}: {rate} Mbit/s, {most} ms");
    }
}
