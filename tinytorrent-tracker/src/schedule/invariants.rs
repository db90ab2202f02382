use std::collections::HashSet;

use super::{AnnounceMode, Phase, Schedule};

impl Schedule {
    /// Checks the invariants of this machine, for tests, simulators and fuzzers.
    ///
    /// # Panics
    /// If an invariant does not hold, which is a bug of this crate.
    pub fn check_invariants(&self) {
        let members: Vec<_> = self.lanes.iter().flat_map(|lane| lane.order()).collect();
        let distinct: HashSet<_> = members.iter().collect();
        assert_eq!(members.len(), self.trackers.len(), "every tracker is in a lane");
        assert_eq!(members.len(), distinct.len(), "no tracker is in two");
        if self.config.mode() == AnnounceMode::OneTracker {
            assert!(self.lanes.len() <= 1);
        }
        for lane in &self.lanes {
            let in_flight = |id: &super::TrackerId| {
                let in_flight = self.trackers[*id].in_flight.as_ref();
                in_flight.is_some_and(|in_flight| !in_flight.is_overtaken)
            };
            match (self.phase, lane.asking) {
                (Phase::Running, Some(asking)) => {
                    assert_eq!(lane.order().filter(in_flight).collect::<Vec<_>>(), [asking]);
                }
                (Phase::Running, None) => assert_eq!(lane.order().filter(in_flight).count(), 0),
                (_, asking) => assert_eq!(asking, None),
            }
            assert!(lane.current.is_none_or(|current| lane.contains(current)));
        }
        let leaving = || self.leaving.iter().flat_map(|leaving| leaving.iter());
        assert!(leaving().all(|tracker| self.trackers.get(tracker.id).is_none()));
        assert!(leaving().all(|tracker| tracker.is_stop_due() || tracker.in_flight.is_some()));
        if self.phase == Phase::Running {
            assert!(self.trackers.iter().all(|tracker| !tracker.is_stop_due()));
        }
    }
}
