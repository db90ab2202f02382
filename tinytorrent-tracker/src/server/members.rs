use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use tinytorrent_types::PeerId;
use tinytorrent_types::compact::{self, Family};

use super::ages::Ages;

/// One address of a peer, with the data of the last announce from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) address: SocketAddr,
    pub(super) id: PeerId,
    pub(super) is_seed: bool,
    /// True for a partial seed, which is incomplete and downloads nothing more (BEP 21).
    pub(super) is_paused: bool,
    pub(super) seen_at: Instant,
}

/// The members of one family and role: a list with an index by address and an order by age.
#[derive(Debug, Default)]
pub(super) struct Members {
    list: Vec<Member>,
    /// The addresses in the order of the list, in compact form for UDP replies.
    compact: Vec<u8>,
    /// The index in the list of each address.
    index: HashMap<SocketAddr, u32>,
    ages: Ages,
}

impl Members {
    pub(super) fn as_slice(&self) -> &[Member] {
        &self.list
    }

    /// The addresses of [`as_slice`](Self::as_slice) in compact form.
    pub(super) fn compact(&self) -> &[u8] {
        &self.compact
    }

    pub(super) fn place_of(&self, address: SocketAddr) -> Option<usize> {
        self.index.get(&address).map(|&at| at as usize)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The member with the oldest announce.
    pub(super) fn oldest(&self) -> Option<&Member> {
        self.ages.oldest().map(|at| &self.list[at])
    }

    /// The first so many members in the order of their announces, the oldest first.
    pub(super) fn oldest_first(&self, count: usize) -> impl Iterator<Item = &Member> {
        self.ages.oldest_first().take(count).map(|at| &self.list[at])
    }

    /// Replaces the member with the same address, and returns the old one. Changes nothing if
    /// there is none.
    pub(super) fn renew(&mut self, member: Member) -> Option<Member> {
        let at = self.place_of(member.address)?;
        self.ages.renew(at);
        Some(std::mem::replace(&mut self.list[at], member))
    }

    /// Adds a member whose address is not in the list.
    pub(super) fn push(&mut self, member: Member) {
        self.index.insert(member.address, self.list.len() as u32);
        compact::write(member.address, &mut self.compact);
        self.ages.push();
        self.list.push(member);
    }

    pub(super) fn remove(&mut self, address: SocketAddr) -> Option<Member> {
        let at = self.index.remove(&address)? as usize;
        // `list`, `compact` and `ages` all move their last entry to the free place.
        let old = self.list.swap_remove(at);
        let stride = Family::of(address.ip()).stride();
        let last = self.list.len() * stride;
        self.compact.copy_within(last.., at * stride);
        self.compact.truncate(last);
        self.ages.swap_remove(at);
        if let Some(moved) = self.list.get(at) {
            self.index.insert(moved.address, at as u32);
        }
        Some(old)
    }

    pub(super) fn check_invariants(&self, family: Family) {
        assert_eq!(self.index.len(), self.list.len());
        for (at, member) in self.list.iter().enumerate() {
            assert_eq!(self.index.get(&member.address), Some(&(at as u32)));
        }
        let addresses = self.list.iter().map(|member| member.address);
        assert!(compact::peers(&self.compact, family).eq(addresses));
        let ages: Vec<_> = self.ages.oldest_first().map(|at| self.list[at].seen_at).collect();
        assert!(ages.len() == self.list.len() && ages.is_sorted());
    }
}
