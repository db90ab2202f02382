use std::time::Duration;

/// A bound of the round trips of late: few answers take longer. It is their mean and some deviations, both of which
/// move towards each new round trip (as in RFC 6298, whose one host is many here, so that they move more slowly). A
/// round trip of twice the bound says that the link has become slow, and the bound is at least that at once.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RoundTrips {
    /// `None` before the first one.
    mean: Option<Duration>,
    deviation: Duration,
}

/// The part of the way to a new round trip that the mean goes.
const MEAN_PART: u32 = 16;

/// The part of the way to a new deviation that the deviation goes.
const DEVIATION_PART: u32 = 8;

/// The deviations in the bound. With round trips as on the internet, some three in a hundred take longer.
const DEVIATIONS: u32 = 4;

impl RoundTrips {
    /// Takes a round trip into account.
    pub(crate) fn add(&mut self, round_trip: Duration) {
        let Some(mean) = self.mean else {
            (self.mean, self.deviation) = (Some(round_trip), round_trip / 2);
            return;
        };
        let deviation = mean.abs_diff(round_trip);
        if round_trip > (mean + self.deviation * DEVIATIONS) * 2 {
            self.deviation = deviation / DEVIATIONS;
        } else {
            self.deviation = towards(self.deviation, deviation, DEVIATION_PART);
        }
        self.mean = Some(towards(mean, round_trip, MEAN_PART));
    }

    /// The time within which most answers come; `None` if none has come yet.
    pub(crate) fn bound(&self) -> Option<Duration> {
        Some(self.mean? + self.deviation * DEVIATIONS)
    }
}

fn towards(from: Duration, to: Duration, part: u32) -> Duration {
    (from * (part - 1) + to) / part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_above_most_round_trips_and_follows_them() {
        let mut round_trips = RoundTrips::default();
        assert_eq!(round_trips.bound(), None);
        let millis = |n: u64| Duration::from_millis(n);
        let mut over = 0;
        for n in 0..1_000 {
            // From 50 to 149 ms.
            let round_trip = millis(50 + n * 37 % 100);
            over += u32::from(round_trips.bound().is_some_and(|bound| round_trip > bound));
            round_trips.add(round_trip);
        }
        assert!(over < 50, "{over} of 1,000");
        assert!(round_trips.bound() < Some(millis(250)));
        round_trips.add(millis(3_000));
        assert!(round_trips.bound() >= Some(millis(3_000)), "at once");
        (0..100).for_each(|_| round_trips.add(millis(3_000)));
        assert!(round_trips.bound() >= Some(millis(3_000)));
        (0..200).for_each(|_| round_trips.add(millis(1)));
        assert!(round_trips.bound() < Some(millis(10)));
    }
}
