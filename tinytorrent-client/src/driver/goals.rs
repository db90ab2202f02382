//! The point at which a torrent has been seeded enough.

use std::time::{Duration, Instant};

use super::Driver;
use crate::Event;
use crate::torrent::{PauseReason, State};

/// The user's measure of enough; `None` is never.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct SeedGoals {
    /// Sent bytes for each byte of the content.
    pub(crate) ratio: Option<f64>,
    /// Time of seeding, over all runs.
    pub(crate) time: Option<Duration>,
    /// The user has gone on after a goal was reached: it counts no more until others are set.
    pub(crate) is_waived: bool,
}

impl SeedGoals {
    fn has_any(self) -> bool {
        !self.is_waived && (self.ratio.is_some() || self.time.is_some())
    }

    fn is_reached(self, ratio: f64, seeding: Duration) -> bool {
        self.ratio.is_some_and(|goal| ratio >= goal)
            || self.time.is_some_and(|goal| seeding >= goal)
    }

    /// The instant at which the time is over, if nothing changes.
    fn deadline(self, now: Instant, seeding: Duration) -> Option<Instant> {
        self.time.map(|goal| now + goal.saturating_sub(seeding))
    }
}

impl Driver {
    /// Sets other goals. Those that are set already stay as they are, waived or not.
    pub(crate) fn set_seed_goals(
        &mut self,
        now: Instant,
        ratio: Option<f64>,
        time: Option<Duration>,
    ) {
        let before = self.lifecycle.options().seed_goals;
        if (before.ratio, before.time) != (ratio, time) {
            self.options_mut().seed_goals = SeedGoals { ratio, time, is_waived: false };
            self.go_on_if_not_enough(now);
        }
    }

    /// Goes on with a torrent that was paused by goals that it has not reached: there are others now. Its history
    /// is known once its content is open.
    pub(super) fn go_on_if_not_enough(&mut self, now: Instant) {
        let is_paused = self.lifecycle.options().paused == Some(PauseReason::SeedGoal);
        if is_paused && self.lifecycle.running().is_some() && !self.has_seeded_enough(now) {
            self.resume(now);
        }
    }

    fn has_seeded_enough(&mut self, now: Instant) -> bool {
        let (goals, history) = (self.lifecycle.options().seed_goals, self.history(now));
        goals.is_reached(history.ratio(self.swarm.have_bytes()), history.seeding)
    }

    /// Pauses a torrent that has been seeded enough.
    pub(super) fn end_seeding_if_due(&mut self, now: Instant) {
        let goals = self.lifecycle.options().seed_goals;
        if !goals.has_any() || self.state() != State::Seeding {
            return;
        }
        if self.has_seeded_enough(now) {
            self.outbox.push(Event::SeededEnough);
            self.pause_for(now, PauseReason::SeedGoal);
        }
    }

    /// The instant at which the torrent will have been seeded long enough.
    pub(super) fn seeding_deadline(&self, now: Instant) -> Option<Instant> {
        let goals = self.lifecycle.options().seed_goals;
        if goals.time.is_none() || !goals.has_any() || self.state() != State::Seeding {
            return None;
        }
        let before = Duration::from_secs(self.lifecycle.counters_before().seeding_seconds);
        // Counted in whole seconds.
        goals.deadline(now, before + self.times.seeding(now)).map(|at| at + Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_goal_is_enough() {
        let minute = Duration::from_secs(60);
        let both = SeedGoals { ratio: Some(2.0), time: Some(minute), is_waived: false };
        assert!(!both.is_reached(1.9, minute / 2) && both.has_any());
        assert!(both.is_reached(2.0, Duration::ZERO) && both.is_reached(0.0, minute));
        assert!(!SeedGoals::default().is_reached(f64::MAX, Duration::MAX));
        let now = Instant::now();
        assert_eq!(both.deadline(now, minute / 3), Some(now + minute / 3 * 2));
        assert_eq!(both.deadline(now, 2 * minute), Some(now));
        assert!(!SeedGoals { is_waived: true, ..both }.has_any());
    }
}
