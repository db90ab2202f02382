use std::net::{IpAddr, SocketAddr};

use tinytorrent_types::compact::{self, Family};
use tinytorrent_types::{Host, Network, PeerId};

use super::figures::Totals;
use super::members::{Member, Members, Packed, Record};
use super::owners::Owner;
use super::ranges::cyclic_ranges;
use super::roles::{Presence, Roles};
use crate::SwarmCounts;

/// The peers of one torrent: their addresses by family, and their roles.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    v4: Members<[u8; 6]>,
    v6: Members<[u8; 18]>,
    roles: Roles,
    /// The number of peers that have announced `completed`.
    completed: u32,
    /// The host that the torrent is charged to; `None` only before the first announce.
    pub(super) owner: Option<Owner>,
}

/// Limits of the addresses of one family in a swarm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// All addresses.
    pub(super) swarm: usize,
    /// Addresses of one host; the network around it may have [`HOSTS_OF_NETWORK`] times as many.
    pub(super) host: usize,
}

/// An expression over the members of a family, which have a type for each.
macro_rules! of {
    ($family:expr, $swarm:expr, $members:ident => $value:expr) => {
        match $family {
            Family::V4 => {
                let $members = &$swarm.v4;
                $value
            }
            Family::V6 => {
                let $members = &$swarm.v6;
                $value
            }
        }
    };
    (mut $family:expr, $swarm:expr, $members:ident => $value:expr) => {
        match $family {
            Family::V4 => {
                let $members = &mut $swarm.v4;
                $value
            }
            Family::V6 => {
                let $members = &mut $swarm.v6;
                $value
            }
        }
    };
}

impl Swarm {
    /// Updates the announce from a known address. Returns false if the address is not known.
    pub(super) fn renew(&mut self, member: &Member) -> bool {
        let family = Family::of(member.address.ip());
        let Some(at) = self.place_of(member.address) else { return false };
        let new = member.record;
        let old = of!(family, self, members => members.records()[at]);
        let role = |record: &Record| (record.id, record.is_seed, record.is_paused);
        // Most announces change nothing.
        if role(&old) != role(&new) {
            let before = self.presence(old.id);
            let after = before.without(family, &old);
            if old.id == new.id {
                self.roles.change(new.id, before, after.with(family, &new));
            } else {
                self.roles.change(old.id, before, after);
                let before = self.presence(new.id);
                self.roles.change(new.id, before, before.with(family, &new));
            }
        }
        of!(mut family, self, members => members.renew(at, new));
        true
    }

    /// Adds an address that is not known. At a limit it takes the place of another: of its own
    /// network, or of one that has no fewer. If there is no such address, it is not listed.
    pub(super) fn insert(&mut self, member: &Member, limits: Limits, random: u64) {
        let ip = member.address.ip();
        let family = Family::of(ip);
        let victims = of!(family, self, members => victims(members, ip, limits, random));
        let Some(victims) = victims else { return };
        victims.into_iter().for_each(|victim| self.remove(victim));
        let before = self.presence(member.record.id);
        self.roles.change(member.record.id, before, before.with(family, &member.record));
        of!(mut family, self, members => members.push(*member));
        self.fit();
    }

    pub(super) fn remove(&mut self, address: SocketAddr) {
        let family = Family::of(address.ip());
        let Some(at) = self.place_of(address) else { return };
        let old = of!(family, self, members => members.records()[at]);
        let before = self.presence(old.id);
        self.roles.change(old.id, before, before.without(family, &old));
        of!(mut family, self, members => members.remove(address));
        self.fit();
    }

    /// Counts a `completed`.
    pub(super) fn complete(&mut self, id: PeerId) {
        // A peer with two addresses announces it from both, and is a seed after the first.
        if self.presence(id).is_leeching() {
            self.completed = self.completed.saturating_add(1);
        }
    }

    /// Removes the addresses whose last announce is older than this second. Takes time in
    /// proportion to their number.
    pub(super) fn remove_older_than(&mut self, earliest: u32) {
        for family in [Family::V4, Family::V6] {
            while let Some(oldest) = of!(family, self, members => oldest(members))
                && oldest.record.seen_at < earliest
            {
                self.remove(oldest.address);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        self.place_of(address).is_some()
    }

    /// True if all addresses of each family are in one network.
    pub(super) fn is_of_one_network(&self) -> bool {
        is_of_one_network(&self.v4) && is_of_one_network(&self.v6)
    }

    /// The numbers that this swarm adds to those of all.
    pub(super) fn totals(&self) -> Totals {
        let seeders = u64::from(self.roles.seeds());
        let leechers = u64::from(self.roles.peers()) - seeders;
        Totals { torrents: 1, seeders, leechers, addresses: self.len() as u64 }
    }

    /// The number of addresses of both families.
    fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    pub(super) fn len_of(&self, family: Family) -> usize {
        of!(family, self, members => members.len())
    }

    /// The numbers of peers, each counted once.
    pub(super) fn counts(&self) -> SwarmCounts {
        let roles = &self.roles;
        let leechers = roles.peers() - roles.seeds();
        SwarmCounts {
            seeders: Some(roles.seeds()),
            leechers: Some(leechers),
            completed: Some(self.completed),
            downloaders: Some(leechers - roles.paused()),
        }
    }

    /// The first `count` addresses of a family that are useful to a member: those of other peers,
    /// and for a seed those of leechers only. The list is cyclic, and begins at a place given by
    /// `random`.
    pub(super) fn others<'a>(
        &'a self,
        family: Family,
        member: &'a Member,
        count: usize,
        random: u64,
    ) -> impl Iterator<Item = Member> + 'a {
        let (first, length) = self.given_to(member, family);
        let start = place(random, length);
        let steps = (start..length).chain(0..start);
        // A peer with thousands of addresses would make a long way of it.
        let steps = steps.take(count.saturating_add(MAX_SKIPPED));
        let others =
            steps.filter_map(move |at| of!(family, self, members => members.get(first + at)));
        others.filter(|other| other.record.id != member.record.id).take(count)
    }

    /// Appends the addresses of [`others`](Self::others) in compact form.
    pub(super) fn write_others(
        &self,
        family: Family,
        member: &Member,
        count: usize,
        random: u64,
        out: &mut Vec<u8>,
    ) {
        let is_own_family = Family::of(member.address.ip()) == family;
        let own = self.place_of(member.address).filter(|_| is_own_family);
        // An address that is listed is the only one of its peer, as a rule.
        if own.is_none() || self.roles.has_repeated(family) {
            let addresses = self.presence(member.record.id).of(family);
            if addresses > u32::from(own.is_some()) {
                // Others of the member itself have to be skipped one by one.
                let others = self.others(family, member, count, random);
                return others.for_each(|other| compact::write(other.address, out));
            }
        }
        // At most one address is left out, so the ranges around it can be copied, which is several
        // times as fast.
        let (first, length) = self.given_to(member, family);
        let hole = own.and_then(|at| at.checked_sub(first));
        let packed = of!(family, self, members => members.compact());
        let byte_of = |place: usize| (first + place) * family.stride();
        for places in cyclic_ranges(length, place(random, length), hole, count) {
            out.extend_from_slice(&packed[byte_of(places.start)..byte_of(places.end)]);
        }
    }

    /// The first place of the members that may be given to this one, and their number.
    fn given_to(&self, member: &Member, family: Family) -> (usize, usize) {
        let (seeds, all) = of!(family, self, members => (members.seeds(), members.len()));
        let first = if member.record.is_seed { seeds } else { 0 };
        (first, all - first)
    }

    fn place_of(&self, address: SocketAddr) -> Option<usize> {
        of!(Family::of(address.ip()), self, members => members.place_of(address))
    }

    fn presence(&self, id: PeerId) -> Presence {
        self.roles.presence(id, self.addresses())
    }

    /// The announces from all addresses.
    fn addresses(&self) -> impl Iterator<Item = (Family, &Record)> {
        addresses(&self.v4).chain(addresses(&self.v6))
    }

    fn fit(&mut self) {
        let len = self.len();
        self.roles.fit(addresses(&self.v4).chain(addresses(&self.v6)), len);
    }

    pub(super) fn check_invariants(&self) {
        self.v4.check_invariants();
        self.v6.check_invariants();
        self.roles.check_invariants(self.addresses());
    }
}

fn addresses<A: Packed>(members: &Members<A>) -> impl Iterator<Item = (Family, &Record)> {
    members.records().iter().map(|record| (A::FAMILY, record))
}

fn oldest<A: Packed>(members: &Members<A>) -> Option<Member> {
    members.oldest_first(1).next()
}

fn is_of_one_network<A: Packed>(members: &Members<A>) -> bool {
    let first = oldest(members).map(|member| member.address.ip());
    first.is_none_or(|ip| members.share(ip).network == members.len())
}

/// The addresses to remove for a new one of this host. `None` if it has no right to a place.
fn victims<A: Packed>(
    members: &Members<A>,
    ip: IpAddr,
    limits: Limits,
    random: u64,
) -> Option<Option<SocketAddr>> {
    // Most lists are smaller than any limit.
    if members.len() < limits.swarm.min(limits.host) {
        return Some(None);
    }
    let share = members.share(ip);
    if share.host >= limits.host {
        oldest_in(members, ip, Host::of).map(Some)
    } else if share.network >= limits.host.saturating_mul(HOSTS_OF_NETWORK) {
        oldest_in(members, ip, Network::of).map(Some)
    } else if members.len() >= limits.swarm {
        greediest(members, ip, random).map(Some)
    } else {
        Some(None)
    }
}

/// The address of the same host or network with the oldest announce, if it is among the oldest of
/// all.
fn oldest_in<A: Packed, T: PartialEq>(
    members: &Members<A>,
    ip: IpAddr,
    part: impl Fn(IpAddr) -> T,
) -> Option<SocketAddr> {
    let own = part(ip);
    let mut oldest = members.oldest_first(LOOKED_AT).map(|member| member.address);
    oldest.find(|address| part(address.ip()) == own)
}

/// The address that has to go for a new one of this host in a full swarm: the oldest of the
/// greediest. `None` if the host is greedier.
///
/// The oldest and some at random are looked at: the greediest has the most to be found by.
fn greediest<A: Packed>(members: &Members<A>, ip: IpAddr, mut random: u64) -> Option<SocketAddr> {
    let length = members.len();
    let looked_at = (0..length.min(LOOKED_AT)).filter_map(|step| {
        // The step of Knuth's MMIX, of which the high bits are the good ones.
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = if length <= LOOKED_AT { step } else { place(random >> 33, length) };
        members.get(at)
    });
    let share = |member: &Member| members.share(member.address.ip());
    let victim = looked_at
        .chain(oldest(members))
        .max_by_key(|member| (share(member), std::cmp::Reverse(member.record.seen_at)))?;
    let is_neighbour = Network::of(victim.address.ip()) == Network::of(ip);
    let is_fair = is_neighbour || members.share(ip).network < share(&victim).network;
    is_fair.then_some(victim.address)
}

/// A random place in a list of this length.
fn place(random: u64, length: usize) -> usize {
    (random % length.max(1) as u64) as usize
}

/// A guess: what a household or an office has, and far from what an attacker needs.
const HOSTS_OF_NETWORK: usize = 4;

/// The number of addresses that are looked at for one to remove. With half of a swarm in one
/// network, it is missed once in 2^64.
const LOOKED_AT: usize = 64;

/// The number of addresses of the member itself that are skipped for it. Peers have one or two.
const MAX_SKIPPED: usize = 64;
