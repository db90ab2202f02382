use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use tinytorrent_swarm::ConnectionError;
use tokio::time::Instant;

use super::pool::{Buffer, BufferPool, Lease};
use crate::memory::{Charge, Holder};

/// Bytes of the first buffer of a connection. Most connections never receive more in one read, and
/// a client may have hundreds of them.
pub(super) const SMALL: usize = 8 * 1024;

/// Room below which a new buffer is taken: a read of fewer bytes costs nearly as much as a long one.
const MIN_ROOM: usize = 32 * 1024;

/// Bytes that a connection may always hold: a message with a block, metadata or hashes in it. Even if
/// all memory is spent, a peer that sends nothing longer can thus be received from.
pub(super) const FRAME_ROOM: usize = 20 * 1024;

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
    pub(super) is_filled: bool,
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
pub(super) struct Short;

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

    pub(super) fn try_make_room(&mut self) -> Result<(), Short> {
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
pub(super) const QUIET_TIME: Duration = Duration::from_secs(1);
