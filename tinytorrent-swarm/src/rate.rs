use std::time::{Duration, Instant};

/// Bytes a second over the last few seconds, without a timer.
///
/// An exponential mean: what arrived [`WINDOW`] ago weighs about a third of what arrives now. It
/// is brought up to date whenever it is touched, so an idle meter costs nothing.
#[derive(Debug, Clone)]
pub(crate) struct RateMeter {
    bytes_per_second: f64,
    /// Bytes since `last` that are not in the mean yet.
    pending: u64,
    last: Option<Instant>,
    /// How much of the mean is made of measurements, 0 to 1: the rest is the zero it began with.
    weight: f64,
    total: u64,
}

/// Long enough to be calm, short enough to follow a peer that slows down.
const WINDOW: Duration = Duration::from_secs(4);

/// The mean is folded at most this often; many blocks a millisecond cost one addition each.
const FOLD: Duration = Duration::from_millis(100);

impl RateMeter {
    /// A meter that has seen nothing.
    pub(crate) fn new() -> Self {
        Self { bytes_per_second: 0.0, pending: 0, last: None, weight: 0.0, total: 0 }
    }

    /// Counts bytes that moved now.
    pub(crate) fn add(&mut self, now: Instant, bytes: u64) {
        self.total += bytes;
        self.last.get_or_insert(now);
        self.pending += bytes;
        self.fold(now);
    }

    /// The present rate.
    pub(crate) fn bytes_per_second(&mut self, now: Instant) -> u64 {
        self.fold(now);
        if self.weight > 0.0 { (self.bytes_per_second / self.weight) as u64 } else { 0 }
    }

    /// All bytes ever counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    fn fold(&mut self, now: Instant) {
        let Some(last) = self.last else { return };
        let elapsed = now.saturating_duration_since(last);
        if elapsed < FOLD {
            return;
        }
        let fresh = self.pending as f64 / elapsed.as_secs_f64();
        // By elapsed time, so that the mean does not depend on how often it is touched.
        let keep = (-elapsed.as_secs_f64() / WINDOW.as_secs_f64()).exp();
        self.bytes_per_second = self.bytes_per_second * keep + fresh * (1.0 - keep);
        self.weight = self.weight * keep + 1.0 - keep;
        self.pending = 0;
        self.last = Some(now);
    }
}

impl Default for RateMeter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_is_measured_and_silence_forgets_it() {
        let start = Instant::now();
        let mut meter = RateMeter::new();
        for tick in 0..300 {
            meter.add(start + Duration::from_millis(100 * tick), 100_000);
        }
        let end = start + Duration::from_secs(30);
        let rate = meter.bytes_per_second(end);
        assert!((950_000..=1_050_000).contains(&rate), "{rate}");
        assert!(meter.bytes_per_second(end + Duration::from_secs(60)) < 10);
        assert_eq!(meter.total(), 30_000_000);
    }

    #[test]
    fn the_first_tenth_of_a_second_is_enough_to_know_a_rate() {
        let start = Instant::now();
        let mut meter = RateMeter::new();
        for tick in 0..=10 {
            meter.add(start + Duration::from_millis(10 * tick), 10_000);
        }
        let rate = meter.bytes_per_second(start + Duration::from_millis(100));
        assert!((900_000..=1_200_000).contains(&rate), "{rate}");
    }
}
