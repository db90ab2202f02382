//! The story of a crowd, in virtual time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tinytorrent_sim::{Behaviour, Stranger, World, peer_id};
use tinytorrent_swarm::{Input, PeerSource, SwarmConfig, Transports};
use tinytorrent_tracker::{AnnounceResponse, Peer};
use tinytorrent_types::{Bitfield, InfoHashV2, InfoHashes, PeerId};

use crate::attack::{Attack, LARGEST_METADATA};
use crate::crowd::{Attacker, Crowd};
use crate::laws::Ledger;
use crate::speech::Says;

/// The engine under attack, which is the first node.
const OURS: usize = 0;

/// The honest peer.
const HONEST: usize = 1;

/// The address of the honest peer.
const ADDRESS: ([u8; 4], u16) = ([30, 0, 0, 1], 6881);

/// Time for which a crowd goes on when its victim has what it wants.
const AFTER: Duration = Duration::from_secs(3);

/// An engine, an honest peer, and those around them.
pub(crate) struct Scene<'a> {
    crowd: &'a Crowd,
    world: World,
}

impl<'a> Scene<'a> {
    /// All are there, and some of the crowd.
    pub(crate) fn new(crowd: &'a Crowd, attackers: &[Attacker], ledger: Option<Ledger>) -> Self {
        let mut world = World::new();
        (world.latency, world.uplink) = (crowd.latency, crowd.uplink);
        world.check_every = if crowd.geometry.piece_count() < 1 << 10 { 1 } else { 0 };
        if crowd.is_hybrid {
            let v1 = world.hashes.v1().expect("it has one");
            world.hashes = InfoHashes::from_both(v1, InfoHashV2::from_bytes([8; 32]));
        }
        if let Some(ledger) = ledger {
            world.watch(OURS, ledger);
        }
        let mut scene = Self { crowd, world };
        scene.add_ours(attackers);
        scene.add(ADDRESS.into(), tinytorrent_sim::info(), !crowd.is_seed, |_| {});
        for (at, attacker) in attackers.iter().enumerate() {
            if at == crowd.place {
                scene.introduce_honest();
            }
            scene.add_attacker(at as u16, *attacker);
        }
        if crowd.place >= attackers.len() {
            scene.introduce_honest();
        }
        scene
    }

    /// The time until enough pieces are there, if that is within the limit.
    pub(crate) fn run(&mut self, limit: Duration) -> Option<Duration> {
        let (goal, getting) = (self.crowd.goal, if self.crowd.is_seed { HONEST } else { OURS });
        let have = |world: &World| world.nodes[getting].swarm.have().map_or(0, Bitfield::count);
        self.world.run(limit, |world| have(world) >= goal).then(|| self.world.elapsed())
    }

    /// The crowd goes on for a while, and then all leave. Gives the number of addresses that are known.
    pub(crate) fn end(&mut self) -> u64 {
        self.world.run(AFTER, |_| false);
        self.world.with(OURS, |swarm, now| swarm.stop(now));
        let now = self.world.now;
        self.world.nodes[OURS].swarm.stats(now).known_peers.into()
    }

    /// Frees our engine.
    pub(crate) fn free(&mut self) {
        self.world.free_engine(OURS);
    }

    fn add_ours(&mut self, attackers: &[Attacker]) {
        let crowd = self.crowd;
        let liars = attackers.iter().map(|attacker| attacker.attack);
        let answers =
            liars.enumerate().filter_map(|(n, attack)| Some((n, self.answer(n, attack)?)));
        let mut answers: Vec<_> = answers.collect();
        if crowd.has_trackers() {
            let mut honest = AnnounceResponse::default();
            honest.peers = vec![Peer { address: ADDRESS.into(), id: None }];
            answers.push((attackers.len(), honest));
        }
        let url = |n: usize| format!("udp://tracker{n}.example:80/announce");
        let tiers = answers.iter().map(|(n, _)| vec![url(*n)]).collect();
        let ours = self.world.add_unready(crowd.geometry.clone(), |config| {
            config.needs_metadata(crowd.is_link).max_metadata(LARGEST_METADATA);
            config.transports(Transports::Both);
            config.max_peers(crowd.places).trackers(tiers).super_seeding(crowd.is_super);
        });
        let trackers = answers.into_iter().map(|(n, answer)| (url(n), answer));
        self.world.nodes[ours].trackers.extend(trackers);
        if !crowd.is_link {
            self.world.ready(ours, self.pieces(crowd.is_seed));
        }
    }

    /// The answer of the attacker of this number, if it is a tracker.
    fn answer(&self, n: usize, attack: Attack) -> Option<AnnounceResponse> {
        let addresses = match attack {
            Attack::TracksNobody => Vec::new(),
            Attack::TracksMany => self.crowd.from.addresses(n as u16),
            _ => return None,
        };
        let day = Some(Duration::from_secs(86_400));
        let mut answer = AnnounceResponse::default();
        answer.peers = addresses.into_iter().map(|address| Peer { address, id: None }).collect();
        (answer.interval, answer.min_interval) = (day, day);
        Some(answer)
    }

    fn introduce_honest(&mut self) {
        if !self.crowd.has_trackers() {
            self.introduce(HONEST, self.crowd.is_dialed);
        }
    }

    fn introduce(&mut self, node: usize, is_dialed: bool) {
        let (from, to) = if is_dialed { (OURS, node) } else { (node, OURS) };
        self.world.introduce(from, &[to]);
    }

    fn pieces(&self, all: bool) -> Bitfield {
        let count = self.crowd.geometry.piece_count();
        if all { Bitfield::full(count) } else { Bitfield::new(count) }
    }

    /// Adds a node that has everything, or nothing.
    fn add(
        &mut self,
        address: SocketAddr,
        info: Bytes,
        has_all: bool,
        tune: impl FnOnce(&mut SwarmConfig),
    ) -> usize {
        let node = self.world.add_unready(self.crowd.geometry.clone(), |config| {
            config.exchange(false);
            tune(config);
        });
        self.world.set_address(node, address);
        self.world.nodes[node].info = info;
        self.world.ready(node, self.pieces(has_all));
        node
    }

    fn add_attacker(&mut self, n: u16, attacker: Attacker) {
        let Attacker { attack, address, is_dialed } = attacker;
        let (behaviour, alias, info, slots) = match attack {
            Attack::TracksNobody | Attack::TracksMany => return,
            Attack::Knocks(_)
            | Attack::FillsPlaces(_)
            | Attack::Speaks(..)
            | Attack::Returns(..) => return self.add_stranger(n, attacker),
            Attack::Behaves(behaviour) => (behaviour, None, None, 8),
            Attack::Chokes => (Behaviour::Honest, None, None, 0),
            Attack::NamesSize(size) | Attack::NamesOwnSize(size) => {
                (Behaviour::Honest, None, Some(vec![7; size as usize]), 0)
            }
            Attack::TakesName | Attack::TakesNameAndAddress => {
                (Behaviour::Stalls, Some(peer_id(HONEST)), None, 8)
            }
        };
        let info = info.map_or_else(tinytorrent_sim::info, Bytes::from);
        let has_all = !self.crowd.is_seed;
        let node = self.add(address, info, has_all, |config| _ = config.upload_slots(slots));
        (self.world.nodes[node].behaviour, self.world.nodes[node].alias) = (behaviour, alias);
        self.introduce(node, is_dialed);
    }

    fn add_stranger(&mut self, n: u16, attacker: Attacker) {
        let Attacker { attack, address, is_dialed } = attacker;
        let many = || self.crowd.from.addresses(n);
        let hour = Duration::from_secs(3_600);
        let (says, turns, pause, addresses, calls, stays) = match attack {
            Attack::Speaks(says, pause) => {
                let calls = (!is_dialed).then_some(Duration::from_secs(10));
                (says, 400, pause, vec![address], calls, hour)
            }
            Attack::Returns(says, pause) => {
                (says, 8, pause / 8, many(), (!is_dialed).then_some(pause), 2 * pause)
            }
            Attack::Knocks(every) | Attack::FillsPlaces(every) => {
                (Says::Promises, 8, Duration::from_secs(1), many(), Some(every), hour)
            }
            _ => return,
        };
        let id = match (attack, says) {
            (Attack::Knocks(_), _) => None,
            (_, Says::Twins) => Some(peer_id(HONEST)),
            _ => Some(PeerId::from_bytes([n as u8; 20])),
        };
        if calls.is_none() {
            let addresses = addresses.clone();
            self.world.input(OURS, Input::PeersFound { source: PeerSource::Tracker, addresses });
        }
        let says_all = Box::new(says.speech(turns, pause, self.crowd.geometry.piece_count()));
        let reserved = says.reserved();
        let stranger = Stranger { addresses, id, reserved, calls, stays, says: says_all };
        self.world.add_stranger(OURS, stranger);
    }
}
