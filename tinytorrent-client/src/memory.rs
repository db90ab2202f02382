//! The account of the memory that other hosts can make a client hold.

mod metadata;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub(crate) use metadata::{MetadataLease, MetadataMemory};

/// The memory that a client may hold for others, in shares. What needs memory charges its share, and
/// stops or waits if the share is spent, so that one kind of use cannot starve the others.
///
/// ```text
///   receive  1/2    receive buffers: being filled, queued for the driver, or with blocks for the disk;
///                   up to three quarters of it: metadata that is being fetched
///   frames   1/8    frames longer than a block, and bitfields before the number of pieces is known
///   send     3/16   messages and blocks that wait for their peers to read
///   read     1/16   blocks that the disk is reading for peers
///   cache    1/8    read cache of the disk, which charges itself
/// ```
///
/// A share is also divided among its holders: see [`Holder::try_charge`].
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    budget: Arc<AtomicU64>,
    pub(crate) receive: Share,
    pub(crate) metadata: MetadataMemory,
    pub(crate) frames: Share,
    pub(crate) send: Share,
    pub(crate) read: Share,
}

/// Memory that a client holds for other hosts, in bytes, beside its
/// [budget](crate::ClientOptions::memory).
///
/// The figures do not have to be of one instant, as they change at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct MemoryStats {
    /// The limit of all of it.
    pub budget: u64,
    /// Receive buffers, with the received blocks that are not yet written.
    pub receive: u64,
    /// Metadata that is being fetched, by the sizes that peers announce: no more of it is here.
    pub metadata: u64,
    /// Parts of long messages, and bitfields that wait for the metadata.
    pub frames: u64,
    /// Messages and blocks that wait until their peers read them.
    pub send: u64,
    /// Blocks that the disk is reading for peers.
    pub read: u64,
}

/// A limited number of bytes, which holders charge. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Share(Arc<Count>);

#[derive(Debug)]
struct Count {
    limit: AtomicUsize,
    held: AtomicUsize,
}

/// One of those that use a share, a connection for instance. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Holder(Arc<Held>);

#[derive(Debug)]
struct Held {
    share: Share,
    bytes: AtomicUsize,
}

/// Charged bytes, which are given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    holder: Holder,
    bytes: usize,
}

impl Memory {
    pub(crate) fn new(budget: u64) -> Self {
        let [receive, frames, send, read] = shares(budget).map(Share::new);
        let metadata = MetadataMemory::new(receive.clone());
        let budget = Arc::new(AtomicU64::new(budget));
        Self { budget, receive, metadata, frames, send, read }
    }

    /// The limit of all of it, in bytes.
    pub(crate) fn budget(&self) -> u64 {
        self.budget.load(Ordering::Relaxed)
    }

    /// Changes the limit. What is held above it is given back by and by.
    pub(crate) fn set_budget(&self, budget: u64) {
        self.budget.store(budget, Ordering::Relaxed);
        let own = [&self.receive, &self.frames, &self.send, &self.read];
        for (share, limit) in own.into_iter().zip(shares(budget)) {
            share.set_limit(limit);
        }
        self.metadata.follow();
    }

    /// Bytes for the queues of uTP of each UDP socket.
    pub(crate) fn queues(budget: u64) -> usize {
        usize::try_from(budget / 4).unwrap_or(usize::MAX)
    }

    /// Bytes for the read cache of the disk.
    pub(crate) fn read_cache(budget: u64) -> u64 {
        budget / 8
    }

    pub(crate) fn stats(&self) -> MemoryStats {
        let held = |share: &Share| share.held() as u64;
        let metadata = self.metadata.held();
        MemoryStats {
            budget: self.budget(),
            receive: held(&self.receive).saturating_sub(metadata),
            metadata,
            frames: held(&self.frames),
            send: held(&self.send),
            read: held(&self.read),
        }
    }
}

/// The limits of the shares: receive, frames, send and read.
fn shares(budget: u64) -> [u64; 4] {
    [8, 2, 3, 1].map(|sixteenths| budget / 16 * sixteenths)
}

impl Share {
    pub(crate) fn new(limit: u64) -> Self {
        let share = Self(Arc::new(Count { limit: AtomicUsize::new(0), held: AtomicUsize::new(0) }));
        share.set_limit(limit);
        share
    }

    fn set_limit(&self, limit: u64) {
        self.0.limit.store(usize::try_from(limit).unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    /// Bytes that may be charged in all.
    pub(crate) fn limit(&self) -> usize {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// A new holder, which holds nothing.
    pub(crate) fn holder(&self) -> Holder {
        Holder(Arc::new(Held { share: self.clone(), bytes: AtomicUsize::new(0) }))
    }

    pub(crate) fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Bytes that may still be charged.
    pub(crate) fn free(&self) -> usize {
        self.limit().saturating_sub(self.held())
    }

    /// Returns `true` if more is charged than the share has.
    pub(crate) fn is_over(&self) -> bool {
        self.held() > self.limit()
    }
}

impl Holder {
    /// Charges bytes, unless the holder would then have more than the share has left. `None` changes
    /// nothing.
    ///
    /// By this rule ("Dynamic Queue Length Thresholds", Choudhury and Hahne, 1998) one holder gets up
    /// to half of a share that nobody else uses, and of `n` greedy holders each gets the same part, 1 /
    /// (n + 1). The part that is left serves those who come later.
    pub(crate) fn try_charge(&self, bytes: usize) -> Option<Charge> {
        let charge = self.charge(bytes);
        // Asked afterwards, so that two threads cannot charge the same bytes.
        let is_fair = self.held() <= self.0.share.free().saturating_add(bytes);
        let is_within = self.0.share.held() <= self.0.share.limit();
        (is_fair && is_within).then_some(charge)
    }

    /// Charges bytes if the share has so many left, whatever this holder has.
    pub(crate) fn try_charge_any(&self, bytes: usize) -> Option<Charge> {
        let charge = self.charge(bytes);
        (self.0.share.held() <= self.0.share.limit()).then_some(charge)
    }

    /// Charges bytes even if the share is spent.
    pub(crate) fn charge(&self, bytes: usize) -> Charge {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.0.share.0.held.fetch_add(bytes, Ordering::Relaxed);
        Charge { holder: self.clone(), bytes }
    }

    /// Bytes that the holder has charged.
    pub(crate) fn held(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Bytes that the share has left for all of its holders.
    pub(crate) fn free(&self) -> usize {
        self.0.share.free()
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.holder.0.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.holder.0.share.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back() {
        let share = Share::new(100);
        let holder = share.holder();
        let charges = [holder.try_charge(20), holder.try_charge(10)];
        assert_eq!((holder.held(), share.free()), (30, 70));
        drop(charges);
        assert_eq!((holder.held(), share.free()), (0, 100));
        assert!(holder.try_charge(101).is_none());
        assert_eq!((holder.held(), share.free()), (0, 100), "a refusal charges nothing");
    }

    #[test]
    fn a_budget_that_changes_counts_for_those_who_hold_some() {
        let memory = Memory::new(16_000);
        let holder = memory.send.holder();
        let charge = holder.charge(3000);
        memory.set_budget(8_000);
        assert_eq!((memory.budget(), memory.send.free()), (8_000, 0));
        assert!(memory.send.is_over() && memory.send.holder().try_charge(1).is_none());
        assert_eq!(memory.metadata.limit(), 3_000);
        drop(charge);
        assert!(memory.send.holder().try_charge(700).is_some());
        memory.set_budget(16_000);
        assert_eq!((memory.send.free(), memory.metadata.limit()), (3000, 6_000));
    }

    #[test]
    fn greedy_holders_leave_something_for_others() {
        let share = Share::new(1000);
        let greedy: Vec<_> = (0..9).map(|_| share.holder()).collect();
        let mut charges = Vec::new();
        for _ in 0..1000 {
            charges.extend(greedy.iter().filter_map(|holder| holder.try_charge(1)));
        }
        assert!(greedy.iter().all(|holder| holder.held() == 100), "each has the same");
        let newcomer = share.holder();
        assert!(newcomer.try_charge(50).is_some());
        assert!(greedy[0].try_charge(1).is_none());
    }

    #[test]
    fn the_shares_and_the_cache_are_the_budget() {
        let budget = 8 << 20;
        let memory = Memory::new(budget);
        let shares = [&memory.receive, &memory.frames, &memory.send, &memory.read];
        let sum: usize = shares.iter().map(|share| share.free()).sum();
        assert_eq!(sum as u64 + Memory::read_cache(budget), budget);
        let _charge = memory.send.holder().charge(7);
        assert_eq!((memory.stats().send, memory.stats().budget), (7, budget));
    }
}
