use std::{collections::VecDeque, time::Instant};

use tinytorrent_types::PieceIndex;

use crate::disk::options::{FULL_LANES, LINGER};

/// The queue of pieces that are to be verified and that no worker has.
///
/// A piece waits up to [`LINGER`] for others to be hashed with, side by side in lanes, but only while
/// pieces come quickly: slow ones have no reason to wait for each other.
#[derive(Debug, Default)]
pub(super) struct CompleteQueue {
    pieces: VecDeque<PieceIndex>,
    /// The start of the wait of the first piece; `None` if there are no pieces.
    since: Option<Instant>,
    /// The arrival of the newest piece, in the queue or not.
    newest: Option<Instant>,
}

impl CompleteQueue {
    pub(super) fn push(&mut self, now: Instant, piece: PieceIndex) {
        self.pieces.push_back(piece);
        let is_quick = self.newest.is_some_and(|newest| now.duration_since(newest) < 2 * LINGER);
        // A clock that is younger than LINGER cannot be set back, so that the piece waits once.
        let since = if is_quick { now } else { now.checked_sub(LINGER).unwrap_or(now) };
        self.newest = Some(now);
        self.since.get_or_insert(since);
    }

    pub(super) fn pop(&mut self) -> Option<PieceIndex> {
        let piece = self.pieces.pop_front();
        self.end_time();
        piece
    }

    /// Drops a piece that a worker has taken as one with blocks to write.
    pub(super) fn remove(&mut self, piece: PieceIndex) {
        self.pieces.retain(|&complete| complete != piece);
        self.end_time();
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Returns `true` if there are pieces enough for all lanes.
    pub(super) fn fills_lanes(&self) -> bool {
        self.pieces.len() >= FULL_LANES
    }

    /// Returns `true` if the first piece has waited long enough.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.duration_since(since) >= LINGER)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + LINGER)
    }

    fn end_time(&mut self) {
        if self.pieces.is_empty() {
            self.since = None;
        }
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert_eq!(self.pieces.is_empty(), self.since.is_none());
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &PieceIndex> {
        self.pieces.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tinytorrent_types::Geometry;

    use super::*;

    fn piece(index: u32) -> PieceIndex {
        Geometry::new(100, 1).unwrap().piece(index).unwrap()
    }

    #[test]
    fn a_piece_alone_does_not_wait_and_quick_ones_wait_for_each_other() {
        let mut queue = CompleteQueue::default();
        let mut now = Instant::now() + Duration::from_secs(60);
        queue.push(now, piece(0));
        assert!(queue.is_overdue(now));
        assert_eq!(queue.pop(), Some(piece(0)));
        assert_eq!(queue.deadline(), None);
        now += 2 * LINGER - Duration::from_nanos(1);
        queue.push(now, piece(1));
        queue.push(now + LINGER / 2, piece(2));
        assert!(!queue.is_overdue(now + LINGER / 2));
        assert_eq!(queue.deadline(), Some(now + LINGER), "the first one counts");
        assert!(queue.is_overdue(now + LINGER));
        queue.check_invariants();
    }

    #[test]
    fn pieces_leave_in_the_order_in_which_they_came() {
        let mut queue = CompleteQueue::default();
        let now = Instant::now();
        (0..FULL_LANES as u32).for_each(|index| queue.push(now, piece(index)));
        assert!(queue.fills_lanes());
        assert!((0..FULL_LANES as u32).all(|index| queue.pop() == Some(piece(index))));
        assert!(queue.is_empty() && queue.pop().is_none());
        queue.check_invariants();
        queue.push(now, piece(1));
        queue.remove(piece(1));
        queue.check_invariants();
    }
}
