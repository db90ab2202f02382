use std::time::{Duration, Instant};

use super::TARGET;
use super::growth::LEAST_ROUND;

/// The signs of this round trip.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    ends: Option<Instant>,
    samples: u32,
    /// The shortest queue so far. Packets of slow start come in bursts, which fill a queue for a moment though the link
    /// is not full; the first of a burst finds it empty.
    least: Duration,
    /// Rounds in a row without a queue, and when the last one was counted: short ones count as one together, or the
    /// window would grow faster on a short path than losses can cut it.
    empty: u32,
    counted: Option<Instant>,
}

impl Round {
    /// Takes a sample, and says whether a round has ended with it.
    pub(super) fn add(
        &mut self,
        now: Instant,
        queued: Duration,
        round_trip: Duration,
    ) -> Option<Duration> {
        let ended = self.ends.is_none_or(|ends| now >= ends).then_some(self.least);
        if ended.is_some() {
            if self.samples == 0 || self.least >= TARGET / 8 {
                self.empty = 0;
            } else if self.counted.is_none_or(|counted| now >= counted + LEAST_ROUND) {
                self.empty = (self.empty + 1).min(MOST_EMPTY);
                self.counted = Some(now);
            }
            (self.samples, self.least, self.ends) = (0, queued, Some(now + round_trip));
        }
        self.samples += 1;
        self.least = self.least.min(queued);
        ended
    }

    /// A queue that has stayed for this round.
    pub(super) fn queue(&self, ended: Option<Duration>) -> Duration {
        let known = if self.samples >= ENOUGH { self.least } else { Duration::ZERO };
        known.max(ended.unwrap_or_default())
    }

    /// Rounds in a row without a queue, up to a bound.
    pub(super) fn empty(&self) -> u32 {
        self.empty
    }

    pub(super) fn forget_empty(&mut self) {
        self.empty = 0;
    }
}

/// Samples after which the shortest queue of a round is known (RFC 9406).
const ENOUGH: u32 = 8;

/// Rounds without a queue that count.
const MOST_EMPTY: u32 = 30;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_burst_is_no_queue_and_what_eight_packets_find_is() {
        let start = Instant::now();
        let mut round = Round::default();
        for n in 0..8 {
            let ended = round.add(start, ms(n), ms(50));
            assert_eq!(round.queue(ended), Duration::ZERO, "the first of it finds none");
        }
        let ended = round.add(start + ms(50), ms(30), ms(50));
        assert_eq!((ended, round.queue(ended)), (Some(Duration::ZERO), Duration::ZERO));
        for n in 1..8 {
            let ended = round.add(start + ms(50), ms(30 + n), ms(50));
            assert_eq!(round.queue(ended), if n < 7 { ms(0) } else { ms(30) });
        }
    }

    #[test]
    fn a_short_path_counts_few_empty_rounds() {
        let (start, trip) = (Instant::now(), ms(1));
        let mut round = Round::default();
        for n in 0..120 {
            round.add(start + trip * n, Duration::ZERO, trip);
        }
        assert_eq!(round.empty, 3);
        round.add(start + ms(200), ms(20), trip);
        round.add(start + ms(201), ms(20), trip);
        round.add(start + ms(202), ms(20), trip);
        assert_eq!(round.empty, 0);
    }
}
