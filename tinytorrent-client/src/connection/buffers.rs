use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tinytorrent_swarm::ConnectionError;
use tokio::time::Instant;

use crate::memory::{Charge, Holder, Memory};

/// Bytes of a large receive buffer: sixteen blocks with their headers fit into one read.
pub(crate) const LARGE: usize = 256 * 1024;

/// Bytes of a large receive buffer when many connections are busy. Each then receives less in one
/// read, and a block that waits for the rest of its piece keeps a smaller buffer in memory.
const LARGE_OF_MANY: usize = 64 * 1024;

/// Number of connections with large buffers above which the buffers are smaller, if there is memory for
/// so many.
const MANY: usize = 8;

/// Bytes of the first buffer of a connection. Most connections never receive more in one read, and
/// a client may have hundreds of them.
const SMALL: usize = 8 * 1024;

/// Room below which a new buffer is taken: a read of fewer bytes costs nearly as much as a long one.
const MIN_ROOM: usize = 32 * 1024;

/// Bytes that a connection may always hold: a message with a block, metadata or hashes in it. Even if
/// all memory is spent, a peer that sends nothing longer can thus be received from.
const FRAME_ROOM: usize = 20 * 1024;

/// Large receive buffers, used again once no slice of them is left.
///
/// Fresh memory costs a page fault for each 4 KiB, about as much as copying a block out of the
/// kernel. Whether `malloc` returns memory to the system in between cannot be controlled.
///
/// A buffer that a connection has filled stays in memory as long as a block in it waits to be hashed
/// or written. All buffers charge the receive share of the memory, and a connection that gets none
/// goes on with [`FRAME_ROOM`] of its own.
#[derive(Debug, Clone)]
pub(crate) struct BufferPool {
    retired: Arc<Mutex<Retired>>,
    memory: Memory,
    /// The holder of all buffers, used and retired.
    holder: Holder,
    /// Number of connections that use large buffers.
    users: Arc<AtomicUsize>,
    /// Number of them above which the buffers are smaller.
    many: usize,
}

/// Filled buffers, the earliest retired first. A buffer that was found in use moves to the end.
#[derive(Debug, Default)]
struct Retired {
    buffers: VecDeque<Buffer>,
}

/// A large buffer.
#[derive(Debug)]
struct Buffer {
    bytes: BytesMut,
    lease: Lease,
}

/// The size of a large buffer, and its charge.
#[derive(Debug)]
struct Lease {
    /// The length that the buffer was made with. Its `BytesMut` is shorter once slices have been split
    /// off.
    length: usize,
    _charge: Charge,
}

impl BufferPool {
    /// Makes a pool that charges this memory.
    pub(crate) fn new(memory: Memory) -> Self {
        let holder = memory.receive.holder();
        // The blocks that wait for the disk need most of the share.
        let many = MANY.min(memory.receive.free() / 4 / LARGE);
        Self { retired: Arc::default(), memory, holder, users: Arc::default(), many }
    }

    /// Returns an empty large buffer: a retired one that is not in use, or a new one. `None` if the
    /// memory is spent.
    fn take(&self) -> Option<Buffer> {
        // A number that is out of date costs a buffer of the other size, and nothing else.
        let is_many = self.users.load(Ordering::Relaxed) > self.many;
        let length = if is_many { LARGE_OF_MANY } else { LARGE };
        let reclaimed = self.lock().reclaim(length);
        reclaimed.or_else(|| {
            let charge = self.holder.try_charge_any(length)?;
            let lease = Lease { length, _charge: charge };
            Some(Buffer { bytes: BytesMut::with_capacity(length), lease })
        })
    }

    /// Adds a filled buffer, of which slices may still be in use.
    fn retire(&self, mut buffer: Buffer) {
        buffer.bytes.clear();
        self.lock().buffers.push_back(buffer);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Retired> {
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

/// Bytes that a connection has received and not yet decoded, with room for the next read.
///
/// ```text
///   Small ──a read fills it──▶ Pooled ──a frame is too long for it──▶ Long
///     ▲                          │                                     │
///     └── quiet, or no memory ───┴──────────── the frame is complete ──┘
/// ```
#[derive(Debug)]
pub(crate) struct ReceiveBuffer {
    pub(crate) bytes: BytesMut,
    pool: BufferPool,
    source: Source,
    /// Charges for long frames.
    frames: Holder,
    /// The last read has filled the buffer.
    is_filled: bool,
    /// The instant at which the long frame at the front has to be complete.
    frame_deadline: Option<Instant>,
}

/// The allocation that the bytes are in.
#[derive(Debug)]
enum Source {
    /// One of a few KiB that belongs to the connection. It is not charged.
    Small,
    /// A large buffer of the pool.
    Pooled(Lease),
    /// One for a single long frame.
    Long { _charge: Charge },
}

/// No memory could be had for a long message.
#[derive(Debug, PartialEq, Eq)]
struct Short;

impl ReceiveBuffer {
    pub(crate) fn new(pool: BufferPool) -> Self {
        Self::with(BytesMut::with_capacity(SMALL), pool)
    }

    /// Makes a buffer that begins with these bytes.
    pub(crate) fn with(bytes: BytesMut, pool: BufferPool) -> Self {
        let frames = pool.memory.frames.holder();
        let source = Source::Small;
        Self { bytes, pool, source, frames, is_filled: false, frame_deadline: None }
    }

    /// Notes the end of a read. A read that fills the buffer makes the next one use a large buffer.
    pub(crate) fn note_read(&mut self) {
        self.is_filled = self.bytes.len() == self.bytes.capacity();
    }

    /// The instant until which the next read is to be waited for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.source {
            Source::Pooled(_) => {
                let quiet = Instant::now() + QUIET_TIME;
                Some(self.frame_deadline.map_or(quiet, |deadline| deadline.min(quiet)))
            }
            Source::Small | Source::Long { .. } => self.frame_deadline,
        }
    }

    /// Gives the large buffer of a connection on which nothing arrives back to the pool.
    ///
    /// # Errors
    /// A long frame has taken too long: it keeps memory from others.
    pub(crate) fn handle_timeout(&mut self) -> Result<(), ConnectionError> {
        if self.frame_deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(ConnectionError::TimedOut);
        }
        if matches!(self.source, Source::Pooled(_)) && self.frame_length() <= FRAME_ROOM {
            self.replace(BytesMut::with_capacity(FRAME_ROOM), Source::Small);
        }
        Ok(())
    }

    /// Makes room for the next read. Waits while the memory is spent.
    ///
    /// # Errors
    /// There was no memory for a long frame for a while.
    pub(crate) async fn make_room(&mut self) -> Result<(), ConnectionError> {
        self.set_frame_deadline();
        let start = Instant::now();
        // Polled, as no notice comes when a slice is dropped on a thread of the disk.
        while self.try_make_room().is_err() {
            if start.elapsed() >= self.patience() {
                return self.make_do();
            }
            tokio::time::sleep(MEMORY_PAUSE).await;
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        if self.frame_length() > FRAME_ROOM { FRAME_PATIENCE } else { POOL_PATIENCE }
    }

    /// Goes on without memory of the pool.
    fn make_do(&mut self) -> Result<(), ConnectionError> {
        if self.frame_length() > FRAME_ROOM {
            tracing::debug!("no memory is left for a long message");
            return Err(ConnectionError::TimedOut);
        }
        self.replace(BytesMut::with_capacity(FRAME_ROOM), Source::Small);
        Ok(())
    }

    fn set_frame_deadline(&mut self) {
        let length = self.frame_length();
        if length <= FRAME_ROOM {
            self.frame_deadline = None;
        } else if self.frame_deadline.is_none() {
            let time = Duration::from_secs((length / FRAME_RATE) as u64);
            self.frame_deadline = Some(Instant::now() + FRAME_TIME + time);
        }
    }

    /// Length of the frame of which the buffer has the first part, with its prefix; 0 if the prefix is
    /// not there yet.
    fn frame_length(&self) -> usize {
        // The decoder has seen the prefix, and has refused frames that are too long.
        self.bytes.first_chunk().map_or(0, |prefix| 4 + u32::from_be_bytes(*prefix) as usize)
    }

    fn try_make_room(&mut self) -> Result<(), Short> {
        let room = self.bytes.capacity() - self.bytes.len();
        let is_long = self.frame_length() > FRAME_ROOM;
        match self.source {
            // A small buffer is enough as long as reads do not fill it.
            Source::Small if !self.is_filled && !is_long => {
                self.bytes.reserve(SMALL / 2);
                Ok(())
            }
            Source::Small if !is_long => {
                if !self.take_pooled() {
                    // Not waited for: no buffer of the pool is given up meanwhile.
                    self.bytes.reserve(SMALL / 2);
                }
                Ok(())
            }
            Source::Pooled(_) if room >= MIN_ROOM => Ok(()),
            Source::Long { .. } if is_long && room > 0 => Ok(()),
            Source::Small | Source::Pooled(_) | Source::Long { .. } => self.renew(is_long),
        }
    }

    /// Replaces the buffer by another one, which begins with the incomplete frame at the end of the old
    /// one.
    fn renew(&mut self, is_long: bool) -> Result<(), Short> {
        let is_renewed = self.take_pooled() || is_long && self.take_long();
        if is_renewed { Ok(()) } else { Err(Short) }
    }

    /// Goes on in a large buffer, if there is one and it has room for the incomplete frame.
    fn take_pooled(&mut self) -> bool {
        let Some(Buffer { bytes, lease }) = self.pool.take() else { return false };
        if self.bytes.len() + MIN_ROOM > lease.length {
            self.pool.retire(Buffer { bytes, lease });
            return false;
        }
        self.pool.users.fetch_add(1, Ordering::Relaxed);
        self.replace(bytes, Source::Pooled(lease));
        true
    }

    /// Goes on in an allocation for the frame at the front. It grows as the frame arrives, as the length
    /// in the prefix is only a claim.
    fn take_long(&mut self) -> bool {
        let length = self.frame_length().min((2 * self.bytes.len()).max(2 * FRAME_ROOM));
        let Some(charge) = self.frames.try_charge(length) else { return false };
        self.replace(BytesMut::with_capacity(length), Source::Long { _charge: charge });
        true
    }

    fn replace(&mut self, mut next: BytesMut, source: Source) {
        // Part of one frame at most, as the whole frames were split off before.
        next.extend_from_slice(&self.bytes);
        let bytes = std::mem::replace(&mut self.bytes, next);
        let source = std::mem::replace(&mut self.source, source);
        self.is_filled = false;
        self.retire(bytes, source);
    }

    fn retire(&self, bytes: BytesMut, source: Source) {
        if let Source::Pooled(lease) = source {
            self.pool.users.fetch_sub(1, Ordering::Relaxed);
            self.pool.retire(Buffer { bytes, lease });
        }
    }
}

impl Drop for ReceiveBuffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let source = std::mem::replace(&mut self.source, Source::Small);
        self.retire(bytes, source);
    }
}

/// Interval at which the pool is asked again while its memory is spent. The disk writes a few MiB in
/// that time.
const MEMORY_PAUSE: Duration = Duration::from_millis(2);

/// Longest wait for a large buffer. A disk that is merely busy gives some back sooner. After it, the
/// connection goes on with little memory, as others may hold all buffers for as long as they like.
const POOL_PATIENCE: Duration = Duration::from_millis(50);

/// Longest wait for memory for a long frame. Others that hold some have to complete their frames.
const FRAME_PATIENCE: Duration = Duration::from_secs(20);

/// Time for a frame longer than [`FRAME_ROOM`] to arrive, whatever its length, and bytes a second for
/// its length: a bitfield of 100,000 pieces has 11 s.
const FRAME_TIME: Duration = Duration::from_secs(10);
const FRAME_RATE: usize = 10 * 1024;

/// Time without a byte after which a connection gives its large buffer back.
const QUIET_TIME: Duration = Duration::from_secs(1);

/// Number of retired buffers that are tried before a new one is made.
const MAX_TRIES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory with a receive share of 1 MiB, and 256 KiB for long frames.
    fn pool() -> BufferPool {
        BufferPool::new(Memory::new(2 << 20))
    }

    fn fill(buffer: &mut ReceiveBuffer) {
        let room = buffer.bytes.capacity() - buffer.bytes.len();
        buffer.bytes.extend(std::iter::repeat_n(0, room));
        buffer.note_read();
    }

    /// Makes all of the pool's memory unavailable.
    fn spend(pool: &BufferPool) -> Vec<Buffer> {
        std::iter::from_fn(|| pool.take()).collect()
    }

    /// The start of a message of this length.
    fn start(length: u32) -> [u8; 8] {
        let mut start = [9; 8];
        start[..4].copy_from_slice(&(length - 4).to_be_bytes());
        start
    }

    #[test]
    fn a_quiet_connection_holds_little() {
        let mut buffer = ReceiveBuffer::new(pool());
        for _ in 0..100 {
            assert!(buffer.try_make_room().is_ok());
            buffer.bytes.extend_from_slice(&[0; 100]);
            buffer.note_read();
            let frames = buffer.bytes.split_to(100).freeze();
            drop(frames);
        }
        assert!(buffer.bytes.capacity() <= 2 * SMALL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_falls_silent_gives_its_buffer_back() {
        let pool = pool();
        let mut buffer = ReceiveBuffer::new(pool.clone());
        fill(&mut buffer);
        buffer.bytes.clear();
        buffer.make_room().await.unwrap();
        assert!(buffer.bytes.capacity() >= LARGE);
        buffer.bytes.extend_from_slice(&start(16_397));
        assert_eq!(buffer.deadline(), Some(Instant::now() + QUIET_TIME));
        buffer.handle_timeout().unwrap();
        assert_eq!((buffer.bytes.capacity(), &buffer.bytes[..]), (FRAME_ROOM, &start(16_397)[..]));
        assert_eq!(buffer.deadline(), None);
        assert_eq!(pool.users.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_buffer_without_slices_is_used_again() {
        let pool = pool();
        let mut buffer = ReceiveBuffer::new(pool.clone());
        for _ in 0..20 {
            assert!(buffer.try_make_room().is_ok());
            fill(&mut buffer);
            drop(buffer.bytes.split().freeze());
        }
        assert!(pool.lock().buffers.len() <= 2, "{:?}", pool.lock());
    }

    #[test]
    fn a_buffer_in_use_is_left_alone_and_the_memory_holds() {
        let pool = pool();
        let mut buffer = ReceiveBuffer::new(pool.clone());
        let mut held = VecDeque::new();
        // The first buffer is small, and does not belong to the pool.
        fill(&mut buffer);
        drop(buffer.bytes.split());
        for turn in 0..100_u8 {
            if buffer.try_make_room().is_err() {
                // All four buffers of the share are filled.
                assert_eq!((pool.memory.receive.held(), held.len()), (1 << 20, 4));
                held.pop_front();
                assert!(buffer.try_make_room().is_ok(), "a buffer is free");
            }
            let room = buffer.bytes.capacity() - buffer.bytes.len();
            buffer.bytes.extend(std::iter::repeat_n(turn, room));
            buffer.note_read();
            held.push_back((turn, buffer.bytes.split().freeze()));
            assert!(held.len() <= 4);
            for (turn, bytes) in &held {
                assert!(bytes.iter().all(|byte| byte == turn), "overwritten");
            }
        }
    }

    #[test]
    fn many_connections_have_smaller_buffers() {
        let pool = BufferPool::new(Memory::new(8 << 20));
        let mut buffers: Vec<_> = (0..20).map(|_| ReceiveBuffer::new(pool.clone())).collect();
        for buffer in &mut buffers {
            fill(buffer);
            assert!(buffer.try_make_room().is_ok());
        }
        assert!(buffers[0].bytes.capacity() >= LARGE);
        assert!(buffers[19].bytes.capacity() < LARGE);
        drop(buffers);
        assert_eq!(pool.users.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn short_buffers_that_are_free_do_not_keep_long_ones_from_being_made() {
        let pool = pool();
        pool.users.store(MANY + 1, Ordering::Relaxed);
        let short = spend(&pool);
        assert_eq!(short.len(), 16);
        short.into_iter().for_each(|buffer| pool.retire(buffer));
        pool.users.store(0, Ordering::Relaxed);
        assert!(pool.take().is_some_and(|buffer| buffer.lease.length == LARGE));
    }

    #[test]
    fn the_start_of_a_frame_moves_along() {
        let mut buffer = ReceiveBuffer::new(pool());
        buffer.bytes.extend_from_slice(&start(100));
        buffer.is_filled = true;
        assert!(buffer.try_make_room().is_ok());
        assert_eq!(&buffer.bytes[..], &start(100));
        fill(&mut buffer);
        let rest = buffer.bytes.len() - 3;
        let _frames = buffer.bytes.split_to(rest);
        assert!(buffer.try_make_room().is_ok());
        assert_eq!(&buffer.bytes[..], &[0; 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_can_be_received_although_all_memory_is_spent() {
        let pool = pool();
        let mut buffer = ReceiveBuffer::new(pool.clone());
        fill(&mut buffer);
        drop(buffer.bytes.split());
        buffer.make_room().await.unwrap();
        let _spent = spend(&pool);
        fill(&mut buffer);
        let slices = buffer.bytes.split();
        for _ in 0..3 {
            buffer.make_room().await.unwrap();
            buffer.bytes.extend_from_slice(&start(16_397));
            while buffer.bytes.len() < 16_397 {
                buffer.make_room().await.unwrap();
                assert!(buffer.bytes.capacity() > buffer.bytes.len());
                fill(&mut buffer);
            }
            assert!(buffer.bytes.capacity() <= 2 * FRAME_ROOM);
            buffer.bytes.clear();
        }
        drop(slices);
    }

    #[tokio::test(start_paused = true)]
    async fn long_frames_take_no_more_than_their_share_and_may_not_take_for_ever() {
        let pool = pool();
        let _spent = spend(&pool);
        let mut greedy: Vec<_> = (0..20).map(|_| ReceiveBuffer::new(pool.clone())).collect();
        let mut lasting = 0;
        for buffer in &mut greedy {
            buffer.bytes.extend_from_slice(&start(1 << 20));
            while buffer.make_room().await.is_ok() && buffer.bytes.len() < 60_000 {
                fill(buffer);
            }
            lasting += usize::from(buffer.bytes.len() >= 60_000);
        }
        assert!(pool.memory.frames.held() <= 256 << 10);
        assert!((1..4).contains(&lasting), "{lasting}");
        let deadline = greedy[0].deadline().expect("a long frame has a deadline");
        tokio::time::sleep_until(deadline).await;
        assert_eq!(greedy[0].handle_timeout(), Err(ConnectionError::TimedOut));
        drop(greedy);
        assert_eq!(pool.memory.frames.held(), 0);
    }
}
