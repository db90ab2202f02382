//! Streams over perfect and over hostile links.

use std::time::Duration;

use tinytorrent_sim::utp::{Link, World};
use tinytorrent_utp::{Failure, StreamError};

use crate::ms;

const MIB: u64 = 1 << 20;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A link that loses, doubles and delays so many parts of all packets.
fn hostile(megabits: f64, faults: f64) -> Link {
    let late_by = ms(30);
    Link { lost: faults, twice: faults, late: faults, late_by, ..Link::new(megabits, ms(10)) }
}

/// P-02, P-04, P-05, P-36
#[test]
fn bytes_go_both_ways_and_both_ends_end() {
    let mut world = World::new([Link::new(100.0, ms(5)), Link::new(100.0, ms(5))]);
    world.hosts[1].answer = MIB;
    world.connect(0, 3 * MIB);
    assert!(world.run(seconds(100)), "there is nothing to wait for in the end");
    world.assert_all_delivered();
    assert_eq!((world.hosts[0].streams[0].read, world.hosts[1].streams[0].read), (MIB, 3 * MIB));
}

#[test]
fn a_perfect_link_sends_nothing_twice() {
    let mut world = World::new([Link::new(100.0, ms(25)), Link::new(100.0, ms(25))]);
    world.connect(0, 20 * MIB);
    assert!(world.run(seconds(20)));
    world.assert_all_delivered();
    let stats = world.hosts[0].stats(0);
    assert_eq!((stats.packets_resent, stats.timeouts), (0, 0));
}

/// P-03, P-07, P-22, P-42
#[test]
fn bytes_survive_loss_doubles_and_changed_places() {
    for seed in 0..20 {
        // Some of them wrap around, as does the number of packets.
        let faults = f64::from(seed % 4) * 0.03;
        let links = [hostile(50.0, faults), hostile(50.0, faults)];
        let mut world = World::with_configs(links, seed, |_| ());
        world.connect(0, 2 * MIB);
        world.connect(1, MIB);
        assert!(world.run(seconds(1_000)), "{seed}");
        world.assert_all_delivered();
    }
}

/// P-03
#[test]
fn numbers_wrap_in_a_long_stream() {
    let mut world =
        World::new([Link { lost: 0.001, ..Link::new(1_000.0, ms(1)) }, Link::new(1_000.0, ms(1))]);
    world.connect(0, 120 * MIB);
    assert!(world.run(seconds(1_000)));
    world.assert_all_delivered();
    assert!(world.hosts[0].stats(0).packets_sent > 80_000);
}

/// P-16
#[test]
fn two_ends_that_connect_at_once_have_one_connection() {
    for seed in 0..10 {
        let mut world =
            World::with_configs([Link::new(10.0, ms(10)), Link::new(10.0, ms(10))], seed, |_| ());
        world.connect(0, MIB);
        world.connect(1, 2 * MIB);
        assert!(world.run(seconds(100)));
        world.assert_all_delivered();
        assert_eq!((world.hosts[0].streams.len(), world.hosts[1].streams.len()), (1, 1));
        assert_eq!(
            (world.hosts[0].streams[0].read, world.hosts[1].streams[0].read),
            (2 * MIB, MIB)
        );
    }
}

/// A stream whose reader has a small buffer, and has stopped to read.
fn stalled() -> World {
    let mut world =
        World::with_configs([Link::new(100.0, ms(5)), Link::new(100.0, ms(5))], 1, |config| {
            config.receive_buffer(64 << 10);
        });
    world.connect(0, MIB);
    world.run(ms(30));
    world.hosts[1].streams[0].reads = false;
    world
}

/// P-10, P-37
#[test]
fn a_full_buffer_is_probed_and_tells_when_it_has_drained() {
    let mut world = stalled();
    world.run(seconds(300));
    let held = world.hosts[1].endpoint.readable(world.hosts[1].streams[0].id);
    assert!((60 << 10..=64 << 10).contains(&held), "{held}");
    world.hosts[1].streams[0].reads = true;
    // Without the news it would be the probe that finds out, up to a minute later.
    world.run(seconds(1));
    assert_eq!(world.hosts[1].streams[0].read, MIB);
    assert!(world.run(seconds(100)));
    world.assert_all_delivered();
}

/// P-10
#[test]
fn a_probe_finds_room_though_the_news_of_it_is_lost() {
    let mut world = stalled();
    world.run(seconds(5));
    world.links[1].lost = 1.0;
    world.hosts[1].streams[0].reads = true;
    world.run(ms(1));
    world.run(Duration::ZERO);
    world.links[1].lost = 0.0;
    assert!(world.run(seconds(200)));
    world.assert_all_delivered();
}

/// P-08, P-33
#[test]
fn a_silent_end_is_given_up_and_a_short_silence_is_not() {
    let mut world = World::new([Link::new(10.0, ms(5)), Link::new(10.0, ms(5))]);
    world.connect(0, 30 * MIB);
    world.run(seconds(1));
    world.links[0].lost = 1.0;
    world.run(seconds(10));
    world.links[0].lost = 0.0;
    world.run(seconds(10));
    let before = world.hosts[1].streams[0].read;
    world.run(seconds(1));
    assert!(world.hosts[1].streams[0].read > before);
    world.links[1].lost = 1.0;
    world.run(seconds(100));
    assert_eq!(world.hosts[0].streams[0].failure, Some(Failure::TimedOut.into()));
}

/// P-33
#[test]
fn nobody_answers_to_a_first_packet() {
    let mut world = World::new([Link { lost: 1.0, ..Link::default() }, Link::default()]);
    world.connect(0, MIB);
    assert!(world.run(seconds(8)));
    assert_eq!(world.hosts[0].streams[0].failure, Some(StreamError::Failed(Failure::TimedOut)));
}

/// P-12, P-19
#[test]
fn a_reset_ends_the_connection_at_both_ends() {
    let mut world = World::new([Link::new(10.0, ms(5)), Link::new(10.0, ms(5))]);
    world.connect(0, 100 * MIB);
    world.run(seconds(1));
    let id = world.hosts[1].streams[0].id;
    world.hosts[1].endpoint.reset(id);
    world.hosts[1].streams.clear();
    assert!(world.run(seconds(1)));
    assert_eq!(world.hosts[0].streams[0].failure, Some(Failure::Reset.into()));
    assert_eq!(world.hosts[1].endpoint.stats().connections, 0);
}

/// P-15
#[test]
fn closing_loses_nothing_that_was_written() {
    for seed in 0..10 {
        let links = [hostile(20.0, 0.05), hostile(20.0, 0.05)];
        let mut world = World::with_configs(links, seed, |_| ());
        world.connect(0, 300_000);
        while world.hosts[0].streams[0].written < 300_000 {
            world.run(ms(10));
        }
        let id = world.hosts[0].streams.remove(0).id;
        let now = world.now(0);
        world.hosts[0].endpoint.close(now, id);
        world.run(seconds(30));
        assert!(world.hosts[1].streams[0].has_ended, "{seed}");
        assert_eq!(world.hosts[1].streams[0].read, 300_000);
        assert_eq!(world.hosts[0].endpoint.stats().connections, 0);
    }
}

/// P-11, P-24
#[test]
fn the_largest_packets_that_get_through_are_found_without_a_loss_counting() {
    for most in [1_250, 1_400, 1_472] {
        let mut world =
            World::new([Link { mtu: most, ..Link::new(50.0, ms(10)) }, Link::new(50.0, ms(10))]);
        world.connect(0, 10 * MIB);
        assert!(world.run(seconds(100)));
        world.assert_all_delivered();
        let stats = world.hosts[0].stats(0);
        assert!(stats.packet <= most && most - stats.packet <= 16, "{most}: {}", stats.packet);
        assert_eq!(stats.timeouts, 0);
        assert!(stats.packets_resent <= 6, "{most}: {stats:?}");
    }
}
