use std::time::{Duration, Instant};

/// The pause of a torrent after a job that found no descriptor for a file. Nothing is lost: the job is done
/// again after the pause, which doubles each time.
///
/// ```text
///        begin             until is over             begin: twice as long
/// none ────────▶ pausing ────────────────▶ retrying ──────────────────────▶ pausing
///   ▲                                         │ end: a job had its descriptors
///   └─────────────────────────────────────────┘
/// ```
#[derive(Debug, Default)]
pub(super) struct Shortage {
    until: Option<Instant>,
    /// Pauses since a job had its descriptors, or since the last [`restart`](Self::restart).
    count: u32,
}

impl Shortage {
    /// Notes that a job found no descriptor.
    pub(super) fn begin(&mut self, now: Instant) {
        let pause = FIRST_PAUSE * 2_u32.pow(self.count.min(MOST_DOUBLINGS));
        self.until = Some(now + pause.min(LONGEST_PAUSE));
        self.count += 1;
    }

    /// Notes that a job had the descriptors that it needed.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Ends the pause if it is over.
    pub(super) fn expire(&mut self, now: Instant) {
        self.until = self.until.filter(|&until| until > now);
    }

    /// Counts from zero, with the shortest pause.
    pub(super) fn restart(&mut self) {
        self.count = 0;
    }

    /// Returns `true` during a pause.
    pub(super) fn is_pausing(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }

    /// Returns `true` if what was put off is to be done now.
    pub(super) fn is_retrying(&self, now: Instant) -> bool {
        self.count > 0 && !self.is_pausing(now)
    }

    /// The end of the pause.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Pauses one after the other.
    pub(super) fn count(&self) -> u32 {
        self.count
    }
}

/// The first pause: a connection that is closed for it is gone by then.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause. A try costs a few system calls.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Times that a pause is doubled at most.
const MOST_DOUBLINGS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_until_there_is_a_descriptor() {
        let mut now = Instant::now();
        let mut shortage = Shortage::default();
        assert!(!shortage.is_pausing(now) && !shortage.is_retrying(now));
        let mut pauses = Vec::new();
        for _ in 0..7 {
            shortage.begin(now);
            let until = shortage.until().unwrap();
            assert!(shortage.is_pausing(now) && !shortage.is_retrying(now));
            pauses.push((until - now).as_millis());
            now = until;
            assert!(shortage.is_retrying(now));
            shortage.expire(now);
            assert_eq!(shortage.until(), None);
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(shortage.count(), 7);
        shortage.end();
        assert!(!shortage.is_retrying(now));
        shortage.begin(now);
        assert_eq!(shortage.until(), Some(now + FIRST_PAUSE));
    }
}
