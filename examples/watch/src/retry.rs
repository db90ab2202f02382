use std::time::{Duration, Instant};

/// The time at which something that failed is tried again: each failure doubles the pause.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Retry {
    failures: u32,
    at: Option<Instant>,
}

impl Retry {
    /// The first pause. A disk that was unplugged by mistake is back soon.
    const FIRST: Duration = Duration::from_secs(10);

    /// The longest pause.
    const LONGEST: Duration = Duration::from_secs(600);

    /// Takes note of a failure. Returns the pause.
    pub(crate) fn fail(&mut self, now: Instant) -> Duration {
        let pause = Self::FIRST.saturating_mul(1 << self.failures.min(16)).min(Self::LONGEST);
        self.failures += 1;
        self.at = Some(now + pause);
        pause
    }

    /// Lets the next try begin at once, and all pauses anew.
    pub(crate) fn hurry(&mut self, now: Instant) {
        (self.failures, self.at) = (0, Some(now));
    }

    /// Takes note that nothing is to be tried again.
    pub(crate) fn succeed(&mut self) {
        *self = Self::default();
    }

    /// `true` once, when the time for the next try has come.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        let (mut retry, mut now) = (Retry::default(), Instant::now());
        assert!(!retry.is_due(now));
        let mut pauses = Vec::new();
        for _ in 0..40 {
            let pause = retry.fail(now);
            pauses.push(pause.as_secs());
            assert!(!retry.is_due(now));
            now += pause;
            assert!(retry.is_due(now) && !retry.is_due(now));
        }
        assert_eq!(pauses[..8], [10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(pauses[39], 600);
        retry.succeed();
        assert_eq!(retry.fail(now).as_secs(), 10);
        retry.hurry(now);
        assert!(retry.is_due(now));
    }
}
