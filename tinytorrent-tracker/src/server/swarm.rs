use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::PeerId;
use tinytorrent_types::compact::Family;

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
    /// Adds or renews a peer. At the limit, the one next in turn gives way.
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
        self.v4.list.is_empty() && self.v6.list.is_empty()
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
        let list = match family {
            Family::V4 => &self.v4.list,
            Family::V6 => &self.v6.list,
        };
        let start = (chance % list.len().max(1) as u64) as usize;
        let (before, after) = list.split_at(start);
        let others = after.iter().chain(before).filter(move |member| member.address != except);
        others.take(count).map(|member| Peer { address: member.address, id: Some(member.id) })
    }

    fn of_mut(&mut self, family: Family) -> &mut Members {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    pub(super) fn check_invariants(&self) {
        for members in [&self.v4, &self.v6] {
            assert_eq!(members.index.len(), members.list.len());
            for (at, member) in members.list.iter().enumerate() {
                assert_eq!(members.index.get(&member.address), Some(&(at as u32)));
            }
            assert_eq!(members.seeds, members.list.iter().filter(|m| m.is_seed).count());
            assert_eq!(members.paused, members.list.iter().filter(|m| m.is_paused).count());
        }
    }
}

/// A list to draw from at a place of chance, and where in it each address stands.
#[derive(Debug, Default)]
struct Members {
    list: Vec<Member>,
    index: HashMap<SocketAddr, u32>,
    seeds: usize,
    paused: usize,
    /// Whose turn it is to give way.
    hand: usize,
}

impl Members {
    fn insert(&mut self, member: Member, limit: usize) {
        if let Some(&at) = self.index.get(&member.address) {
            let old = std::mem::replace(&mut self.list[at as usize], member);
            self.uncount(&old);
        } else {
            if self.list.len() >= limit {
                self.hand = (self.hand + 1) % self.list.len();
                self.remove(self.list[self.hand].address);
            }
            self.index.insert(member.address, self.list.len() as u32);
            self.list.push(member);
        }
        self.seeds += usize::from(member.is_seed);
        self.paused += usize::from(member.is_paused);
    }

    fn remove(&mut self, address: SocketAddr) {
        let Some(at) = self.index.remove(&address) else { return };
        let old = self.list.swap_remove(at as usize);
        if let Some(moved) = self.list.get(at as usize) {
            self.index.insert(moved.address, at);
        }
        self.uncount(&old);
    }

    fn forget_before(&mut self, oldest: Instant) {
        let stale: Vec<SocketAddr> =
            self.list.iter().filter(|m| m.seen_at < oldest).map(|m| m.address).collect();
        stale.into_iter().for_each(|address| self.remove(address));
    }

    fn uncount(&mut self, old: &Member) {
        self.seeds -= usize::from(old.is_seed);
        self.paused -= usize::from(old.is_paused);
    }
}

/// How often a tracker looks for peers that left without a word.
pub(super) const SWEEP: Duration = Duration::from_secs(60);
