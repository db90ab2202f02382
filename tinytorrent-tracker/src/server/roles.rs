use std::collections::HashMap;

use tinytorrent_types::PeerId;
use tinytorrent_types::compact::Family;

use super::members::Record;

/// The number of peers of a swarm with each role, and the index of its peers by id if it is large.
///
/// A peer with several addresses, such as one of each family, counts once (BEP 7). It is a seed as
/// soon as one address announces so, since the announces from the others may be due later.
#[derive(Debug, Default)]
pub(super) struct Roles {
    counts: Counts,
    #[expect(clippy::box_collection, reason = "nearly all swarms have none")]
    index: Option<Box<HashMap<PeerId, Presence>>>,
}

/// Numbers of peers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    peers: u32,
    seeds: u32,
    paused: u32,
    /// Those with several addresses of one family, for each family.
    repeated: [u32; 2],
}

/// The numbers of addresses of one peer, by family and by role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Presence {
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
        self.counts.peers
    }

    /// The number of seeds.
    pub(super) fn seeds(&self) -> u32 {
        self.counts.seeds
    }

    /// The number of partial seeds (BEP 21).
    pub(super) fn paused(&self) -> u32 {
        self.counts.paused
    }

    /// True if some peer has several addresses in this family.
    pub(super) fn has_repeated(&self, family: Family) -> bool {
        self.counts.repeated[family_index(family)] > 0
    }

    /// The addresses of a peer. `all` are those of the swarm, which are looked through if it is
    /// small.
    pub(super) fn presence<'a>(
        &self,
        id: PeerId,
        all: impl Iterator<Item = (Family, &'a Record)>,
    ) -> Presence {
        match &self.index {
            Some(index) => index.get(&id).copied().unwrap_or_default(),
            None => all.filter(|(_, record)| record.id == id).collect(),
        }
    }

    /// Records that the addresses of a peer have changed.
    pub(super) fn change(&mut self, id: PeerId, before: Presence, after: Presence) {
        self.counts.remove(before);
        self.counts.add(after);
        if let Some(index) = &mut self.index {
            // An empty entry would stay for each peer that ever announced.
            match after.addresses() {
                0 => _ = index.remove(&id),
                _ => _ = index.insert(id, after),
            }
        }
    }

    /// Makes an index of all addresses of the swarm if it is large, and drops it if it is small.
    pub(super) fn fit<'a>(&mut self, all: impl Iterator<Item = (Family, &'a Record)>, len: usize) {
        if self.index.is_none() && len > MAX_UNINDEXED {
            self.index = Some(Box::new(indexed(all)));
        } else if len <= MAX_UNINDEXED / 2 {
            self.index = None;
        }
    }

    pub(super) fn check_invariants<'a>(&self, all: impl Iterator<Item = (Family, &'a Record)>) {
        let fresh = indexed(all);
        let mut counted = Counts::default();
        fresh.values().for_each(|presence| counted.add(*presence));
        assert_eq!(self.counts, counted);
        assert!(self.index.as_ref().is_none_or(|index| **index == fresh));
    }
}

impl Counts {
    fn add(&mut self, presence: Presence) {
        self.change(presence, |count| *count += 1);
    }

    fn remove(&mut self, presence: Presence) {
        self.change(presence, |count| *count -= 1);
    }

    fn change(&mut self, presence: Presence, change: impl Fn(&mut u32)) {
        if presence.addresses() == 0 {
            return;
        }
        change(&mut self.peers);
        match presence.role() {
            Role::Seed => change(&mut self.seeds),
            Role::Paused => change(&mut self.paused),
            // The leechers are all other peers, and need no counter.
            Role::Leecher => {}
        }
        for family in [Family::V4, Family::V6] {
            if presence.of(family) > 1 {
                change(&mut self.repeated[family_index(family)]);
            }
        }
    }
}

impl Presence {
    /// The number of addresses in one family.
    pub(super) fn of(self, family: Family) -> u32 {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    /// True if the peer is known and incomplete.
    pub(super) fn is_leeching(self) -> bool {
        self.addresses() > 0 && self.role() != Role::Seed
    }

    /// This with one more address.
    pub(super) fn with(mut self, family: Family, record: &Record) -> Self {
        *self.of_mut(family) += 1;
        self.seeds += u32::from(record.is_seed);
        self.paused += u32::from(record.is_paused);
        self
    }

    /// This without an address that it has.
    pub(super) fn without(mut self, family: Family, record: &Record) -> Self {
        *self.of_mut(family) -= 1;
        self.seeds -= u32::from(record.is_seed);
        self.paused -= u32::from(record.is_paused);
        self
    }

    fn addresses(self) -> u32 {
        self.v4 + self.v6
    }

    fn of_mut(&mut self, family: Family) -> &mut u32 {
        match family {
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
}

impl<'a> FromIterator<(Family, &'a Record)> for Presence {
    fn from_iter<I: IntoIterator<Item = (Family, &'a Record)>>(addresses: I) -> Self {
        let none = Presence::default();
        addresses.into_iter().fold(none, |sum, (family, record)| sum.with(family, record))
    }
}

fn indexed<'a>(all: impl Iterator<Item = (Family, &'a Record)>) -> HashMap<PeerId, Presence> {
    let mut index: HashMap<PeerId, Presence> = HashMap::new();
    for (family, record) in all {
        let presence = index.entry(record.id).or_default();
        *presence = presence.with(family, record);
    }
    index
}

fn family_index(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

/// The number of addresses from which a swarm has an index, as that of
/// [`Members`](super::members::Members).
const MAX_UNINDEXED: usize = 16;
