//! Blocks from web seeds.

use std::time::Instant;

use tinytorrent_types::{BLOCK_LENGTH, BlockInfo};

use super::{Download, Received};
use crate::PeerKey;
use crate::contract::BlockVerdict;
use crate::piece::Picker;

impl Download {
    /// A block came from a web seed, which was asked for it.
    pub(crate) fn on_fetched(
        &mut self,
        now: Instant,
        source: PeerKey,
        picker: &mut Picker,
        block: BlockInfo,
    ) -> Received {
        let received = self.accept(now, source, picker, block);
        if received.verdict != BlockVerdict::Discard {
            self.fetched += u64::from(block.length());
        }
        received
    }

    /// Bytes of blocks that were accepted from web seeds.
    pub(crate) fn fetched(&self) -> u64 {
        self.fetched
    }

    /// Lets one more block of a fetch come, if the limit and the budget do; `waiting` are bytes that may come already.
    pub(crate) fn may_fetch(&mut self, now: Instant, waiting: u64) -> bool {
        !self.budget.would_be_spent(waiting) && self.limit.take(now, u64::from(BLOCK_LENGTH))
    }

    /// So many blocks that were let through will not come.
    pub(crate) fn repay_fetch(&mut self, blocks: usize) {
        self.repay(blocks);
    }

    /// Blocks that a web seed was to give are free for all.
    pub(crate) fn on_fetch_released(&mut self) {
        self.refill.wake_after_release();
    }
}
