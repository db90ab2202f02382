//! Reads for peers: whole runs are read, and cached for the requests that follow.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Buf, Bytes};
use tinytorrent_types::{BLOCK_LENGTH, BlockInfo, Geometry, PieceIndex};

use super::{
    Completion, Subject,
    figures::Tally,
    read_budget::{RUN, ReadBudget},
    torrent::ReadRequest,
};
use crate::StorageError;

/// The runs that were used last, of all torrents together, as many as there is room for.
#[derive(Debug)]
pub(super) struct ReadCache {
    budget: Arc<ReadBudget>,
    tally: Arc<Tally>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    runs: HashMap<RunKey, Entry>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    data: Bytes,
    used: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct RunKey {
    torrent: u64,
    piece: PieceIndex,
    number: u32,
}

impl ReadCache {
    pub(super) fn new(budget: Arc<ReadBudget>, tally: Arc<Tally>) -> Self {
        Self { budget, tally, state: Mutex::default() }
    }

    /// Serves the requests, whose bytes are reserved. `done` is called for each as soon as its block is read.
    /// Returns those that wait, from the first on for which no descriptor was left: their bytes are not
    /// reserved any more.
    pub(super) fn serve<'a>(
        &self,
        content: &Subject,
        requests: &'a [ReadRequest],
        mut done: impl FnMut(Completion),
    ) -> &'a [ReadRequest] {
        // Counted before the first read: a run with several requests is read as a whole, even if
        // none of them is for its start.
        let mut companions: HashMap<(PieceIndex, u32), u32> = HashMap::new();
        for request in requests {
            *companions.entry(run_of(request.block)).or_default() += 1;
        }
        for (at, &ReadRequest { block, tag }) in requests.iter().enumerate() {
            let count = companions.get(&run_of(block)).copied().unwrap_or(1);
            done(match self.read(content, block, count > 1) {
                Ok(data) => {
                    self.tally.read_blocks.add(1);
                    self.tally.read_bytes.add(block.length().into());
                    Completion::BlockRead { tag, block, data }
                }
                Err(error) if error.is_out_of_descriptors() => {
                    let later = &requests[at + 1..];
                    later.iter().for_each(|later| self.budget.release_block(later.block.length()));
                    return &requests[at..];
                }
                Err(error) => {
                    self.tally.read_errors.add(1);
                    Completion::BlockUnread { tag, block, error }
                }
            });
        }
        &[]
    }

    /// Drops the runs of a piece whose data has changed.
    pub(super) fn forget(&self, torrent: u64, piece: PieceIndex) {
        self.remove(|key| (key.torrent, key.piece) == (torrent, piece));
    }

    pub(super) fn forget_torrent(&self, torrent: u64) {
        self.remove(|key| key.torrent == torrent);
    }

    fn remove(&self, is_stale: impl Fn(&RunKey) -> bool) {
        let mut state = self.lock();
        let removed: Vec<_> = state.runs.extract_if(|key, _| is_stale(key)).collect();
        // The system may take a while to take memory back, and event loops wait for the lock.
        drop(state);
        drop(removed);
    }

    fn read(
        &self,
        content: &Subject,
        block: BlockInfo,
        has_companions: bool,
    ) -> Result<Bytes, StorageError> {
        match self.find_or_read(content, block, has_companions) {
            Ok(Some(run)) => Ok(self.part(run, block)),
            Ok(None) => self.read_alone(content, block),
            Err(error) => {
                self.budget.release_block(block.length());
                Err(error)
            }
        }
    }

    /// The run of a block; `None` if the block is to be read by itself.
    fn find_or_read(
        &self,
        content: &Subject,
        block: BlockInfo,
        has_companions: bool,
    ) -> Result<Option<Bytes>, StorageError> {
        let (piece, number) = run_of(block);
        let key = RunKey { torrent: content.id, piece, number };
        // A peer may request any range (BEP 3, "request"), and so one that crosses into the next
        // run.
        if block.end() - number * RUN > RUN {
            return Ok(None);
        }
        if let Some(run) = self.find(key, block) {
            self.tally.cache_hits.add(1);
            return Ok(Some(run));
        }
        // Peers ask for a piece in order, so that requests for the rest follow that for the first block.
        if !has_companions && !block.begin().is_multiple_of(RUN) {
            return Ok(None);
        }
        let Some(run) = run_around(content.storage.geometry(), block) else { return Ok(None) };
        let Some(mut buffer) = self.make_room() else { return Ok(None) };
        buffer.resize(run.length() as usize, 0);
        if let Err(error) = content.storage.read_block(run, &mut buffer) {
            self.budget.put_back(buffer);
            return Err(error);
        }
        let data = self.budget.run(buffer);
        self.insert(key, data.clone());
        Ok(Some(data))
    }

    /// The block without others. Its bytes are reserved.
    fn read_alone(&self, content: &Subject, block: BlockInfo) -> Result<Bytes, StorageError> {
        let mut buffer = vec![0; block.length() as usize];
        // It counts until it is dropped, with an error too.
        let read = content.storage.read_block(block, &mut buffer);
        let data = self.budget.block(buffer);
        read.map(|()| data)
    }

    /// The bytes of a block, of the run that holds it. Its bytes are reserved.
    fn part(&self, mut run: Bytes, block: BlockInfo) -> Bytes {
        run.advance((block.begin() % RUN) as usize);
        run.truncate(block.length() as usize);
        if block.length() < BLOCK_LENGTH {
            // A slice keeps the whole run in memory, which a few bytes are not worth.
            self.budget.block(run.to_vec())
        } else {
            self.budget.release_block(block.length());
            run
        }
    }

    /// The run, if it is cached and has all of the block.
    fn find(&self, key: RunKey, block: BlockInfo) -> Option<Bytes> {
        let end = (block.end() - key.number * RUN) as usize;
        let mut state = self.lock();
        state.clock += 1;
        let clock = state.clock;
        // A run may end before the padding that this block reaches into; see `run_around`.
        let entry = state.runs.get_mut(&key).filter(|entry| end <= entry.data.len())?;
        entry.used = clock;
        Some(entry.data.clone())
    }

    /// Memory for the next run. The oldest runs are removed until there is room. `None` if slices of others
    /// keep it all.
    fn make_room(&self) -> Option<Vec<u8>> {
        loop {
            let buffer = self.budget.run_buffer();
            if buffer.is_some() {
                return buffer;
            }
            self.evict()?;
        }
    }

    /// Removes the oldest runs while there are more than there may be.
    pub(super) fn shrink(&self) {
        while self.budget.is_over() && self.evict().is_some() {}
    }

    /// Removes the oldest run; `None` if there is none.
    fn evict(&self) -> Option<()> {
        let mut state = self.lock();
        let oldest = state.runs.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key);
        let evicted = state.runs.remove(&oldest?);
        // Memory is given back without the lock, as in `remove`.
        drop(state);
        drop(evicted);
        Some(())
    }

    fn insert(&self, key: RunKey, data: Bytes) {
        let mut state = self.lock();
        let used = state.clock;
        // Another worker may have read the same run meanwhile.
        let replaced = state.runs.insert(key, Entry { data, used });
        drop(state);
        drop(replaced);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run_of(block: BlockInfo) -> (PieceIndex, u32) {
    (block.piece(), block.begin() / RUN)
}

/// The run of a block. The padding or the gap behind the last block of a piece is part of it only if the
/// block reaches there.
fn run_around(geometry: &Geometry, block: BlockInfo) -> Option<BlockInfo> {
    let (piece, number) = run_of(block);
    let blocks = geometry.blocks_length(piece);
    let end = if block.end() <= blocks { blocks } else { geometry.padded_length(piece) };
    geometry.block(piece.get(), number * RUN, RUN.min(end - number * RUN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_file_takes_no_room_unless_it_is_asked_for() {
        let geometry = Geometry::aligned([5, u64::from(RUN) + 7], 4 * RUN).unwrap();
        let run = |piece, begin, length| {
            run_around(&geometry, geometry.block(piece, begin, length).unwrap()).unwrap().length()
        };
        assert_eq!(run(0, 0, 5), 5);
        assert_eq!(run(0, 0, 6), RUN);
        assert_eq!(run(0, BLOCK_LENGTH, 5), RUN);
        assert_eq!([run(1, 9, 1), run(1, RUN, 7), run(1, RUN, 8)], [RUN, 7, RUN]);
        let geometry = Geometry::new(2 * u64::from(RUN), RUN).unwrap().padded([(0, RUN - 5)]);
        let run = |length| run_around(&geometry, geometry.block(0, 0, length).unwrap()).unwrap();
        assert_eq!(run(BLOCK_LENGTH).length(), BLOCK_LENGTH);
        assert_eq!(run(BLOCK_LENGTH + 1).length(), RUN);
    }

    #[test]
    fn a_few_bytes_do_not_keep_a_run_in_memory() {
        let geometry = Geometry::new(RUN.into(), RUN).unwrap();
        let budget = Arc::new(ReadBudget::new(1 << 20, RUN.into()));
        let cache = ReadCache::new(Arc::clone(&budget), Arc::default());
        let mut buffer = budget.run_buffer().unwrap();
        buffer.extend((0..RUN).map(|n| n as u8));
        let run = budget.run(buffer);
        let part = |length| {
            assert!(budget.reserve_block(length));
            cache.part(run.clone(), geometry.block(0, 300, length).unwrap())
        };
        let (few, whole) = (part(2), part(BLOCK_LENGTH));
        assert_eq!((&few[..], whole.len()), (&[44, 45][..], 16_384));
        assert_eq!(budget.used(), u64::from(RUN) + 2);
        assert!(few.as_ptr() != run[300..].as_ptr() && whole.as_ptr() == run[300..].as_ptr());
    }
}
