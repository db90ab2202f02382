use crate::resume::Counters;

/// The way from a request for a checkpoint to its resume record: blocks in memory are written first.
///
/// ```text
///  request            all waiting blocks             no worker has
///              are with workers or written             a batch
/// Idle ──► Flushing ─────────────────────► Ready ───────────────► running ──► Idle
/// ```
///
/// A request that comes before another has begun takes its place.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    step: Step,
    /// A worker makes one.
    is_running: bool,
}

#[derive(Debug, Clone, Copy, Default)]
enum Step {
    #[default]
    Idle,
    /// Waiting blocks have to be written first.
    Flushing(Counters),
    /// All blocks from before the request are written, or with workers.
    Ready(Counters),
}

impl Checkpoints {
    pub(super) fn request(&mut self, counters: Counters) {
        self.step = Step::Flushing(counters);
    }

    /// Notes that no block waits to be written.
    pub(super) fn end_flush(&mut self) {
        if let Step::Flushing(counters) = self.step {
            self.step = Step::Ready(counters);
        }
    }

    /// The checkpoint that can begin now. Nothing `is_waiting` to be written, and no worker `is_busy`
    /// with a batch.
    pub(super) fn take(&mut self, is_waiting: bool, is_busy: bool) -> Option<Counters> {
        if is_busy || self.is_running {
            return None;
        }
        let counters = match self.step {
            Step::Ready(counters) => counters,
            Step::Flushing(counters) if !is_waiting => counters,
            Step::Flushing(_) | Step::Idle => return None,
        };
        self.step = Step::Idle;
        self.is_running = true;
        Some(counters)
    }

    pub(super) fn end(&mut self) {
        self.is_running = false;
    }

    pub(super) fn is_requested(&self) -> bool {
        !matches!(self.step, Step::Idle)
    }

    pub(super) fn is_idle(&self) -> bool {
        !self.is_requested() && !self.is_running
    }

    pub(super) fn is_running(&self) -> bool {
        self.is_running
    }

    /// Returns `true` if waiting blocks have to be written now.
    pub(super) fn is_flushing(&self) -> bool {
        matches!(self.step, Step::Flushing(_))
    }

    /// Returns `true` if no batch may begin before the checkpoint has begun. Otherwise a steady stream
    /// of blocks would put it off for ever.
    pub(super) fn holds_batches(&self) -> bool {
        matches!(self.step, Step::Ready(_)) && !self.is_running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(downloaded: u64) -> Counters {
        Counters { downloaded, ..Counters::default() }
    }

    // S-18.
    #[test]
    fn a_checkpoint_begins_when_earlier_blocks_are_written() {
        let mut checkpoints = Checkpoints::default();
        assert!(checkpoints.is_idle());
        checkpoints.request(counters(1));
        assert_eq!(checkpoints.take(true, false), None);
        assert!(checkpoints.is_flushing() && !checkpoints.holds_batches());
        checkpoints.end_flush();
        assert!(checkpoints.holds_batches());
        assert_eq!(checkpoints.take(true, true), None, "a worker has them");
        assert_eq!(checkpoints.take(true, false), Some(counters(1)), "later blocks may wait");
        assert!(!checkpoints.is_requested() && !checkpoints.is_idle());
        checkpoints.end();
        assert!(checkpoints.is_idle());
    }

    #[test]
    fn one_checkpoint_is_made_at_a_time_and_the_last_request_counts() {
        let mut checkpoints = Checkpoints::default();
        checkpoints.request(counters(1));
        assert_eq!(checkpoints.take(false, false), Some(counters(1)));
        checkpoints.request(counters(2));
        checkpoints.end_flush();
        checkpoints.request(counters(3));
        assert_eq!(checkpoints.take(false, false), None, "the first one is not over");
        checkpoints.end();
        assert_eq!(checkpoints.take(false, false), Some(counters(3)));
        checkpoints.end();
        assert_eq!(checkpoints.take(false, false), None);
    }
}
