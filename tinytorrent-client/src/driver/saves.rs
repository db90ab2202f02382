use std::time::{Duration, Instant};

/// Time from a change to the writing of the resume data. After a kill, pieces written since then are
/// hashed again, and that takes much less time than this.
const INTERVAL: Duration = Duration::from_secs(60);

/// The times at which the resume data of a running torrent is written. A torrent that does nothing writes
/// nothing, and is not woken up.
#[derive(Debug, Default)]
pub(super) struct SaveSchedule {
    due: Option<Instant>,
    saved: Mark,
}

/// The progress of a torrent, in bytes, by which a change is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) have: u64,
    pub(super) uploaded: u64,
}

impl SaveSchedule {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Takes note of the progress. Returns `true` if the resume data is to be written now.
    pub(super) fn note(&mut self, now: Instant, mark: Mark) -> bool {
        if self.due.is_none() && mark != self.saved {
            self.due = Some(now + INTERVAL);
        }
        let is_due = self.due.take_if(|due| *due <= now).is_some();
        if is_due {
            self.saved = mark;
        }
        is_due
    }

    /// Begins with what the resume data says.
    pub(super) fn begin(&mut self, mark: Mark) {
        *self = Self { due: None, saved: mark };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_at_an_interval_from_each_change() {
        let start = Instant::now();
        let mark = |have| Mark { have, uploaded: 7 };
        let mut saves = SaveSchedule::default();
        saves.begin(mark(5));
        assert!(!saves.note(start, mark(5)) && saves.deadline().is_none(), "nothing has changed");
        assert!(!saves.note(start, mark(6)));
        assert!(!saves.note(start + INTERVAL / 2, mark(7)), "the first change counts");
        assert_eq!(saves.deadline(), Some(start + INTERVAL));
        assert!(saves.note(start + INTERVAL, mark(7)));
        assert!(!saves.note(start + INTERVAL, mark(7)) && saves.deadline().is_none());
        assert!(!saves.note(start + INTERVAL, Mark { have: 7, uploaded: 8 }));
        assert!(saves.note(start + 2 * INTERVAL, Mark { have: 7, uploaded: 8 }));
    }
}
