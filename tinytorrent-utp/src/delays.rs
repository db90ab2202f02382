use std::time::{Duration, Instant};

/// Delays of one way, of which only differences mean anything: two clocks that nobody has set.
///
/// The base is the shortest delay of the last ten minutes, and what is above it is time in queues (P-09).
#[derive(Debug)]
pub(crate) struct Delays {
    /// Minima of the last minutes, this one first.
    minima: [Option<u32>; SPANS],
    began: Instant,
    /// The last samples above the base; what is above it in all of them is no noise.
    recent: [u32; FILTER],
    count: usize,
}

impl Delays {
    pub(crate) fn new(now: Instant) -> Self {
        Self { minima: [None; SPANS], began: now, recent: [0; FILTER], count: 0 }
    }

    /// Takes a delay in microseconds, and returns by how much it has lowered the base.
    pub(crate) fn add(&mut self, now: Instant, sample: u32) -> u32 {
        self.turn(now);
        let before = self.base();
        self.minima[0] = Some(self.minima[0].map_or(sample, |least| lower(least, sample)));
        let base = self.base().unwrap_or(sample);
        self.recent[self.count % FILTER] = sample.wrapping_sub(base);
        self.count += 1;
        before.map_or(0, |before| before.wrapping_sub(base))
    }

    /// Microseconds in queues: the least of the last three samples (P-27). None before the first.
    pub(crate) fn queued(&self) -> Option<Duration> {
        let known = &self.recent[..self.count.min(FILTER)];
        known.iter().min().map(|&micros| Duration::from_micros(micros.into()))
    }

    /// Raises the base by the drift of the clocks, at most 10 ms at a time (P-28).
    ///
    /// The drift of clocks: if the delay of the other way falls below all earlier ones, one clock runs faster, and this
    /// way seems longer by as much.
    pub(crate) fn raise_base(&mut self, micros: u32) {
        if micros <= MOST_DRIFT {
            for least in self.minima.iter_mut().flatten() {
                *least = least.wrapping_add(micros);
            }
        }
    }

    fn base(&self) -> Option<u32> {
        self.minima.iter().flatten().copied().reduce(lower)
    }

    /// Begins another minute where one is over.
    fn turn(&mut self, now: Instant) {
        let spans = now.saturating_duration_since(self.began).as_secs() / SPAN.as_secs();
        if spans > 0 {
            self.began += SPAN * u32::try_from(spans).unwrap_or(u32::MAX);
            // A base that is older than all spans still counts until there is a newer one.
            let shift = usize::try_from(spans).unwrap_or(SPANS).min(SPANS - 1);
            self.minima.rotate_right(shift);
            self.minima[..shift].fill(None);
        }
    }
}

/// The smaller one on the circle of 32 bits.
fn lower(a: u32, b: u32) -> u32 {
    if (b.wrapping_sub(a) as i32) < 0 { b } else { a }
}

/// Ten minutes, as in RFC 6817. Two of BEP 29 are too few: a flow of TCP that keeps the queue full for longer would make
/// its queue the base, and lose a third of the link. libutp has 13, libtorrent 20.
const SPANS: usize = 10;
const SPAN: Duration = Duration::from_secs(60);
const FILTER: usize = 3;
const MOST_DRIFT: u32 = 10_000;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// P-09
    #[test]
    fn the_base_is_the_least_of_ten_minutes() {
        let start = Instant::now();
        let mut delays = Delays::new(start);
        assert_eq!(delays.queued(), None);
        // Clocks are apart by any time, and the difference may wrap.
        let skew = u32::MAX - 20_000;
        delays.add(start, skew.wrapping_add(10_000));
        assert_eq!(delays.queued(), Some(ms(0)));
        for second in 1..600 {
            delays.add(start + Duration::from_secs(second), skew.wrapping_add(60_000));
        }
        assert_eq!(delays.queued(), Some(ms(50)));
        for second in 600..610 {
            delays.add(start + Duration::from_secs(second), skew.wrapping_add(60_000));
        }
        assert_eq!(delays.queued(), Some(ms(0)), "the path got longer");
    }

    #[test]
    fn a_base_outlives_silence_until_there_is_another() {
        let start = Instant::now();
        let mut delays = Delays::new(start);
        delays.add(start, 1_000);
        assert_eq!(delays.add(start + Duration::from_secs(10_000), 500), 500);
    }

    /// P-27
    #[test]
    fn a_single_late_packet_is_noise() {
        let start = Instant::now();
        let mut delays = Delays::new(start);
        for sample in [1_000, 91_000, 2_000] {
            delays.add(start, sample);
        }
        assert_eq!(delays.queued(), Some(Duration::from_micros(0)));
        for sample in [91_000, 81_000, 71_000] {
            delays.add(start, sample);
        }
        assert_eq!(delays.queued(), Some(ms(70)));
    }

    /// P-28
    #[test]
    fn drift_raises_the_base_by_at_most_10_ms() {
        let start = Instant::now();
        let mut delays = Delays::new(start);
        delays.add(start, 1_000);
        delays.raise_base(10_001);
        delays.add(start, 9_000);
        delays.add(start, 9_000);
        delays.add(start, 9_000);
        assert_eq!(delays.queued(), Some(ms(8)));
        delays.raise_base(8_000);
        for _ in 0..3 {
            delays.add(start, 9_000);
        }
        assert_eq!(delays.queued(), Some(ms(0)));
    }
}
