use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;

use crate::memory::{Charge, Holder, Memory};

/// Bytes of a large receive buffer: sixteen blocks with their headers fit into one read.
pub(crate) const LARGE: usize = 256 * 1024;

/// Bytes of a large receive buffer when many connections are busy. Each then receives less in one
/// read, and a block that waits for the rest of its piece keeps a smaller buffer in memory.
const LARGE_OF_MANY: usize = 64 * 1024;

/// Number of connections with large buffers above which the buffers are smaller, if there is memory for
/// so many.
pub(super) const MANY: usize = 8;

/// Large receive buffers, used again once no slice of them is left.
///
/// Fresh memory costs a page fault for each 4 KiB, about as much as copying a block out of the
/// kernel. Whether `malloc` returns memory to the system in between cannot be controlled.
///
/// A buffer that a connection has filled stays in memory as long as a block in it waits to be hashed
/// or written. All buffers charge the receive share of the memory, and a connection that gets none
/// goes on with a small one of its own.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct BufferPool(Arc<Pool>);

#[derive(Debug)]
pub(crate) struct Pool {
    retired: Mutex<Retired>,
    pub(super) memory: Memory,
    /// The holder of all buffers, used and retired.
    holder: Holder,
    /// Number of connections that use large buffers.
    pub(super) users: AtomicUsize,
}

/// Filled buffers, the earliest retired first. A buffer that was found in use moves to the end.
#[derive(Debug, Default)]
pub(super) struct Retired {
    pub(super) buffers: VecDeque<Buffer>,
}

/// A large buffer.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) bytes: BytesMut,
    pub(super) lease: Lease,
}

/// The size of a large buffer, and its charge.
#[derive(Debug)]
pub(super) struct Lease {
    /// The length that the buffer was made with. Its `BytesMut` is shorter once slices have been split
    /// off.
    pub(super) length: usize,
    _charge: Charge,
}

impl Deref for BufferPool {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.0
    }
}

impl BufferPool {
    /// Makes a pool that charges this memory.
    pub(crate) fn new(memory: Memory) -> Self {
        let holder = memory.receive.holder();
        let (retired, users) = (Mutex::default(), AtomicUsize::new(0));
        Self(Arc::new(Pool { retired, memory, holder, users }))
    }

    /// Returns an empty large buffer: a retired one that is not in use, or a new one. `None` if the
    /// memory is spent.
    pub(super) fn take(&self) -> Option<Buffer> {
        // A number that is out of date costs a buffer of the other size, and nothing else.
        let is_many = self.users.load(Ordering::Relaxed) > self.many();
        let length = if is_many { LARGE_OF_MANY } else { LARGE };
        let reclaimed = self.lock().reclaim(length);
        reclaimed.or_else(|| {
            let charge = self.holder.try_charge_any(length)?;
            let lease = Lease { length, _charge: charge };
            Some(Buffer { bytes: BytesMut::with_capacity(length), lease })
        })
    }

    /// Number of connections with large buffers above which the buffers are smaller.
    fn many(&self) -> usize {
        // The blocks that wait for the disk need most of the share.
        MANY.min(self.memory.receive.limit() / 4 / LARGE)
    }

    /// Adds a filled buffer, of which slices may still be in use.
    pub(super) fn retire(&self, mut buffer: Buffer) {
        buffer.bytes.clear();
        self.lock().buffers.push_back(buffer);
        self.trim();
    }

    /// Drops buffers that are not in use while the receive share is overcharged: metadata takes a part of it.
    pub(crate) fn trim(&self) {
        while self.memory.receive.is_over() {
            // Not dropped under the lock, as the system may take a while to take memory back.
            let free = self.lock().reclaim(0);
            if free.is_none() {
                return;
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Retired> {
        // A panic under the lock cannot leave the list in a bad state.
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Retired {
    fn reclaim(&mut self, length: usize) -> Option<Buffer> {
        // Buffers become free roughly in the order of their retirement.
        for _ in 0..self.buffers.len().min(MAX_TRIES) {
            let mut buffer = self.buffers.pop_front()?;
            // Fails as long as a block in the buffer is in use.
            if !buffer.bytes.try_reclaim(buffer.lease.length) {
                self.buffers.push_back(buffer);
            } else if buffer.lease.length >= length {
                return Some(buffer);
            }
            // A free buffer that is too short is dropped, and makes room for a longer one.
        }
        None
    }
}

/// Number of retired buffers that are tried before a new one is made.
const MAX_TRIES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_that_are_not_in_use_make_room_for_metadata() {
        let pool = BufferPool::new(Memory::new(2 << 20));
        let mut buffers: Vec<_> = std::iter::from_fn(|| pool.take()).collect();
        let mut in_use = buffers.pop().unwrap();
        in_use.bytes.extend_from_slice(b"block");
        let block = in_use.bytes.split_to(5).freeze();
        pool.retire(in_use);
        buffers.into_iter().for_each(|buffer| pool.retire(buffer));
        let receive = &pool.memory.receive;
        assert_eq!(receive.held(), 1 << 20, "they are kept");
        let _metadata = receive.holder().charge(512 << 10);
        pool.trim();
        assert_eq!(receive.held(), 1 << 20, "two were enough");
        let _metadata = receive.holder().charge(512 << 10);
        pool.trim();
        assert_eq!(receive.held(), (1 << 20) + LARGE, "one is in use");
        drop(block);
        pool.trim();
        assert_eq!(receive.held(), 1 << 20);
    }

    #[test]
    fn short_buffers_that_are_free_do_not_keep_long_ones_from_being_made() {
        // A receive share of 1 MiB.
        let pool = BufferPool::new(Memory::new(2 << 20));
        pool.users.store(MANY + 1, Ordering::Relaxed);
        let short: Vec<_> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!(short.len(), 16);
        short.into_iter().for_each(|buffer| pool.retire(buffer));
        pool.users.store(0, Ordering::Relaxed);
        assert!(pool.take().is_some_and(|buffer| buffer.lease.length == LARGE));
    }
}
