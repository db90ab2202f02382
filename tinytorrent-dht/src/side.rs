use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tinytorrent_types::compact::Family;

use crate::table::{K, Table};
use crate::{NodeId, NodeInfo};

/// A node's part for one address family, with an id and a table of its own (BEP 32, BEP 45).
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) family: Family,
    pub(crate) table: Table,
    /// Nodes of an earlier run, to begin with.
    pub(crate) known: Vec<NodeInfo>,
    /// Nodes that asked us or were named, which come into the table once they have answered (D-46, D-47).
    candidates: VecDeque<NodeInfo>,
    /// The time from which one that asks us replaces another.
    next_asker: Instant,
    /// The time of the next query that keeps the table fresh.
    pub(crate) next_upkeep: Instant,
    /// The time of the last look-up of our own id, or of the start.
    pub(crate) looked_up_at: Instant,
    /// The time of the next look-up of our own id.
    pub(crate) next_own: Instant,
    /// The time from a look-up of our own id that had no answer to the next one.
    pub(crate) bootstrap_wait: Duration,
    /// The time from a look-up of our own id to the next one.
    pub(crate) own_wait: Duration,
    /// The application was told that the table is empty.
    pub(crate) told_empty: bool,
}

/// Candidates that wait; later ones are more likely to be there.
const MOST_CANDIDATES: usize = 32;

impl Side {
    pub(crate) fn new(now: Instant, family: Family, own: NodeId, known: Vec<NodeInfo>) -> Self {
        Self {
            family,
            table: Table::new(own),
            known,
            candidates: VecDeque::new(),
            next_asker: now,
            next_upkeep: now,
            looked_up_at: now,
            next_own: now,
            bootstrap_wait: FIRST_WAIT,
            own_wait: FIRST_OWN_WAIT,
            told_empty: false,
        }
    }

    /// Adds a node that has asked us. Once there are enough that wait, one each second: one is asked every few
    /// seconds, and to judge all that ask would take more time than to answer them.
    pub(crate) fn add_asker(&mut self, now: Instant, node: NodeInfo) {
        let are_enough = self.candidates.len() >= MOST_CANDIDATES;
        if !are_enough || now >= self.next_asker {
            self.next_asker = now + Duration::from_secs(1);
            self.add_candidate(node);
        }
    }

    /// Adds a node that may be worth a place in the table.
    pub(crate) fn add_candidate(&mut self, node: NodeInfo) {
        if self.table.would_take(node)
            && self.candidates.iter().all(|known| known.address != node.address)
        {
            if self.candidates.len() >= MOST_CANDIDATES {
                self.candidates.pop_front();
            }
            self.candidates.push_back(node);
        }
    }

    /// The next candidate that is still worth a query.
    pub(crate) fn next_candidate(&mut self) -> Option<NodeInfo> {
        while let Some(node) = self.candidates.pop_back() {
            if self.table.would_take(node) {
                return Some(node);
            }
        }
        None
    }

    /// Forgets nodes of the table and those that wait for a place.
    pub(crate) fn forget(&mut self, is_unwanted: impl Fn(&NodeInfo) -> bool) {
        self.table.forget(&is_unwanted);
        self.candidates.retain(|node| !is_unwanted(node));
    }

    /// True if there are too few nodes to be found by.
    pub(crate) fn is_thin(&self) -> bool {
        self.table.len() < 2 * K
    }

    pub(crate) fn check_invariants(&self) {
        self.table.check_invariants();
        assert!(self.candidates.len() <= MOST_CANDIDATES);
    }
}

/// The wait after the first look-up without an answer; each further one doubles it.
pub(crate) const FIRST_WAIT: Duration = Duration::from_secs(5);

/// The wait after the first look-up of our own id; each further one doubles it, up to that of upkeep. Those who
/// begin at the same time do not find each other at first.
const FIRST_OWN_WAIT: Duration = Duration::from_secs(20);

/// The longest wait of this kind: the network may come back at any time (D-18).
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// The sides of a node: one or two.
#[derive(Debug)]
pub(crate) struct Sides {
    v4: Option<Side>,
    v6: Option<Side>,
}

impl Sides {
    pub(crate) fn new(mut make: impl FnMut(Family) -> Option<Side>) -> Self {
        Self { v4: make(Family::V4), v6: make(Family::V6) }
    }

    pub(crate) fn get(&self, family: Family) -> Option<&Side> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }

    pub(crate) fn get_mut(&mut self, family: Family) -> Option<&mut Side> {
        match family {
            Family::V4 => self.v4.as_mut(),
            Family::V6 => self.v6.as_mut(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Side> {
        self.v4.iter().chain(&self.v6)
    }

    pub(crate) fn closest(&self, family: Family, target: NodeId) -> Option<Vec<NodeInfo>> {
        self.get(family).map(|side| side.table.closest(target, K))
    }
}
