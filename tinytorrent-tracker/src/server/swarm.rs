use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tinytorrent_types::compact::{self, Family};
use tinytorrent_types::{Crowd, Host, Network};

use super::members::{Member, Members};
use super::owners::Owner;
use super::ranges::{cyclic_ranges, slices};
use super::roles::Roles;
use crate::SwarmCounts;

/// The peers of one torrent: their addresses by family, and their roles.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    v4: Addresses,
    v6: Addresses,
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

/// Addresses of one family. Seeds are kept apart, since seeds get no seeds.
#[derive(Debug, Default)]
struct Addresses {
    seeds: Members,
    leechers: Members,
    crowd: Crowd,
}

impl Swarm {
    /// Adds or renews an address. At a limit it takes the place of another: of its own network, or
    /// of one that has no fewer. If there is no such address, it is not listed.
    pub(super) fn insert(&mut self, member: Member, limits: Limits, random: u64) {
        let addresses = self.of_mut(Family::of(member.address.ip()));
        if let Some(old) = addresses.renew(member) {
            self.roles.replace(&old, &member);
            return;
        }
        let Some(victims) = addresses.victims(member.address.ip(), limits, random) else { return };
        let removed: Vec<_> = victims.into_iter().filter_map(|old| addresses.remove(old)).collect();
        addresses.push(member);
        removed.iter().for_each(|old| self.roles.remove(old));
        self.roles.add(&member);
    }

    pub(super) fn remove(&mut self, address: SocketAddr) {
        if let Some(old) = self.of_mut(Family::of(address.ip())).remove(address) {
            self.roles.remove(&old);
        }
    }

    /// Counts a `completed`.
    pub(super) fn complete(&mut self, member: &Member) {
        // A peer with two addresses announces it from both, and is a seed after the first.
        if self.roles.is_leeching(member.id) {
            self.completed = self.completed.saturating_add(1);
        }
    }

    /// Removes the addresses whose last announce is older. Takes time in proportion to their
    /// number.
    pub(super) fn remove_older_than(&mut self, earliest: Instant) {
        for addresses in [&mut self.v4, &mut self.v6] {
            while addresses.oldest().is_some_and(|oldest| oldest.seen_at < earliest)
                && let Some(old) = addresses.remove_oldest()
            {
                self.roles.remove(&old);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        let addresses = self.of(Family::of(address.ip()));
        let lists = [&addresses.seeds, &addresses.leechers];
        lists.iter().any(|members| members.place_of(address).is_some())
    }

    /// True if all addresses of each family are in one network.
    pub(super) fn is_of_one_network(&self) -> bool {
        [&self.v4, &self.v6].iter().all(|addresses| {
            let first = addresses.oldest().map(|member| member.address.ip());
            first.is_none_or(|ip| addresses.crowd.share(ip).network == addresses.len())
        })
    }

    /// The number of addresses of both families.
    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    pub(super) fn len_of(&self, family: Family) -> usize {
        self.of(family).len()
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

    /// The addresses of a family that are useful to a member: those of other peers, and for a seed
    /// those of leechers only. The list is cyclic, and begins at a place given by `random`.
    pub(super) fn others<'a>(
        &'a self,
        family: Family,
        member: &'a Member,
        random: u64,
    ) -> impl Iterator<Item = &'a Member> {
        let lists = self.of(family).given_to(member, Members::as_slice);
        let length = lists[0].len() + lists[1].len();
        let start = place(random, length);
        let (late, early) = (slices(lists, start..length), slices(lists, 0..start));
        late.into_iter().chain(early).flatten().filter(|other| other.id != member.id)
    }

    /// Appends the first `count` of [`others`](Self::others) in compact form.
    pub(super) fn write_others(
        &self,
        family: Family,
        member: &Member,
        count: usize,
        random: u64,
        out: &mut Vec<u8>,
    ) {
        let known = u32::from(Family::of(member.address.ip()) == family);
        if self.roles.addresses(member.id, family) > known {
            // Several addresses of the member itself have to be skipped one by one.
            let others = self.others(family, member, random).take(count);
            return others.for_each(|other| compact::write(other.address, out));
        }
        // At most one address is left out, so the ranges around it can be copied, which is several
        // times as fast.
        let addresses = self.of(family);
        let packed = addresses.given_to(member, Members::compact);
        let (stride, seeds) = (family.stride(), packed[0].len() / family.stride());
        let length = seeds + addresses.leechers.len();
        let own = addresses.leechers.place_of(member.address).map(|at| seeds + at);
        for places in cyclic_ranges(length, place(random, length), own, count) {
            let parts = slices(packed, places.start * stride..places.end * stride);
            parts.into_iter().for_each(|part| out.extend_from_slice(part));
        }
    }

    fn of(&self, family: Family) -> &Addresses {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn of_mut(&mut self, family: Family) -> &mut Addresses {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    pub(super) fn check_invariants(&self) {
        let mut all = Vec::new();
        for (addresses, family) in [(&self.v4, Family::V4), (&self.v6, Family::V6)] {
            for (members, is_seed) in [(&addresses.seeds, true), (&addresses.leechers, false)] {
                members.check_invariants(family);
                let is_right = |member: &Member| {
                    member.is_seed == is_seed && Family::of(member.address.ip()) == family
                };
                assert!(members.as_slice().iter().all(is_right));
                all.extend(members.as_slice());
            }
            let members = [&addresses.seeds, &addresses.leechers].map(Members::as_slice).concat();
            let counted: Crowd = members.iter().map(|member| member.address.ip()).collect();
            assert_eq!(addresses.crowd, counted);
            let both = |seed: &Member| addresses.leechers.place_of(seed.address).is_some();
            assert!(!addresses.seeds.as_slice().iter().any(both));
        }
        self.roles.check_invariants(&all);
    }
}

impl Addresses {
    fn len(&self) -> usize {
        self.seeds.len() + self.leechers.len()
    }

    fn of_role_mut(&mut self, is_seed: bool) -> &mut Members {
        if is_seed { &mut self.seeds } else { &mut self.leechers }
    }

    /// The two lists of members that may be given to this one, as `read` returns them.
    fn given_to<'a, T>(
        &'a self,
        member: &Member,
        read: impl Fn(&'a Members) -> &'a [T],
    ) -> [&'a [T]; 2] {
        let seeds = if member.is_seed { &[] } else { read(&self.seeds) };
        [seeds, read(&self.leechers)]
    }

    fn push(&mut self, member: Member) {
        self.crowd.add(member.address.ip());
        self.of_role_mut(member.is_seed).push(member);
    }

    /// The addresses to remove for a new one of this host. `None` if it has no right to a place.
    fn victims(&self, ip: IpAddr, limits: Limits, random: u64) -> Option<Vec<SocketAddr>> {
        let share = self.crowd.share(ip);
        let of_own = if share.host >= limits.host {
            Some(self.oldest_in(ip, Host::of)?)
        } else if share.network >= limits.host.saturating_mul(HOSTS_OF_NETWORK) {
            Some(self.oldest_in(ip, Network::of)?)
        } else {
            None
        };
        let mut victims: Vec<_> = of_own.into_iter().collect();
        if victims.is_empty() && self.len() >= limits.swarm {
            victims.push(self.greediest(ip, random)?);
        }
        Some(victims)
    }

    /// The address of the same host or network with the oldest announce, if it is among the oldest
    /// of all.
    fn oldest_in<T: PartialEq>(
        &self,
        ip: IpAddr,
        part: impl Fn(IpAddr) -> T,
    ) -> Option<SocketAddr> {
        let oldest = [&self.seeds, &self.leechers].map(|members| members.oldest_first(LOOKED_AT));
        let own =
            oldest.into_iter().flatten().filter(|member| part(member.address.ip()) == part(ip));
        own.min_by_key(|member| member.seen_at).map(|member| member.address)
    }

    /// The address that has to go for a new one of this host in a full swarm: the oldest of the
    /// greediest. `None` if the host is greedier.
    ///
    /// The oldest and some at random are looked at: the greediest has the most to be found by.
    fn greediest(&self, ip: IpAddr, mut random: u64) -> Option<SocketAddr> {
        let lists = [self.seeds.as_slice(), self.leechers.as_slice()];
        let length = self.len();
        let looked_at = (0..length.min(LOOKED_AT)).filter_map(|step| {
            // The step of Knuth's MMIX, of which the high bits are the good ones.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = if length <= LOOKED_AT { step } else { place(random >> 33, length) };
            lists[0].get(at).or_else(|| lists[1].get(at - lists[0].len()))
        });
        let share = |member: &Member| self.crowd.share(member.address.ip());
        let victim = looked_at
            .chain(self.oldest())
            .max_by_key(|member| (share(member), std::cmp::Reverse(member.seen_at)))?;
        let is_neighbour = Network::of(victim.address.ip()) == Network::of(ip);
        let is_fair = is_neighbour || self.crowd.share(ip).network < share(victim).network;
        is_fair.then_some(victim.address)
    }

    /// Replaces the member with the same address, and returns the old one; `None` if there is none.
    fn renew(&mut self, member: Member) -> Option<Member> {
        // The old one is in the other list if the peer has become a seed.
        let renewed = self.of_role_mut(member.is_seed).renew(member);
        renewed.or_else(|| {
            let old = self.of_role_mut(!member.is_seed).remove(member.address)?;
            self.of_role_mut(member.is_seed).push(member);
            Some(old)
        })
    }

    fn remove(&mut self, address: SocketAddr) -> Option<Member> {
        let removed = self.seeds.remove(address).or_else(|| self.leechers.remove(address))?;
        self.crowd.remove(address.ip());
        Some(removed)
    }

    fn oldest(&self) -> Option<&Member> {
        let oldest = [self.seeds.oldest(), self.leechers.oldest()];
        oldest.into_iter().flatten().min_by_key(|member| member.seen_at)
    }

    fn remove_oldest(&mut self) -> Option<Member> {
        let address = self.oldest()?.address;
        self.remove(address)
    }
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

/// The time between two sweeps for peers that left without `stopped`.
pub(super) const SWEEP: Duration = Duration::from_secs(60);
