use std::time::{Duration, Instant};

use super::BLOCK_LENGTH;

/// An attempt to assemble metadata of one size: from all peers that announce the size or, once that has
/// failed, from one of them alone.
#[derive(Debug)]
pub(super) struct Attempt<P> {
    pub(super) size: u32,
    /// The only peer whose blocks it takes; `None` for those of all.
    pub(super) only: Option<P>,
    /// The instant at which it is dropped, so that no peer can stall it for ever.
    pub(super) deadline: Instant,
    started: Instant,
    slots: Vec<Slot<P>>,
    missing: usize,
    /// Bytes of the received blocks.
    received: u32,
    /// The metadata as far as the last block that is here, with zeros for those that are missing.
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum Slot<P> {
    Missing { asked: Vec<Asked<P>> },
    Received { sender: P },
}

/// A peer that was asked for a block.
#[derive(Debug)]
struct Asked<P> {
    peer: P,
    /// How often it had been silent by then.
    silences: u32,
}

impl<P: Copy + Eq> Attempt<P> {
    pub(super) fn new(now: Instant, size: u32, only: Option<P>, timeout: Duration) -> Self {
        // The size is a claim, but costs little before blocks come: one empty slot for each 16 KiB
        //
        let count = size.div_ceil(BLOCK_LENGTH) as usize;
        let slots = std::iter::repeat_with(|| Slot::Missing { asked: Vec::new() });
        Self {
            size,
            only,
            deadline: now + timeout,
            started: now,
            slots: slots.take(count).collect(),
            missing: count,
            received: 0,
            bytes: Vec::new(),
        }
    }

    /// Returns true if blocks of this peer count.
    pub(super) fn accepts(&self, peer: P) -> bool {
        self.only.is_none_or(|only| only == peer)
    }

    /// The next block to request of this peer: the one with the fewest requests in flight, none of them
    /// to this peer. The others may be slow. Those that were silent more often do not stand in its way.
    pub(super) fn next_block(&self, peer: P, silences: u32) -> Option<u32> {
        let open = self.slots.iter().enumerate().filter_map(|(at, slot)| match slot {
            Slot::Missing { asked } if asked.iter().all(|asked| asked.peer != peer) => {
                Some((asked.iter().filter(|asked| asked.silences <= silences).count(), at))
            }
            _ => None,
        });
        open.filter(|&(asked, _)| asked < MAX_ASKED).min().map(|(_, at)| at as u32)
    }

    pub(super) fn add_request(&mut self, peer: P, block: u32, silences: u32) {
        if let Some(Slot::Missing { asked }) = self.slots.get_mut(block as usize) {
            asked.push(Asked { peer, silences });
        }
    }

    pub(super) fn remove_request(&mut self, peer: P, block: u32) {
        if let Some(Slot::Missing { asked }) = self.slots.get_mut(block as usize) {
            asked.retain(|other| other.peer != peer);
        }
    }

    pub(super) fn block_length(&self, block: u32) -> Option<u32> {
        // The number is a claim of the peer, and its product may overflow.
        let begin = block.checked_mul(BLOCK_LENGTH).filter(|&begin| begin < self.size)?;
        Some(BLOCK_LENGTH.min(self.size - begin))
    }

    /// Stores a block. Returns false if it is there already.
    pub(super) fn store(&mut self, peer: P, block: u32, bytes: &[u8]) -> bool {
        match self.slots.get_mut(block as usize) {
            Some(slot @ Slot::Missing { .. }) => {
                *slot = Slot::Received { sender: peer };
                self.missing -= 1;
                // `block_length` has checked the length, so that the sum is at most the size, a u32.
                self.received += bytes.len() as u32;
                let begin = block as usize * BLOCK_LENGTH as usize;
                self.reach(begin + bytes.len());
                self.bytes[begin..begin + bytes.len()].copy_from_slice(bytes);
                true
            }
            _ => false,
        }
    }

    /// Makes the bytes reach as far as this. Blocks are requested in order, so that what is missing before is
    /// no more than what is requested.
    fn reach(&mut self, end: usize) {
        if self.bytes.capacity() < end {
            // Doubled, so that they are not moved with each block, but never beyond the whole.
            let whole = (2 * end).min(self.size as usize);
            self.bytes.reserve_exact(whole - self.bytes.len());
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Returns true if it has come on slower than the slowest links, for longer than they need to begin.
    pub(super) fn is_slow(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.started);
        age >= START && u64::from(self.received) < age.as_secs() * LEAST_RATE
    }

    /// Returns true if no block is here or requested, so that nothing is lost without it.
    pub(super) fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot, Slot::Missing { asked } if asked.is_empty()))
    }

    /// Bytes of the received blocks.
    pub(super) fn received_bytes(&self) -> u32 {
        self.received
    }

    /// All bytes in order, and the senders of their blocks.
    pub(super) fn into_parts(self) -> (Vec<u8>, Vec<P>) {
        let mut contributors = Vec::new();
        for slot in self.slots {
            if let Slot::Received { sender } = slot
                && !contributors.contains(&sender)
            {
                contributors.push(sender);
            }
        }
        (self.bytes, contributors)
    }
}

/// Time in which the first blocks of an attempt have to come, while others wait for its place.
const START: Duration = Duration::from_secs(10);

/// Bytes a second that an attempt has to come on at, while others wait: half a block.
const LEAST_RATE: u64 = BLOCK_LENGTH as u64 / 2;

/// Requests in flight for one block at most, to peers that were equally silent or less. Each duplicate answer is
/// waste.
const MAX_ASKED: usize = 3;
