use std::net::SocketAddr;

use tinytorrent_types::compact::Family;

use super::{Owner, Task};
use crate::holders::Holders;
use crate::item::MutablePart;
use crate::message::ItemFields;
use crate::{Item, NodeId, NodeInfo};

/// The best item that a search has found, and the nodes that have one.
#[derive(Debug, Default)]
pub(super) struct Items {
    best: Option<Item>,
    holders: Holders,
}

impl Items {
    /// Takes what a node has answered. Returns an item that is better than those before.
    pub(super) fn on_answer(
        &mut self,
        task: &Task,
        target: NodeId,
        from: SocketAddr,
        fields: &ItemFields<'_>,
    ) -> Option<Item> {
        if has_item(task, fields) {
            self.holders.insert(from, fields.seq);
        }
        self.better(task, target, fields)
    }

    /// D-69: an item that is right, and newer than the one before.
    fn better(&mut self, task: &Task, target: NodeId, fields: &ItemFields<'_>) -> Option<Item> {
        let (owner, newer_than) = match task {
            Task::Get { owner, newer_than } => (owner.clone(), *newer_than),
            Task::Put { item, .. } => (Some(Owner::of(item.mutable_part()?)), item.seq()),
            _ => return None,
        };
        let value = fields.value.as_ref()?.as_bytes();
        let item = match owner {
            None if self.best.is_some() => return None,
            None => Item::immutable(value).ok().filter(|item| item.target() == target)?,
            Some(Owner { key, salt }) => {
                let (signature, seq) = (*fields.signature?, fields.seq?);
                let known = self.best.as_ref().map_or(newer_than, Item::seq);
                if known >= Some(seq) {
                    return None;
                }
                Item::mutable(value, MutablePart { key, signature, seq, salt }).ok()?
            }
        };
        self.best = Some(item.clone());
        Some(item)
    }

    /// True if an item was found that is newer than the one to be put.
    pub(super) fn are_newer_than(&self, task: &Task) -> bool {
        matches!(task, Task::Put { .. }) && self.best.is_some()
    }

    /// True if the item is to be put only where few have it, and many do (D-70).
    pub(super) fn have_enough_copies(
        &self,
        task: &Task,
        family: Family,
        closest: impl Iterator<Item = NodeInfo>,
    ) -> bool {
        matches!(task, Task::Put { item, if_few: true, .. }
            if self.holders.are_many(item.seq(), family, closest))
    }

    /// The sequence number of the item that a node has.
    pub(super) fn held_by(&self, node: SocketAddr) -> Option<i64> {
        self.holders.seq(node)
    }

    /// The nodes that have the newest item that is known.
    pub(super) fn copies(&self, task: &Task) -> u32 {
        let newest = match task {
            Task::Get { newer_than, .. } => self.best.as_ref().map_or(*newer_than, Item::seq),
            Task::Put { item, .. } => self.best.as_ref().map_or(item.seq(), Item::seq),
            _ => return 0,
        };
        self.holders.count(newest) as u32
    }
}

/// True if a node has an item, as it says: the sequence number comes even if the item is left out.
fn has_item(task: &Task, fields: &ItemFields<'_>) -> bool {
    match task {
        Task::Get { owner: None, .. } => fields.value.is_some(),
        Task::Get { owner: Some(_), .. } => fields.seq.is_some(),
        Task::Put { item, .. } => match item.seq() {
            None => fields.value.as_ref().is_some_and(|value| value.as_bytes() == item.value()),
            Some(_) => fields.seq.is_some(),
        },
        _ => false,
    }
}
