use std::ops::{Index, IndexMut};
use std::time::Instant;

use super::TrackerId;
use super::tracker::Tracker;
use crate::TrackerUrl;

/// The trackers of a schedule, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Ids ascend.
    trackers: Vec<Tracker>,
    next: u32,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.trackers.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Tracker> {
        self.trackers.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tracker> {
        self.trackers.iter_mut()
    }

    pub(super) fn get(&self, id: TrackerId) -> Option<&Tracker> {
        self.at(id).ok().map(|at| &self.trackers[at])
    }

    pub(super) fn get_mut(&mut self, id: TrackerId) -> Option<&mut Tracker> {
        self.at(id).ok().map(|at| &mut self.trackers[at])
    }

    /// Makes a tracker with an id that none has had before. It is not yet in the table.
    pub(super) fn make(&mut self, url: TrackerUrl, now: Instant) -> Tracker {
        let id = TrackerId(self.next);
        self.next = self.next.wrapping_add(1);
        Tracker::new(id, url, now)
    }

    /// Puts in a tracker, at the place of its id.
    pub(super) fn insert(&mut self, tracker: Tracker) {
        if let Err(at) = self.at(tracker.id) {
            self.trackers.insert(at, tracker);
        }
    }

    /// Takes a tracker out.
    pub(super) fn remove(&mut self, id: TrackerId) -> Option<Tracker> {
        self.at(id).ok().map(|at| self.trackers.remove(at))
    }

    /// Takes out all trackers.
    pub(super) fn take(&mut self) -> Vec<Tracker> {
        std::mem::take(&mut self.trackers)
    }

    fn at(&self, id: TrackerId) -> Result<usize, usize> {
        self.trackers.binary_search_by_key(&id, |tracker| tracker.id)
    }
}

/// A tracker whose id is in a lane, and so in the table.
impl Index<TrackerId> for Table {
    type Output = Tracker;

    fn index(&self, id: TrackerId) -> &Tracker {
        self.get(id).expect("lanes name trackers of the table only")
    }
}

impl IndexMut<TrackerId> for Table {
    fn index_mut(&mut self, id: TrackerId) -> &mut Tracker {
        self.get_mut(id).expect("lanes name trackers of the table only")
    }
}
