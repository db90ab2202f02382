use std::time::{Duration, Instant};

/// A token bucket: so many bytes a second, at most a second's worth at once.
///
/// No limit, a limit, and a limit of zero (paused) are three things (S-24).
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    bytes_per_second: Option<u64>,
    /// May fall below zero by one grant, so that a block larger than the burst passes at all.
    available: f64,
    last: Option<Instant>,
    has_waiting: bool,
}

impl Limiter {
    /// `None` for no limit; zero lets nothing through.
    pub(crate) fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second, available: 0.0, last: None, has_waiting: false }
    }

    /// Changes the limit from now on.
    pub(crate) fn set(&mut self, bytes_per_second: Option<u64>) {
        self.bytes_per_second = bytes_per_second;
        self.available = self.available.min(self.burst());
    }

    /// Takes so many bytes out of the bucket if any are left in it.
    pub(crate) fn take(&mut self, now: Instant, bytes: u64) -> bool {
        let Some(limit) = self.bytes_per_second else { return true };
        self.refill(now, limit);
        if self.available < 1.0 {
            // So that whoever was turned away is woken, and nobody wakes for nothing.
            self.has_waiting = true;
            return false;
        }
        // Below zero, if need be: the next ones wait for it, and none starves for its size.
        self.available -= bytes as f64;
        true
    }

    /// Gives back what was taken and not used.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.available = (self.available + bytes as f64).min(self.burst());
    }

    /// Returns true, once, when those that were turned away may try again.
    pub(crate) fn is_ready(&mut self, now: Instant) -> bool {
        let lets_through = self.bytes_per_second != Some(0);
        let is_ready =
            self.has_waiting && lets_through && self.ready_at().is_none_or(|ready| ready <= now);
        self.has_waiting &= !is_ready;
        is_ready
    }

    /// Returns true if somebody was turned away, and could not try again.
    pub(crate) fn holds_back(&self) -> bool {
        self.has_waiting
    }

    /// When to let those try again who were turned away, if there are any.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.ready_at().filter(|_| self.has_waiting)
    }

    /// When something will be in the bucket again; `None` if something is, or never will be.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        let limit = self.bytes_per_second.filter(|&limit| limit > 0)?;
        if self.available >= 1.0 {
            return None;
        }
        let missing = PORTION.min(limit as f64) - self.available;
        Some(self.last? + Duration::from_secs_f64(missing / limit as f64))
    }

    fn refill(&mut self, now: Instant, limit: u64) {
        let last = *self.last.get_or_insert(now);
        let elapsed = now.saturating_duration_since(last);
        self.available = (self.available + elapsed.as_secs_f64() * limit as f64).min(self.burst());
        self.last = Some(now);
    }

    /// A tenth of a second's worth: a bucket that was full does not show as a peak.
    fn burst(&self) -> f64 {
        self.bytes_per_second
            .map_or(0.0, |limit| (limit as f64 / 10.0).max(PORTION.min(limit as f64)))
    }
}

/// Waking up for less than a block is not worth it.
const PORTION: f64 = 16_384.0;

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 16_384;

    /// Bytes that pass in `seconds` when somebody asks as often as the limiter says.
    fn passed(limit: u64, seconds: u64) -> u64 {
        let start = Instant::now();
        let (mut now, mut bytes) = (start, 0);
        let mut limiter = Limiter::new(Some(limit));
        while now < start + Duration::from_secs(seconds) {
            if limiter.take(now, BLOCK) {
                bytes += BLOCK;
            } else {
                let ready = limiter.ready_at().expect("a limited bucket fills");
                assert!(ready > now);
                now = ready;
            }
        }
        bytes
    }

    #[test]
    fn the_limit_holds_over_time() {
        for limit in [1_000, 100_000, 10_000_000] {
            let rate = passed(limit, 100) / 100;
            assert!(rate <= limit + limit / 10 + BLOCK / 50, "{rate} of {limit}");
            assert!(rate >= limit - limit / 10, "{rate} of {limit}");
        }
    }

    #[test]
    fn no_limit_and_a_limit_of_zero_are_different() {
        let now = Instant::now();
        assert!(Limiter::new(None).take(now, u64::MAX));
        let mut paused = Limiter::new(Some(0));
        assert!(!paused.take(now + Duration::from_secs(99), 1));
        assert_eq!(paused.ready_at(), None);
        assert!(!paused.is_ready(now + Duration::from_secs(99)), "it never is");
    }
}
