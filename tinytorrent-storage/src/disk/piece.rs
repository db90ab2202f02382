//! One piece between its first block and its verification.

use bytes::Bytes;
use tinytorrent_types::{BLOCK_LENGTH, Geometry, PieceIndex};

use super::PieceVerifyOptions;
use crate::hasher::PieceHasher;

/// A piece that is not verified yet.
///
/// A block is written with the next batch, and hashed after all blocks before it. One that is written and
/// hashed leaves memory.
pub(super) struct Piece {
    slots: Vec<Slot>,
    missing: u32,
    /// The hash over the blocks before `hashed`.
    hasher: PieceHasher,
    hashed: u32,
    /// Bytes of padding behind the blocks that are hashed.
    padded: u32,
    /// The request to verify the piece, until a worker takes it.
    asked: Option<PieceVerifyOptions>,
    /// A worker has the piece.
    is_busy: bool,
    /// Some blocks were written by an earlier run.
    is_recovered: bool,
}

#[derive(Clone)]
enum Slot {
    Missing,
    /// In memory only.
    Held(Bytes),
    /// On disk, and in memory so that hashing need not read it.
    Kept(Bytes),
    /// On disk only.
    Stored,
}

/// The work on a piece that a worker takes.
pub(super) struct PieceWork {
    pub(super) piece: PieceIndex,
    pub(super) runs: Vec<Run>,
    pub(super) hasher: PieceHasher,
    /// The blocks to be hashed, in order.
    pub(super) feeds: Vec<Feed>,
    /// Number of blocks that are hashed when the work is done.
    pub(super) hashed: u32,
    /// Bytes of padding that are hashed so far.
    pub(super) padded: u32,
    /// The request to compare the hash, if the piece is complete.
    pub(super) finish: Option<PieceVerifyOptions>,
    /// All of its runs are on disk.
    pub(super) is_written: bool,
}

/// Neighbouring blocks to be written together.
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) blocks: Vec<Bytes>,
}

/// A block to be hashed.
pub(super) enum Feed {
    /// The number of the block, and its data.
    Memory(u32, Bytes),
    /// The number of a block that has to be read back.
    Disk(u32),
}

impl Piece {
    pub(super) fn new(geometry: &Geometry, piece: PieceIndex, hasher: PieceHasher) -> Self {
        let count = geometry.block_count(piece);
        Self {
            slots: vec![Slot::Missing; count as usize],
            missing: count,
            hasher,
            hashed: 0,
            padded: 0,
            asked: None,
            is_busy: false,
            is_recovered: false,
        }
    }

    /// A piece of which an earlier run has written some blocks.
    pub(super) fn recovered(
        geometry: &Geometry,
        piece: PieceIndex,
        hasher: PieceHasher,
        blocks: &[u32],
    ) -> Self {
        let mut recovered = Self::new(geometry, piece, hasher);
        for &block in blocks {
            // The fields of `Recovered` are public, so that a number may be out of range or there
            // twice.
            if let Some(slot @ Slot::Missing) = recovered.slots.get_mut(block as usize) {
                *slot = Slot::Stored;
                recovered.missing -= 1;
                recovered.is_recovered = true;
            }
        }
        recovered
    }

    /// Takes in a block. Returns `false` if the piece has it already.
    pub(super) fn hold(&mut self, number: u32, data: Bytes) -> bool {
        match self.slots.get_mut(number as usize) {
            Some(slot @ Slot::Missing) => {
                *slot = Slot::Held(data);
                self.missing -= 1;
                true
            }
            _ => false,
        }
    }

    pub(super) fn ask(&mut self, options: PieceVerifyOptions) {
        self.asked = Some(options);
    }

    pub(super) fn missing(&self) -> u32 {
        self.missing
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    pub(super) fn is_recovered(&self) -> bool {
        self.is_recovered
    }

    /// Numbers of the blocks that are on disk.
    pub(super) fn stored(&self) -> impl Iterator<Item = u32> + '_ {
        let numbered = (0..).zip(&self.slots);
        numbered
            .filter(|(_, slot)| matches!(slot, Slot::Kept(_) | Slot::Stored))
            .map(|(number, _)| number)
    }

    /// The blocks in memory.
    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Bytes> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Held(data) | Slot::Kept(data) => Some(data),
            Slot::Missing | Slot::Stored => None,
        })
    }

    /// Bytes that are in memory only.
    pub(super) fn held(&self) -> u64 {
        let held = self.slots.iter().map(|slot| match slot {
            Slot::Held(data) => data.len() as u64,
            _ => 0,
        });
        held.sum()
    }

    /// The work that there is: unwritten blocks to be written, and hashing as far as it can go.
    pub(super) fn take_work(&mut self, piece: PieceIndex) -> PieceWork {
        debug_assert!(!self.is_busy, "one worker at a time");
        self.is_busy = true;
        let finish = self.asked.take();
        let mut feeds = Vec::new();
        for (number, slot) in (0..).zip(&self.slots).skip(self.hashed as usize) {
            match slot {
                Slot::Held(data) | Slot::Kept(data) => {
                    feeds.push(Feed::Memory(number, data.clone()));
                }
                // Reading back can wait until the piece is complete.
                Slot::Stored if finish.is_some() => feeds.push(Feed::Disk(number)),
                Slot::Stored | Slot::Missing => break,
            }
        }
        PieceWork {
            piece,
            runs: self.runs(),
            // Absent until `settle`, which no other worker notices, as the piece is busy.
            hasher: std::mem::take(&mut self.hasher),
            // Counted in advance: a piece whose hashing fails is forgotten as a whole.
            hashed: self.hashed + feeds.len() as u32,
            padded: self.padded,
            feeds,
            finish,
            is_written: false,
        }
    }

    /// Takes back work that was not done: its blocks are in memory only, as they were.
    pub(super) fn give_back(&mut self, work: PieceWork) {
        self.is_busy = false;
        self.hasher = work.hasher;
        self.asked = self.asked.or(work.finish);
    }

    /// Takes back work that is done. With `keep`, written blocks stay in memory until they are hashed.
    /// `released` is called for each block that leaves memory.
    pub(super) fn settle(&mut self, work: PieceWork, keep: bool, mut released: impl FnMut(&Bytes)) {
        self.is_busy = false;
        self.hasher = work.hasher;
        self.hashed = work.hashed;
        self.padded = work.padded;
        // It is still to be compared, when all of its padding is hashed. A newer request has counted.
        self.asked = self.asked.or(work.finish);
        for run in work.runs {
            // Only blocks of this work: those that came meanwhile are in memory alone.
            for (slot, data) in self.slots[run.first as usize..].iter_mut().zip(run.blocks) {
                *slot = Slot::Kept(data);
            }
        }
        // Without `keep`, blocks that are not hashed leave memory too, and are read back once the
        // piece is complete.
        let unhashed = if keep { self.hashed as usize } else { self.slots.len() };
        for slot in &mut self.slots[..unhashed] {
            if let Slot::Kept(data) = slot {
                released(data);
                *slot = Slot::Stored;
            }
        }
    }

    /// The blocks that are in memory only.
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (number, slot) in (0..).zip(&self.slots) {
            let Slot::Held(data) = slot else { continue };
            match runs.last_mut() {
                Some(run) if run.first + run.blocks.len() as u32 == number => {
                    run.blocks.push(data.clone());
                }
                _ => runs.push(Run { first: number, blocks: vec![data.clone()] }),
            }
        }
        runs
    }
}

impl PieceWork {
    /// Bytes that are to be written.
    pub(super) fn unwritten(&self) -> u64 {
        let blocks = self.runs.iter().flat_map(|run| &run.blocks);
        blocks.map(|data| data.len() as u64).sum()
    }
}

impl Run {
    /// The offset of the run in the content.
    pub(super) fn offset(&self, geometry: &Geometry, piece: PieceIndex) -> u64 {
        geometry.piece_offset(piece) + u64::from(self.first) * u64::from(BLOCK_LENGTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece() -> (Geometry, PieceIndex) {
        let geometry = Geometry::new(4 * 16_384, 4 * 16_384).unwrap();
        let piece = geometry.piece(0).unwrap();
        (geometry, piece)
    }

    fn data(number: u8) -> Bytes {
        Bytes::from(vec![number; 16_384])
    }

    fn settle(piece: &mut Piece, work: PieceWork, keep: bool) -> usize {
        let mut released = 0;
        piece.settle(work, keep, |_| released += 1);
        released
    }

    #[test]
    fn neighbouring_blocks_are_written_together_and_only_once() {
        let (geometry, index) = piece();
        let mut piece = Piece::new(&geometry, index, PieceHasher::default());
        for number in [3, 0, 1] {
            assert!(piece.hold(number, data(number as u8)));
            assert!(!piece.hold(number, data(9)), "the first of two stays");
        }
        let work = piece.take_work(index);
        let runs: Vec<_> = work.runs.iter().map(|run| (run.first, run.blocks.len())).collect();
        assert_eq!(runs, [(0, 2), (3, 1)]);
        assert_eq!(work.hashed, 2);
        assert_eq!(settle(&mut piece, work, true), 2, "hashed and written leaves memory");
        assert_eq!(piece.stored().collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!(piece.in_memory().count(), 1);

        piece.hold(2, data(2));
        let work = piece.take_work(index);
        assert_eq!(work.runs.len(), 1);
        assert_eq!((work.feeds.len(), work.hashed), (2, 4));
        assert_eq!(settle(&mut piece, work, true), 2);
    }

    #[test]
    fn what_left_memory_unhashed_is_read_back_at_the_end_only() {
        let (geometry, index) = piece();
        let mut piece = Piece::recovered(&geometry, index, PieceHasher::default(), &[1, 7]);
        piece.hold(0, data(0));
        piece.hold(3, data(3));
        let work = piece.take_work(index);
        assert_eq!(work.hashed, 1);
        assert_eq!(settle(&mut piece, work, false), 2);
        piece.hold(2, data(2));
        assert_eq!(piece.missing(), 0);
        piece.ask(PieceVerifyOptions::default());
        let work = piece.take_work(index);
        let from_disk: Vec<_> =
            work.feeds.iter().map(|feed| matches!(feed, Feed::Disk(_))).collect();
        assert_eq!(from_disk, [true, false, true]);
    }

    #[test]
    fn work_that_was_not_done_is_there_once_more() {
        let (geometry, index) = piece();
        let mut piece = Piece::new(&geometry, index, PieceHasher::default());
        [0, 1, 3].into_iter().for_each(|number| _ = piece.hold(number, data(0)));
        let work = piece.take_work(index);
        piece.hold(2, data(0));
        piece.give_back(work);
        assert_eq!((piece.missing(), piece.held(), piece.stored().count()), (0, 65_536, 0));
        piece.ask(PieceVerifyOptions::default());
        let work = piece.take_work(index);
        assert_eq!((work.runs.len(), work.feeds.len(), work.hashed), (1, 4, 4));
        piece.give_back(work);
        assert!(piece.is_asked());
    }

    #[test]
    fn a_block_that_comes_while_others_are_written_is_not_lost() {
        let (geometry, index) = piece();
        let mut piece = Piece::new(&geometry, index, PieceHasher::default());
        piece.hold(0, data(0));
        let work = piece.take_work(index);
        piece.hold(1, data(1));
        settle(&mut piece, work, false);
        assert_eq!(piece.stored().collect::<Vec<_>>(), [0]);
        let work = piece.take_work(index);
        assert_eq!(work.runs[0].first, 1);
        assert_eq!(work.hashed, 2);
    }
}
