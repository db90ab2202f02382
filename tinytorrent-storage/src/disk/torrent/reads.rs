use std::collections::VecDeque;

use tinytorrent_types::BlockInfo;

/// A block that a peer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::disk) struct ReadRequest {
    pub(in crate::disk) block: BlockInfo,
    /// The caller's; any number of requests may have the same.
    pub(in crate::disk) tag: u64,
}

/// The queue of read requests that no worker has. Reads and writes take turns.
#[derive(Debug, Default)]
pub(in crate::disk) struct ReadQueue {
    requests: VecDeque<ReadRequest>,
    /// The job before the next one was a read.
    had_turn: bool,
}

impl ReadQueue {
    pub(in crate::disk) fn push(&mut self, block: BlockInfo, tag: u64) {
        self.requests.push_back(ReadRequest { block, tag });
    }

    /// Drops the requests of which `is_unwanted` is true.
    pub(in crate::disk) fn cancel(&mut self, mut is_unwanted: impl FnMut(BlockInfo, u64) -> bool) {
        self.requests.retain(|request| !is_unwanted(request.block, request.tag));
    }

    pub(in crate::disk) fn clear(&mut self) {
        self.requests.clear();
    }

    pub(in crate::disk) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Returns `true` if it is the turn of a write, if one is due.
    pub(super) fn had_turn(&self) -> bool {
        self.had_turn
    }

    /// The oldest requests, as many as one worker takes at once; none if they are to let a write go
    /// first.
    pub(super) fn take(&mut self, yields: bool) -> Vec<ReadRequest> {
        let count = if yields { 0 } else { self.requests.len().min(MAX_READS) };
        self.had_turn = count > 0;
        self.requests.drain(..count).collect()
    }
}

/// Requests that one worker takes at once: 4 MiB.
const MAX_READS: usize = 256;

#[cfg(test)]
mod tests {
    use tinytorrent_types::{BLOCK_LENGTH, Geometry};

    use super::*;

    fn block() -> BlockInfo {
        Geometry::new(1 << 20, BLOCK_LENGTH).unwrap().block(0, 0, 1).unwrap()
    }

    fn tags(requests: Vec<ReadRequest>) -> Vec<u64> {
        requests.into_iter().map(|request| request.tag).collect()
    }

    #[test]
    fn a_worker_takes_a_bounded_number_of_the_oldest() {
        let mut queue = ReadQueue::default();
        (0..300).for_each(|tag| queue.push(block(), tag));
        assert_eq!(tags(queue.take(false)), (0..256).collect::<Vec<_>>());
        assert_eq!(tags(queue.take(false)), (256..300).collect::<Vec<_>>());
        assert!(queue.is_empty());
    }

    #[test]
    fn reads_that_had_their_turn_may_yield_once() {
        let mut queue = ReadQueue::default();
        (0..600).for_each(|tag| queue.push(block(), tag));
        assert!(!queue.had_turn());
        assert_eq!(queue.take(false).len(), 256);
        assert!(queue.had_turn());
        assert!(queue.take(true).is_empty());
        assert!(!queue.had_turn(), "the next turn is theirs");
        assert_eq!(queue.take(false).len(), 256);
    }

    #[test]
    fn requests_with_the_same_tag_are_cancelled_together() {
        let mut queue = ReadQueue::default();
        [1, 2, 1, 3].into_iter().for_each(|tag| queue.push(block(), tag));
        queue.cancel(|_, tag| tag == 1);
        assert_eq!(tags(queue.take(false)), [2, 3]);
    }
}
