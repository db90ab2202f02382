use std::time::Duration;

/// Round trips, and the time without an acknowledgement after which packets count as lost.
#[derive(Debug, Default)]
pub(crate) struct RoundTrips {
    smooth: Option<Duration>,
    variance: Duration,
    least: Duration,
}

impl RoundTrips {
    /// Takes the round trip of a packet that was sent once (P-32).
    pub(crate) fn add(&mut self, sample: Duration) {
        let Some(smooth) = self.smooth else {
            (self.smooth, self.variance, self.least) = (Some(sample), sample / 2, sample);
            return;
        };
        self.variance = self.variance * 3 / 4 + smooth.abs_diff(sample) / 4;
        self.smooth = Some(smooth * 7 / 8 + sample / 8);
        self.least = self.least.min(sample);
    }

    /// The mean of late, if there was any.
    pub(crate) fn smooth(&self) -> Option<Duration> {
        self.smooth
    }

    /// The shortest one; zero if there was none.
    pub(crate) fn least(&self) -> Duration {
        self.least
    }

    /// The timeout after so many in a row: it doubles with each (P-08).
    pub(crate) fn timeout(&self, timeouts: u32) -> Duration {
        let first = self.smooth.map_or(FIRST, |smooth| (smooth + self.variance * 4).max(SHORTEST));
        first.saturating_mul(1 << timeouts.min(16)).min(LONGEST)
    }
}

/// BEP 29, "timeouts": the first timeout, and the shortest.
const FIRST: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(500);

/// That of libtorrent.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// P-08
    #[test]
    fn the_timeout_follows_round_trips_and_doubles() {
        let mut trips = RoundTrips::default();
        assert_eq!(trips.timeout(0), ms(1_000));
        trips.add(ms(400));
        // A deviation of half the first sample.
        assert_eq!(trips.timeout(0), ms(400 + 4 * 200));
        assert_eq!(trips.timeout(2), ms(4 * 1_200));
        assert_eq!(trips.timeout(u32::MAX), LONGEST);
        for _ in 0..100 {
            trips.add(ms(40));
        }
        assert_eq!(trips.timeout(0), SHORTEST);
        assert_eq!(trips.least(), ms(40));
        assert!(trips.smooth().unwrap() < ms(41));
    }
}
