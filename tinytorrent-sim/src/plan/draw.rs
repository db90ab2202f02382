//! The drawing of plans.

use std::io;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tinytorrent_types::Geometry;

use super::{
    Choices, DhtNodes, Fault, Incident, Member, MemberAccess, Network, Plan, Role, WorldName,
};
use crate::{Behaviour, Disk, Recovery, TrackerState, WebServer};

/// The character of a world: each kind of trouble is in some worlds only, so that what follows from one is not hidden by
/// others.
#[derive(Debug, Clone, Copy)]
struct Character {
    nodes: usize,
    has_faults: bool,
    has_hostile: bool,
    has_bad_links: bool,
    has_slow_disks: bool,
    is_tracked: bool,
    has_dht: bool,
    has_hashes: bool,
    has_links: bool,
    has_nats: bool,
    has_web_seeds: bool,
    is_super: bool,
    /// All leeches are alike, and come at once.
    is_equal: bool,
}

impl Plan {
    /// The world of this number. Most have a handful of nodes, some hundreds.
    pub fn draw(seed: u64) -> Self {
        Self::named(&WorldName { seed, ..WorldName::default() })
    }

    /// The world of this name.
    pub fn named(name: &WorldName) -> Self {
        let random = &mut StdRng::seed_from_u64(name.seed);
        let character = Character::draw(random);
        Self::of(name, character, random)
    }

    /// A large world of this number, with so many nodes.
    pub fn crowd(seed: u64, nodes: usize) -> Self {
        let random = &mut StdRng::seed_from_u64(seed);
        let character = Character { nodes, ..Character::draw(random) };
        Self::of(&WorldName { seed, ..WorldName::default() }, character, random)
    }

    fn of(name: &WorldName, character: Character, random: &mut StdRng) -> Self {
        let mut plan = Self {
            name: name.clone(),
            geometry: draw_geometry(random, character),
            network: draw_network(random, character),
            members: Vec::new(),
            faults: Vec::new(),
            trackers: Vec::new(),
            dht: character.has_dht.then(|| draw_dht(random)),
            pieces_with_hashes: character.has_hashes.then(|| random.random_range(1..20)),
            patience: Duration::from_secs(3_600),
        };
        if character.is_tracked {
            let count = *[1, 1, 1, 2, 3].choose(random).expect("there are some");
            let interval = Duration::from_secs(*[120, 600, 1_800].choose(random).expect("some"));
            plan.trackers = vec![interval; count];
        }
        plan.draw_members(random, character);
        if character.has_faults {
            plan.draw_faults(random, character);
        }
        plan.members.retain(|member| !name.without_members.contains(&member.number));
        plan.faults.retain(|fault| {
            !name.without_faults.contains(&fault.number)
                && !name.without_members.contains(&fault.member)
        });
        plan
    }

    fn draw_members(&mut self, random: &mut StdRng, character: Character) {
        let equal = draw_access(random);
        let scale = Duration::from_secs(20);
        let mut arrivals: Vec<_> = (0..character.nodes)
            .map(|n| match n {
                0 => Duration::ZERO,
                _ if character.is_equal || random.random_bool(0.6) => Duration::ZERO,
                _ => scale.mul_f64(random.random()),
            })
            .collect();
        arrivals.sort_unstable();
        for (number, arrives) in arrivals.into_iter().enumerate() {
            let mut member = self.draw_member(random, character, number);
            member.arrives = arrives;
            if character.is_equal && number > 0 {
                (member.role, member.access) = (Role::Leech(0), equal);
                (member.choices, member.web_seed) = (Choices::default(), None);
            }
            self.members.push(member);
        }
    }

    fn draw_member(&self, random: &mut StdRng, character: Character, number: usize) -> Member {
        let is_first = number == 0;
        let role = match random.random_range(0..20) {
            _ if is_first && character.is_super => Role::SuperSeed,
            _ if is_first => Role::Seed,
            0..3 if !character.is_super => Role::Seed,
            3..6 if character.has_links => Role::Link,
            6..9 => Role::Leech(random.random_range(1..100)),
            _ => Role::Leech(0),
        };
        let is_hostile = !is_first && character.has_hostile && random.random_bool(0.4);
        let behaviour = match is_hostile {
            true => draw_behaviour(random, character.has_hashes),
            false => Behaviour::Honest,
        };
        // A hostile peer says that it has everything, or nobody would ask it.
        let role = if is_hostile { Role::Seed } else { role };
        let mut knows: Vec<usize> = Vec::new();
        let is_found = character.is_tracked || character.has_dht;
        if !is_found || random.random_bool(0.1) {
            knows.extend((0..number).filter(|&other| other < 3 || random.random_bool(0.3)));
        }
        Member {
            number,
            arrives: Duration::ZERO,
            role,
            behaviour,
            knows,
            is_tracked: character.is_tracked,
            is_in_dht: character.has_dht,
            is_behind_nat: !is_first && character.has_nats && random.random_bool(0.4),
            access: draw_access(random),
            disk: draw_disk(random, character.has_slow_disks),
            records: character.has_faults.then(|| Duration::from_secs(random.random_range(2..30))),
            choices: draw_choices(random, self.members.len().max(character.nodes)),
            web_seed: (character.has_web_seeds && !role.is_seed() && random.random_bool(0.4))
                .then(|| draw_web_seed(random, self.geometry.piece_count())),
        }
    }

    fn draw_faults(&mut self, random: &mut StdRng, character: Character) {
        let most = 2 + character.nodes.min(20);
        let count = random.random_range(1..=most);
        let mut times: Vec<_> =
            (0..count).map(|_| Duration::from_millis(random.random_range(100..40_000))).collect();
        times.sort_unstable();
        // At most one of a kind that lasts at a time for a member: two pauses would end each other.
        for (number, at) in times.into_iter().enumerate() {
            let member = random.random_range(0..character.nodes);
            let incident = self.draw_incident(random, member);
            let is_free =
                |other: &Fault| other.member != member || other.at + other.incident.lasts() < at;
            if self.members[member].arrives < at && self.faults.iter().all(is_free) {
                self.faults.push(Fault { number, at, member, incident });
            }
        }
    }

    fn draw_incident(&self, random: &mut StdRng, member: usize) -> Incident {
        let time = |random: &mut StdRng, most: u64| {
            Duration::from_millis(random.random_range(50..most * 1_000))
        };
        let limit = |random: &mut StdRng| {
            random.random_bool(0.7).then(|| random.random_range(20_000..500_000))
        };
        match random.random_range(0..17) {
            0 => Incident::CutOff(time(random, 90)),
            1 => Incident::Suspend(time(random, 300)),
            2 => Incident::Reset,
            3 => Incident::Sever,
            4..7 => Incident::Crash(Recovery {
                down: time(random, 60),
                is_silent: random.random_bool(0.3),
                finds_all: random.random_bool(0.4),
                spoils_blocks: random.random_bool(0.2),
            }),
            7 => Incident::StallDisk(time(random, 60)),
            8 => {
                let kind = *[io::ErrorKind::StorageFull, io::ErrorKind::Other]
                    .choose(random)
                    .expect("there are some");
                Incident::FailDisk(kind, time(random, 30))
            }
            9 => Incident::Pause(time(random, 60)),
            10 => Incident::Select(random.random_range(2..5), time(random, 60)),
            11 => Incident::Urgent(random.random()),
            12 => Incident::Reannounce,
            13 => Incident::Limit(limit(random), limit(random)),
            // Somebody has to stay.
            14 if member > 0 => Incident::Leave,
            15 if !self.trackers.is_empty() => {
                let state = match random.random_range(0..4) {
                    0 => TrackerState::Gone,
                    1 => TrackerState::Refuses,
                    2 => TrackerState::Slow(time(random, 12)),
                    _ => {
                        TrackerState::Lies((0..20).map(|n| ([200, 1, n, 1], 6881).into()).collect())
                    }
                };
                let tracker = random.random_range(0..self.trackers.len());
                Incident::Tracker(tracker, state, time(random, 120))
            }
            16 if self.dht.is_some() => Incident::SilenceDht(time(random, 120)),
            _ => Incident::Reset,
        }
    }
}

impl Character {
    fn draw(random: &mut StdRng) -> Self {
        let nodes = match random.random_range(0..1_000) {
            0..600 => random.random_range(2..6),
            600..960 => random.random_range(6..16),
            960..996 => random.random_range(16..48),
            _ => random.random_range(48..200),
        };
        let mut often = |part| random.random_bool(part);
        let has_faults = often(0.5);
        let has_hashes = often(0.15);
        Self {
            nodes,
            has_faults,
            has_hostile: often(0.35),
            has_bad_links: often(0.4),
            has_slow_disks: often(0.3),
            is_tracked: often(0.5),
            has_dht: often(0.1),
            has_hashes,
            // They are nothing to anybody else.
            has_links: has_hashes || often(0.3),
            has_nats: often(0.2),
            has_web_seeds: often(0.2),
            is_super: often(0.15),
            is_equal: often(0.15),
        }
    }
}

/// Some dozens of blocks, of pieces of one to a dozen of them.
fn draw_geometry(random: &mut StdRng, character: Character) -> Geometry {
    let blocks: &[u32] = match character.has_hashes {
        true => &[1, 1, 2, 4, 4, 8],
        false => &[1, 1, 2, 4, 4, 8, 3],
    };
    let piece_length = (16 << 10) * blocks.choose(random).expect("some");
    // All of it together is a few thousand blocks, however many nodes there are.
    let most = (3_000 / character.nodes as u64).clamp(4, 160);
    let blocks = random.random_range(1..=most);
    let odd = random.random_range(0..16_384);
    let length = (blocks * 16_384).saturating_sub(odd).max(1);
    Geometry::new(length, piece_length).expect("pieces have a length")
}

fn draw_network(random: &mut StdRng, character: Character) -> Network {
    let latency = Duration::from_millis(random.random_range(1..120));
    if !character.has_bad_links {
        return Network { latency, jitter: Duration::ZERO, loss: 0.0 };
    }
    let jitter = latency.mul_f64(3.0 * random.random::<f64>());
    Network { latency, jitter, loss: 0.1 * random.random::<f64>() }
}

fn draw_access(random: &mut StdRng) -> MemberAccess {
    MemberAccess {
        uplink: 30_000 << random.random_range(0..8),
        downlink: random.random_bool(0.3).then(|| 100_000 << random.random_range(0..6)),
        distance: match random.random_bool(0.2) {
            true => Duration::from_millis(random.random_range(1..250)),
            false => Duration::ZERO,
        },
    }
}

fn draw_dht(random: &mut StdRng) -> DhtNodes {
    let minutes = |random: &mut StdRng| Duration::from_secs(60 * random.random_range(5..60));
    DhtNodes {
        count: random.random_range(12..40),
        stay: random.random_bool(0.5).then(|| minutes(random)),
    }
}

fn draw_behaviour(random: &mut StdRng, has_hashes: bool) -> Behaviour {
    match random.random_range(0..20) {
        0 => Behaviour::LiesAboutMetadata,
        1 => Behaviour::ReadsNothing,
        2 => Behaviour::AsksNothing,
        3..6 if has_hashes => Behaviour::LiesAboutHashes,
        6..8 if has_hashes => Behaviour::RejectsHashes,
        8..10 if has_hashes => Behaviour::HoldsHashesBack,
        _ => *Behaviour::ATTACKS.choose(random).expect("there are some"),
    }
}

fn draw_disk(random: &mut StdRng, is_slow: bool) -> Disk {
    if !is_slow {
        return Disk::default();
    }
    let mut disk = Disk::default();
    disk.write = Duration::from_micros(random.random_range(100..40_000));
    disk.hash = Duration::from_millis(random.random_range(1..400));
    disk.is_serial = random.random();
    disk
}

fn draw_choices(random: &mut StdRng, nodes: usize) -> Choices {
    let mut choices = Choices::default();
    if random.random_bool(0.2) {
        choices.max_peers = random.random_range(nodes.min(20) + 8..60);
    }
    if random.random_bool(0.2) {
        choices.upload_slots = random.random_range(2..20);
    }
    if random.random_bool(0.2) {
        choices.store_budget = (16 << 10) * random.random_range(1..32);
    }
    if random.random_bool(0.1) {
        choices.download_limit = Some(random.random_range(20_000..1_000_000));
    }
    if random.random_bool(0.1) {
        choices.upload_limit = Some(random.random_range(20_000..1_000_000));
    }
    choices.sequential = random.random_bool(0.15);
    choices.exchange = random.random_bool(0.8);
    choices
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            max_peers: 100,
            upload_slots: 8,
            store_budget: 16 << 20,
            download_limit: None,
            upload_limit: None,
            sequential: false,
            exchange: true,
        }
    }
}

fn draw_web_seed(random: &mut StdRng, pieces: u32) -> WebServer {
    let range = |random: &mut StdRng| {
        let first = random.random_range(0..pieces);
        first..random.random_range(first..=pieces)
    };
    let mut server = WebServer::new(10_000 << random.random_range(0..8));
    if random.random_bool(0.2) {
        server.missing = range(random);
    }
    if random.random_bool(0.2) {
        server.wrong = range(random);
    }
    server.sends_whole_files = random.random_bool(0.2);
    server.busy = random.random_range(0..3);
    server.breaks = random.random_range(0..3);
    server
}
