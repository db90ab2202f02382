//! The playing of a plan.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tinytorrent_swarm::SwarmConfig;
use tinytorrent_types::Bitfield;
use tinytorrent_types::compact::Family;

use super::incident::url_of;
use super::verdict::Ends;
use super::{DhtNodes, Fault, Member, Plan, Role};
use crate::laws::{Breach, Law, Laws, Terms};
use crate::{Node, Seen, Tracker, Watch, Witness, World};

/// The outcome of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The first breach of a law.
    pub breach: Option<Breach>,
    /// The time that passed in the world.
    pub took: Duration,
    /// Bytes that all nodes have got.
    pub downloaded: u64,
    /// Bytes that were got and not needed.
    pub wasted: u64,
    /// The time after the last incident at which the last download ended that had to.
    pub finished: Option<Duration>,
    /// The best time that was possible.
    pub best: Duration,
}

/// A moment at which something is done from outside.
#[derive(Debug)]
enum Moment<'a> {
    Arrives(&'a Member),
    Begins(&'a Fault),
    Ends(&'a Fault),
}

impl Plan {
    /// Plays the world to its end, or to the first breach of a law. The same plan has always the same outcome.
    pub fn play(&self) -> Outcome {
        self.play_before(Nobody)
    }

    /// The same, before another witness, who may hold it against laws of his own.
    pub fn play_before(&self, onlooker: impl Witness + 'static) -> Outcome {
        self.play_out(self.world(), onlooker)
    }

    /// The same, with the work of one engine measured: that of the member with this place in the order of arrival.
    pub fn play_measured(&self, node: Node, by: impl Watch + 'static) -> Outcome {
        let mut world = self.world();
        world.watch(node, by);
        self.play_out(world, Nobody)
    }

    fn play_out(&self, mut world: World, onlooker: impl Witness + 'static) -> Outcome {
        let laws = Laws::new(self.members.iter().map(terms).collect());
        world.set_witness((laws.clone(), onlooker));
        let played = catch_unwind(AssertUnwindSafe(|| self.play_in(&mut world, &laws)));
        let ends = played.unwrap_or_else(|panic| {
            let what = panic.downcast_ref::<String>().cloned();
            let what = what.or_else(|| panic.downcast_ref::<&str>().map(|&what| what.into()));
            laws.accuse(Breach {
                law: Law::Invariants,
                node: 0,
                at: world.elapsed(),
                what: what.unwrap_or_default(),
            });
            Ends::new(self)
        });
        ends.outcome(&mut world, &laws)
    }

    /// The world before anybody has arrived.
    pub fn world(&self) -> World {
        let mut world = World::new();
        (world.latency, world.jitter) = (self.network.latency, self.network.jitter);
        world.loss = self.network.loss;
        world.set_chance(self.name.seed);
        if let Some(DhtNodes { count, stay }) = self.dht {
            world.add_dht(self.name.seed, count, stay);
        }
        // Large worlds are looked at now and then.
        world.check_every = 1 + self.members.len() as u32 / 4;
        for (number, interval) in self.trackers.iter().enumerate() {
            let tracker = Tracker::new(self.name.seed, *interval, world.now);
            world.add_tracker(url_of(number), tracker);
        }
        if let Some(pieces) = self.pieces_with_hashes {
            world.add_hashes(&self.geometry, pieces);
        }
        world
    }

    fn play_in(&self, world: &mut World, laws: &Laws) -> Ends {
        let mut ends = Ends::new(self);
        let end = self.name.lasts.map(|time| world.start + time);
        for (at, moment) in self.moments() {
            let at = world.start + at;
            if !run_to(world, laws, end.map_or(at, |end| at.min(end)))
                || end.is_some_and(|end| at > end)
            {
                return ends;
            }
            match moment {
                Moment::Arrives(member) => self.arrive(world, member),
                Moment::Begins(Fault { incident, member, .. }) => {
                    self.node_of(*member).inspect(|&node| incident.begin(world, node));
                }
                Moment::Ends(Fault { incident, member, .. }) => {
                    self.node_of(*member).inspect(|&node| incident.end(world, node));
                }
            }
        }
        ends.begin(world);
        let last = world.now + self.patience;
        let last = end.map_or(last, |end| last.min(end));
        let has_ended = world.run(last - world.now, |world| ends.look(world) || laws.is_broken());
        if end.is_some_and(|end| world.now >= end) || laws.is_broken() {
            return ends;
        }
        ends.judge(world, laws, has_ended);
        self.close(world, laws);
        ends
    }

    /// Lets the world go on for a while with nothing to do, and then has all leave.
    fn close(&self, world: &mut World, laws: &Laws) {
        if !run_to(world, laws, world.now + QUIET) {
            return;
        }
        laws.look_for_debts(world);
        for node in 0..world.nodes.len() {
            world.with(node, |swarm, now| swarm.stop(now));
        }
        if !run_to(world, laws, world.now + Duration::from_secs(60)) {
            return;
        }
        for (node, simulated) in world.nodes.iter().enumerate() {
            let is_gone = simulated.swarm.is_stopped() && simulated.links.is_empty();
            if !is_gone && simulated.behaviour == crate::Behaviour::Honest {
                let what = "is not gone a minute after it was stopped".into();
                laws.accuse(Breach { law: Law::Ends, node, at: world.elapsed(), what });
            }
        }
    }

    /// All that is done from outside, in order of time.
    fn moments(&self) -> Vec<(Duration, Moment<'_>)> {
        let arrivals = self.members.iter().map(|member| (member.arrives, Moment::Arrives(member)));
        let begins = self.faults.iter().map(|fault| (fault.at, Moment::Begins(fault)));
        let ends = self
            .faults
            .iter()
            .map(|fault| (fault.at + fault.incident.lasts(), Moment::Ends(fault)));
        let mut moments: Vec<_> = arrivals.chain(begins).chain(ends).collect();
        moments.sort_by_key(|(at, _)| *at);
        moments
    }

    /// The node of a member, by the number that was drawn.
    pub(super) fn node_of(&self, number: usize) -> Option<Node> {
        self.members.iter().position(|member| member.number == number)
    }

    fn arrive(&self, world: &mut World, member: &Member) {
        let node = world.nodes.len();
        let tiers = (0..self.trackers.len()).map(|tracker| vec![url_of(tracker)]);
        let tiers: Vec<_> = tiers.filter(|_| member.is_tracked).collect();
        world.add_unready(self.geometry.clone(), |config| tune(config, member, tiers));
        let [high, low] = (member.number as u16).to_be_bytes();
        // In networks of their own, as peers are: a network has a share of the places only.
        world.set_address(node, ([20 + low % 180, low, high, 1], 6881).into());
        let simulated = &mut world.nodes[node];
        simulated.behaviour = member.behaviour;
        simulated.uplink = Some(member.access.uplink);
        simulated.access.downlink = member.access.downlink;
        simulated.access.distance = member.access.distance;
        simulated.disk = member.disk.clone();
        if member.is_behind_nat {
            world.put_behind_nat(node);
        }
        if member.role != Role::Link {
            world.ready(node, self.pieces_of(member));
        }
        let known: Vec<_> = member.knows.iter().filter_map(|&other| self.node_of(other)).collect();
        let known: Vec<_> = known.into_iter().filter(|&other| other < node).collect();
        if !known.is_empty() {
            world.introduce(node, &known);
        }
        if let Some(every) = member.records {
            world.keep_records(node, every);
        }
        if let Some(server) = &member.web_seed {
            world.add_web_seed(node, server.clone());
        }
    }

    fn pieces_of(&self, member: &Member) -> Bitfield {
        let count = self.geometry.piece_count();
        let percent = match member.role {
            Role::Seed | Role::SuperSeed => return Bitfield::full(count),
            Role::Leech(percent) => percent,
            Role::Link => 0,
        };
        let mut random = StdRng::seed_from_u64(self.name.seed ^ (member.number as u64) << 32);
        let mut field = Bitfield::new(count);
        for piece in self.geometry.pieces() {
            if random.random_range(0..100) < percent {
                field.insert(piece);
            }
        }
        field
    }
}

/// Time in which nothing happens any more, but what goes on by itself.
const QUIET: Duration = Duration::from_secs(20);

/// Somebody who sees nothing.
struct Nobody;

impl Witness for Nobody {
    fn see(&mut self, _: &World, _: Node, _: &Seen<'_>) {}
}

/// Runs to this instant. Returns false if a law was broken.
fn run_to(world: &mut World, laws: &Laws, at: Instant) -> bool {
    let time = at.saturating_duration_since(world.now);
    !world.run(time, |_| laws.is_broken())
}

fn terms(member: &Member) -> Terms {
    let choices = &member.choices;
    Terms { max_peers: choices.max_peers, store_budget: choices.store_budget }
}

fn tune(config: &mut SwarmConfig, member: &Member, tiers: Vec<Vec<String>>) {
    let choices = &member.choices;
    config.trackers(tiers).max_peers(choices.max_peers).upload_slots(choices.upload_slots);
    config.store_budget(choices.store_budget).sequential(choices.sequential);
    config.download_limit(choices.download_limit).upload_limit(choices.upload_limit);
    config.exchange(choices.exchange).super_seeding(member.role == Role::SuperSeed);
    config.needs_metadata(member.role == Role::Link);
    config.transports(tinytorrent_swarm::Transports::Both);
    if member.is_in_dht {
        // The port of `address_of`, by UDP.
        config.dht(true).dht_port(Family::V4, 6881);
    }
}
