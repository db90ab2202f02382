use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use tinytorrent_types::PeerId;
use tinytorrent_types::compact::{self, Family};

use super::ages::Ages;
use crate::{Peer, SwarmCounts};

/// The peers of one torrent, by family.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    v4: Members,
    v6: Members,
    /// How many `completed` were heard.
    completed: u32,
}

/// What is known of a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) address: SocketAddr,
    pub(super) id: PeerId,
    pub(super) is_seed: bool,
    /// A partial seed: misses something and wants nothing (BEP 21).
    pub(super) is_paused: bool,
    pub(super) seen_at: Instant,
}

impl Swarm {
    /// Adds or renews a peer. At the limit, the one not heard of for longest gives way.
    pub(super) fn insert(&mut self, member: Member, limit: usize) {
        self.of_mut(Family::of(member.address.ip())).insert(member, limit);
    }

    pub(super) fn remove(&mut self, address: SocketAddr) {
        self.of_mut(Family::of(address.ip())).remove(address);
    }

    /// Counts a `completed`, unless the peer was a seed already.
    pub(super) fn complete(&mut self, address: SocketAddr) {
        let members = self.of_mut(Family::of(address.ip()));
        let known = members.index.get(&address).map(|&at| members.list[at as usize].is_seed);
        if known == Some(false) {
            self.completed = self.completed.saturating_add(1);
        }
    }

    pub(super) fn forget_before(&mut self, oldest: Instant) {
        self.v4.forget_before(oldest);
        self.v6.forget_before(oldest);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Addresses of both families.
    pub(super) fn len(&self) -> usize {
        self.v4.list.len() + self.v6.list.len()
    }

    pub(super) fn len_of(&self, family: Family) -> usize {
        self.of(family).list.len()
    }

    /// Addresses, not peers: who announces over both families counts twice.
    pub(super) fn counts(&self) -> SwarmCounts {
        let (v4, v6) = (&self.v4, &self.v6);
        let all = v4.list.len() + v6.list.len();
        let seeds = v4.seeds + v6.seeds;
        let paused = v4.paused + v6.paused;
        SwarmCounts {
            seeders: Some(seeds as u32),
            leechers: Some((all - seeds) as u32),
            completed: Some(self.completed),
            downloaders: Some((all - seeds - paused) as u32),
        }
    }

    /// Up to `count` peers of a family, without `except`, beginning at a place of chance.
    pub(super) fn sample(
        &self,
        family: Family,
        count: usize,
        except: SocketAddr,
        chance: u64,
    ) -> impl Iterator<Item = Peer> + '_ {
        let members = self.of(family);
        let places = members.others(count, except, chance).into_iter().flatten();
        places
            .map(|at| &members.list[at])
            .map(|member| Peer { address: member.address, id: Some(member.id) })
    }

    /// The same peers in compact form, as a UDP reply holds them.
    pub(super) fn sample_compact(
        &self,
        family: Family,
        count: usize,
        except: SocketAddr,
        chance: u64,
        out: &mut Vec<u8>,
    ) {
        let members = self.of(family);
        for places in members.others(count, except, chance) {
            let bytes = places.start * family.stride()..places.end * family.stride();
            out.extend_from_slice(&members.compact[bytes]);
        }
    }

    fn of(&self, family: Family) -> &Members {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn of_mut(&mut self, family: Family) -> &mut Members {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    pub(super) fn check_invariants(&self) {
        for (members, family) in [(&self.v4, Family::V4), (&self.v6, Family::V6)] {
            assert_eq!(members.index.len(), members.list.len());
            for (at, member) in members.list.iter().enumerate() {
                assert_eq!(members.index.get(&member.address), Some(&(at as u32)));
            }
            let addresses = members.list.iter().map(|member| member.address);
            assert!(compact::peers(&members.compact, family).eq(addresses));
            let ages: Vec<_> =
                members.ages.oldest_first().map(|at| members.list[at].seen_at).collect();
            assert!(ages.len() == members.list.len() && ages.is_sorted());
            assert_eq!(members.seeds, members.list.iter().filter(|m| m.is_seed).count());
            assert_eq!(members.paused, members.list.iter().filter(|m| m.is_paused).count());
        }
    }
}

/// A list to draw from at a place of chance, where in it each address stands, and who has not been
/// heard of for longest.
#[derive(Debug, Default)]
struct Members {
    list: Vec<Member>,
    /// The addresses of the list, in its order, as replies have them.
    compact: Vec<u8>,
    index: HashMap<SocketAddr, u32>,
    ages: Ages,
    seeds: usize,
    paused: usize,
}

impl Members {
    fn insert(&mut self, member: Member, limit: usize) {
        if let Some(&at) = self.index.get(&member.address) {
            let old = std::mem::replace(&mut self.list[at as usize], member);
            self.ages.renew(at as usize);
            self.uncount(&old);
        } else {
            while self.list.len() >= limit
                && let Some(oldest) = self.ages.oldest()
            {
                self.remove(self.list[oldest].address);
            }
            self.index.insert(member.address, self.list.len() as u32);
            compact::write(member.address, &mut self.compact);
            self.ages.push();
            self.list.push(member);
        }
        self.seeds += usize::from(member.is_seed);
        self.paused += usize::from(member.is_paused);
    }

    fn remove(&mut self, address: SocketAddr) {
        let Some(at) = self.index.remove(&address) else { return };
        let at = at as usize;
        let old = self.list.swap_remove(at);
        let stride = self.compact.len() / (self.list.len() + 1);
        let last = self.list.len() * stride;
        self.compact.copy_within(last.., at * stride);
        self.compact.truncate(last);
        self.ages.swap_remove(at);
        if let Some(moved) = self.list.get(at) {
            self.index.insert(moved.address, at as u32);
        }
        self.uncount(&old);
    }

    /// Takes time for those that are forgotten only.
    fn forget_before(&mut self, earliest: Instant) {
        while let Some(oldest) = self.ages.oldest()
            && self.list[oldest].seen_at < earliest
        {
            self.remove(self.list[oldest].address);
        }
    }

    /// The places of `count` members, once around from a place of chance, but for `except`.
    fn others(&self, count: usize, except: SocketAddr, chance: u64) -> [Range<usize>; 4] {
        let length = self.list.len();
        let start = (chance % length.max(1) as u64) as usize;
        let skipped = self.index.get(&except).map_or(length, |&at| at as usize);
        let without = |range: Range<usize>| {
            let hole = skipped.clamp(range.start, range.end);
            [range.start..hole, (hole + usize::from(range.contains(&skipped)))..range.end]
        };
        let ([a, b], [c, d]) = (without(start..length), without(0..start));
        let mut room = count;
        [a, b, c, d].map(|range| {
            let taken = range.len().min(room);
            room -= taken;
            range.start..range.start + taken
        })
    }

    fn uncount(&mut self, old: &Member) {
        self.seeds -= usize::from(old.is_seed);
        self.paused -= usize::from(old.is_paused);
    }
}

/// How often a tracker looks for peers that left without a word.
pub(super) const SWEEP: Duration = Duration::from_secs(60);
