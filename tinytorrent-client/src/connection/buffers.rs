use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;

/// Bytes of a large receive buffer: sixteen blocks with their headers fit into one read.
pub(crate) const LARGE: usize = 256 * 1024;

/// Bytes of a large receive buffer when many connections are busy. Each then receives less in one
/// go, and a block that waits for the rest of its piece keeps less alive.
const LARGE_OF_MANY: usize = 64 * 1024;

/// Connections with large buffers that count as many.
const MANY: usize = 8;

/// A connection starts with this much. Most never receive more in one go, and a client may have
/// hundreds of them.
const SMALL: usize = 8 * 1024;

/// Less room than this is not worth a read, if a larger buffer can be had.
const WORTH_A_READ: usize = 32 * 1024;

/// Large receive buffers, used again once every slice of them is gone.
///
/// Fresh memory costs a page fault for each 4 KiB, about as much as it costs to copy a block out
/// of the kernel; and what `malloc` gives back and takes again is out of our hands.
///
/// A buffer that a connection has filled lives on for as long as a block in it waits to be hashed
/// or written. What lives so is limited: beyond the budget there are no new buffers, connections
/// wait, and their peers with them. It cannot wait for ever, as the disk holds no block for longer
/// than a second.
#[derive(Debug, Clone)]
pub(crate) struct BufferPool {
    retired: Arc<Mutex<Retired>>,
    /// Bytes of retired buffers at most.
    budget: usize,
    /// Connections that use large buffers.
    users: Arc<AtomicUsize>,
}

/// Filled buffers, the longest retired first, except that those found in use go to the end.
#[derive(Debug, Default)]
struct Retired {
    buffers: VecDeque<Buffer>,
    bytes: usize,
}

/// A large buffer; `bytes` may have been split off it, so that its length is told beside it.
#[derive(Debug)]
struct Buffer {
    bytes: BytesMut,
    length: usize,
}

impl BufferPool {
    /// `budget`: bytes of buffers that are full and of which slices may be held.
    pub(crate) fn new(budget: u64) -> Self {
        let budget = usize::try_from(budget).unwrap_or(usize::MAX).max(2 * LARGE);
        Self { retired: Arc::default(), budget, users: Arc::default() }
    }

    /// An empty large buffer: one that nobody reads any more, or a new one. `None` if the budget
    /// is spent.
    fn take(&self) -> Option<Buffer> {
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

    /// Takes a buffer of which slices may still be held.
    fn retire(&self, mut buffer: Buffer) {
        buffer.bytes.clear();
        self.lock().push(buffer);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Retired> {
        // A list of buffers is right whatever happened to the holder of the lock.
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Retired {
    fn push(&mut self, buffer: Buffer) {
        self.bytes += buffer.length;
        self.buffers.push_back(buffer);
    }

    fn reclaim(&mut self, length: usize) -> Option<Buffer> {
        // Buffers become free about in the order they were retired in.
        for _ in 0..self.buffers.len().min(LOOK_AT) {
            let mut buffer = self.buffers.pop_front()?;
            if buffer.bytes.try_reclaim(length) {
                self.bytes -= buffer.length;
                return Some(buffer);
            }
            self.buffers.push_back(buffer);
        }
        None
    }
}

/// What a connection has received and not yet decoded, with room for more.
#[derive(Debug)]
pub(crate) struct ReceiveBuffer {
    pub(crate) bytes: BytesMut,
    pool: BufferPool,
    /// The length of the large buffer that `bytes` is of, if it is.
    large: Option<usize>,
    /// The last read left no room.
    is_filled: bool,
}

impl ReceiveBuffer {
    pub(crate) fn new(pool: BufferPool) -> Self {
        Self::with(BytesMut::with_capacity(SMALL), pool)
    }

    /// Goes on from what was received into another buffer.
    pub(crate) fn with(bytes: BytesMut, pool: BufferPool) -> Self {
        Self { bytes, pool, large: None, is_filled: false }
    }

    /// To be called after each read: a read that leaves no room asks for a large buffer.
    pub(crate) fn note_read(&mut self) {
        self.is_filled = self.bytes.len() == self.bytes.capacity();
    }

    /// Makes room for the next read, as soon as there is memory for it.
    pub(crate) async fn make_room(&mut self) {
        while !self.try_make_room() {
            tokio::time::sleep(MEMORY_PAUSE).await;
        }
    }

    fn try_make_room(&mut self) -> bool {
        let room = self.bytes.capacity() - self.bytes.len();
        if self.large.is_none() && !self.is_filled {
            // As long as little comes, a small buffer does.
            self.bytes.reserve(SMALL / 2);
            return true;
        }
        room >= WORTH_A_READ || self.renew()
    }

    /// Goes on in another large buffer, with the start of a frame that is not all there.
    fn renew(&mut self) -> bool {
        let Some(Buffer { bytes: mut next, length }) = self.pool.take() else { return false };
        // A frame may be longer than a large buffer; then it grows here as it arrives.
        next.reserve(self.bytes.len() + WORTH_A_READ);
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

/// How long to wait for memory before asking again: the disk writes a few MiB in it.
const MEMORY_PAUSE: Duration = Duration::from_millis(2);

/// How many retired buffers are asked before a new one is made.
const LOOK_AT: usize = 16;

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
    fn a_buffer_nobody_reads_is_used_again() {
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
        // The first one is small, and none of the pool's.
        fill(&mut buffer);
        drop(buffer.bytes.split());
        for turn in 0..100_u8 {
            if !buffer.try_make_room() {
                // No more than the budget waits, beside the buffer that is filled.
                assert_eq!((pool.lock().bytes, held.len()), (1 << 20, 5));
                held.pop_front();
                assert!(buffer.try_make_room(), "one is free");
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
