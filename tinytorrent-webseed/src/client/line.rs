use std::collections::{HashMap, VecDeque};

use super::fetch::Running;
use super::item::Item;
use super::{Fetch, Shared};

/// The fetches of one connection, and their parts in the order in which they are requested.
#[derive(Debug, Default)]
pub(super) struct Line {
    running: HashMap<u64, Running>,
    /// The parts of all fetches. The first ones have been requested.
    items: VecDeque<Item>,
}

impl Line {
    /// Adds a fetch, unless it is cancelled already.
    pub(super) fn add(&mut self, fetch: Fetch, shared: &Shared) {
        if fetch.credit.is_cancelled() {
            return;
        }
        self.items.extend(shared.items(&fetch));
        self.running.insert(fetch.id, Running::new(fetch));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn first(&self) -> Option<&Item> {
        self.items.front()
    }

    /// The first part with its fetch, unless that is over.
    pub(super) fn first_mut(&mut self) -> Option<(&mut Item, &mut Running)> {
        let item = self.items.front_mut()?;
        let running = self.running.get_mut(&item.fetch)?;
        Some((item, running))
    }

    /// The fetch of the first part, unless it is over or cancelled.
    pub(super) fn first_fetch(&self) -> Option<&Running> {
        let fetch = self.running.get(&self.items.front()?.fetch)?;
        (!fetch.is_cancelled()).then_some(fetch)
    }

    /// The parts that are requested, in order.
    pub(super) fn requests(&self) -> impl Iterator<Item = &Item> {
        // Padding stands in the line where its zeros belong.
        self.items.iter().filter(|item| item.is_request())
    }

    /// Takes out what is cancelled.
    pub(super) fn drop_cancelled(&mut self) {
        self.running.retain(|_, running| !running.is_cancelled());
        self.items.retain(|item| self.running.contains_key(&item.fetch));
    }

    /// Takes out the first part. Returns its fetch, if all blocks of it have come.
    pub(super) fn pass_first(&mut self) -> Option<u64> {
        let fetch = self.items.pop_front()?.fetch;
        self.running.get(&fetch).filter(|running| running.is_done())?;
        self.running.remove(&fetch);
        Some(fetch)
    }

    /// Takes out the fetch of the first part.
    pub(super) fn end_first(&mut self) -> Option<u64> {
        let fetch = self.items.front()?.fetch;
        self.running.remove(&fetch);
        self.items.retain(|item| item.fetch != fetch);
        Some(fetch)
    }
}
