use std::collections::HashMap;
use std::net::SocketAddr;

use tinytorrent_types::compact::Family;

use crate::NodeInfo;
use crate::table::K;

/// The nodes that have an item, as they say, and its sequence number with each: `None` if it is immutable.
#[derive(Debug, Default)]
pub(crate) struct Holders(HashMap<SocketAddr, Option<i64>>);

impl Holders {
    pub(crate) fn insert(&mut self, node: SocketAddr, seq: Option<i64>) {
        self.0.insert(node, seq);
    }

    /// The sequence number of the mutable item that a node has.
    pub(crate) fn seq(&self, node: SocketAddr) -> Option<i64> {
        self.0.get(&node).copied().flatten()
    }

    /// The nodes that have the item with this sequence number.
    pub(crate) fn count(&self, seq: Option<i64>) -> usize {
        self.0.values().filter(|held| **held == seq).count()
    }

    /// D-70: the closest nodes of a family have the item, and others as well, which is the work of somebody else who
    /// puts it (BEP 44, "Expiration"). Without the others it would leave everywhere at once.
    pub(crate) fn are_many(
        &self,
        seq: Option<i64>,
        family: Family,
        mut closest: impl Iterator<Item = NodeInfo>,
    ) -> bool {
        let of_family = self.0.iter().filter(|(node, _)| Family::of(node.ip()) == family);
        of_family.filter(|(_, held)| **held == seq).count() > K
            && closest.all(|node| self.0.get(&node.address) == Some(&seq))
    }
}
