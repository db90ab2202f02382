use std::time::{Duration, Instant};

/// A number of things that may be done at once, and one more in each interval after that.
#[derive(Debug)]
pub(super) struct Allowance {
    /// The instant at which all that was done will be forgotten.
    spent_until: Instant,
}

/// The size of an [`Allowance`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) at_once: u32,
    /// The interval.
    pub(super) each: Duration,
}

impl Allowance {
    /// Nothing was done yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { spent_until: now }
    }

    /// Takes one, if one is left.
    pub(super) fn take(&mut self, now: Instant, limit: Limit) -> bool {
        let spent_until = self.spent_until.max(now) + limit.each;
        let is_left = spent_until <= now + limit.each * limit.at_once;
        if is_left {
            self.spent_until = spent_until;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_taken_at_once_and_one_more_in_each_interval() {
        let (now, limit) = (Instant::now(), Limit { at_once: 3, each: Duration::from_secs(2) });
        let mut allowance = Allowance::new(now);
        let mut taken = |at: Instant| (0..9).filter(|_| allowance.take(at, limit)).count();
        assert_eq!(taken(now), 3);
        assert_eq!(taken(now + limit.each / 2), 0);
        assert_eq!(taken(now + limit.each), 1);
        assert_eq!(taken(now + limit.each * 3), 2);
        assert_eq!(taken(now + limit.each * 100), 3, "never more at once");
    }
}
