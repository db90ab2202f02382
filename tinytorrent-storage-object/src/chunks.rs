//! Parts of objects in memory: those that were read last, and those that will be read next.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tinytorrent_storage::{Fault, StorageError};

use crate::calls::RUNTIME_ENDED;

/// A part of the object of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ChunkKey {
    pub(crate) content: u64,
    pub(crate) piece: u32,
    pub(crate) number: u32,
}

/// Chunks within a budget of bytes. The least recently used ones make room for others.
pub(crate) struct Chunks {
    budget: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    chunks: HashMap<ChunkKey, Entry>,
    bytes: u64,
    clock: u64,
}

struct Entry {
    slot: Arc<Slot>,
    bytes: u64,
    used: u64,
}

/// A chunk that is there, or being read.
#[derive(Default)]
pub(crate) struct Slot {
    outcome: Mutex<Option<Result<Bytes, (Fault, String)>>>,
    done: Condvar,
}

/// The duty to fill a slot. Dropping it reports that nobody will.
pub(crate) struct Filling {
    chunks: Arc<Chunks>,
    key: ChunkKey,
    slot: Arc<Slot>,
}

impl Chunks {
    pub(crate) fn new(budget: u64) -> Self {
        Self { budget, state: Mutex::default() }
    }

    /// The chunk, which `read` begins to read if it is not there.
    pub(crate) fn get(
        self: &Arc<Self>,
        key: ChunkKey,
        bytes: u64,
        read: impl FnOnce(Filling),
    ) -> Arc<Slot> {
        let mut state = self.lock();
        state.clock += 1;
        let clock = state.clock;
        if let Some(entry) = state.chunks.get_mut(&key) {
            entry.used = clock;
            return Arc::clone(&entry.slot);
        }
        let slot = Arc::<Slot>::default();
        state.make_room(self.budget.saturating_sub(bytes));
        state.chunks.insert(key, Entry { slot: Arc::clone(&slot), bytes, used: clock });
        state.bytes += bytes;
        drop(state);
        read(Filling { chunks: Arc::clone(self), key, slot: Arc::clone(&slot) });
        slot
    }

    /// Has `read` begin to read a chunk that will be wanted, if it is not there and there is room for it beside
    /// those that are being read.
    pub(crate) fn expect(self: &Arc<Self>, key: ChunkKey, bytes: u64, read: impl FnOnce(Filling)) {
        let has_room = {
            let state = self.lock();
            !state.chunks.contains_key(&key) && state.busy_bytes() + bytes <= self.budget
        };
        if has_room {
            self.get(key, bytes, read);
        }
    }

    /// Drops the chunks of a piece, or of all pieces.
    pub(crate) fn forget(&self, content: u64, piece: Option<u32>) {
        let mut state = self.lock();
        let is_meant =
            |key: &ChunkKey| key.content == content && piece.is_none_or(|piece| key.piece == piece);
        let gone: Vec<_> = state.chunks.keys().copied().filter(is_meant).collect();
        gone.iter().for_each(|key| state.remove(key));
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops chunks that are there, the least recently used first, until no more than `limit` bytes are left.
    fn make_room(&mut self, limit: u64) {
        while self.bytes > limit {
            // A scan of some hundred entries, before a request over the network.
            let done = self.chunks.iter().filter(|(_, entry)| entry.slot.is_done());
            let Some((&oldest, _)) = done.min_by_key(|(_, entry)| entry.used) else { return };
            self.remove(&oldest);
        }
    }

    fn busy_bytes(&self) -> u64 {
        let busy = self.chunks.values().filter(|entry| !entry.slot.is_done());
        busy.map(|entry| entry.bytes).sum()
    }

    fn remove(&mut self, key: &ChunkKey) {
        if let Some(entry) = self.chunks.remove(key) {
            self.bytes -= entry.bytes;
        }
    }
}

impl Slot {
    /// Waits for the chunk.
    pub(crate) fn wait(&self) -> Result<Bytes, StorageError> {
        let mut outcome = self.lock();
        loop {
            match &*outcome {
                Some(Ok(bytes)) => return Ok(bytes.clone()),
                Some(Err((fault, text))) => {
                    return Err(StorageError::content(*fault, "object store", text.clone()));
                }
                None => outcome = self.done.wait(outcome).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn is_done(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Result<Bytes, (Fault, String)>>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filling {
    pub(crate) fn finish(self, outcome: Result<Bytes, StorageError>) {
        self.set(outcome.map_err(|error| (error.fault(), error.to_string())));
    }

    fn set(&self, outcome: Result<Bytes, (Fault, String)>) {
        let mut state = self.chunks.lock();
        // It may have been forgotten meanwhile, and be there anew.
        let is_same =
            state.chunks.get(&self.key).is_some_and(|entry| Arc::ptr_eq(&entry.slot, &self.slot));
        if outcome.is_err() && is_same {
            // The next one who wants it tries anew.
            state.remove(&self.key);
        }
        drop(state);
        self.slot.lock().get_or_insert(outcome);
        self.slot.done.notify_all();
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if !self.slot.is_done() {
            self.set(Err((Fault::Caller, RUNTIME_ENDED.to_owned())));
        }
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> ChunkKey {
        ChunkKey { content: 1, piece: 2, number }
    }

    fn read(chunks: &Arc<Chunks>, number: u32) -> bool {
        let mut was_read = false;
        let slot = chunks.get(key(number), 10, |filling| {
            was_read = true;
            filling.finish(Ok(Bytes::from_static(b"0123456789")));
        });
        assert_eq!(slot.wait().unwrap().len(), 10);
        was_read
    }

    #[test]
    fn the_least_recently_used_makes_room_and_the_budget_holds() {
        let chunks = Arc::new(Chunks::new(30));
        assert!((0..3).all(|number| read(&chunks, number)));
        assert!(!read(&chunks, 0) && read(&chunks, 3));
        assert_eq!(chunks.bytes(), 30);
        assert!(!read(&chunks, 0) && read(&chunks, 1));
        chunks.forget(1, Some(7));
        assert_eq!(chunks.bytes(), 30);
        chunks.forget(1, Some(2));
        assert_eq!(chunks.bytes(), 0);
    }

    #[test]
    fn what_could_not_be_read_is_read_anew_by_the_next() {
        let chunks = Arc::new(Chunks::new(30));
        // One that is dropped is as one that failed: nobody waits for ever.
        let slot = chunks.get(key(0), 10, drop);
        assert_eq!(slot.wait().unwrap_err().fault(), Fault::Caller);
        let lost = || StorageError::content(Fault::Device, "", "as a test");
        let slot = chunks.get(key(0), 10, |filling| filling.finish(Err(lost())));
        assert_eq!(slot.wait().unwrap_err().fault(), Fault::Device);
        assert_eq!(chunks.bytes(), 0);
        assert!(read(&chunks, 0));
    }

    #[test]
    fn nothing_is_read_ahead_without_room_beside_what_is_being_read() {
        let chunks = Arc::new(Chunks::new(25));
        let mut fillings = Vec::new();
        chunks.get(key(0), 10, |filling| fillings.push(filling));
        chunks.expect(key(1), 10, |filling| fillings.push(filling));
        chunks.expect(key(2), 10, |filling| fillings.push(filling));
        chunks.expect(key(0), 10, |filling| fillings.push(filling));
        assert_eq!(fillings.len(), 2);
        fillings.into_iter().for_each(|filling| filling.finish(Ok(Bytes::from_static(b"x"))));
        chunks.expect(key(2), 10, |filling| filling.finish(Ok(Bytes::new())));
        assert_eq!(chunks.bytes(), 20, "the first has made room");
    }
}
