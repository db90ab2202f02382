use std::collections::HashMap;

use tinytorrent_types::PeerId;
use tinytorrent_types::compact::Family;

use super::members::Member;

/// The peers of a swarm by id, and the number of peers with each role.
///
/// A peer with several addresses, such as one of each family, counts once (BEP 7). It is a seed as
/// soon as one address announces so, since the announces from the others may be due later.
#[derive(Debug, Default)]
pub(super) struct Roles {
    peers: HashMap<PeerId, Presence>,
    seeds: u32,
    paused: u32,
}

/// The numbers of addresses of one peer, by family and by role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Presence {
    v4: u32,
    v6: u32,
    seeds: u32,
    paused: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Seed,
    Paused,
    Leecher,
}

impl Roles {
    /// The number of peers.
    pub(super) fn peers(&self) -> u32 {
        self.peers.len() as u32
    }

    /// The number of seeds.
    pub(super) fn seeds(&self) -> u32 {
        self.seeds
    }

    /// The number of partial seeds (BEP 21).
    pub(super) fn paused(&self) -> u32 {
        self.paused
    }

    /// True if this peer is known and incomplete.
    pub(super) fn is_leeching(&self, id: PeerId) -> bool {
        self.peers.get(&id).is_some_and(|presence| presence.role() != Role::Seed)
    }

    /// The number of addresses of this peer in one family.
    pub(super) fn addresses(&self, id: PeerId, family: Family) -> u32 {
        self.peers.get(&id).map_or(0, |presence| match family {
            Family::V4 => presence.v4,
            Family::V6 => presence.v6,
        })
    }

    pub(super) fn add(&mut self, member: &Member) {
        self.change(member.id, |presence| presence.add(member));
    }

    /// Removes a member that was added.
    pub(super) fn remove(&mut self, member: &Member) {
        self.change(member.id, |presence| presence.remove(member));
    }

    /// Removes a member and adds another.
    pub(super) fn replace(&mut self, old: &Member, new: &Member) {
        // Most announces change nothing, and then two lookups are saved.
        let role = |member: &Member| (member.id, member.is_seed, member.is_paused);
        if role(old) != role(new) {
            self.remove(old);
            self.add(new);
        }
    }

    fn change(&mut self, id: PeerId, change: impl FnOnce(&mut Presence)) {
        let presence = self.peers.entry(id).or_default();
        let before = presence.role();
        let was_there = presence.addresses() > 0;
        change(presence);
        let after = presence.role();
        let is_there = presence.addresses() > 0;
        // An empty entry would stay for each peer that ever announced.
        if !is_there {
            self.peers.remove(&id);
        }
        if was_there && let Some(count) = self.count(before) {
            *count -= 1;
        }
        if is_there && let Some(count) = self.count(after) {
            *count += 1;
        }
    }

    fn count(&mut self, role: Role) -> Option<&mut u32> {
        match role {
            Role::Seed => Some(&mut self.seeds),
            Role::Paused => Some(&mut self.paused),
            // The leechers are all other peers, and need no counter.
            Role::Leecher => None,
        }
    }

    pub(super) fn check_invariants(&self, members: &[&Member]) {
        let mut counted = Roles::default();
        members.iter().for_each(|member| counted.add(member));
        assert_eq!((self.seeds, self.paused), (counted.seeds, counted.paused));
        assert_eq!(self.peers.len(), counted.peers.len());
        for (id, found) in &self.peers {
            let expected = counted.peers.get(id).copied().unwrap_or_default();
            assert!(found.addresses() > 0 && *found == expected);
        }
    }
}

impl Presence {
    fn addresses(&self) -> u32 {
        self.v4 + self.v6
    }

    fn of_mut(&mut self, member: &Member) -> &mut u32 {
        match Family::of(member.address.ip()) {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    fn role(self) -> Role {
        match self {
            Self { seeds: 1.., .. } => Role::Seed,
            Self { paused: 1.., .. } => Role::Paused,
            _ => Role::Leecher,
        }
    }

    fn add(&mut self, member: &Member) {
        *self.of_mut(member) += 1;
        self.seeds += u32::from(member.is_seed);
        self.paused += u32::from(member.is_paused);
    }

    fn remove(&mut self, member: &Member) {
        *self.of_mut(member) -= 1;
        self.seeds -= u32::from(member.is_seed);
        self.paused -= u32::from(member.is_paused);
    }
}
