//! The laws of a whole world: whether downloads ended, how soon, and at what cost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::play::Outcome;
use super::{Incident, Member, Plan, Role};
use crate::laws::{Breach, Law, Laws};
use crate::{Behaviour, Node, World};

/// The best possible time is multiplied by this: choices are made without knowing what is to come.
const FACTOR: u32 = 4;

/// Time beside that, in which peers are found, found again after faults, and tried one after the other.
const SLACK: Duration = Duration::from_secs(90);

/// Bytes that may come twice beside once the content: blocks under way that others were asked for as well, as those who
/// were asked first were slow. So much it is where thirty uplinks of 30 kB/s have eight slots each, or where the own
/// downlink is the narrowest of all links. Of ten thousand worlds, four have more than half the content.
const SPARE: u64 = 3 << 20;

/// Time in which all equals are finished that began together, once the first is: a few rounds of choking.
const SLACK_OF_SHARES: Duration = Duration::from_secs(40);

/// The same for each piece where somebody super seeds, and waits until others show it.
const SLACK_FOR_SUPER_SEEDING: Duration = Duration::from_secs(5);

/// The same where peers are looked for in the DHT: who found nobody looks again after one minute, and then after two.
const SLACK_FOR_DHT: Duration = Duration::from_secs(180);

/// The same where the DHT was silent for a while: who was to be announced then is announced again after a quarter of an
/// hour.
const SLACK_AFTER_SILENCE: Duration = Duration::from_secs(16 * 60);

/// The same for each incident, and for each peer that is not honest.
const SLACK_AFTER_FAULTS: Duration = Duration::from_secs(420);
const SLACK_FOR_HOSTILE: Duration = Duration::from_secs(20);

/// The ends of a world's downloads.
#[derive(Debug)]
pub(super) struct Ends {
    /// The nodes whose downloads have to end, as an honest source stays for them.
    due: Vec<Node>,
    best: Duration,
    allowed: Duration,
    begun: Option<Instant>,
    finished: Option<Duration>,
    /// The nodes that are alike in all, and the times at which each was finished.
    equals: Vec<Node>,
    times: BTreeMap<Node, Duration>,
    is_quiet: bool,
    super_seed: Option<Node>,
    /// Bytes that the super seed had sent when it was the only seed.
    sent: u64,
}

impl Ends {
    pub(super) fn new(plan: &Plan) -> Self {
        let best = plan.best_time();
        let hostile = plan.members.iter().filter(|member| !member.is_honest()).count() as u32;
        let mut allowed = FACTOR * best + SLACK + hostile * SLACK_FOR_HOSTILE;
        if plan.dht.is_some() {
            allowed += SLACK_FOR_DHT;
        }
        if plan.faults.iter().any(|fault| matches!(fault.incident, Incident::SilenceDht(_))) {
            allowed += SLACK_AFTER_SILENCE;
        }
        if !plan.faults.is_empty() {
            allowed += SLACK_AFTER_FAULTS;
        }
        if plan.members.iter().any(|member| member.role == Role::SuperSeed) {
            allowed += plan.geometry.piece_count() * SLACK_FOR_SUPER_SEEDING;
        }
        Self {
            due: plan.due(),
            best,
            allowed,
            begun: None,
            finished: None,
            equals: plan.equals(),
            times: BTreeMap::new(),
            is_quiet: plan.faults.is_empty() && hostile == 0,
            super_seed: plan.lonely_super_seed(),
            sent: 0,
        }
    }

    /// The last incident is over.
    pub(super) fn begin(&mut self, world: &World) {
        self.begun = Some(world.now);
    }

    /// Returns true once all downloads have ended that have to.
    pub(super) fn look(&mut self, world: &World) -> bool {
        for &node in &self.equals {
            if world.nodes[node].swarm.is_finished() {
                self.times.entry(node).or_insert(world.elapsed());
            }
        }
        // As long as nobody else has everything.
        if let Some(seed) = self.super_seed
            && !self.due.iter().any(|&node| world.nodes[node].swarm.is_finished())
        {
            self.sent = world.nodes[seed].swarm.uploaded();
        }
        let has_ended = self.due.iter().all(|&node| world.nodes[node].swarm.is_finished());
        if has_ended && self.finished.is_none() {
            self.finished = self.begun.map(|begun| world.now - begun);
        }
        has_ended
    }

    /// Judges the downloads, which have ended or not.
    pub(super) fn judge(&self, world: &mut World, laws: &Laws, has_ended: bool) {
        let accuse = |world: &World, law, node, what| {
            laws.accuse(Breach { law, node, at: world.elapsed(), what });
        };
        let late = self.finished.is_none_or(|time| time > self.allowed);
        if late {
            let lacking = self.due.iter().find(|&&node| !world.nodes[node].swarm.is_finished());
            let node = lacking.or(self.due.first()).copied().unwrap_or_default();
            let (best, allowed, took) = (self.best, self.allowed, self.finished);
            let what = format!("took {took:?}; best {best:?}, allowed {allowed:?}, {has_ended}");
            accuse(world, Law::Completion, node, what);
        }
        for node in 0..world.nodes.len() {
            let now = world.now;
            let simulated = &mut world.nodes[node];
            let stats = simulated.swarm.stats(now);
            let most = SPARE + stats.have_bytes;
            if self.is_quiet && simulated.behaviour == Behaviour::Honest && stats.wasted > most {
                let what = format!("{} bytes came twice or too late", stats.wasted);
                accuse(world, Law::Proportion, node, what);
            }
        }
        let last = self.times.iter().max_by_key(|(_, time)| **time);
        if let Some((first, (node, last))) = self.times.values().min().zip(last)
            && *last > *first + SLACK_OF_SHARES
        {
            let what = format!("is finished after {last:?}, an equal after {first:?}");
            accuse(world, Law::Shares, *node, what);
        }
        if let Some(node) = self.super_seed {
            let (total, sent) = (world.nodes[node].geometry.total_length(), self.sent);
            // A tenth, and a piece for each peer, which all are told of one at the same time.
            let pieces = u64::from(world.nodes[node].geometry.nominal_piece_length());
            if sent > total + total / 10 + pieces * world.nodes.len() as u64 {
                let what = format!("sent {sent} bytes of {total}");
                accuse(world, Law::SuperSeeding, node, what);
            }
        }
    }

    pub(super) fn outcome(self, world: &mut World, laws: &Laws) -> Outcome {
        let now = world.now;
        let stats: Vec<_> = world.nodes.iter_mut().map(|node| node.swarm.stats(now)).collect();
        Outcome {
            breach: laws.breach(),
            took: world.elapsed(),
            downloaded: stats.iter().map(|stats| stats.downloaded).sum(),
            wasted: stats.iter().map(|stats| stats.wasted).sum(),
            finished: self.finished,
            best: self.best,
        }
    }
}

impl Plan {
    /// Returns true if a member is there to the end.
    fn stays(&self, member: &Member) -> bool {
        let faults = self.faults.iter().filter(|fault| fault.member == member.number);
        faults.into_iter().all(|fault| fault.incident != Incident::Leave)
    }

    /// Sources that all can reach, and that stay.
    fn sources(&self) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .filter(|member| member.role.is_seed() && member.is_honest() && self.stays(member))
    }

    /// Returns true if a member can get to a source, or the source to it.
    fn reaches(&self, member: &Member, source: &Member) -> bool {
        let are_tracked = member.is_tracked && source.is_tracked && !self.trackers.is_empty();
        let are_in_dht = member.is_in_dht && source.is_in_dht;
        let knows = |a: &Member, b: &Member| {
            a.knows.contains(&b.number) && a.arrives >= b.arrives && !b.is_behind_nat
        };
        ((are_tracked || are_in_dht) && !source.is_behind_nat)
            || knows(member, source)
            || knows(source, member)
    }

    /// The nodes whose downloads have to end.
    fn due(&self) -> Vec<Node> {
        let is_due = |member: &&Member| {
            let is_leech = !member.role.is_seed() && member.is_honest() && self.stays(member);
            is_leech && self.sources().any(|source| self.reaches(member, source))
        };
        let due = self.members.iter().filter(is_due);
        due.filter_map(|member| self.node_of(member.number)).collect()
    }

    /// The time that the downloads take at least, if each link is busy from the first moment on.
    fn best_time(&self) -> Duration {
        let total = self.geometry.total_length() as f64;
        let limited = |rate: u64, limit: Option<u64>| limit.map_or(rate, |limit| rate.min(limit));
        let up = |member: &Member| {
            limited(self.last_limits(member).1, Some(member.access.uplink)) as f64
        };
        let of_sources: f64 = self.sources().map(up).sum();
        let of_all: f64 = self.members.iter().filter(|member| member.is_honest()).map(up).sum();
        let due = self.due();
        let slowest = due.iter().map(|&node| {
            let member = &self.members[node];
            limited(self.last_limits(member).0, member.access.downlink) as f64
        });
        let slowest = slowest.fold(f64::INFINITY, f64::min);
        let least = (total / of_sources.max(1.0))
            .max(total * due.len() as f64 / of_all.max(1.0))
            .max(total / slowest.max(1.0));
        let disks = due.iter().map(|&node| self.members[node].disk.write);
        let blocks = total / f64::from(tinytorrent_types::BLOCK_LENGTH);
        let disks = disks.max().unwrap_or_default().mul_f64(blocks);
        Duration::from_secs_f64(least) + disks + 10 * self.network.latency
    }

    /// The limits of a member's user in the end, down and up.
    fn last_limits(&self, member: &Member) -> (u64, u64) {
        let faults = self.faults.iter().filter(|fault| fault.member == member.number);
        let choices = (member.choices.download_limit, member.choices.upload_limit);
        let last = faults.fold(choices, |last, fault| match fault.incident {
            Incident::Limit(down, up) => (down, up),
            _ => last,
        });
        (last.0.unwrap_or(u64::MAX), last.1.unwrap_or(u64::MAX))
    }

    /// Leeches that differ in nothing but their numbers, if all are, and nothing happens to them.
    fn equals(&self) -> Vec<Node> {
        let leeches = || self.members.iter().filter(|member| member.role == Role::Leech(0));
        let Some(one) = leeches().next() else { return Vec::new() };
        let is_alike = |member: &Member| {
            let is_seed = member.role.is_seed() && member.is_honest();
            is_seed
                || (member.role == one.role && member.is_honest() && member.arrives.is_zero())
                    && (member.access, member.choices) == (one.access, one.choices)
                    && (member.disk.write, member.disk.hash) == (one.disk.write, one.disk.hash)
                    && member.is_tracked
                    && !member.is_behind_nat
                    && member.web_seed.is_none()
        };
        if !self.faults.is_empty() || !self.members.iter().all(is_alike) {
            return Vec::new();
        }
        leeches().filter_map(|member| self.node_of(member.number)).collect()
    }

    /// A super seed that is the only source, of honest peers that get something from each other.
    fn lonely_super_seed(&self) -> Option<Node> {
        let leeches = self.members.iter().filter(|member| !member.role.is_seed()).count();
        let is_alone = self.members.iter().filter(|member| member.role.is_seed()).count() == 1;
        let is_fair = self.faults.is_empty()
            && self.members.iter().all(|member| {
                let has_all = member.is_tracked && !member.is_behind_nat;
                has_all && member.is_honest() && member.arrives.is_zero()
            });
        let seed = self.members.iter().find(|member| member.role == Role::SuperSeed)?;
        let is_judged = is_alone && is_fair && leeches >= 3;
        // Fewer pieces would not go round.
        let has_many = self.geometry.piece_count() as usize >= 3 * leeches;
        self.node_of(seed.number).filter(|_| is_judged && has_many)
    }
}
