use std::time::{Duration, Instant};

use tinytorrent_types::BLOCK_LENGTH;

use crate::rate::RateMeter;

/// The rate at which a peer sends blocks, and the number of requests that keeps it busy.
#[derive(Debug)]
pub(crate) struct Pace {
    meter: RateMeter,
    window: u32,
    /// The window follows the rate, as one has been measured.
    has_rate: bool,
    /// Bytes a second when the last block arrived; zero as long as none was measured.
    latest: u64,
}

/// Requests to begin with, before the rate is known.
const FIRST_WINDOW: u32 = 16;

/// Requests in flight to the slowest peer.
const LEAST_WINDOW: u32 = 4;

/// Seconds of content to have requested, at the present rate. Deep enough for the longest round trip,
/// and for peers that answer their queue in bursts.
const PIPELINE_SECONDS: u64 = 2;

/// A peer that fetches a piece in this time gets pieces of its own; slower ones share. Seconds.
const QUICK_PIECE: u64 = 20;

/// More than any wait that matters: estimates beyond are of no use, and may not overflow.
const LONGEST_ESTIMATE: f64 = 1e6;

impl Pace {
    pub(crate) fn new() -> Self {
        Self { meter: RateMeter::new(), window: FIRST_WINDOW, has_rate: false, latest: 0 }
    }

    /// Counts a block that arrived.
    pub(crate) fn add(&mut self, now: Instant, bytes: u64) {
        if !self.has_rate {
            // As TCP does at its start: each block lets two requests go out.
            self.window = self.window.saturating_add(1);
        }
        self.meter.add(now, bytes);
        self.latest = self.meter.bytes_per_second(now);
    }

    /// Bytes of all blocks that arrived.
    pub(crate) fn total(&self) -> u64 {
        self.meter.total()
    }

    /// Bytes a second now.
    pub(crate) fn bytes_per_second(&mut self, now: Instant) -> u64 {
        self.meter.bytes_per_second(now)
    }

    /// Number of requests to have in flight.
    pub(crate) fn window(&mut self, now: Instant) -> usize {
        let rate = self.meter.bytes_per_second(now);
        // In a pause the last window stays, lest a peer that is back begin with the least.
        if rate > 0 {
            self.has_rate = true;
            let wanted = rate * PIPELINE_SECONDS / u64::from(BLOCK_LENGTH);
            self.window = u32::try_from(wanted).unwrap_or(u32::MAX).max(LEAST_WINDOW);
        }
        self.window as usize
    }

    /// Time that so many blocks take; none as long as no rate is known.
    pub(crate) fn time_for(&mut self, now: Instant, blocks: usize) -> Duration {
        if !self.has_rate {
            return Duration::ZERO;
        }
        let rate = self.meter.bytes_per_second(now).max(1) as f64;
        let seconds = blocks as f64 * f64::from(BLOCK_LENGTH) / rate;
        Duration::from_secs_f64(seconds.min(LONGEST_ESTIMATE))
    }

    /// Time that so many blocks would take if they were asked for, at the rate of when the peer last was.
    pub(crate) fn time_at_best(&self, blocks: usize) -> Duration {
        if self.latest == 0 {
            return Duration::ZERO;
        }
        let seconds = blocks as f64 * f64::from(BLOCK_LENGTH) / self.latest as f64;
        Duration::from_secs_f64(seconds.min(LONGEST_ESTIMATE))
    }

    /// Returns true if the peer is worth a piece of its own.
    pub(crate) fn is_quick(&mut self, now: Instant, piece_length: u32) -> bool {
        let rate = self.meter.bytes_per_second(now);
        rate.saturating_mul(QUICK_PIECE) >= u64::from(piece_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_doubles_at_first_and_follows_the_rate_then() {
        let start = Instant::now();
        let mut pace = Pace::new();
        for _ in 0..FIRST_WINDOW {
            pace.add(start, BLOCK_LENGTH.into());
        }
        assert_eq!(pace.window(start), 2 * FIRST_WINDOW as usize);
        assert_eq!(pace.time_for(start, 10), Duration::ZERO);
        // 64 blocks a second, for ten seconds.
        for tick in 1..=640 {
            pace.add(start + Duration::from_secs(1) * tick / 64, BLOCK_LENGTH.into());
        }
        let end = start + Duration::from_secs(10);
        assert!((120..=136).contains(&pace.window(end)), "{}", pace.window(end));
        let second = pace.time_for(end, 64).as_secs_f64();
        assert!((0.9..1.1).contains(&second), "{second}");
        assert!(pace.is_quick(end, 20 << 20) && !pace.is_quick(end, 30 << 20));
        let later = end + Duration::from_secs(600);
        assert_eq!(pace.window(later), LEAST_WINDOW as usize);
        // Nothing was asked for meanwhile, which says nothing about the peer.
        assert!(pace.time_for(later, 64) > Duration::from_secs(60));
        assert!((0.9..1.1).contains(&pace.time_at_best(64).as_secs_f64()));
    }
}
