use std::time::{Duration, Instant};

use super::tracker::InFlight;
use super::{AnnounceId, OutcomeEffect, Phase, Schedule, TrackerId};
use crate::{AnnounceEvent, AnnounceResponse, Failure};

impl Schedule {
    /// Takes the outcome of an announce. The peers of the response are left to the caller.
    pub fn handle_outcome(
        &mut self,
        now: Instant,
        id: AnnounceId,
        outcome: Result<&AnnounceResponse, &Failure>,
    ) -> OutcomeEffect {
        if let Some(leaving) = &mut self.leaving
            && let Some(effect) = leaving.handle_outcome(now, id, outcome, &self.config)
        {
            self.leaving.take_if(|leaving| leaving.is_empty());
            self.end_if_all_stopped();
            return effect;
        }
        let Some(in_flight) = self.take_in_flight(id) else { return OutcomeEffect::Stale };
        let effect = match outcome {
            Ok(response) => self.on_answer(now, id.tracker, &in_flight, response),
            Err(failure) => self.on_failure(now, id.tracker, failure),
        };
        self.end_if_all_stopped();
        effect
    }

    fn take_in_flight(&mut self, id: AnnounceId) -> Option<InFlight> {
        let tracker = self.trackers.get_mut(id.tracker)?;
        tracker.in_flight.take_if(|in_flight| in_flight.serial == id.serial)
    }

    fn on_answer(
        &mut self,
        now: Instant,
        id: TrackerId,
        in_flight: &InFlight,
        response: &AnnounceResponse,
    ) -> OutcomeEffect {
        let tracker = &mut self.trackers[id];
        let interval = tracker.on_answer(now, in_flight.event, response, &self.config);
        let is_more_due = tracker.is_completed_due();
        if self.phase != Phase::Running {
            tracker.on_late_answer(in_flight.event);
            return OutcomeEffect::Answered;
        }
        if in_flight.event == AnnounceEvent::Stopped {
            // It was removed and added again meanwhile: `started` is due.
            return OutcomeEffect::Answered;
        }
        let Some(index) = self.lanes.iter().position(|lane| lane.contains(id)) else {
            return OutcomeEffect::Answered;
        };
        if self.trackers[id].has_peers {
            self.lanes[index].order().for_each(|id| self.trackers[id].is_wanted = false);
        }
        if let Some(current) = self.lanes[index].current
            && !self.replaces(current, id, in_flight)
        {
            self.keep(now, interval, index, current, id);
            return OutcomeEffect::Answered;
        }
        if self.lanes[index].asking != Some(id) {
            self.set_asked(index, None);
        }
        let lane = &mut self.lanes[index];
        (lane.asking, lane.overtaken) = (None, 0);
        lane.promote(id);
        lane.due = if is_more_due { now } else { now + interval };
        match lane.current.replace(id) {
            Some(from) if from != id => OutcomeEffect::Switched { from },
            _ => OutcomeEffect::Answered,
        }
    }

    /// True if a tracker that has answered is used in place of the current one.
    fn replaces(&self, current: TrackerId, id: TrackerId, in_flight: &InFlight) -> bool {
        let (current_is_of_use, has_peers) = {
            let current = &self.trackers[current];
            (current.has_peers && current.is_working(), self.trackers[id].has_peers)
        };
        if in_flight.is_overtaken {
            // The lane has a tracker by now, and a late response replaces it for peers alone.
            return has_peers && !current_is_of_use && !self.config.is_private();
        }
        // BEP 12 knows trackers that fail, and no others; BEP 27 forbids to use two.
        id == current || has_peers || !current_is_of_use || self.config.is_private()
    }

    /// Stays with the current tracker after an answer of another.
    fn keep(
        &mut self,
        now: Instant,
        interval: Duration,
        index: usize,
        current: TrackerId,
        answered: TrackerId,
    ) {
        let lane = &mut self.lanes[index];
        if lane.asking != Some(answered) {
            return;
        }
        lane.asking = None;
        // The round has come to a tracker that knows nobody, and goes on to the one with peers.
        if lane.due <= now {
            lane.due = now + interval;
            self.trackers[current].is_wanted = true;
        }
    }

    fn on_failure(&mut self, now: Instant, id: TrackerId, failure: &Failure) -> OutcomeEffect {
        let tracker = &mut self.trackers[id];
        tracker.on_failure(now, failure, &self.config, &mut self.rng);
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.asking == Some(id)) {
            lane.asking = None;
        }
        if tracker.is_disabled { OutcomeEffect::Disabled } else { OutcomeEffect::Failed }
    }

    /// Ends the announces whose outcome is overdue.
    pub(super) fn fail_lost(&mut self, now: Instant) {
        // A driver that loses an announce must not stop its lane.
        let lost = self.trackers.iter_mut().filter_map(|tracker| {
            tracker.in_flight.take_if(|in_flight| in_flight.lost_at <= now).map(|_| tracker.id)
        });
        for id in lost.collect::<Vec<_>>() {
            let failure = Failure::Failed("the announce was never finished".into());
            self.on_failure(now, id, &failure);
        }
        if let Some(leaving) = &mut self.leaving {
            leaving.end_lost(now);
            self.leaving.take_if(|leaving| leaving.is_empty());
        }
    }
}
