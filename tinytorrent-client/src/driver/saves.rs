use std::time::{Duration, Instant};

/// Interval at which the resume data is written. After a kill, pieces written since then are hashed
/// again, and that takes much less time than the interval.
const INTERVAL: Duration = Duration::from_secs(60);

/// The times at which the resume data of a running torrent is written.
#[derive(Debug)]
pub(super) struct SaveSchedule {
    next: Instant,
    /// Bytes of verified pieces at the last save.
    saved_bytes: u64,
}

impl SaveSchedule {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now + INTERVAL, saved_bytes: 0 }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.next
    }

    /// Returns `true` if the deadline has come and pieces were verified since the last save. Moves the
    /// deadline to the end of the next interval.
    pub(super) fn take_due(&mut self, now: Instant, have_bytes: impl FnOnce() -> u64) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + INTERVAL;
        let have_bytes = have_bytes();
        std::mem::replace(&mut self.saved_bytes, have_bytes) != have_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_at_each_interval_if_there_is_something_new() {
        let start = Instant::now();
        let mut saves = SaveSchedule::new(start);
        assert!(!saves.take_due(start, || panic!("the deadline has not come")));
        assert!(saves.take_due(start + INTERVAL, || 5));
        assert!(!saves.take_due(start + INTERVAL, || panic!("the deadline has not come")));
        assert!(!saves.take_due(start + 2 * INTERVAL, || 5), "nothing has changed");
        assert!(saves.take_due(start + 3 * INTERVAL, || 6));
        assert_eq!(saves.deadline(), start + 4 * INTERVAL);
    }
}
