use std::time::{Duration, Instant};

use super::{Progress, TARGET};

/// The slowdowns of a flow: now and then it leaves the link to others for two round trips, so that all see the path
/// without a queue.
#[derive(Debug)]
pub(super) enum Slowdown {
    Waiting { until: Option<Instant> },
    Draining { until: Instant, saved: f64 },
}

impl Default for Slowdown {
    /// One whose time is set by the first acknowledgement.
    fn default() -> Self {
        Self::Waiting { until: None }
    }
}

impl Slowdown {
    pub(super) fn wait(&mut self, until: Instant) {
        *self = Self::Waiting { until: Some(until) };
    }

    pub(super) fn is_draining(&self) -> bool {
        self.saved().is_some()
    }

    /// The window to go back to.
    pub(super) fn saved(&self) -> Option<f64> {
        match *self {
            Self::Waiting { .. } => None,
            Self::Draining { saved, .. } => Some(saved),
        }
    }

    /// Cuts the window to go back to. False if there is no slowdown.
    pub(super) fn cut(&mut self, left: f64) -> bool {
        if let Self::Draining { saved, .. } = self {
            *saved *= left;
        }
        self.is_draining()
    }

    /// Begins if it is time, and returns the window from now on.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        queued: Duration,
        window: f64,
        progress: &Progress,
    ) -> f64 {
        let Self::Waiting { until } = self else { return window };
        if now < *until.get_or_insert(now + period(progress.round_trip)) {
            return window;
        }
        if queued < TARGET / 4 {
            // The base is in sight all the time.
            *until = Some(now + period(progress.round_trip));
            return window;
        }
        // A round trip until the window is seen, and one to see the base.
        let until = now + progress.round_trip + progress.least;
        *self = Self::Draining { until, saved: window };
        // Less than the path holds without a queue, so that also a queue of others drains.
        let holds = progress.least.as_secs_f64() / progress.round_trip.as_secs_f64().max(1e-6);
        window * (holds * PART_OF_PATH).min(1.0)
    }

    /// Ends if its time is over, and returns the window to go back to.
    pub(super) fn end(&mut self, now: Instant) -> Option<f64> {
        let Self::Draining { until, saved } = *self else { return None };
        if now < until {
            return None;
        }
        *self = Self::default();
        Some(saved)
    }
}

/// Between two slowdowns. Each costs about two round trips of sending.
pub(super) fn period(round_trip: Duration) -> Duration {
    Duration::from_secs(10).max(round_trip * 100)
}

/// The window that a slowdown leaves: a part of what the path holds without a queue, or this part of all.
const PART_OF_PATH: f64 = 0.375;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn progress(queued: Duration) -> Progress {
        Progress {
            bytes: 1_000,
            queued: Some(queued),
            round_trip: ms(50) + queued,
            least: ms(50),
            is_limited: true,
            packet: 1_000,
        }
    }

    #[test]
    fn it_leaves_less_than_the_path_holds_for_two_round_trips() {
        let now = Instant::now();
        let mut slowdown = Slowdown::default();
        slowdown.wait(now + ms(1));
        let begin = |slowdown: &mut Slowdown, after| {
            slowdown.begin(now + ms(after), ms(100), 80_000.0, &progress(ms(100)))
        };
        assert_eq!(begin(&mut slowdown, 0), 80_000.0);
        // Three eighths of a third.
        assert_eq!(begin(&mut slowdown, 1), 10_000.0);
        assert_eq!(slowdown.end(now + ms(200)), None);
        assert!(slowdown.cut(0.5));
        assert_eq!(slowdown.end(now + ms(201)), Some(40_000.0));
        assert!(!slowdown.is_draining() && !slowdown.cut(0.5));
    }

    #[test]
    fn with_a_short_queue_it_waits_for_another_period() {
        let now = Instant::now();
        let mut slowdown = Slowdown::default();
        slowdown.wait(now);
        assert_eq!(slowdown.begin(now, ms(24), 80_000.0, &progress(ms(24))), 80_000.0);
        let later = now + ms(9_999);
        assert_eq!(slowdown.begin(later, ms(25), 80_000.0, &progress(ms(25))), 80_000.0);
        assert!(slowdown.begin(later + ms(1), ms(25), 80_000.0, &progress(ms(25))) < 80_000.0);
    }
}
