//! The state of one message, and its division into whole blocks.

use crate::algorithm::{Algorithm, Block};

/// The chaining value, the bytes that do not fill a block yet, and the length so far.
#[derive(Clone)]
pub(crate) struct Core<A: Algorithm> {
    pub(crate) chain: A::Chain,
    /// The bytes of an incomplete block. Padding can need room for two blocks.
    buffer: [u8; 128],
    filled: usize,
    /// The length of the message so far in bytes, modulo 2^64 (the standard allows 2^61).
    length: u64,
}

impl<A: Algorithm> Core<A> {
    pub(crate) const fn new() -> Self {
        Self { chain: A::INITIAL, buffer: [0; 128], filled: 0, length: 0 }
    }

    pub(crate) fn update(&mut self, mut data: &[u8]) {
        // This wraps only far beyond the 2^61 bytes that the standard allows.
        self.length = self.length.wrapping_add(data.len() as u64);
        if self.filled > 0 {
            data = self.absorb(data);
            if self.filled < 64 {
                return;
            }
            self.compress_buffer();
        }
        // Whole blocks are compressed in place, without a copy into the buffer.
        let (blocks, rest) = data.as_chunks();
        A::compress(&mut self.chain, blocks);
        self.absorb(rest);
    }

    pub(crate) fn finalize(mut self) -> A::Digest {
        self.pad();
        self.compress_buffer();
        A::digest(&self.chain)
    }

    fn compress_buffer(&mut self) {
        let (blocks, _) = self.buffer[..self.filled].as_chunks();
        A::compress(&mut self.chain, blocks);
        self.filled = 0;
    }

    /// Copies bytes into the buffer until it holds a block, and returns the others.
    fn absorb<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = data.split_at(data.len().min(64 - self.filled));
        self.buffer[self.filled..][..taken.len()].copy_from_slice(taken);
        self.filled += taken.len();
        rest
    }

    /// Appends the padding: a one bit, zeros, and the length in bits (FIPS 180-4, section 5.1.1).
    fn pad(&mut self) {
        // The one bit and the length take nine bytes.
        let end = if self.filled < 56 { 64 } else { 128 };
        self.buffer[self.filled] = 0x80;
        self.buffer[self.filled + 1..end - 8].fill(0);
        self.buffer[end - 8..end].copy_from_slice(&self.length.wrapping_mul(8).to_be_bytes());
        self.filled = end;
    }
}

/// A message in a lane: its state, and its remaining slices.
pub(crate) struct Feed<'a, C, I> {
    pub(crate) core: C,
    slices: I,
    rest: &'a [u8],
    ending: Ending,
}

/// The action behind the last slice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// None: the message goes on in a later call.
    Open,
    /// The padding has to be appended.
    Pad,
    /// None: the padding was appended.
    Padded,
}

impl<'a, C: AsCore, I: Iterator<Item = &'a [u8]>> Feed<'a, C, I> {
    /// Slices of a message that goes on in a later call.
    pub(crate) fn open(core: C, slices: I) -> Self {
        Self { core, slices, rest: &[], ending: Ending::Open }
    }

    /// The last slices of a message.
    pub(crate) fn last(core: C, slices: I) -> Self {
        Self { core, slices, rest: &[], ending: Ending::Pad }
    }

    /// The next whole blocks that are contiguous in memory, in the buffer or in a slice.
    pub(crate) fn blocks(&self) -> &[Block] {
        let core = self.core.core();
        match core.filled {
            0 => self.rest.as_chunks().0,
            filled => core.buffer[..filled].as_chunks().0,
        }
    }

    /// Removes the first `count` blocks of [`blocks`](Self::blocks), which have been compressed.
    pub(crate) fn advance(&mut self, count: usize) {
        let core = self.core.core_mut();
        if core.filled == 0 {
            self.rest = &self.rest[count * 64..];
        } else {
            // If another lane had one block only, the second block of padding is left.
            core.buffer.copy_within(count * 64..core.filled, 0);
            core.filled -= count * 64;
        }
    }

    /// Reads slices until there is a whole block to compress. Returns false at the end of the
    /// message.
    pub(crate) fn prepare(&mut self) -> bool {
        while self.blocks().is_empty() {
            let core = self.core.core_mut();
            if !self.rest.is_empty() {
                // No whole block is contiguous, so that its parts are joined in the buffer.
                self.rest = core.absorb(self.rest);
            } else if let Some(slice) = self.slices.next() {
                core.length = core.length.wrapping_add(slice.len() as u64);
                self.rest = slice;
            } else if self.ending == Ending::Pad {
                core.pad();
                self.ending = Ending::Padded;
            } else {
                return false;
            }
        }
        true
    }
}

/// A state that a lane owns or borrows from a hasher.
pub(crate) trait AsCore {
    type Algorithm: Algorithm;
    fn core(&self) -> &Core<Self::Algorithm>;
    fn core_mut(&mut self) -> &mut Core<Self::Algorithm>;
}

impl<A: Algorithm> AsCore for Core<A> {
    type Algorithm = A;

    fn core(&self) -> &Core<A> {
        self
    }

    fn core_mut(&mut self) -> &mut Core<A> {
        self
    }
}

impl<A: Algorithm> AsCore for &mut Core<A> {
    type Algorithm = A;

    fn core(&self) -> &Core<A> {
        self
    }

    fn core_mut(&mut self) -> &mut Core<A> {
        self
    }
}
