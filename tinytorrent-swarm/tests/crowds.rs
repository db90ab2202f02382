//! The law of the honest source: while one honest seed can be reached and has a free slot for us, a
//! download completes within twice its undisturbed time and ten seconds, whatever a crowd of attackers
//! does.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use tinytorrent_sim::{Behaviour, World, peer_id};
use tinytorrent_swarm::Config;
use tinytorrent_types::{Bitfield, Geometry};

/// Crowds to draw: a few, or many where the code is optimized.
const CROWDS: u64 = if cfg!(debug_assertions) { 20 } else { 1_000 };

/// The honest seed, which is the node of this number.
const SEED: usize = 1;

/// Attackers at the host of the seed: no more than a host may have places.
const NEIGHBOURS: u16 = 12;

/// Attackers that send wrong blocks, for each piece. Each costs the time of a piece, as nothing less proves
/// that it lies, and a piece can prove one at a time.
const LIARS: u32 = 4;

/// A way to keep others from a seed.
#[derive(Debug, Clone, Copy)]
enum Attack {
    /// Says that it has everything, and behaves so.
    Behaves(Behaviour),
    /// Says that it has everything, and lets nobody ask for it.
    Chokes,
    /// Has the id of the seed.
    TakesName,
    /// Has the id of the seed, beside it behind the same router, and says that it listens where the seed
    /// does.
    TakesNameAndAddress,
    /// Connects so often, and does not shake hands.
    Knocks(Duration),
    /// Says that the metadata has this length, and sends so much of something.
    NamesSize(u32),
}

/// The addresses that attackers have.
#[derive(Debug, Clone, Copy)]
enum From {
    OneHost,
    OneNetwork,
    /// A /64 of IPv6, one for each connection.
    OneSixtyFour,
    Anywhere,
}

/// A crowd of attackers around a download, all drawn from one number.
#[derive(Debug)]
struct Crowd {
    attackers: Vec<(Attack, SocketAddr)>,
    /// The leech connects to it, and not the other way round: the seed first, then the attackers.
    is_dialed: Vec<bool>,
    /// The place of the seed among those that are told.
    place: usize,
    geometry: Geometry,
    latency: Duration,
    uplink: u64,
    is_link: bool,
}

impl Crowd {
    fn draw(seed: u64) -> Self {
        let random = &mut StdRng::seed_from_u64(seed);
        let most = *[4, 12, 12, 40, 120].choose(random).expect("there are some");
        let count = random.random_range(1..=most);
        let from = [From::OneHost, From::OneNetwork, From::OneSixtyFour, From::Anywhere];
        let from = *from.choose(random).expect("there are some");
        // Either one kind, which is the worst where it works, or any.
        let kinds: Vec<Attack> = if random.random() {
            vec![attack(random)]
        } else {
            (0..8).map(|_| attack(random)).collect()
        };
        let geometry = Geometry::new(1 << 20, 32 << 10 << random.random_range(0..4_u32)).unwrap();
        let mut attackers = Vec::new();
        let (mut neighbours, mut liars) = (0, 0);
        for n in 0..count {
            let mut attack = *kinds.choose(random).expect("there are some");
            neighbours += u16::from(matches!(attack, Attack::TakesNameAndAddress));
            liars += u32::from(matches!(attack, Attack::Behaves(Behaviour::Corrupt(_))));
            if neighbours > NEIGHBOURS || liars > LIARS * geometry.piece_count() {
                attack = Attack::TakesName;
            }
            let address = match attack {
                Attack::TakesNameAndAddress => SocketAddr::from(([30, 0, 0, 1], 1_000 + n)),
                _ => address(from, n),
            };
            attackers.push((attack, address));
        }
        attackers.shuffle(random);
        let is_dialed = (0..=count).map(|_| random.random()).collect();
        Self {
            place: random.random_range(0..=attackers.len()),
            attackers,
            is_dialed,
            geometry,
            latency: Duration::from_millis(random.random_range(1..80)),
            uplink: 200_000 << random.random_range(0..5),
            is_link: random.random_bool(0.3),
        }
    }

    /// The time until the download is complete, beside these attackers.
    fn download(&self, attackers: &[(Attack, SocketAddr)], limit: Duration) -> Option<Duration> {
        let mut world = World::new();
        (world.latency, world.uplink) = (self.latency, self.uplink);
        let leech = world.add_unready(self.geometry.clone(), |config| {
            config.needs_metadata(self.is_link);
        });
        if !self.is_link {
            world.ready(leech, Bitfield::new(self.geometry.piece_count()));
        }
        let seed = self.add(
            &mut world,
            SocketAddr::from(([30, 0, 0, 1], 6881)),
            tinytorrent_sim::info(),
            |_| {},
        );
        assert_eq!(seed, SEED);
        let mut told = Vec::new();
        for (at, (attack, address)) in attackers.iter().enumerate() {
            if at == self.place {
                told.push(seed);
            }
            told.extend(self.add_attacker(&mut world, leech, *attack, *address));
        }
        if !told.contains(&seed) {
            told.push(seed);
        }
        for (node, is_dialed) in told.into_iter().zip(&self.is_dialed) {
            let (from, to) = if *is_dialed { (leech, node) } else { (node, leech) };
            world.introduce(from, &[to]);
        }
        let is_complete = |world: &World| world.nodes[leech].swarm.is_finished();
        world.run(limit, is_complete).then(|| world.elapsed())
    }

    /// Adds a node that has everything.
    fn add(
        &self,
        world: &mut World,
        address: SocketAddr,
        info: Bytes,
        tune: impl FnOnce(&mut Config),
    ) -> usize {
        let node = world.add_unready(self.geometry.clone(), |config| {
            config.exchange(false);
            tune(config);
        });
        world.nodes[node].address = address;
        world.nodes[node].info = info;
        world.ready(node, Bitfield::full(self.geometry.piece_count()));
        node
    }

    fn add_attacker(
        &self,
        world: &mut World,
        leech: usize,
        attack: Attack,
        address: SocketAddr,
    ) -> Option<usize> {
        let (behaviour, alias) = match attack {
            Attack::Knocks(every) => {
                let port = |port| SocketAddr::new(address.ip(), port);
                world.flood(leech, (1..1_000).map(port).collect(), every);
                return None;
            }
            Attack::Behaves(behaviour) => (behaviour, None),
            Attack::Chokes | Attack::NamesSize(_) => (Behaviour::Honest, None),
            Attack::TakesName | Attack::TakesNameAndAddress => {
                (Behaviour::Stalls, Some(peer_id(SEED)))
            }
        };
        let info = match attack {
            Attack::NamesSize(size) => Bytes::from(vec![7; size as usize]),
            _ => tinytorrent_sim::info(),
        };
        let node = self.add(world, address, info, |config| {
            if let Attack::Chokes | Attack::NamesSize(_) = attack {
                config.upload_slots(0);
            }
        });
        (world.nodes[node].behaviour, world.nodes[node].alias) = (behaviour, alias);
        Some(node)
    }
}

fn attack(random: &mut StdRng) -> Attack {
    match random.random_range(0..7) {
        0 => Attack::Chokes,
        1 => Attack::TakesName,
        2 => Attack::TakesNameAndAddress,
        6 => Attack::NamesSize(random.random_range(1..4_000_000)),
        3 => Attack::Knocks(Duration::from_micros(500 << random.random_range(0..12))),
        _ => Attack::Behaves(*Behaviour::ATTACKS.choose(random).expect("there are some")),
    }
}

fn address(from: From, n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    match from {
        From::OneHost => SocketAddr::from(([40, 0, 0, 1], 7_000 + n)),
        From::OneNetwork => SocketAddr::from(([40, 0, 1, low], 7_000 + n)),
        From::OneSixtyFour => SocketAddr::from(([0x2606, 0x4700, 0, 0, 0, 0, 0, n + 1], 7_000)),
        From::Anywhere => SocketAddr::from(([41 + low % 100, high, low, 1], 7_000)),
    }
}

#[test]
fn an_honest_seed_is_enough() {
    // S-05, S-07, S-28
    let late: Vec<String> = (0..CROWDS).filter_map(judge).collect();
    assert!(late.is_empty(), "{} of {CROWDS} are late:\n{}", late.len(), late.join("\n"));
}

/// The crowd in words if the download takes too long beside it.
fn judge(seed: u64) -> Option<String> {
    let crowd = Crowd::draw(seed);
    let alone = crowd.download(&[], Duration::from_secs(600)).expect("nobody is in its way");
    let limit = 2 * alone + Duration::from_secs(10);
    let is_late = crowd.download(&crowd.attackers, limit).is_none();
    is_late.then(|| {
        let mut kinds: Vec<_> =
            crowd.attackers.iter().map(|(attack, _)| format!("{attack:?}")).collect();
        kinds.sort_unstable();
        let chunks = kinds.chunk_by(|a, b| a == b);
        let kinds: Vec<_> = chunks.map(|same| format!("{} x {}", same.len(), same[0])).collect();
        let (first, link) = (crowd.attackers[0].1, if crowd.is_link { "link, " } else { "" });
        format!("{seed}: {link}{alone:?} alone, {first}, {}", kinds.join(", "))
    })
}
