use std::time::{Duration, Instant};

use crate::torrent::State;

/// The time that a torrent has spent in this run.
#[derive(Debug)]
pub(super) struct Times {
    active: Duration,
    seeding: Duration,
    state: State,
    since: Instant,
}

impl Times {
    pub(super) fn new(now: Instant) -> Self {
        let (active, seeding) = (Duration::ZERO, Duration::ZERO);
        Self { active, seeding, state: State::FetchingMetadata, since: now }
    }

    /// Takes note of the state from now on.
    pub(super) fn note(&mut self, now: Instant, state: State) {
        if state != self.state {
            (self.active, self.seeding) = (self.active(now), self.seeding(now));
            (self.state, self.since) = (state, now);
        }
    }

    /// Time that the torrent was neither paused nor over.
    pub(super) fn active(&self, now: Instant) -> Duration {
        let is_active = !matches!(self.state, State::Paused | State::Stopped | State::Failed);
        self.active + if is_active { self.latest(now) } else { Duration::ZERO }
    }

    /// Time that the torrent was complete and active.
    pub(super) fn seeding(&self, now: Instant) -> Duration {
        let is_seeding = self.state == State::Seeding;
        self.seeding + if is_seeding { self.latest(now) } else { Duration::ZERO }
    }

    fn latest(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_counts_for_what_it_is() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut times = Times::new(start);
        times.note(start + second, State::Downloading);
        times.note(start + 3 * second, State::Paused);
        times.note(start + 7 * second, State::Seeding);
        times.note(start + 8 * second, State::Seeding);
        let now = start + 12 * second;
        assert_eq!((times.active(now), times.seeding(now)), (8 * second, 5 * second));
    }
}
