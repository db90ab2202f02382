use std::time::{Duration, Instant};

/// An allowance that grows with time up to a limit, and from which amounts are taken: bytes of answers, or
/// queries.
///
/// Invariant: what is taken in any time `t` is at most the burst and `rate` for each second of `t`.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    /// The amount for each second.
    rate: u64,
    /// The most that is there at a time.
    burst: u64,
    /// What was there at `since`.
    left: u64,
    since: Instant,
}

impl Budget {
    /// A full budget.
    pub(crate) fn new(now: Instant, rate: u64, burst: u64) -> Self {
        Self { rate, burst, left: burst, since: now }
    }

    /// Takes an amount, if it is there. Nothing is taken otherwise.
    pub(crate) fn take(&mut self, now: Instant, amount: u64) -> bool {
        self.refill(now);
        let is_there = self.left >= amount;
        if is_there {
            self.left -= amount;
        }
        is_there
    }

    /// The amount that is there.
    pub(crate) fn left(&mut self, now: Instant) -> u64 {
        self.refill(now);
        self.left
    }

    /// The time at which this amount is there; `None` if it never is.
    pub(crate) fn ready_at(&self, amount: u64) -> Option<Instant> {
        if amount <= self.left {
            return Some(self.since);
        }
        if self.rate == 0 || amount > self.burst {
            return None;
        }
        let nanos = (u128::from(amount - self.left) * NANOS).div_ceil(u128::from(self.rate));
        Some(self.since + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        let grown = elapsed.as_nanos() * u128::from(self.rate) / NANOS;
        let grown = u64::try_from(grown).unwrap_or(u64::MAX);
        // What is less than one stays in the time.
        if grown > 0 {
            self.left = self.left.saturating_add(grown).min(self.burst);
            let used = u128::from(grown) * NANOS / u128::from(self.rate);
            self.since = now - (elapsed - Duration::from_nanos(u64::try_from(used).unwrap_or(0)));
        }
    }
}

const NANOS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_taken_grows_back_with_time() {
        let now = Instant::now();
        let mut budget = Budget::new(now, 10, 20);
        assert!(budget.take(now, 20) && !budget.take(now, 1));
        let ready = budget.ready_at(5).unwrap();
        assert_eq!(ready, now + Duration::from_millis(500));
        assert!(!budget.take(ready - Duration::from_millis(1), 5));
        assert!(budget.take(ready, 5) && !budget.take(ready, 1));
        assert_eq!(budget.left(now + Duration::from_secs(3_600)), 20);
        assert_eq!(budget.ready_at(21), None);
    }

    proptest! {
        #[test]
        fn no_more_is_taken_than_burst_and_rate_allow(
            rate in 0..1_000u64,
            burst in 0..1_000u64,
            steps in prop::collection::vec((0..400u64, 0..400u64), 0..60),
        ) {
            let start = Instant::now();
            let (mut now, mut taken) = (start, 0);
            let mut budget = Budget::new(now, rate, burst);
            for (wait, amount) in steps {
                now += Duration::from_millis(wait);
                if budget.take(now, amount) {
                    taken += amount;
                }
                let millis = (now - start).as_millis() as u64;
                prop_assert!(taken <= burst + rate * millis / 1_000 + 1);
                if let Some(ready) = budget.ready_at(amount) {
                    prop_assert!(budget.clone().left(ready.max(now)) >= amount);
                }
            }
        }
    }
}
