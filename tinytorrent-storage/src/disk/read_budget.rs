//! The memory of what is read for peers, counted until the last of it is dropped.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bytes::Bytes;

/// Bytes of a run, which is read at once when requests follow each other. Reading it from the page cache
/// takes about as long as eight calls for single blocks.
pub(super) const RUN: u32 = 256 << 10;

/// The account of what is read for peers: blocks by themselves, and runs, in the cache or not. A slice of a run
/// keeps all of it.
///
/// Each of the two has a limit. Without room for a run, blocks are read by themselves. Without room for a block,
/// requests wait until an earlier answer is dropped. So peers that do not read can cost others the reading ahead,
/// and no more of that than the cache had.
pub(super) struct ReadBudget {
    blocks: Meter,
    runs: Meter,
    /// The memory of a run that is not in use. It still counts.
    spare: Mutex<Option<Vec<u8>>>,
    /// Requests wait for room.
    is_waited_for: AtomicBool,
    on_room: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Debug)]
struct Meter {
    used: AtomicU64,
    limit: AtomicU64,
}

impl ReadBudget {
    pub(super) fn new(blocks: u64, runs: u64) -> Self {
        let meter = |limit| Meter { used: AtomicU64::new(0), limit: AtomicU64::new(limit) };
        Self {
            blocks: meter(blocks),
            runs: meter(runs),
            spare: Mutex::new(None),
            is_waited_for: AtomicBool::new(false),
            on_room: OnceLock::new(),
        }
    }

    /// Sets the function that is called when there is room again, by the thread that dropped an answer.
    pub(super) fn call_on_room(&self, on_room: impl Fn() + Send + Sync + 'static) {
        // Called once, after the two that know each other are made.
        let _ = self.on_room.set(Box::new(on_room));
    }

    /// Changes the limits. What is used above them stays until it is given back.
    pub(super) fn set_limits(&self, blocks: u64, runs: u64) {
        self.blocks.limit.store(blocks, Ordering::SeqCst);
        self.runs.limit.store(runs, Ordering::SeqCst);
        if self.is_over()
            && let Some(spare) = self.lock_spare().take()
        {
            self.drop_run(spare);
        }
    }

    /// Returns `true` if there are more runs than there may be.
    pub(super) fn is_over(&self) -> bool {
        self.runs.used.load(Ordering::SeqCst) > self.runs.limit.load(Ordering::SeqCst)
    }

    /// Bytes that are allocated or reserved.
    pub(super) fn used(&self) -> u64 {
        self.blocks.used.load(Ordering::SeqCst) + self.runs.used.load(Ordering::SeqCst)
    }

    /// Reserves the bytes of a block. If it returns `false`, there is a call when there is room.
    pub(super) fn reserve_block(&self, length: u32) -> bool {
        // A block larger than the budget is read when there is no other, as it would wait for ever.
        let is_reserved = || self.blocks.take(length.into(), true);
        is_reserved() || {
            self.is_waited_for.store(true, Ordering::SeqCst);
            // An answer may have been dropped before that could be seen.
            is_reserved()
        }
    }

    /// Gives back the bytes of a block that came from a run.
    pub(super) fn release_block(&self, length: u32) {
        self.blocks.used.fetch_sub(length.into(), Ordering::SeqCst);
        if self.is_waited_for.swap(false, Ordering::SeqCst)
            && let Some(on_room) = self.on_room.get()
        {
            on_room();
        }
    }

    /// A block whose bytes are reserved.
    pub(super) fn block(self: &Arc<Self>, data: Vec<u8>) -> Bytes {
        Bytes::from_owner(Block { budget: Arc::clone(self), data })
    }

    /// Memory for a run; `None` if there is no room for one.
    pub(super) fn run_buffer(&self) -> Option<Vec<u8>> {
        let spare = self.lock_spare().take();
        // As long as it counts, so that it need not grow beyond that.
        let new = || Vec::with_capacity(RUN as usize);
        spare.or_else(|| self.runs.take(RUN.into(), false).then(new))
    }

    /// A run in memory of [`run_buffer`](Self::run_buffer).
    pub(super) fn run(self: &Arc<Self>, data: Vec<u8>) -> Bytes {
        Bytes::from_owner(Run { budget: Arc::clone(self), data })
    }

    /// Takes back the memory of a run.
    pub(super) fn put_back(&self, data: Vec<u8>) {
        let mut spare = self.lock_spare();
        if spare.is_none() && !self.is_over() {
            *spare = Some(data);
            return;
        }
        drop(spare);
        self.drop_run(data);
    }

    fn drop_run(&self, data: Vec<u8>) {
        // Before it is counted as free.
        drop(data);
        self.runs.used.fetch_sub(RUN.into(), Ordering::SeqCst);
    }

    fn lock_spare(&self) -> std::sync::MutexGuard<'_, Option<Vec<u8>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    fn take(&self, bytes: u64, may_be_alone: bool) -> bool {
        let add = |used: u64| {
            let all = used + bytes;
            let limit = self.limit.load(Ordering::SeqCst);
            (all <= limit || (may_be_alone && used == 0)).then_some(all)
        };
        self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add).is_ok()
    }
}

/// The owner of a block.
struct Block {
    budget: Arc<ReadBudget>,
    data: Vec<u8>,
}

/// The owner of a run.
struct Run {
    budget: Arc<ReadBudget>,
    data: Vec<u8>,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl AsRef<[u8]> for Run {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let length = self.data.len() as u32;
        // Before it is counted as free.
        drop(std::mem::take(&mut self.data));
        self.budget.release_block(length);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.budget.put_back(std::mem::take(&mut self.data));
    }
}

impl std::fmt::Debug for ReadBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadBudget").field("used", &self.used()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_counts_until_the_last_slice_of_it_is_dropped() {
        let budget = Arc::new(ReadBudget::new(100, 0));
        assert!(budget.reserve_block(60) && !budget.reserve_block(60));
        let block = budget.block(vec![0; 60]);
        let slice = block.slice(7..8);
        drop(block);
        assert_eq!(budget.used(), 60);
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        budget.call_on_room(move || _ = counted.fetch_add(1, Ordering::SeqCst));
        drop(slice);
        assert_eq!((budget.used(), calls.load(Ordering::SeqCst)), (0, 1));
        assert!(budget.reserve_block(1_000), "alone, it is read although it is too large");
        assert!(!budget.reserve_block(1));
        budget.release_block(1_000);
        assert!(budget.reserve_block(1));
        budget.release_block(1);
        assert_eq!(calls.load(Ordering::SeqCst), 2, "nobody waits for the last");
    }

    #[test]
    fn a_run_counts_while_it_is_held_and_its_memory_is_used_again() {
        let limit = 2 * u64::from(RUN);
        let budget = Arc::new(ReadBudget::new(0, limit));
        let run = |byte| {
            let mut buffer = budget.run_buffer()?;
            buffer.resize(RUN as usize, byte);
            Some(budget.run(buffer))
        };
        let (one, other) = (run(1).unwrap(), run(2).unwrap());
        assert!(run(3).is_none());
        assert_eq!(budget.used(), limit);
        let slice = one.slice(..16);
        drop((one, other));
        assert_eq!(budget.used(), limit, "a slice, and the spare");
        let again = run(4).unwrap();
        assert!(run(5).is_none());
        drop((again, slice));
        assert_eq!(budget.used(), u64::from(RUN));
    }
}
