use std::collections::VecDeque;

use bytes::BytesMut;

/// Bytes of one read at most: sixteen blocks. Fresh memory costs a page fault for each 4 KiB, about as much as copying
/// a block out of the kernel, so that buffers are used again once no block in them is.
const LENGTH: usize = 256 * 1024;

/// A smaller rest of a buffer is left unused.
const LEAST: usize = 64 * 1024;

/// Buffers to keep at most, of which blocks are in use.
const KEPT: usize = 16;

/// Buffers to look at before a new one is made. They become free roughly in their order.
const TRIES: usize = 4;

/// The memory that a connection reads into.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) bytes: BytesMut,
    /// Buffers that are full, of which blocks may be in use.
    retired: VecDeque<BytesMut>,
}

impl Buffers {
    /// Makes room for the next read.
    pub(super) fn make_room(&mut self) {
        if self.bytes.capacity() - self.bytes.len() >= LEAST {
            return;
        }
        let mut next = self.reclaim().unwrap_or_else(|| BytesMut::with_capacity(LENGTH));
        // Less than a block and a head, or a head that is long in coming.
        next.extend_from_slice(&self.bytes);
        let mut full = std::mem::replace(&mut self.bytes, next);
        full.clear();
        if self.retired.len() < KEPT {
            self.retired.push_back(full);
        }
    }

    fn reclaim(&mut self) -> Option<BytesMut> {
        for _ in 0..self.retired.len().min(TRIES) {
            let mut buffer = self.retired.pop_front()?;
            if buffer.try_reclaim(LENGTH) {
                return Some(buffer);
            }
            self.retired.push_back(buffer);
        }
        None
    }

    /// Lets the memory go.
    pub(super) fn rest(&mut self) {
        *self = Self::default();
    }
}
