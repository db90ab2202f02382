//! Crowds of attackers, drawn at random.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use tinytorrent_sim::Behaviour;
use tinytorrent_types::Geometry;

use crate::attack::{Attack, From, LARGEST_METADATA};
use crate::speech::Says;

/// A crowd of attackers around an engine, all drawn from one number.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) attackers: Vec<Attacker>,
    pub(crate) from: From,
    /// The place of the honest peer among those that are told.
    pub(crate) place: usize,
    /// Our engine connects to the honest peer, and not the other way round.
    pub(crate) is_dialed: bool,
    pub(crate) geometry: Geometry,
    /// The number of pieces to get.
    pub(crate) goal: u32,
    pub(crate) latency: Duration,
    pub(crate) uplink: u64,
    /// Connections that our engine may have.
    pub(crate) places: usize,
    pub(crate) is_link: bool,
    /// Our engine has everything, and the honest peer wants it.
    pub(crate) is_seed: bool,
    /// It super seeds.
    pub(crate) is_super: bool,
    pub(crate) is_hybrid: bool,
}

/// One of a crowd.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attacker {
    pub(crate) attack: Attack,
    pub(crate) address: SocketAddr,
    /// Our engine connects to it, and not the other way round.
    pub(crate) is_dialed: bool,
}

/// Attackers that send wrong blocks, for each piece. Each costs the time of a piece, as nothing less proves
/// that it lies, and a piece can prove one at a time.
const LIARS: u32 = 2;

/// Trackers that lie, each of which has to be heard before the next.
const TRACKERS: u32 = 3;

/// Attackers that say much, so that a thousand crowds end some day.
const STRANGERS: u32 = 6;

/// Pieces that are many: a walk over them shows.
const MANY: u32 = 1 << 20;

impl Crowd {
    pub(crate) fn draw(number: u64) -> Self {
        let random = &mut StdRng::seed_from_u64(number);
        let is_seed = random.random_bool(0.15);
        let geometry = draw_geometry(random);
        let is_large = geometry.piece_count() > 1 << 16;
        let from = match is_seed {
            // Slots go by host, and whoever has many has many slots.
            true => *[From::OneHost, From::OneSixtyFour].choose(random).expect("there are some"),
            false => *From::ALL.choose(random).expect("there are some"),
        };
        let mut crowd = Self {
            attackers: Vec::new(),
            from,
            place: 0,
            is_dialed: random.random(),
            goal: geometry.piece_count().min(64),
            geometry,
            latency: Duration::from_millis(random.random_range(1..80)),
            uplink: 200_000 << random.random_range(0..5),
            places: *[40, 100].choose(random).expect("there are some"),
            is_link: !is_seed && random.random_bool(0.3),
            is_seed,
            is_super: is_seed && !number.is_multiple_of(3),
            is_hybrid: random.random(),
        };
        let most = *[4, 12, 12, 40, 120].choose(random).expect("there are some");
        let count = random.random_range(1..=if is_large { most.min(8) } else { most });
        let draw = match (is_seed, is_large) {
            (true, _) => Attack::on_seed,
            (false, true) => Attack::on_many_pieces,
            (false, false) => Attack::on_leech,
        };
        // Either one kind, which is the worst where it works, or any.
        let kinds = if random.random() { 1 } else { 8 };
        let mut kinds: Vec<Attack> = (0..kinds).map(|_| draw(random)).collect();
        if kinds.iter().any(|kind| kind.is_tracker()) {
            // Somebody gives now and then, and other trackers are asked by their own schedule.
            kinds.retain(|kind| !matches!(kind, Attack::Behaves(Behaviour::Trickles(_))));
        }
        for n in 0..count {
            let attack = *kinds.choose(random).expect("there are some");
            crowd.add(n, attack, random.random());
        }
        crowd.attackers.shuffle(random);
        crowd.place = random.random_range(0..=crowd.attackers.len());
        crowd
    }

    /// Returns true if only a tracker behind others that lie knows the honest peer.
    pub(crate) fn has_trackers(&self) -> bool {
        self.attackers.iter().any(|attacker| attacker.attack.is_tracker())
    }

    fn add(&mut self, n: u16, attack: Attack, is_dialed: bool) {
        let count = |is_alike: fn(Attack) -> bool| {
            self.attackers.iter().filter(|other| is_alike(other.attack)).count() as u32 + 1
        };
        // A host has a quarter of the places, and the honest peer has one of them.
        let neighbours = self.places as u32 / 4 - 2;
        let is_liar = |attack| {
            matches!(attack, Attack::Behaves(Behaviour::Corrupt(_) | Behaviour::Spoils(_)))
        };
        let is_neighbour = |attack| matches!(attack, Attack::TakesNameAndAddress);
        let is_too_much =
            |is_alike: fn(Attack) -> bool, most| is_alike(attack) && count(is_alike) > most;
        if is_too_much(is_liar, LIARS * self.goal)
            || is_too_much(is_neighbour, neighbours)
            || is_too_much(Attack::is_tracker, TRACKERS)
            || is_too_much(Attack::is_stranger, STRANGERS)
        {
            return;
        }
        let attack = match attack {
            // Two thousand a second in all, however many they are.
            Attack::Knocks(every) => Attack::Knocks(every * count(Attack::is_stranger)),
            // Each has a bitfield of 128 KiB.
            Attack::Returns(Says::Half, pause) if self.geometry.piece_count() >= MANY => {
                Attack::Returns(Says::Half, pause.max(Duration::from_millis(400)))
            }
            Attack::NamesOwnSize(size) => {
                Attack::NamesOwnSize((size + 20_000 * u32::from(n)) % LARGEST_METADATA + 1)
            }
            other => other,
        };
        let address = match attack {
            Attack::TakesNameAndAddress => SocketAddr::from(([30, 0, 0, 1], 1_000 + n)),
            _ => self.from.address(n),
        };
        self.attackers.push(Attacker { attack, address, is_dialed });
    }
}

/// Few pieces of some blocks, or many of one.
fn draw_geometry(random: &mut StdRng) -> Geometry {
    let drawn = match random.random_range(0..100) {
        0..4 => Geometry::new(u64::from(MANY) << 14, 1 << 14),
        4..16 => Geometry::new(1 << 28, 1 << 14),
        _ => Geometry::new(1 << 20, 32 << 10 << random.random_range(0..4_u32)),
    };
    drawn.expect("pieces have a length")
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<_> =
            self.attackers.iter().map(|attacker| format!("{:?}", attacker.attack)).collect();
        kinds.sort_unstable();
        let chunks = kinds.chunk_by(|a, b| a == b);
        let kinds: Vec<_> = chunks.map(|same| format!("{} x {}", same.len(), same[0])).collect();
        let role = if self.is_super {
            "super seed"
        } else if self.is_seed {
            "seed"
        } else if self.is_link {
            "link"
        } else {
            "leech"
        };
        let (pieces, from) = (self.geometry.piece_count(), self.from);
        write!(f, "a {role} of {pieces} pieces and {} places, attackers {from:?}: ", self.places)?;
        f.write_str(&kinds.join(", "))
    }
}
