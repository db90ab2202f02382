use super::{Entry, K, MOST_OF_A_BLOCK, block, subnet};
use crate::{NodeId, NodeInfo};

/// The spare nodes of a bucket.
const MOST_SPARE: usize = 8;

/// The bits behind those that a bucket shares, by which its nodes are spread: eight parts for eight nodes.
const SPREAD_BITS: usize = 3;

/// Nodes at about the same distance from our id.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// At most [`K`] nodes, which are used.
    pub(super) live: Vec<Entry>,
    /// Nodes that answered when there was no place for them.
    pub(super) spare: Vec<Entry>,
}

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    Added,
    /// All places are taken.
    Full,
    /// Its network has a node here.
    Refused,
}

impl Bucket {
    /// Gives a node a place, if one is free.
    pub(super) fn insert(&mut self, entry: Entry) -> Inserted {
        if has_network_of(&self.live, entry.node) {
            return Inserted::Refused;
        }
        if self.live.len() < K {
            self.live.push(entry);
            return Inserted::Added;
        }
        Inserted::Full
    }

    /// True if a node has no place for want of room alone.
    pub(super) fn is_full_for(&self, node: NodeInfo) -> bool {
        self.live.len() >= K && !has_network_of(&self.live, node)
    }

    /// Keeps a node as a spare one. Returns a node that it replaces.
    ///
    /// # Errors
    /// The node, if those that are there are better.
    pub(super) fn insert_spare(&mut self, entry: Entry) -> Result<Option<Entry>, Entry> {
        if self.spare.len() < MOST_SPARE {
            self.spare.push(entry);
            return Ok(None);
        }
        let worst = self.spare.iter_mut().max_by_key(|spare| quality(spare));
        match worst.filter(|worst| quality(worst) > quality(&entry)) {
            Some(worst) => Ok(Some(std::mem::replace(worst, entry))),
            None => Err(entry),
        }
    }

    /// True if a node would have a place, or be a spare one.
    pub(super) fn would_take(&self, node: NodeInfo) -> bool {
        let is_full = self.live.len() >= K && self.spare.len() >= MOST_SPARE;
        !is_full && !has_network_of(&self.live, node)
    }

    /// Removes a node, and gives its place to the best spare one.
    pub(super) fn remove(&mut self, id: NodeId, depth: usize) -> Option<Entry> {
        if let Some(at) = self.spare.iter().position(|entry| entry.node.id == id) {
            return Some(self.spare.swap_remove(at));
        }
        let at = self.live.iter().position(|entry| entry.node.id == id)?;
        let removed = self.live.swap_remove(at);
        if let Some(best) = self.best_spare(depth) {
            let promoted = self.spare.swap_remove(best);
            self.live.push(promoted);
        }
        Some(removed)
    }

    /// The spare node that does most for the bucket: in a part where no other is, then one whose id fits its
    /// address, then the one with the shortest round trip.
    fn best_spare(&self, depth: usize) -> Option<usize> {
        let part = |entry: &Entry| -> [bool; SPREAD_BITS] {
            std::array::from_fn(|bit| entry.node.id.bit(depth + 1 + bit))
        };
        let candidates = self
            .spare
            .iter()
            .enumerate()
            .filter(|(_, spare)| !has_network_of(&self.live, spare.node));
        candidates
            .min_by_key(|(_, spare)| {
                let is_taken = self.live.iter().any(|live| part(live) == part(spare));
                (spare.failures, !spare.fits_address, is_taken, spare.round_trip)
            })
            .map(|(at, _)| at)
    }

    pub(super) fn find(&self, id: NodeId) -> Option<&Entry> {
        self.live.iter().chain(&self.spare).find(|entry| entry.node.id == id)
    }

    pub(super) fn find_mut(&mut self, id: NodeId) -> Option<&mut Entry> {
        self.live.iter_mut().chain(&mut self.spare).find(|entry| entry.node.id == id)
    }

    /// All nodes, those with a place first.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.live.into_iter().chain(self.spare)
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.live.len() <= K && self.spare.len() <= MOST_SPARE);
        let is_alone = |at: usize| !has_network_of(&self.live[..at], self.live[at].node);
        assert!((0..self.live.len()).all(is_alone), "a network has one node");
        assert!(self.spare.iter().chain(&self.live).all(|entry| !entry.is_bad()));
        let ids: std::collections::HashSet<_> =
            self.spare.iter().chain(&self.live).map(|entry| entry.node.id).collect();
        assert_eq!(ids.len(), self.spare.len() + self.live.len(), "an id has one node");
    }
}

/// The order in which spare nodes are kept, the best first.
fn quality(entry: &Entry) -> impl Ord + use<> {
    (entry.failures, !entry.fits_address, entry.round_trip)
}

/// True if the networks of a node have as many nodes here as they may have.
fn has_network_of(entries: &[Entry], node: NodeInfo) -> bool {
    let Some(network) = subnet(node.address.ip()) else { return false };
    let has_subnet = |entry: &Entry| subnet(entry.node.address.ip()) == Some(network);
    let own_block = block(node.address.ip());
    let of_block = entries.iter().filter(|entry| block(entry.node.address.ip()) == own_block);
    entries.iter().any(has_subnet) || of_block.count() >= MOST_OF_A_BLOCK
}
