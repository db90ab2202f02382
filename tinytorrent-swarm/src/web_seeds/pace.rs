//! The pace of a web seed: how much it is asked for, and when.

use std::time::{Duration, Instant};

/// Fetches at a time of a server that has given something: two for each connection, so that the next request is on
/// its way while the last body comes.
pub(super) const MOST: usize = 6;

/// Bytes of the first fetches.
const FIRST_SPAN: u64 = 1 << 20;

/// Bytes of the smallest and the largest ones.
const LEAST_SPAN: u64 = 256 << 10;
const LARGEST_SPAN: u64 = 8 << 20;

/// A fetch that takes less is followed by a larger one.
const SHORT: Duration = Duration::from_secs(2);

/// A fetch that takes more is followed by a smaller one, as nobody else is asked for its blocks meanwhile.
const LONG: Duration = Duration::from_secs(8);

/// The rest after a first failure. It doubles with each one in a row.
const REST: Duration = Duration::from_secs(10);

/// The rest of a busy server that does not say how long, as libtorrent has it. It doubles as well.
const BUSY_REST: Duration = Duration::from_secs(30);

/// The longest rest that the server has not asked for.
const LONGEST_REST: Duration = Duration::from_secs(30 * 60);

/// The pace of one web seed.
#[derive(Debug)]
pub(super) struct Pace {
    span: u64,
    /// A block has come since the last failure.
    is_proven: bool,
    failures: u32,
    rests_until: Option<Instant>,
    /// The instant at which the last fetches ended, or were begun after a rest.
    last: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { span: FIRST_SPAN, is_proven: false, failures: 0, rests_until: None, last: None }
    }
}

impl Pace {
    /// Fetches at a time at most. One, as long as it is not known whether the server answers.
    pub(super) fn most_fetches(&self) -> usize {
        if self.is_proven { MOST } else { 1 }
    }

    /// Bytes of the next fetch.
    pub(super) fn span(&self) -> u64 {
        self.span
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The instant at which it may be asked again, if it may not be now.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    pub(super) fn end_rest(&mut self, now: Instant) {
        self.rests_until.take_if(|until| *until <= now);
    }

    pub(super) fn note_begun(&mut self, now: Instant) {
        self.last.get_or_insert(now);
    }

    pub(super) fn note_block(&mut self) {
        (self.is_proven, self.failures) = (true, 0);
    }

    /// A fetch is complete.
    pub(super) fn note_complete(&mut self, now: Instant) {
        let since = self.last.replace(now).map(|last| now.saturating_duration_since(last));
        // Several are under way at a time, and each takes as long as so many ends.
        let took = since.unwrap_or_default() * self.most_fetches() as u32;
        if took < SHORT {
            self.span = (self.span * 2).min(LARGEST_SPAN);
        } else if took > LONG {
            self.span = (self.span / 2).max(LEAST_SPAN);
        }
    }

    /// Peers were quicker with a part of what it was asked for.
    pub(super) fn note_overtaken(&mut self) {
        self.span = (self.span / 2).max(LEAST_SPAN);
    }

    pub(super) fn note_failure(&mut self, now: Instant) {
        self.rest(now, self.growing(REST));
    }

    pub(super) fn note_busy(&mut self, now: Instant, pause: Option<Duration>) {
        self.rest(now, pause.unwrap_or_else(|| self.growing(BUSY_REST)));
    }

    fn growing(&self, first: Duration) -> Duration {
        (first * 2_u32.pow(self.failures.min(16))).min(LONGEST_REST)
    }

    fn rest(&mut self, now: Instant, time: Duration) {
        // Other fetches of the moment fail for the same reason.
        let until = now + time;
        if self.rests_until.is_none() {
            self.failures += 1;
        }
        self.rests_until = Some(self.rests_until.map_or(until, |before| before.max(until)));
        (self.is_proven, self.last, self.span) = (false, None, FIRST_SPAN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F-07
    #[test]
    fn rests_grow_with_failures_in_a_row_and_a_server_says_its_own() {
        let now = Instant::now();
        let mut pace = Pace::default();
        for seconds in [30, 60, 120] {
            pace.note_busy(now, None);
            assert_eq!(pace.rests_until(), Some(now + Duration::from_secs(seconds)));
            pace.end_rest(now + Duration::from_secs(seconds));
            assert_eq!(pace.rests_until(), None);
        }
        for _ in 0..20 {
            pace.note_failure(now);
            pace.end_rest(now + LONGEST_REST);
            assert_eq!(pace.rests_until(), None, "it does not grow for ever");
        }
        pace.note_busy(now, Some(Duration::from_secs(7)));
        assert_eq!(pace.rests_until(), Some(now + Duration::from_secs(7)));
        pace.end_rest(now + Duration::from_secs(7));
        pace.note_block();
        pace.note_failure(now);
        assert_eq!(pace.rests_until(), Some(now + REST), "what came has ended the row");
    }

    /// F-03
    #[test]
    fn spans_grow_with_quick_servers_and_shrink_with_slow_ones() {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        pace.note_begun(now);
        pace.note_block();
        assert_eq!(pace.most_fetches(), MOST);
        for _ in 0..9 {
            now += Duration::from_millis(10);
            pace.note_complete(now);
        }
        assert_eq!(pace.span(), LARGEST_SPAN);
        for _ in 0..9 {
            now += Duration::from_secs(3);
            pace.note_complete(now);
        }
        assert_eq!(pace.span(), LEAST_SPAN);
        pace.note_failure(now);
        assert_eq!((pace.most_fetches(), pace.span()), (1, FIRST_SPAN));
    }
}
