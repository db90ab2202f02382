//! The content is read while it comes (S-25).

use std::time::Duration;

use tinytorrent_sim::{Behaviour, Node, World};
use tinytorrent_swarm::{Event, ReaderKey};
use tinytorrent_types::{Bitfield, Geometry};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;
const PIECE: u32 = 1 << 18;

/// A step of a player.
const TICK: Duration = Duration::from_millis(5);

/// Time for hashing and writing, and the steps of the player.
const SMALL: Duration = Duration::from_millis(20);

/// 128 MiB.
fn geometry() -> Geometry {
    Geometry::new(128 * MIB, PIECE).unwrap()
}

/// A node without content that knows seeds with these uplinks, in bytes a second.
fn swarm(latency: Duration, uplinks: &[u64]) -> (World, Node) {
    let mut world = World::new();
    world.latency = latency;
    world.check_every = 100;
    let seeds: Vec<_> = uplinks
        .iter()
        .map(|&uplink| {
            let seed = world.add(geometry(), "all", |_| {});
            world.nodes[seed].uplink = Some(uplink);
            seed
        })
        .collect();
    let leech = world.add(geometry(), "none", |_| {});
    world.introduce(leech, &seeds);
    (world, leech)
}

/// Something that reads at a steady rate, as soon as it can.
struct Player {
    node: Node,
    key: ReaderKey,
    at: u64,
    rate: u64,
    /// Time without anything to read.
    stalled: Duration,
}

impl Player {
    fn new(world: &mut World, node: Node, at: u64, rate: u64) -> Self {
        let mut key = None;
        world.with(node, |swarm, now| key = Some(swarm.add_reader(now, at..128 * MIB)));
        Self { node, key: key.unwrap(), at, rate, stalled: Duration::ZERO }
    }

    fn jump(&mut self, world: &mut World, at: u64) {
        self.at = at;
        world.with(self.node, |swarm, now| swarm.move_reader(now, self.key, at..128 * MIB));
    }

    /// Bytes before it that are verified, up to so many.
    fn can_read(&self, have: &Bitfield, count: u64) -> u64 {
        let mut end = self.at;
        while end < self.at + count && have.get((end / u64::from(PIECE)) as u32) {
            end = (end / u64::from(PIECE) + 1) * u64::from(PIECE);
        }
        end.min(self.at + count) - self.at
    }

    fn step(&mut self, world: &mut World) {
        let wanted = (self.rate as f64 * TICK.as_secs_f64()) as u64;
        let count = self.can_read(world.nodes[self.node].swarm.have().unwrap(), wanted);
        self.stalled += TICK.mul_f64((wanted - count) as f64 / wanted as f64);
        let is_other_piece = self.at / u64::from(PIECE) != (self.at + count) / u64::from(PIECE);
        self.at += count;
        if is_other_piece {
            world.with(self.node, |swarm, now| {
                swarm.advance_reader(now, self.key, u64::from(PIECE));
            });
        }
    }

    /// Waits for the first byte.
    fn first_byte(&mut self, world: &mut World) -> Duration {
        let (node, piece) = (self.node, (self.at / u64::from(PIECE)) as u32);
        let start = world.now;
        let is_there = |world: &World| world.nodes[node].swarm.have().unwrap().get(piece);
        assert!(world.run(60 * SECOND, is_there), "piece {piece} does not come");
        world.now - start
    }

    /// Reads for so long.
    fn play(&mut self, world: &mut World, time: Duration) -> Duration {
        play(world, &mut [self], time)
    }
}

/// All of them read for so long. Returns the time for which one or another had nothing to read.
fn play(world: &mut World, players: &mut [&mut Player], time: Duration) -> Duration {
    let end = world.now + time;
    players.iter_mut().for_each(|player| player.stalled = Duration::ZERO);
    while world.now < end {
        players.iter_mut().for_each(|player| player.step(world));
        world.run(TICK, |_| false);
    }
    players.iter().map(|player| player.stalled).sum()
}

/// The time of a piece at this rate.
fn piece_time(rate: u64) -> Duration {
    Duration::from_secs_f64(f64::from(PIECE) / rate as f64)
}

/// Swarms that send 2.4 MB/s in all.
const SWARMS: [&[u64]; 4] = [
    &[2_400_000],
    &[600_000; 4],
    &[1_500_000, 500_000, 200_000, 100_000, 60_000, 40_000],
    &[100_000; 24],
];

const LATENCIES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(80)];

/// Time for which a player that has buffered nothing may wait once for the second piece, as the first ones
/// come side by side.
const BEGINNING: Duration = Duration::from_millis(300);

#[test]
fn a_reader_does_not_stall_while_a_fifth_more_comes_than_it_reads() {
    for (uplinks, latency) in SWARMS.iter().flat_map(|&swarm| LATENCIES.map(|time| (swarm, time))) {
        let (mut world, leech) = swarm(latency, uplinks);
        let mut player = Player::new(&mut world, leech, 0, 2_000_000);
        player.first_byte(&mut world);
        let stalled = player.play(&mut world, 2 * SECOND);
        assert!(stalled < BEGINNING, "{uplinks:?}, {latency:?}: {stalled:?} at first");
        let stalled = player.play(&mut world, 20 * SECOND);
        assert_eq!(stalled, Duration::ZERO, "{uplinks:?}, {latency:?}");
        let stats = world.nodes[leech].swarm.stats(world.now);
        assert!(stats.wasted < stats.downloaded / 25, "{uplinks:?}, {latency:?}: {stats:?}");
    }
}

#[test]
fn after_a_jump_the_first_byte_takes_two_round_trips_and_a_piece() {
    for (uplinks, latency) in SWARMS.iter().flat_map(|&swarm| LATENCIES.map(|time| (swarm, time))) {
        let (mut world, leech) = swarm(latency, uplinks);
        let mut player = Player::new(&mut world, leech, 0, 2_000_000);
        player.first_byte(&mut world);
        player.play(&mut world, 9 * SECOND);
        for jump in [90 * MIB + 5, 110 * MIB + 77_777] {
            player.jump(&mut world, jump);
            let first = player.first_byte(&mut world);
            // Peers here send what they have begun to send, although it was cancelled.
            let begun = 4 * piece_time(2_400_000) * uplinks.len() as u32 / 16;
            let limit = 4 * latency + piece_time(2_400_000) + begun + SMALL;
            assert!(first < limit, "{uplinks:?}, {latency:?}: {first:?}, not {limit:?}");
            let stalled = player.play(&mut world, 2 * SECOND);
            assert!(stalled < BEGINNING, "{uplinks:?}, {latency:?}: {stalled:?} at first");
            assert_eq!(player.play(&mut world, 2 * SECOND), Duration::ZERO, "{uplinks:?}");
        }
    }
}

#[test]
fn who_begins_to_read_waits_for_no_more_than_what_cannot_be_withdrawn() {
    let (mut world, leech) = swarm(20 * MILLISECOND, &[4_000_000]);
    // Two seconds' worth is in flight by now.
    world.run(5 * SECOND, |_| false);
    let mut player = Player::new(&mut world, leech, 127 * MIB, 2_000_000);
    // A MiB is handed to the socket at once.
    let handed = Duration::from_secs_f64(MIB as f64 / 4e6);
    let limit = 80 * MILLISECOND + piece_time(4_000_000) + handed + SMALL;
    let first = player.first_byte(&mut world);
    assert!(first < limit, "{first:?}, not {limit:?}");
}

#[test]
fn a_slow_peer_does_not_hold_a_piece_that_is_due() {
    for behaviour in [Behaviour::Trickles(3), Behaviour::Stalls, Behaviour::StallsAfter(40)] {
        let (mut world, leech) = swarm(20 * MILLISECOND, &[2_400_000, 1_000_000, 1_000_000]);
        for node in [1, 2] {
            world.nodes[node].behaviour = behaviour;
        }
        let mut player = Player::new(&mut world, leech, 0, 2_000_000);
        let first = player.first_byte(&mut world);
        assert!(first < SECOND / 2, "{behaviour:?}: {first:?}");
        let stalled = player.play(&mut world, 15 * SECOND);
        assert!(stalled < 50 * MILLISECOND, "{behaviour:?}: {stalled:?}");
        player.jump(&mut world, 100 * MIB);
        let first = player.first_byte(&mut world);
        let limit = 80 * MILLISECOND + piece_time(2_400_000) + SMALL;
        assert!(first < limit, "{behaviour:?}: {first:?}, not {limit:?}");
        assert_eq!(player.play(&mut world, 8 * SECOND), Duration::ZERO, "{behaviour:?}");
    }
}

#[test]
fn several_readers_share_what_comes() {
    let (mut world, leech) = swarm(20 * MILLISECOND, &[1_200_000; 2]);
    let mut one = Player::new(&mut world, leech, 0, 500_000);
    let mut two = Player::new(&mut world, leech, 50 * MIB, 1_200_000);
    let mut three = Player::new(&mut world, leech, 90 * MIB, 300_000);
    for player in [&mut one, &mut two, &mut three] {
        player.first_byte(&mut world);
    }
    let mut players = [&mut one, &mut two, &mut three];
    let stalled = play(&mut world, &mut players, 3 * SECOND);
    assert!(stalled < 3 * BEGINNING, "{stalled:?} at first");
    assert_eq!(play(&mut world, &mut players, 20 * SECOND), Duration::ZERO);
}

#[test]
fn beneath_a_reader_the_rarest_go_on() {
    let (mut world, leech) = swarm(20 * MILLISECOND, &[2_000_000; 2]);
    let mut player = Player::new(&mut world, leech, 0, 500_000);
    player.first_byte(&mut world);
    player.play(&mut world, 10 * SECOND);
    let have = world.nodes[leech].swarm.have().unwrap();
    let far = have.iter().filter(|&piece| u64::from(piece) * u64::from(PIECE) > 40 * MIB).count();
    assert!(far > 20, "{far} of {}", have.count());
}

#[test]
fn a_reader_costs_no_rate() {
    let [without, with] = [false, true].map(|reads| {
        let (mut world, leech) = swarm(40 * MILLISECOND, &[3_000_000, 1_000_000, 300_000]);
        let _player = reads.then(|| Player::new(&mut world, leech, 0, 500_000));
        let is_finished = |world: &World| world.nodes[leech].has_event(|e| *e == Event::Finished);
        assert!(world.run(300 * SECOND, is_finished));
        world.elapsed()
    });
    assert!(with < without.mul_f64(1.03), "{with:?}, and {without:?} without a reader");
}
