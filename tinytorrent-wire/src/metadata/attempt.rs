use std::time::{Duration, Instant};

use super::BLOCK_LENGTH;

/// One try to gather metadata of one size: from everybody who names that size, or, once that
/// has failed, from one peer alone.
#[derive(Debug)]
pub(super) struct Attempt<P> {
    pub(super) size: u32,
    /// The only peer it takes blocks from; `None` for all.
    pub(super) only: Option<P>,
    /// When it is given up, so that nobody can stall for ever.
    pub(super) deadline: Instant,
    /// When a block last came, or when it began.
    pub(super) last_progress: Instant,
    slots: Vec<Slot<P>>,
    missing: usize,
    /// Bytes of the slots that are `Here`.
    here: u32,
}

#[derive(Debug)]
enum Slot<P> {
    Missing { asked: Vec<P> },
    Here { from: P, bytes: Box<[u8]> },
}

impl<P: Copy + Eq> Attempt<P> {
    pub(super) fn new(now: Instant, size: u32, only: Option<P>, timeout: Duration) -> Self {
        let count = size.div_ceil(BLOCK_LENGTH) as usize;
        let slots = std::iter::repeat_with(|| Slot::Missing { asked: Vec::new() });
        Self {
            size,
            only,
            deadline: now + timeout,
            last_progress: now,
            slots: slots.take(count).collect(),
            missing: count,
            here: 0,
        }
    }

    pub(super) fn is_open_to(&self, peer: P) -> bool {
        self.only.is_none_or(|only| only == peer)
    }

    /// The next block to ask this peer for: one that nobody was asked for, else one that fewest
    /// were, as the others may be slow; never one that it was asked for itself.
    pub(super) fn next_block(&self, peer: P) -> Option<u32> {
        let open = self.slots.iter().enumerate().filter_map(|(at, slot)| match slot {
            Slot::Missing { asked } if !asked.contains(&peer) => Some((asked.len(), at)),
            _ => None,
        });
        open.filter(|&(asked, _)| asked < MAX_ASKED).min().map(|(_, at)| at as u32)
    }

    pub(super) fn ask(&mut self, peer: P, block: u32) {
        if let Some(Slot::Missing { asked }) = self.slots.get_mut(block as usize) {
            asked.push(peer);
        }
    }

    pub(super) fn unask(&mut self, peer: P, block: u32) {
        if let Some(Slot::Missing { asked }) = self.slots.get_mut(block as usize) {
            asked.retain(|&other| other != peer);
        }
    }

    pub(super) fn block_length(&self, block: u32) -> Option<u32> {
        let begin = block.checked_mul(BLOCK_LENGTH).filter(|&begin| begin < self.size)?;
        Some(BLOCK_LENGTH.min(self.size - begin))
    }

    /// `false` if the block is there already.
    pub(super) fn store(&mut self, now: Instant, peer: P, block: u32, bytes: &[u8]) -> bool {
        match self.slots.get_mut(block as usize) {
            Some(slot @ Slot::Missing { .. }) => {
                *slot = Slot::Here { from: peer, bytes: bytes.into() };
                self.missing -= 1;
                // A block is no longer than its place (`block_length`), and the size fits.
                self.here += bytes.len() as u32;
                self.last_progress = now;
                true
            }
            _ => false,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Whether nothing has come and nobody is asked: not worth its place.
    pub(super) fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot, Slot::Missing { asked } if asked.is_empty()))
    }

    /// Bytes of the blocks that are here.
    pub(super) fn bytes_here(&self) -> u32 {
        self.here
    }

    /// All bytes in order, and who sent some of them.
    pub(super) fn into_parts(self) -> (Vec<u8>, Vec<P>) {
        let mut whole = Vec::with_capacity(self.here as usize);
        let mut contributors = Vec::new();
        for slot in self.slots {
            if let Slot::Here { from, bytes } = slot {
                whole.extend_from_slice(&bytes);
                if !contributors.contains(&from) {
                    contributors.push(from);
                }
            }
        }
        (whole, contributors)
    }
}

/// Asking more peers than this for one block wastes more than it wins.
const MAX_ASKED: usize = 3;
