use std::collections::HashMap;

use bytes::Bytes;

/// An upper bound of the memory that blocks keep allocated.
///
/// A block is a slice of a large receive buffer, which stays allocated as long as any slice of it. A
/// slice does not show its buffer. So the address space is divided into windows as long as a buffer, and
/// each window with a block in it counts in full. A buffer that lies across two windows may count twice,
/// but never less than once.
#[derive(Debug)]
pub(super) struct Pins {
    window: usize,
    /// Number of blocks in each window.
    windows: HashMap<usize, u32>,
    /// Bytes of all blocks.
    held: u64,
}

impl Pins {
    pub(super) fn new(receive_buffer: usize) -> Self {
        Self { window: receive_buffer.max(1), windows: HashMap::new(), held: 0 }
    }

    pub(super) fn hold(&mut self, data: &Bytes) {
        *self.windows.entry(self.window_of(data)).or_default() += 1;
        self.held += data.len() as u64;
    }

    pub(super) fn release(&mut self, data: &Bytes) {
        self.held -= data.len() as u64;
        let window = self.window_of(data);
        if let Some(count) = self.windows.get_mut(&window) {
            *count -= 1;
            if *count == 0 {
                self.windows.remove(&window);
            }
        }
    }

    /// Bytes that are kept allocated, at most.
    pub(super) fn charge(&self) -> u64 {
        // With a `receive_buffer` below 16 KiB, a window counts less than the block in it.
        self.held.max(self.windows.len() as u64 * self.window as u64)
    }

    fn window_of(&self, data: &Bytes) -> usize {
        data.as_ptr() as usize / self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_slice_counts_as_the_buffer_it_pins() {
        let mut pins = Pins::new(1 << 18);
        let buffers: Vec<Bytes> = (0..4).map(|_| Bytes::from(vec![0; 1 << 18])).collect();
        let slices: Vec<Bytes> = buffers.iter().map(|buffer| buffer.slice(..16_384)).collect();
        for slice in &slices {
            pins.hold(slice);
        }
        assert!(pins.charge() >= 4 << 18);
        for slice in &slices {
            pins.release(slice);
        }
        assert_eq!(pins.charge(), 0);
    }

    #[test]
    fn many_slices_of_one_buffer_count_little_more_than_the_buffer() {
        let mut pins = Pins::new(1 << 18);
        let buffer = Bytes::from(vec![0; 1 << 18]);
        for at in 0..16 {
            pins.hold(&buffer.slice(at << 14..(at + 1) << 14));
        }
        assert!((1 << 18..=2 << 18).contains(&pins.charge()));
    }
}
