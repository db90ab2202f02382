use std::collections::VecDeque;
use std::io::IoSlice;

/// Bytes of a stream in the order in which they were put in. An empty one holds no memory, as idle connections have
/// two.
#[derive(Debug, Default)]
pub(crate) struct ByteQueue(VecDeque<u8>);

impl ByteQueue {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
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

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let length = self.0.len();
        if self.0.capacity() - length < bytes.len() {
            // By a quarter instead of by all, as much memory is counted by what is there.
            self.0.reserve_exact(bytes.len().max(length / 4).max(LEAST_GROWTH));
        }
        self.0.extend(bytes);
    }

    /// Fills the buffer with the bytes from a place on.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn copy(&self, from: usize, buffer: &mut [u8]) {
        let (front, back) = self.0.as_slices();
        let in_front = front.len().saturating_sub(from).min(buffer.len());
        let (first, second) = buffer.split_at_mut(in_front);
        first.copy_from_slice(&front[front.len().min(from)..][..in_front]);
        second.copy_from_slice(&back[from.saturating_sub(front.len())..][..second.len()]);
    }

    /// Drops so many bytes at the front.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.0.drain(..bytes);
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        } else if self.0.capacity() > LARGE && self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.capacity() / 2);
        }
    }
}

/// Some packets.
const LEAST_GROWTH: usize = 4 << 10;

/// Below this, memory that is not used is not worth a copy.
const LARGE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_around_the_end_of_the_ring() {
        let mut queue = ByteQueue::default();
        let (mut written, mut read) = (0_u32, 0_u32);
        for step in 0..200_u32 {
            let bytes: Vec<u8> = (written..written + step % 17).map(|n| n as u8).collect();
            let (first, second) = bytes.split_at(bytes.len() / 2);
            let room = bytes.len().min(9);
            let slices = [IoSlice::new(first), IoSlice::new(second)];
            assert_eq!(queue.write(&slices, room), room);
            written += room as u32;
            for from in 0..queue.len() {
                let mut buffer = vec![0; queue.len() - from];
                queue.copy(from, &mut buffer);
                assert!(buffer.iter().copied().eq((read + from as u32..written).map(|n| n as u8)));
            }
            let taken = queue.len() / 2;
            queue.consume(taken);
            read += taken as u32;
        }
        for _ in 0..1_000 {
            queue.push(&[7; 1_000]);
        }
        assert!(queue.0.capacity() < 1_300_000);
        queue.consume(queue.len() - 10_000);
        assert!(queue.0.capacity() < 650_000);
        queue.consume(queue.len());
        assert_eq!((queue.is_empty(), queue.0.capacity()), (true, 0));
    }
}
