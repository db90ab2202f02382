use std::time::Instant;

use super::tracker::Tracker;
use super::{AnnounceId, OutcomeEffect, ScheduleConfig};
use crate::{AnnounceEvent, AnnounceResponse, Failure, TrackerUrl};

/// Trackers that were removed, until they have been sent `stopped` or cannot be.
#[derive(Debug)]
pub(super) struct Leaving {
    trackers: Vec<Tracker>,
    /// The time of the last removal.
    since: Instant,
}

impl Leaving {
    pub(super) fn new(now: Instant) -> Self {
        Self { trackers: Vec::new(), since: now }
    }

    /// Takes in a tracker that is removed, if it knows us or may come to know us.
    pub(super) fn add(&mut self, now: Instant, mut tracker: Tracker) {
        if !tracker.is_in_flight(AnnounceEvent::Stopped) {
            tracker.on_stop();
        }
        if tracker.is_stop_due() || tracker.in_flight.is_some() {
            self.since = now;
            self.trackers.push(tracker);
            // A user that replaces long lists again and again.
            if self.trackers.len() > MAX_LEAVING {
                self.trackers.remove(0);
            }
        }
    }

    /// Takes out a tracker that is added again.
    pub(super) fn take(&mut self, url: &TrackerUrl) -> Option<Tracker> {
        let at = self.trackers.iter().position(|tracker| tracker.url == *url)?;
        let mut tracker = self.trackers.remove(at);
        tracker.on_return();
        Some(tracker)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.trackers.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Tracker> {
        self.trackers.iter()
    }

    /// The tracker that is sent `stopped` next.
    pub(super) fn next(&mut self) -> Option<&mut Tracker> {
        self.trackers.iter_mut().find(|tracker| tracker.is_stop_due())
    }

    /// The time at which there is something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.trackers.iter().filter_map(|tracker| match &tracker.in_flight {
            _ if tracker.is_stop_due() => Some(self.since),
            in_flight => in_flight.as_ref().map(|in_flight| in_flight.lost_at),
        });
        deadlines.min()
    }

    /// Gives up what is overdue.
    pub(super) fn end_lost(&mut self, now: Instant) {
        self.trackers.retain(|tracker| {
            tracker.in_flight.as_ref().is_none_or(|in_flight| now < in_flight.lost_at)
        });
    }

    /// Takes the outcome of an announce; `None` if it is of another tracker.
    pub(super) fn handle_outcome(
        &mut self,
        now: Instant,
        id: AnnounceId,
        outcome: Result<&AnnounceResponse, &Failure>,
        config: &ScheduleConfig,
    ) -> Option<OutcomeEffect> {
        let at = self.trackers.iter().position(|tracker| tracker.id == id.tracker)?;
        let tracker = &mut self.trackers[at];
        let in_flight = tracker.in_flight.take_if(|in_flight| in_flight.serial == id.serial);
        let Some(in_flight) = in_flight else { return Some(OutcomeEffect::Stale) };
        let effect = match outcome {
            Ok(response) => {
                // For the `tracker id`, which `stopped` has to name.
                tracker.on_answer(now, in_flight.event, response, config);
                tracker.on_late_answer(in_flight.event);
                OutcomeEffect::Answered
            }
            Err(_) => OutcomeEffect::Failed,
        };
        if !tracker.is_stop_due() {
            self.trackers.remove(at);
        }
        Some(effect)
    }
}

/// As many as there are trackers at most.
const MAX_LEAVING: usize = super::MAX_TRACKERS;
