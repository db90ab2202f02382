use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::compact::{self, Family};

use super::around::{around, slices};
use super::members::{Member, Members};
use super::roles::Roles;
use crate::SwarmCounts;

/// The peers of one torrent: their addresses by family, and who is who.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    v4: Addresses,
    v6: Addresses,
    roles: Roles,
    /// How many `completed` were heard.
    completed: u32,
}

/// Addresses of one family. Seeds are kept apart, as they are not given to seeds.
#[derive(Debug, Default)]
struct Addresses {
    seeds: Members,
    leechers: Members,
}

impl Swarm {
    /// Adds or renews an address. At the limit, the one not heard of for longest gives way.
    pub(super) fn insert(&mut self, member: Member, limit: usize) {
        let addresses = self.of_mut(Family::of(member.address.ip()));
        if let Some(old) = addresses.renew(member) {
            self.roles.replace(&old, &member);
            return;
        }
        let mut evicted = Vec::new();
        while addresses.len() >= limit
            && let Some(oldest) = addresses.remove_oldest()
        {
            evicted.push(oldest);
        }
        addresses.of_role_mut(member.is_seed).push(member);
        evicted.iter().for_each(|old| self.roles.remove(old));
        self.roles.add(&member);
    }

    pub(super) fn remove(&mut self, address: SocketAddr) {
        if let Some(old) = self.of_mut(Family::of(address.ip())).remove(address) {
            self.roles.remove(&old);
        }
    }

    /// Counts a `completed`, once for a peer that was not a seed already: it comes from each of its
    /// addresses.
    pub(super) fn complete(&mut self, member: &Member) {
        if self.roles.is_leeching(member.id) {
            self.completed = self.completed.saturating_add(1);
        }
    }

    /// Takes time for those that are forgotten only.
    pub(super) fn forget_before(&mut self, earliest: Instant) {
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

    /// Addresses of both families.
    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    pub(super) fn len_of(&self, family: Family) -> usize {
        self.of(family).len()
    }

    /// Peers, not addresses.
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

    /// The addresses of a family that are of use to a member: of other peers, and to a seed only
    /// those that are none. Once around from a place that `chance` decides.
    pub(super) fn others<'a>(
        &'a self,
        family: Family,
        member: &'a Member,
        chance: u64,
    ) -> impl Iterator<Item = &'a Member> {
        let lists = self.of(family).given_to(member, Members::as_slice);
        let length = lists[0].len() + lists[1].len();
        let start = place(chance, length);
        let (late, early) = (slices(lists, start..length), slices(lists, 0..start));
        late.into_iter().chain(early).flatten().filter(|other| other.id != member.id)
    }

    /// Appends the first `count` of [`others`](Self::others) in compact form.
    pub(super) fn write_others(
        &self,
        family: Family,
        member: &Member,
        count: usize,
        chance: u64,
        out: &mut Vec<u8>,
    ) {
        let known = u32::from(Family::of(member.address.ip()) == family);
        if self.roles.addresses(member.id, family) > known {
            let others = self.others(family, member, chance).take(count);
            return others.for_each(|other| compact::write(other.address, out));
        }
        // One address at most is left out, and what is around it can be copied.
        let addresses = self.of(family);
        let packed = addresses.given_to(member, Members::compact);
        let (stride, seeds) = (family.stride(), packed[0].len() / family.stride());
        let length = seeds + addresses.leechers.len();
        let own = addresses.leechers.place_of(member.address).map(|at| seeds + at);
        for places in around(length, place(chance, length), own, count) {
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

    /// What there is of the members that may be given to this one.
    fn given_to<'a, T>(
        &'a self,
        member: &Member,
        read: impl Fn(&'a Members) -> &'a [T],
    ) -> [&'a [T]; 2] {
        let seeds = if member.is_seed { &[] } else { read(&self.seeds) };
        [seeds, read(&self.leechers)]
    }

    /// Puts a member in the place of the one with its address, and returns that one.
    fn renew(&mut self, member: Member) -> Option<Member> {
        let renewed = self.of_role_mut(member.is_seed).renew(member);
        renewed.or_else(|| {
            let old = self.of_role_mut(!member.is_seed).remove(member.address)?;
            self.of_role_mut(member.is_seed).push(member);
            Some(old)
        })
    }

    fn remove(&mut self, address: SocketAddr) -> Option<Member> {
        self.seeds.remove(address).or_else(|| self.leechers.remove(address))
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

/// A place in a list of this length.
fn place(chance: u64, length: usize) -> usize {
    (chance % length.max(1) as u64) as usize
}

/// How often a tracker looks for peers that left without a word.
pub(super) const SWEEP: Duration = Duration::from_secs(60);
