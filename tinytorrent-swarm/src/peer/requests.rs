use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tinytorrent_types::{BlockInfo, PieceIndex};

use crate::config::{self, FIRST_WINDOW};
use crate::credit::Credit;

/// The requests that one peer was sent, and what became of them.
#[derive(Debug)]
pub(crate) struct Requests {
    /// In the order in which they were sent, which is the order of most answers.
    pub(crate) outstanding: VecDeque<BlockInfo>,
    /// Taken back by us or voided by a choke; the answer may be on its way.
    abandoned: VecDeque<BlockInfo>,
    pub(crate) reqq: u32,
    pub(super) window: u32,
    pub(crate) current: Option<PieceIndex>,
    pub(crate) searched: Option<u64>,
    /// Pieces we may ask for while choked (BEP 6).
    pub(crate) allowed_fast: Vec<PieceIndex>,
    /// When a block came, or the first request of a row went out.
    pub(crate) last_progress: Instant,
    pub(crate) snubs: u32,
    /// When others last took over what it was too slow to send.
    pub(crate) robbed_at: Option<Instant>,
    pub(crate) credit: Credit,
    pub(super) has_rate: bool,
    /// Since the last block.
    pub(crate) rejects: u32,
    /// Requests that were under way at the last choke, and may be rejected for it (BEP 6).
    excused: usize,
}

impl Requests {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            outstanding: VecDeque::new(),
            abandoned: VecDeque::new(),
            reqq: config::DEFAULT_REQQ,
            window: FIRST_WINDOW,
            current: None,
            searched: None,
            allowed_fast: Vec::new(),
            last_progress: now,
            snubs: 0,
            robbed_at: None,
            credit: Credit::default(),
            has_rate: false,
            rejects: 0,
            excused: 0,
        }
    }

    /// The peer chokes: what is under way may be rejected from now on.
    pub(crate) fn choked(&mut self) {
        self.excused = self.outstanding.len();
    }

    /// The peer rejects a request. Gives whether a choke excuses that.
    pub(crate) fn rejected(&mut self) -> bool {
        self.rejects += 1;
        let is_excused = self.excused > 0;
        self.excused -= usize::from(is_excused);
        is_excused
    }

    /// A request went out.
    pub(crate) fn sent(&mut self, now: Instant, block: BlockInfo) {
        if self.outstanding.is_empty() {
            self.last_progress = now;
        }
        self.outstanding.push_back(block);
    }

    /// A block came. Gives whether it was asked for, be it taken back since.
    pub(crate) fn answered(&mut self, now: Instant, block: BlockInfo) -> bool {
        if !self.take(block) && !self.forget(block) {
            return false;
        }
        self.last_progress = now;
        self.snubs = 0;
        self.rejects = 0;
        self.credit.restore();
        if !self.has_rate {
            // As TCP does at its start: what came through lets twice as much go out.
            self.window = self.window.saturating_add(1);
        }
        true
    }

    /// Takes a request out of those under way. `true` if it was among them.
    pub(crate) fn take(&mut self, block: BlockInfo) -> bool {
        if self.outstanding.front() == Some(&block) {
            self.outstanding.pop_front();
            return true;
        }
        let at = self.outstanding.iter().position(|asked| *asked == block);
        at.and_then(|at| self.outstanding.remove(at)).is_some()
    }

    /// `true` if others took over what it was too slow to send, not longer ago than this.
    pub(crate) fn was_robbed_within(&self, now: Instant, time: Duration) -> bool {
        self.robbed_at.is_some_and(|at| now < at + time)
    }

    /// A request is taken back; its answer may still come.
    pub(crate) fn abandon(&mut self, block: BlockInfo) {
        if self.abandoned.len() == MAX_ABANDONED {
            self.abandoned.pop_front();
        }
        self.abandoned.push_back(block);
    }

    /// Takes a request out of those taken back.
    pub(crate) fn forget(&mut self, block: BlockInfo) -> bool {
        let at = self.abandoned.iter().position(|asked| *asked == block);
        at.and_then(|at| self.abandoned.remove(at)).is_some()
    }
}

/// Requests whose late answers are forgiven.
const MAX_ABANDONED: usize = 1_024;

#[cfg(test)]
mod tests {
    use tinytorrent_types::Geometry;

    use super::*;

    fn blocks() -> Vec<BlockInfo> {
        let geometry = Geometry::new(4 << 14, 4 << 14).unwrap();
        geometry.blocks(geometry.piece(0).unwrap()).collect()
    }

    #[test]
    fn a_choke_excuses_rejects_of_what_was_under_way() {
        // W-34
        let (now, blocks) = (Instant::now(), blocks());
        let mut requests = Requests::new(now);
        blocks[..2].iter().for_each(|&block| requests.sent(now, block));
        requests.choked();
        requests.sent(now, blocks[2]);
        let excused = blocks[..3].iter().map(|&block| requests.take(block) && requests.rejected());
        assert_eq!(excused.collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn a_block_ends_what_was_held_against_the_peer() {
        let (now, blocks) = (Instant::now(), blocks());
        let mut requests = Requests::new(now);
        requests.sent(now, blocks[0]);
        assert!(requests.credit.fail(now));
        requests.rejected();
        // Taken back, and on its way all the same.
        assert!(requests.take(blocks[0]));
        requests.abandon(blocks[0]);
        assert!(requests.answered(now, blocks[0]));
        assert!(!requests.credit.is_failing() && requests.rejects == 0);
        assert!(!requests.answered(now, blocks[0]), "once");
    }
}
