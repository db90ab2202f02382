use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
#[derive(Debug, Clone)]
pub(crate) struct BufferPool {
    retired: Arc<Mutex<VecDeque<BytesMut>>>,
    /// How many buffers are kept at most, in use or not.
    capacity: usize,
    /// Connections that use large buffers.
    users: Arc<AtomicUsize>,
}

impl BufferPool {
    /// Keeps at most about `bytes` of memory from being given back.
    pub(crate) fn new(bytes: u64) -> Self {
        let capacity = (bytes / LARGE as u64).clamp(2, 4096) as usize;
        Self { retired: Arc::default(), capacity, users: Arc::default() }
    }

    /// An empty large buffer: the longest retired of those that nobody reads any more, or a new
    /// one.
    fn take(&self) -> BytesMut {
        let is_many = self.users.load(Ordering::Relaxed) > MANY;
        let size = if is_many { LARGE_OF_MANY } else { LARGE };
        let mut retired = self.lock();
        // Buffers become free about in the order they were retired in.
        for at in 0..retired.len().min(LOOK_AT) {
            if retired[at].try_reclaim(size)
                && let Some(buffer) = retired.remove(at)
            {
                return buffer;
            }
        }
        drop(retired);
        BytesMut::with_capacity(size)
    }

    /// Takes a buffer of which slices may still be held.
    fn retire(&self, mut buffer: BytesMut) {
        buffer.clear();
        let mut retired = self.lock();
        retired.push_back(buffer);
        if retired.len() > self.capacity {
            retired.pop_front();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<BytesMut>> {
        // A list of buffers is right whatever happened to the holder of the lock.
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection has received and not yet decoded, with room for more.
#[derive(Debug)]
pub(crate) struct ReceiveBuffer {
    pub(crate) bytes: BytesMut,
    pool: BufferPool,
    is_large: bool,
    /// The last read left no room.
    is_filled: bool,
}

impl ReceiveBuffer {
    pub(crate) fn new(pool: BufferPool) -> Self {
        Self::with(BytesMut::with_capacity(SMALL), pool)
    }

    /// Goes on from what was received into another buffer.
    pub(crate) fn with(bytes: BytesMut, pool: BufferPool) -> Self {
        Self { bytes, pool, is_large: false, is_filled: false }
    }

    /// To be called after each read: a read that leaves no room asks for a large buffer.
    pub(crate) fn note_read(&mut self) {
        self.is_filled = self.bytes.len() == self.bytes.capacity();
    }

    /// Makes room for the next read.
    pub(crate) fn make_room(&mut self) {
        let room = self.bytes.capacity() - self.bytes.len();
        if !self.is_large && !self.is_filled {
            // As long as little comes, a small buffer does.
            self.bytes.reserve(SMALL / 2);
        } else if room < WORTH_A_READ {
            self.renew();
        }
    }

    /// Goes on in another large buffer, with the start of a frame that is not all there.
    fn renew(&mut self) {
        let mut next = self.pool.take();
        // A frame may be longer than a large buffer; then it grows here as it arrives.
        next.reserve(self.bytes.len() + WORTH_A_READ);
        next.extend_from_slice(&self.bytes);
        let last = std::mem::replace(&mut self.bytes, next);
        if std::mem::replace(&mut self.is_large, true) {
            self.pool.retire(last);
        } else {
            self.pool.users.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for ReceiveBuffer {
    fn drop(&mut self) {
        if self.is_large {
            self.pool.users.fetch_sub(1, Ordering::Relaxed);
            self.pool.retire(std::mem::take(&mut self.bytes));
        }
    }
}

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
            buffer.make_room();
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
            buffer.make_room();
            fill(&mut buffer);
            let frames = buffer.bytes.split().freeze();
            seen.insert(frames.as_ptr() as usize / LARGE);
        }
        // A buffer may lie across two multiples of its size.
        assert!(pool.lock().len() <= 2, "{} buffers", pool.lock().len());
    }

    #[test]
    fn a_buffer_in_use_is_left_alone() {
        let pool = BufferPool::new(1 << 20);
        let mut buffer = ReceiveBuffer::new(pool.clone());
        let mut held = Vec::new();
        for turn in 0..8_u8 {
            buffer.make_room();
            let room = buffer.bytes.capacity() - buffer.bytes.len();
            buffer.bytes.extend(std::iter::repeat_n(turn, room));
            buffer.note_read();
            held.push((turn, buffer.bytes.split().freeze()));
        }
        for (turn, bytes) in held {
            assert!(bytes.iter().all(|&byte| byte == turn), "overwritten");
        }
        assert!(pool.lock().len() <= 4, "the pool keeps more than its budget");
    }

    #[test]
    fn many_connections_have_smaller_buffers() {
        let pool = BufferPool::new(1 << 20);
        let mut buffers: Vec<_> = (0..20).map(|_| ReceiveBuffer::new(pool.clone())).collect();
        for buffer in &mut buffers {
            fill(buffer);
            buffer.make_room();
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
        buffer.make_room();
        assert_eq!(&buffer.bytes[..], b"start");
        fill(&mut buffer);
        let rest = buffer.bytes.len() - 3;
        let _frames = buffer.bytes.split_to(rest);
        buffer.make_room();
        assert_eq!(&buffer.bytes[..], &[7; 3]);
    }
}
