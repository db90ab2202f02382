use std::time::{Duration, Instant};

/// The credit of a peer: how it made good on earlier requests for blocks.
///
/// A peer that fails to give what it was asked for is not asked for a while, so that the blocks go to
/// another first. The rest doubles with each failure in a row, and the first block that comes ends
/// it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Credit {
    /// Failures since the last block.
    failures: u32,
    /// When it may be asked again.
    rests_until: Option<Instant>,
}

/// Rest after the first failure: other peers need a few round trips to take over.
const FIRST_REST: Duration = Duration::from_secs(1);

/// The longest rest. A peer that gives nothing for so long is worth a request a minute.
const MAX_REST: Duration = Duration::from_secs(64);

impl Credit {
    /// Notes that the peer refused, or did not send in time, what it was asked for. All that fails
    /// during one rest counts once. `true` if a rest begins.
    pub(crate) fn fail(&mut self, now: Instant) -> bool {
        // What fails together, a window full of requests at a choke, is one failure.
        if self.is_resting(now) {
            return false;
        }
        let rest = FIRST_REST.saturating_mul(1 << self.failures.min(6)).min(MAX_REST);
        self.failures += 1;
        self.rests_until = Some(now + rest);
        true
    }

    /// Notes that a block came.
    pub(crate) fn restore(&mut self) {
        *self = Self::default();
    }

    /// `true` if the peer has failed and has sent no block since.
    pub(crate) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// `true` if the peer is not to be asked for now.
    pub(crate) fn is_resting(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// The end of the rest, until [`end_rest`](Self::end_rest) has seen it pass.
    pub(crate) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    /// Ends a rest that is over. `true` if the peer may be asked from now on.
    pub(crate) fn end_rest(&mut self, now: Instant) -> bool {
        self.rests_until.take_if(|until| *until <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_and_a_block_ends_them() {
        let (mut credit, mut now) = (Credit::default(), Instant::now());
        for seconds in [1, 2, 4, 8, 16, 32, 64, 64] {
            assert!(credit.fail(now) && credit.is_failing());
            let end = now + Duration::from_secs(seconds);
            assert_eq!(credit.rests_until(), Some(end));
            assert!(credit.is_resting(end - Duration::from_millis(1)) && !credit.end_rest(now));
            now = end;
            assert!(!credit.is_resting(now) && credit.end_rest(now) && !credit.end_rest(now));
        }
        credit.restore();
        assert!(!credit.is_failing() && !credit.is_resting(now));
    }

    #[test]
    fn what_fails_at_once_counts_once() {
        let (mut credit, now) = (Credit::default(), Instant::now());
        assert!(credit.fail(now));
        assert!((0..15).all(|_| !credit.fail(now)));
        assert_eq!(credit.rests_until(), Some(now + FIRST_REST));
    }
}
