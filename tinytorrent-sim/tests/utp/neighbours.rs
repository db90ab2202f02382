//! Flows of TCP CUBIC: they are what uTP has to yield to.

use std::time::Duration;

use tinytorrent_sim::utp::{Link, World};

use crate::{ENDLESS, Figures, ms};

/// A link of 20 Mbit/s with a round trip of 50 ms and a queue of so many milliseconds.
fn path(queue: u64) -> [Link; 2] {
    [20.0, 200.0].map(|megabits| Link { queue: ms(queue), ..Link::new(megabits, ms(25)) })
}

#[test]
fn cubic_alone_fills_the_link_and_the_queue() {
    let mut world = World::new(path(200));
    world.add_neighbour(0);
    let figures = Figures::between(&mut world, 10, 60);
    println!("{figures:?}");
    assert!(figures.tcp[0] > 0.98 * 20.0 * 1_448.0 / 1_500.0);
    assert!(figures.most > 195.0, "the queue is full now and then");
    // The path holds 50 ms without a queue: seven tenths of 250 ms leave 125 ms of queue.
    assert!((100.0..190.0).contains(&figures.usual));
    assert!((3..20).contains(&world.neighbours[0].cuts()));
}

#[test]
fn two_flows_of_cubic_share() {
    let mut world = World::new(path(200));
    world.add_neighbour(0);
    world.run(Duration::from_secs(5));
    world.add_neighbour(0);
    let figures = Figures::between(&mut world, 60, 180);
    println!("{figures:?}");
    let half = (figures.tcp[0] + figures.tcp[1]) / 2.0;
    assert!(half > 0.98 * 9.65 && (figures.tcp[0] - half).abs() < 0.2 * half);
}

/// P-09, P-42
#[test]
fn beside_cubic_it_takes_little_however_long() {
    for later in [0, 5] {
        let mut world = World::new(path(200));
        world.connect(0, ENDLESS);
        world.run(Duration::from_secs(later));
        world.add_neighbour(0);
        for (from, to) in [(10, 60), (60, 180), (180, 360)] {
            let figures = Figures::between(&mut world, from, to);
            let share = share(&figures);
            println!("{later} s later: {share:.3}, {figures:?}");
            assert!(share < 0.2, "{share}");
            assert!(figures.utp[0] > 0.05, "it goes on");
        }
    }
}

/// The part of all payload that is that of uTP.
fn share(figures: &Figures) -> f64 {
    figures.utp[0] / (figures.utp[0] + figures.tcp[0])
}

/// P-42
#[test]
fn beside_cubic_it_takes_little_though_it_never_saw_the_path_without_it() {
    for queue in [200, 300] {
        let mut world = World::new(path(queue));
        world.add_neighbour(0);
        world.run(Duration::from_secs(7));
        world.connect(0, ENDLESS);
        let figures = Figures::between(&mut world, 20, 120);
        println!("{queue} ms: {:.3}, {figures:?}", share(&figures));
        assert!(share(&figures) < 0.2 && figures.utp[0] > 0.05, "{figures:?}");
    }
}

/// P-42
#[test]
fn beside_cubic_in_a_queue_shorter_than_the_target_it_does_not_take_all() {
    for (queue, most) in [(10, 0.6), (50, 0.2)] {
        let mut world = World::new(path(queue));
        world.connect(0, ENDLESS);
        world.run(Duration::from_secs(7));
        world.add_neighbour(0);
        let figures = Figures::between(&mut world, 20, 120);
        println!("{queue} ms: {:.3}, {figures:?}", share(&figures));
        assert!(share(&figures) < most && figures.utp[0] > 0.05, "{figures:?}");
    }
}
