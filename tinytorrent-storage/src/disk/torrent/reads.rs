use std::collections::{HashMap, VecDeque};

use tinytorrent_types::BlockInfo;

/// A block that a peer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::disk) struct ReadRequest {
    pub(in crate::disk) block: BlockInfo,
    /// The caller's; any number of requests may have the same.
    pub(in crate::disk) tag: u64,
}

/// The read requests that no worker has. Those of one tag are served in their order, by one worker at a
/// time, and the tags in turn. Reads and writes take turns as well.
#[derive(Debug, Default)]
pub(in crate::disk) struct ReadQueue {
    /// A tag is here while it has requests or a worker serves it.
    tags: HashMap<u64, Tag>,
    /// Tags that have requests and no worker; the next one is in front.
    ready: VecDeque<u64>,
    /// The job before the next one was a read.
    had_turn: bool,
}

#[derive(Debug, Default)]
struct Tag {
    blocks: VecDeque<BlockInfo>,
    is_busy: bool,
}

impl ReadQueue {
    pub(in crate::disk) fn push(&mut self, block: BlockInfo, tag: u64) {
        let entry = self.tags.entry(tag).or_default();
        if entry.blocks.is_empty() && !entry.is_busy {
            self.ready.push_back(tag);
        }
        entry.blocks.push_back(block);
    }

    /// Drops the requests of which `is_unwanted` is true.
    pub(in crate::disk) fn cancel(&mut self, mut is_unwanted: impl FnMut(BlockInfo, u64) -> bool) {
        self.tags.retain(|&tag, entry| {
            entry.blocks.retain(|&block| !is_unwanted(block, tag));
            entry.is_busy || !entry.blocks.is_empty()
        });
        self.ready.retain(|tag| self.tags.contains_key(tag));
    }

    pub(in crate::disk) fn clear(&mut self) {
        self.cancel(|_, _| true);
    }

    /// The number of requests that no worker has.
    pub(in crate::disk) fn waiting(&self) -> usize {
        self.tags.values().map(|tag| tag.blocks.len()).sum()
    }

    /// Returns `true` if a worker could take requests now.
    pub(in crate::disk) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Returns `true` if no request waits, and no worker has one.
    pub(super) fn is_idle(&self) -> bool {
        self.tags.is_empty()
    }

    /// Returns `true` if a worker has a request.
    pub(super) fn has_worker(&self) -> bool {
        self.tags.values().any(|tag| tag.is_busy)
    }

    /// Returns `true` if it is the turn of a write, if one is due.
    pub(super) fn had_turn(&self) -> bool {
        self.had_turn
    }

    /// The requests of the tags whose turn it is, as many as one worker takes at once and as `reserve` has
    /// room for; none if they are to let a write go first. The worker gives the tags back with
    /// [`end`](Self::end).
    pub(super) fn take(
        &mut self,
        yields: bool,
        mut reserve: impl FnMut(BlockInfo) -> bool,
    ) -> Vec<ReadRequest> {
        let mut requests = Vec::new();
        let mut has_room = !yields;
        while has_room && requests.len() < MAX_READS {
            let Some(&tag) = self.ready.front() else { break };
            let Some(entry) = self.tags.get_mut(&tag) else {
                self.ready.pop_front();
                continue;
            };
            let before = requests.len();
            while requests.len() < MAX_READS
                && let Some(&block) = entry.blocks.front()
            {
                has_room = reserve(block);
                if !has_room {
                    break;
                }
                entry.blocks.pop_front();
                requests.push(ReadRequest { block, tag });
            }
            // One that got nothing is the next.
            if requests.len() > before {
                entry.is_busy = true;
                self.ready.pop_front();
            }
        }
        self.had_turn = !requests.is_empty();
        requests
    }

    /// Takes back requests that could not be served, in their order, before those that came since. Their
    /// tags are still to be given back.
    pub(in crate::disk) fn put_back(&mut self, requests: &[ReadRequest]) {
        for &ReadRequest { block, tag } in requests.iter().rev() {
            self.tags.entry(tag).or_default().blocks.push_front(block);
        }
    }

    /// Takes back the tag of a request that was served. Further requests of the tag were left alone until
    /// now, as another worker could have overtaken this one.
    pub(in crate::disk) fn end(&mut self, tag: u64) {
        let Some(entry) = self.tags.get_mut(&tag).filter(|entry| entry.is_busy) else { return };
        entry.is_busy = false;
        if entry.blocks.is_empty() {
            self.tags.remove(&tag);
        } else {
            self.ready.push_back(tag);
        }
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
        assert_eq!(tags(queue.take(false, |_| true)), (0..256).collect::<Vec<_>>());
        assert_eq!(tags(queue.take(false, |_| true)), (256..300).collect::<Vec<_>>());
        assert!(!queue.is_ready());
    }

    #[test]
    fn reads_that_had_their_turn_may_yield_once() {
        let mut queue = ReadQueue::default();
        (0..600).for_each(|tag| queue.push(block(), tag));
        assert!(!queue.had_turn());
        assert_eq!(queue.take(false, |_| true).len(), 256);
        assert!(queue.had_turn());
        assert!(queue.take(true, |_| true).is_empty());
        assert!(!queue.had_turn(), "the next turn is theirs");
        assert_eq!(queue.take(false, |_| true).len(), 256);
    }

    #[test]
    fn requests_with_the_same_tag_are_cancelled_together() {
        let mut queue = ReadQueue::default();
        [1, 2, 1, 3].into_iter().for_each(|tag| queue.push(block(), tag));
        queue.cancel(|_, tag| tag == 1);
        assert_eq!(tags(queue.take(false, |_| true)), [2, 3]);
    }

    #[test]
    fn requests_of_a_tag_wait_for_the_worker_that_serves_it() {
        let mut queue = ReadQueue::default();
        [1, 2].into_iter().for_each(|tag| queue.push(block(), tag));
        assert_eq!(tags(queue.take(false, |_| true)), [1, 2]);
        [1, 3].into_iter().for_each(|tag| queue.push(block(), tag));
        assert_eq!(tags(queue.take(false, |_| true)), [3]);
        queue.end(2);
        assert!(!queue.is_ready(), "a worker has the tag of what waits");
        queue.end(1);
        assert_eq!(tags(queue.take(false, |_| true)), [1]);
    }

    #[test]
    fn one_tag_with_many_requests_takes_turns_with_the_others() {
        let mut queue = ReadQueue::default();
        (0..600).for_each(|_| queue.push(block(), 1));
        queue.push(block(), 2);
        assert_eq!(tags(queue.take(false, |_| true)), [1; 256]);
        queue.end(1);
        let second = tags(queue.take(false, |_| true));
        assert_eq!((second[0], second.len()), (2, 256));
    }

    #[test]
    fn requests_without_room_keep_their_turn_and_their_order() {
        let mut queue = ReadQueue::default();
        [1, 1, 1, 2].into_iter().for_each(|tag| queue.push(block(), tag));
        assert!(queue.take(false, |_| false).is_empty());
        let take = |queue: &mut ReadQueue, mut room: usize| {
            tags(queue.take(false, |_| {
                let has_room = room > 0;
                room = room.saturating_sub(1);
                has_room
            }))
        };
        assert_eq!(take(&mut queue, 2), [1, 1]);
        assert_eq!(take(&mut queue, 9), [2], "a worker has the other");
        queue.end(2);
        queue.end(1);
        assert_eq!(take(&mut queue, 9), [1]);
        queue.end(1);
        assert!(queue.is_idle());
    }

    #[test]
    fn requests_that_could_not_be_served_come_before_later_ones() {
        let geometry = Geometry::new(1 << 20, BLOCK_LENGTH).unwrap();
        let block = |index| geometry.block(index, 0, 1).unwrap();
        let mut queue = ReadQueue::default();
        (0..3).for_each(|index| queue.push(block(index), 1));
        let taken = queue.take(false, |_| true);
        queue.push(block(3), 1);
        queue.put_back(&taken[1..]);
        assert!(!queue.is_ready());
        taken.iter().for_each(|request| queue.end(request.tag));
        let again = queue.take(false, |_| true);
        let blocks: Vec<_> = again.iter().map(|request| request.block.piece().get()).collect();
        assert_eq!(blocks, [1, 2, 3]);
    }

    #[test]
    fn what_was_cancelled_leaves_nothing() {
        let mut queue = ReadQueue::default();
        [1, 2].into_iter().for_each(|tag| queue.push(block(), tag));
        queue.take(false, |_| true);
        queue.push(block(), 2);
        queue.clear();
        assert!(!queue.is_ready() && !queue.is_idle());
        [1, 2].into_iter().for_each(|tag| queue.end(tag));
        assert!(!queue.is_ready() && queue.is_idle());
    }
}
