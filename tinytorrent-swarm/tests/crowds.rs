//! One honest seed in a crowd of attackers: the download completes as if it were alone with it, and
//! a few seconds later.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tinytorrent_sim::{Behaviour, World};
use tinytorrent_types::Geometry;

/// Crowds to draw.
const CROWDS: u64 = 300;

const ATTACKERS: usize = 12;

/// Undisturbed, a download takes less than a second, and the crowd as much to gather.
const LIMIT: Duration = Duration::from_secs(6);

/// A download of 1 MiB beside attackers of any kind, all drawn from one number.
struct Crowd {
    world: World,
    leech: usize,
    attackers: Vec<Behaviour>,
}

impl Crowd {
    fn gather(seed: u64) -> Self {
        let random = &mut StdRng::seed_from_u64(seed);
        let mut draw = || *Behaviour::ATTACKS.choose(random).expect("there are some");
        let attackers: Vec<_> = (0..ATTACKERS).map(|_| draw()).collect();
        let piece_length = 32 << 10 << random.random_range(0..4_u32);
        let geometry = Geometry::new(1 << 20, piece_length).unwrap();
        let mut world = World::new();
        world.latency = Duration::from_millis(random.random_range(1..60));
        let leech = world.add(geometry.clone(), "none", |config| _ = config.exchange(false));
        let mut all = attackers.clone();
        all.insert(random.random_range(0..=ATTACKERS), Behaviour::Honest);
        for behaviour in all {
            let node = world.add(geometry.clone(), "all", |config| _ = config.exchange(false));
            world.nodes[node].behaviour = behaviour;
            // Either end dials.
            let (from, to) = if random.random() { (leech, node) } else { (node, leech) };
            world.introduce(from, &[to]);
            world.run(Duration::from_millis(random.random_range(0..80)), |_| false);
        }
        Self { world, leech, attackers }
    }

    /// The time until the download is complete.
    fn download(&mut self) -> Option<Duration> {
        let leech = self.leech;
        let is_complete = |world: &World| world.nodes[leech].swarm.is_finished();
        self.world.run(LIMIT, is_complete).then(|| self.world.elapsed())
    }
}

#[test]
fn no_crowd_of_attackers_holds_up_a_download() {
    // S-05, S-07
    for seed in 0..CROWDS {
        let mut crowd = Crowd::gather(seed);
        let took = crowd.download();
        assert!(took < Some(LIMIT) && took.is_some(), "{took:?}, {seed}: {:?}", crowd.attackers);
    }
}

/// Twelve attackers of one kind, all known before the honest seed, and 8 s of its uplink.
#[test]
fn attackers_of_one_kind_take_no_more_than_a_few_seconds() {
    // S-05, S-07
    for attack in Behaviour::ATTACKS {
        let geometry = Geometry::new(4 << 20, 256 << 10).unwrap();
        let mut world = World::new();
        world.uplink = 500_000;
        let leech = world.add(geometry.clone(), "none", |config| _ = config.exchange(false));
        let seeds: Vec<_> = (0..=ATTACKERS)
            .map(|_| world.add(geometry.clone(), "all", |config| _ = config.exchange(false)))
            .collect();
        for &seed in &seeds[..ATTACKERS] {
            world.nodes[seed].behaviour = attack;
        }
        world.introduce(leech, &seeds);
        let limit = Duration::from_secs(12);
        let is_complete = |world: &World| world.nodes[leech].swarm.is_finished();
        assert!(world.run(limit, is_complete), "{attack:?}");
    }
}
