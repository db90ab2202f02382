//! The lifetime of a mapping, and whether the gateway still knows it.

use std::time::{Duration, Instant};

use crate::messages::Granted;

/// The life of one mapping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    pub(crate) external: u16,
    granted: Instant,
    lifetime: Option<Duration>,
    /// Renewals that have failed.
    failures: u32,
    /// A number from 0 to 1, so that many clients do not ask at a time.
    spread: f64,
}

/// The gateway's own clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch {
    seen: Instant,
    seconds: u32,
}

/// Renewals are not closer to each other (RFC 6887, section 11.2.1).
const LEAST_PAUSE: Duration = Duration::from_secs(4);

/// Time after which a mapping that stays for ever is looked after: routers forget them when they start anew.
const PERMANENT: Duration = Duration::from_secs(20 * 60);

impl Lease {
    pub(crate) fn new(now: Instant, granted: &Granted, spread: f64) -> Self {
        let Granted { external, lifetime, .. } = *granted;
        Self { external, granted: now, lifetime, failures: 0, spread }
    }

    /// The time of the next renewal: at a half of the life to 5/8 of it, after a failure at 3/4, 7/8, and so on, each with
    /// a sixteenth of the life or less (N-06, N-18, N-22).
    pub(crate) fn renew_at(&self) -> Instant {
        let life = self.lifetime.unwrap_or(PERMANENT * 2);
        let rest = 0.5_f64.powi(self.failures.min(20) as i32 + 1);
        let width = if self.failures == 0 { 0.125 } else { rest / 4.0 };
        let at = life.mul_f64(1.0 - rest + width * self.spread);
        self.granted + at.max(LEAST_PAUSE * (self.failures + 1))
    }

    /// Notes that the gateway did not renew it.
    pub(crate) fn note_failure(&mut self) {
        self.failures += 1;
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.lifetime.is_some_and(|lifetime| now >= self.granted + lifetime)
    }
}

impl Epoch {
    pub(crate) fn new(now: Instant, seconds: u32) -> Self {
        Self { seen: now, seconds }
    }

    /// Takes in a newer epoch. Returns false if the gateway has forgotten what it knew (RFC 6887, section 8.5). Its rule is
    /// at least as strict as that of RFC 6886, section 3.6.
    pub(crate) fn follows(&mut self, now: Instant, seconds: u32) -> bool {
        let before = std::mem::replace(self, Self::new(now, seconds));
        // Wider than the numbers, so that nothing wraps (N-17).
        let client = i64::try_from(now.saturating_duration_since(before.seen).as_secs());
        let client = client.unwrap_or(i64::MAX >> 8);
        let server = i64::from(seconds) - i64::from(before.seconds);
        let went_back = server < -1;
        let is_slow = client + 2 < server - server / 16;
        let is_fast = server + 2 < client - client / 16;
        !(went_back || is_slow || is_fast)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(now: Instant, seconds: Option<u64>, spread: f64) -> Lease {
        let lifetime = seconds.map(Duration::from_secs);
        Lease::new(now, &Granted { external: 1, lifetime, address: None, epoch: None }, spread)
    }

    // N-06, N-18
    #[test]
    fn a_mapping_is_renewed_at_half_of_its_life_and_then_sooner_and_sooner() {
        let now = Instant::now();
        for (spread, due) in
            [(0.0, [3_600, 5_400, 6_300, 6_750]), (1.0, [4_500, 5_850, 6_525, 6_862])]
        {
            let mut lease = lease(now, Some(7_200), spread);
            for due in due {
                assert_eq!((lease.renew_at() - now).as_secs(), due);
                lease.note_failure();
            }
            assert!(!lease.is_over(now + 7_199 * SECOND) && lease.is_over(now + 7_200 * SECOND));
        }
        let mut short = lease(now, Some(6), 0.0);
        let first = short.renew_at();
        assert_eq!(first - now, LEAST_PAUSE);
        short.note_failure();
        assert!(short.renew_at() - first >= LEAST_PAUSE);
    }

    // N-19
    #[test]
    fn a_mapping_that_is_not_extended_is_asked_for_until_its_end_and_made_anew_then() {
        let start = Instant::now();
        let end = start + 7_200 * SECOND;
        let mut lease = lease(start, Some(7_200), 0.5);
        let mut renewals = 0;
        // The gateway answers each request with what is left.
        while lease.renew_at() < end {
            let now = lease.renew_at();
            lease = self::lease(now, Some((end - now).as_secs()), 0.5);
            renewals += 1;
        }
        assert!((5..20).contains(&renewals), "{renewals}");
        assert!(lease.renew_at() - end <= LEAST_PAUSE, "the next request makes a new one");
    }

    // N-22
    #[test]
    fn a_mapping_without_an_end_is_looked_after() {
        let now = Instant::now();
        let lease = lease(now, None, 0.0);
        assert_eq!(lease.renew_at() - now, PERMANENT);
        assert!(!lease.is_over(now + PERMANENT * 1_000));
    }

    // N-09, N-17
    #[test]
    fn a_gateway_whose_clock_went_back_has_forgotten() {
        let now = Instant::now();
        let follows = |before: u32, after: u32, seconds: u32| {
            let mut epoch = Epoch::new(now, before);
            epoch.follows(now + seconds * SECOND, after)
        };
        assert!(follows(100, 200, 100) && follows(100, 100, 0) && follows(0, 0, 1));
        assert!(follows(100, 99, 0), "one second is the width of the clock");
        assert!(!follows(100, 98, 0) && !follows(1_000, 5, 3_600));
        assert!(follows(100, 1_100, 1_060) && !follows(100, 1_100, 1_100), "one sixteenth");
        assert!(!follows(100, 1_100, 900));
        assert!(!follows(u32::MAX, 0, 0) && !follows(0, u32::MAX, 0));
    }
}
