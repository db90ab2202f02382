use std::collections::VecDeque;
use std::io::IoSlice;

/// Bytes of a stream in the order in which they were put in.
///
/// They stand in blocks, so that a queue which grows copies nothing, and has little more memory than is in use. An empty
/// one has none, as idle connections have two.
#[derive(Debug, Default)]
pub(crate) struct ByteQueue {
    blocks: VecDeque<Box<[u8; BLOCK]>>,
    /// Blocks that were consumed, up to a quarter of those in use, to be used again.
    spare: Vec<Box<[u8; BLOCK]>>,
    /// Bytes of the first block that were consumed.
    begin: usize,
    length: usize,
}

impl ByteQueue {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes up to `room` bytes of the slices, and returns how many.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>], room: usize) -> usize {
        let mut left = room;
        for slice in slices {
            let taken = slice.len().min(left);
            self.push(&slice[..taken]);
            left -= taken;
        }
        room - left
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = self.begin + self.length;
            if end == self.blocks.len() * BLOCK {
                self.blocks.push_back(self.spare.pop().unwrap_or_else(|| Box::new([0; BLOCK])));
            }
            let room = &mut self.blocks[end / BLOCK][end % BLOCK..];
            let (taken, rest) = bytes.split_at(bytes.len().min(room.len()));
            room[..taken.len()].copy_from_slice(taken);
            self.length += taken.len();
            bytes = rest;
        }
    }

    /// Fills the buffer with the bytes from a place on.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn copy(&self, from: usize, mut buffer: &mut [u8]) {
        assert!(from + buffer.len() <= self.length, "there are fewer bytes");
        let mut at = self.begin + from;
        while !buffer.is_empty() {
            let block = &self.blocks[at / BLOCK][at % BLOCK..];
            let (filled, rest) = buffer.split_at_mut(buffer.len().min(block.len()));
            filled.copy_from_slice(&block[..filled.len()]);
            at += filled.len();
            buffer = rest;
        }
    }

    /// Drops so many bytes at the front.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn consume(&mut self, bytes: usize) {
        assert!(bytes <= self.length, "there are fewer bytes");
        self.length -= bytes;
        if self.length == 0 {
            *self = Self::default();
            return;
        }
        self.begin += bytes;
        self.spare.extend(self.blocks.drain(..self.begin / BLOCK));
        self.spare.truncate(self.blocks.len() / 4);
        self.begin %= BLOCK;
    }
}

/// Two or three packets.
const BLOCK: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut queue = ByteQueue::default();
        let (mut written, mut read) = (0_u32, 0_u32);
        let bytes = |range: std::ops::Range<u32>| range.map(|n| (n % 251) as u8);
        for step in 0..200 {
            let offered: Vec<u8> = bytes(written..written + step * 37).collect();
            let (first, second) = offered.split_at(offered.len() / 3);
            let room = offered.len().min(5_000);
            let slices = [IoSlice::new(first), IoSlice::new(second)];
            assert_eq!(queue.write(&slices, room), room);
            written += room as u32;
            let from = queue.len() / 3;
            let mut buffer = vec![0; queue.len() - from];
            queue.copy(from, &mut buffer);
            assert!(buffer.into_iter().eq(bytes(read + from as u32..written)));
            let taken = queue.len() / 2;
            queue.consume(taken);
            read += taken as u32;
        }
        assert_eq!(queue.len(), (written - read) as usize);
    }

    #[test]
    fn memory_is_what_is_in_use() {
        let mut queue = ByteQueue::default();
        (0..1_000).for_each(|_| queue.push(&[7; 1_000]));
        assert_eq!(queue.blocks.len(), 1_000_000_usize.div_ceil(BLOCK));
        queue.consume(500_000);
        assert_eq!((queue.blocks.len(), queue.spare.len()), (123, 30));
        queue.consume(500_000 - 10);
        assert!(queue.blocks.len() <= 2 && queue.spare.is_empty());
        queue.consume(10);
        assert_eq!(
            (queue.is_empty(), queue.blocks.capacity(), queue.spare.capacity()),
            (true, 0, 0)
        );
    }
}
