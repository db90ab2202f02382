use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;

/// Bytes of a large receive buffer: sixteen blocks with their headers fit into one read.
pub(crate) const LARGE: usize = 256 * 1024;

/// Bytes of a large receive buffer when many connections are busy. Each then receives less in one
/// read, and a block that waits for the rest of its piece keeps a smaller buffer in memory.
const LARGE_OF_MANY: usize = 64 * 1024;

/// Number of connections with large buffers above which the buffers are smaller.
const MANY: usize = 8;

/// Bytes of the first buffer of a connection. Most connections never receive more in one read, and
/// a client may have hundreds of them.
const SMALL: usize = 8 * 1024;

/// Room below which a new buffer is taken: a read of fewer bytes costs nearly as much as a long one.
const MIN_ROOM: usize = 32 * 1024;

/// Large receive buffers, used again once no slice of them is left.
///
/// Fresh memory costs a page fault for each 4 KiB, about as much as copying a block out of the
/// kernel. Whether `malloc` returns memory to the system in between cannot be controlled.
///
/// A buffer that a connection has filled stays in memory as long as a block in it waits to be hashed
/// or written. The budget limits these buffers: when it is spent, connections do not read, and their
/// peers slow down. The wait is short, as the disk holds no block for longer than a second.
#[derive(Debug, Clone)]
pub(crate) struct BufferPool {
    retired: Arc<Mutex<Retired>>,
    /// Maximum bytes of retired buffers.
    budget: usize,
    /// Number of connections that use large buffers.
    users: Arc<AtomicUsize>,
}

/// Filled buffers, the earliest retired first. A buffer that was found in use moves to the end.
#[derive(Debug, Default)]
struct Retired {
    buffers: VecDeque<Buffer>,
    bytes: usize,
}

/// A large buffer.
#[derive(Debug)]
struct Buffer {
    bytes: BytesMut,
    /// The length that it was made with. `bytes` is shorter once slices have been split off.
    length: usize,
}

impl BufferPool {
    /// Makes a pool. The budget is the number of bytes of filled buffers that may be in use.
    pub(crate) fn new(budget: u64) -> Self {
        let budget = usize::try_from(budget).unwrap_or(usize::MAX).max(2 * LARGE);
        Self { retired: Arc::default(), budget, users: Arc::default() }
    }

    /// Returns an empty large buffer: a retired one that is not in use, or a new one. `None` if the
    /// budget is spent.
    fn take(&self) -> Option<Buffer> {
        // A number that is out of date costs a buffer of the other size, and nothing else.
        let is_many = self.users.load(Ordering::Relaxed) > MANY;
        let length = if is_many { LARGE_OF_MANY } else { LARGE };
        let mut retired = self.lock();
        if let Some(buffer) = retired.reclaim(length) {
            return Some(buffer);
        }
        let is_spent = retired.bytes >= self.budget;
        drop(retired);
        (!is_spent).then(|| Buffer { bytes: BytesMut::with_capacity(length), length })
    }

    /// Adds a filled buffer, of which slices may still be in use.
    fn retire(&self, mut buffer: Buffer) {
        buffer.bytes.clear();
        self.lock().push(buffer);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Retired> {
        // A panic under the lock cannot leave the list in a bad state.
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Retired {
    fn push(&mut self, buffer: Buffer) {
        self.bytes += buffer.length;
        self.buffers.push_back(buffer);
    }

    fn reclaim(&mut self, length: usize) -> Option<Buffer> {
        // Buffers become free roughly in the order of their retirement.
        for _ in 0..self.buffers.len().min(MAX_TRIES) {
            let mut buffer = self.buffers.pop_front()?;
            // Fails as long as a block in the buffer is in use.
            if buffer.bytes.try_reclaim(length) {
                self.bytes -= buffer.length;
                return Some(buffer);
            }
            self.buffers.push_back(buffer);
        }
        None
    }
}

/// Bytes that a connection has received and not yet decoded, with room for the next read.
#[derive(Debug)]
pub(crate) struct ReceiveBuffer {
    pub(crate) bytes: BytesMut,
    pool: BufferPool,
    /// The length of the large buffer that `bytes` is part of; `None` for a small buffer.
    large: Option<usize>,
    /// The last read has filled the buffer.
    is_filled: bool,
}

impl ReceiveBuffer {
    pub(crate) fn new(pool: BufferPool) -> Self {
        Self::with(BytesMut::with_capacity(SMALL), pool)
    }

    /// Makes a buffer that begins with these bytes.
    pub(crate) fn with(bytes: BytesMut, pool: BufferPool) -> Self {
        Self { bytes, pool, large: None, is_filled: false }
    }

    /// Notes the end of a read. A read that fills the buffer makes the next one use a large buffer.
    pub(crate) fn note_read(&mut self) {
        self.is_filled = self.bytes.len() == self.bytes.capacity();
    }

    /// Makes room for the next read. Waits while the budget of the pool is spent.
    pub(crate) async fn make_room(&mut self) {
        while !self.try_make_room() {
            // Polled, as no notice comes when a slice is dropped on a thread of the disk.
            tokio::time::sleep(MEMORY_PAUSE).await;
        }
    }

    fn try_make_room(&mut self) -> bool {
        let room = self.bytes.capacity() - self.bytes.len();
        if self.large.is_none() && !self.is_filled {
            // A small buffer is enough as long as reads do not fill it.
            self.bytes.reserve(SMALL / 2);
            return true;
        }
        room >= MIN_ROOM || self.renew()
    }

    /// Replaces the buffer by a large one, which begins with the incomplete frame at the end of the
    /// old one. `false` if the budget is spent.
    fn renew(&mut self) -> bool {
        let Some(Buffer { bytes: mut next, length }) = self.pool.take() else { return false };
        // A frame may be longer than a large buffer, which then grows as the frame arrives.
        next.reserve(self.bytes.len() + MIN_ROOM);
        // Part of one frame at most, as the whole frames were split off before.
        next.extend_from_slice(&self.bytes);
        let bytes = std::mem::replace(&mut self.bytes, next);
        match self.large.replace(length) {
            Some(length) => self.pool.retire(Buffer { bytes, length }),
            None => {
                self.pool.users.fetch_add(1, Ordering::Relaxed);
            }
        }
        true
    }
}

impl Drop for ReceiveBuffer {
    fn drop(&mut self) {
        if let Some(length) = self.large {
            self.pool.users.fetch_sub(1, Ordering::Relaxed);
            self.pool.retire(Buffer { bytes: std::mem::take(&mut self.bytes), length });
        }
    }
}

/// Interval at which the pool is asked again while its budget is spent. The disk writes a few MiB in
/// that time.
const MEMORY_PAUSE: Duration = Duration::from_millis(2);

/// Number of retired buffers that are tried before a new one is made.
const MAX_TRIES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffer: &mut ReceiveBuffer) {
        let room = buffer.bytes.capacity() - buffer.bytes.len();
        buffer.bytes.extend(std::iter::repeat_n(7, room));
        buffer.note_read();
    }

    #[test]
    fn a_quiet_connection_holds_little() {
        let mut buffer = ReceiveBuffer::new(BufferPool::new(1 << 20));
        for _ in 0..100 {
            assert!(buffer.try_make_room());
            buffer.bytes.extend_from_slice(&[0; 100]);
            buffer.note_read();
            let frames = buffer.bytes.split_to(100).freeze();
            drop(frames);
        }
        assert!(buffer.bytes.capacity() <= 2 * SMALL);
    }

    #[test]
    fn a_buffer_without_slices_is_used_again() {
        let pool = BufferPool::new(1 << 20);
        let mut buffer = ReceiveBuffer::new(pool.clone());
        let mut seen = std::collections::HashSet::new();
        for _ in 0..20 {
            assert!(buffer.try_make_room());
            fill(&mut buffer);
            let frames = buffer.bytes.split().freeze();
            seen.insert(frames.as_ptr() as usize / LARGE);
        }
        // A buffer may lie across two multiples of its size.
        assert!(pool.lock().buffers.len() <= 2, "{:?}", pool.lock());
    }

    #[test]
    fn a_buffer_in_use_is_left_alone_and_the_budget_holds() {
        let pool = BufferPool::new(1 << 20);
        let mut buffer = ReceiveBuffer::new(pool.clone());
        let mut held = VecDeque::new();
        // The first buffer is small, and does not belong to the pool.
        fill(&mut buffer);
        drop(buffer.bytes.split());
        for turn in 0..100_u8 {
            if !buffer.try_make_room() {
                // The retired buffers use up the budget, and one more is being filled.
                assert_eq!((pool.lock().bytes, held.len()), (1 << 20, 5));
                held.pop_front();
                assert!(buffer.try_make_room(), "a buffer is free");
            }
            let room = buffer.bytes.capacity() - buffer.bytes.len();
            buffer.bytes.extend(std::iter::repeat_n(turn, room));
            buffer.note_read();
            assert!(held.len() <= 5, "the budget, and the one that is filled");
            held.push_back((turn, buffer.bytes.split().freeze()));
            for (turn, bytes) in &held {
                assert!(bytes.iter().all(|byte| byte == turn), "overwritten");
            }
        }
    }

    #[test]
    fn many_connections_have_smaller_buffers() {
        let pool = BufferPool::new(1 << 20);
        let mut buffers: Vec<_> = (0..20).map(|_| ReceiveBuffer::new(pool.clone())).collect();
        for buffer in &mut buffers {
            fill(buffer);
            assert!(buffer.try_make_room());
        }
        assert!(buffers[0].bytes.capacity() >= LARGE);
        assert!(buffers[19].bytes.capacity() < LARGE);
        drop(buffers);
        assert_eq!(pool.users.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_start_of_a_frame_moves_along() {
        let mut buffer = ReceiveBuffer::new(BufferPool::new(1 << 20));
        buffer.bytes.extend_from_slice(b"start");
        buffer.is_filled = true;
        assert!(buffer.try_make_room());
        assert_eq!(&buffer.bytes[..], b"start");
        fill(&mut buffer);
        let rest = buffer.bytes.len() - 3;
        let _frames = buffer.bytes.split_to(rest);
        assert!(buffer.try_make_room());
        assert_eq!(&buffer.bytes[..], &[7; 3]);
    }
}
