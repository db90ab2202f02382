//! The list of trackers: read at the start, added to, and replaced.

use std::time::Instant;

use super::lane::Lane;
use super::leaving::Leaving;
use super::tracker::Tracker;
use super::{AnnounceMode, MAX_TRACKERS, Phase, Schedule, TrackerId};
use crate::TrackerUrl;

impl Schedule {
    /// Adds a tracker at the end of a tier; tiers are numbered from 0. Returns `None` if the
    /// schedule has the tracker already, or too many.
    pub fn add_tracker(&mut self, now: Instant, tier: u32, url: TrackerUrl) -> Option<TrackerId> {
        self.enter(now, tier, url, &mut Vec::new())
    }

    /// Removes a tracker, which is sent `stopped` as [`set_trackers`](Self::set_trackers) does. Returns `false` if there
    /// is none with this id.
    pub fn remove_tracker(&mut self, now: Instant, id: TrackerId) -> bool {
        let Some(tracker) = self.trackers.remove(id) else { return false };
        for lane in &mut self.lanes {
            lane.remove(id);
        }
        self.lanes.retain(|lane| lane.order().next().is_some());
        if self.phase != Phase::Stopped {
            self.leave(now, vec![tracker]);
        }
        self.end_if_all_stopped();
        true
    }

    /// Replaces all trackers by those of a new list, as [`new`](Self::new) reads it. Trackers that are
    /// in both lists go on as they are. Those that are removed are sent `stopped`, if they accepted
    /// `started`, or accept one that is in flight; their outcomes have no other effect, and their
    /// peers are not to be used.
    ///
    /// Returns `true` if a tracker that was in use is removed. For a private torrent, all peers from it
    /// have to be dropped (BEP 27). The time grows with the product of the lengths of both lists.
    pub fn set_trackers<Tiers, Tier, Url>(&mut self, now: Instant, tiers: Tiers) -> bool
    where
        Tiers: IntoIterator<Item = Tier>,
        Tier: IntoIterator<Item = Url>,
        Url: AsRef<str>,
    {
        let mut removed = self.trackers.take();
        let lanes = std::mem::take(&mut self.lanes);
        self.rejected.clear();
        self.fill(now, tiers, &mut removed);
        for lane in &mut self.lanes {
            lane.resume(&lanes);
        }
        self.wait_for_one_each();
        if self.phase != Phase::Stopped {
            self.leave(now, removed);
        }
        self.end_if_all_stopped();
        let is_in_use =
            |lane: &Lane| lane.current.is_some_and(|id| self.trackers.get(id).is_none());
        lanes.iter().any(is_in_use)
    }

    /// Reads a list of URLs. A tracker that is in `known` goes on as it is, and is taken out there.
    pub(super) fn fill<Tiers, Tier, Url>(
        &mut self,
        now: Instant,
        tiers: Tiers,
        known: &mut Vec<Tracker>,
    ) where
        Tiers: IntoIterator<Item = Tier>,
        Tier: IntoIterator<Item = Url>,
        Url: AsRef<str>,
    {
        let tiers = tiers.into_iter().zip(0..);
        let urls = tiers.flat_map(|(urls, tier)| urls.into_iter().map(move |url| (url, tier)));
        // The list comes from a torrent file, which anybody can fill with URLs to parse.
        for (url, tier) in urls.take(MAX_URLS) {
            match url.as_ref().parse() {
                Ok(url) => drop(self.enter(now, tier, url, known)),
                Err(error) => self.rejected.push(error),
            }
        }
        // Only once, when the list is first read (BEP 12).
        for lane in &mut self.lanes {
            lane.shuffle(&mut self.rng);
        }
    }

    fn enter(
        &mut self,
        now: Instant,
        tier: u32,
        url: TrackerUrl,
        known: &mut Vec<Tracker>,
    ) -> Option<TrackerId> {
        if self.trackers.len() >= MAX_TRACKERS
            || self.trackers.iter().any(|tracker| tracker.url == url)
        {
            return None;
        }
        let known = known.iter().position(|tracker| tracker.url == url).map(|at| known.remove(at));
        let returns = || self.leaving.as_mut().and_then(|leaving| leaving.take(&url));
        let mut tracker = match known.or_else(returns) {
            Some(tracker) => tracker,
            None => self.trackers.make(url, now),
        };
        // A host under two schemes is one tracker, and would count us twice.
        let sibling = self.trackers.iter().find(|other| other.is_sibling(&tracker.url));
        let sibling = sibling.map(|sibling| (sibling.id, sibling.tier));
        let tier = sibling.map_or(tier, |(_, tier)| tier);
        tracker.tier = tier;
        let id = tracker.id;
        self.trackers.insert(tracker);
        let home = match self.config.mode() {
            AnnounceMode::OneTracker => self.lanes.first_mut(),
            AnnounceMode::AllTiers => self.lanes.iter_mut().find(|lane| lane.has_tier(tier)),
            AnnounceMode::AllTrackers => sibling
                .and_then(|(sibling, _)| self.lanes.iter_mut().find(|lane| lane.contains(sibling))),
        };
        match home {
            Some(lane) => lane.add(tier, id),
            None => self.lanes.push(Lane::new(tier, id, now)),
        }
        Some(id)
    }

    /// Has each lane wait for one tracker at most, after trackers have come from other lanes.
    fn wait_for_one_each(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        for lane in &mut self.lanes {
            lane.asking = None;
            for id in lane.order().collect::<Vec<_>>() {
                let in_flight = self.trackers[id].in_flight.as_mut();
                let Some(in_flight) = in_flight.filter(|in_flight| !in_flight.is_overtaken) else {
                    continue;
                };
                match lane.asking {
                    None => lane.asking = Some(id),
                    Some(_) => in_flight.is_overtaken = true,
                }
            }
        }
    }

    fn leave(&mut self, now: Instant, removed: Vec<Tracker>) {
        let mut leaving = self.leaving.take().unwrap_or_else(|| Box::new(Leaving::new(now)));
        removed.into_iter().for_each(|tracker| leaving.add(now, tracker));
        self.leaving = Some(leaving).filter(|leaving| !leaving.is_empty());
    }
}

/// The number of URLs of a torrent that are parsed, of which nine in ten may be unusable.
const MAX_URLS: usize = 10 * MAX_TRACKERS;
