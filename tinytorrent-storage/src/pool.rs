mod trace;

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::StorageError;
use trace::{Trace, Traces};

/// A limit of open files, shared by any number of storages.
///
/// A file is opened when it is first used. Above the limit, the least recently used one is closed (S-11);
/// if a thread is using it at that moment, it is closed when the thread is done. So there may be one
/// descriptor for each thread in addition, and two for each storage: its root and its journal.
///
/// If the process has no descriptor left for a file, the older half of the open ones is closed, until there
/// is one. If none is open any more, the operation ends with
/// [`Fault::NoDescriptor`](crate::Fault::NoDescriptor).
pub struct FilePool {
    limit: usize,
    next_storage: AtomicU64,
    state: Mutex<State>,
    on_shortage: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// The purpose of opening a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// Writing and reading. The file and its folders are created if they are missing.
    Write,
}

/// A file of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FileKey {
    pub(crate) storage: u64,
    pub(crate) file: u32,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<FileKey, Entry>,
    /// Number of uses so far.
    clock: u64,
    traces: Traces,
}

#[derive(Debug)]
struct Entry {
    file: Arc<File>,
    access: Access,
    /// The clock at the last use.
    used: u64,
    is_stranger: bool,
    least: Arc<AtomicU64>,
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) file: Arc<File>,
    /// Bytes that it has at least, unless somebody else has cut it.
    pub(crate) least: Arc<AtomicU64>,
    /// `true` if another file had its name before, or it was cut, so that nothing of it is verified. The former is seen
    /// on Unix, when a file that was closed to make room for others is opened again.
    pub(crate) is_stranger: bool,
}

impl FilePool {
    /// A pool of at most `limit` files, at least one.
    ///
    /// A client needs descriptors for its peers as well, and a process often has 1024 of them, on some
    /// systems 256. A higher limit costs descriptors; a lower one, an `open` each time that a closed file
    /// is used again.
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            next_storage: AtomicU64::new(0),
            state: Mutex::new(State::default()),
            on_shortage: OnceLock::new(),
        }
    }

    /// Sets the function that is called when no descriptor is left for a file, and no file is open that
    /// could be closed for it. The thread that needs the descriptor calls it, before the operation fails
    /// or waits; the function may close sockets, for instance. The first call counts, others are ignored.
    pub fn on_shortage(&self, on_shortage: impl Fn() + Send + Sync + 'static) {
        let _ = self.on_shortage.set(Box::new(on_shortage));
    }

    /// Closes the older half of the open files, but none of the `keep` that were used last, for somebody
    /// else who needs a descriptor. Returns `false` if none was closed.
    pub fn make_room(&self, keep: usize) -> bool {
        let mut state = self.lock();
        let keep = keep.max(state.open.len() / 2);
        let closed = state.shrink_to(keep);
        drop(state);
        let is_some = !closed.is_empty();
        self.close_all(closed);
        is_some
    }

    /// Number of files that are open.
    pub fn open_files(&self) -> usize {
        self.lock().open.len()
    }

    pub(crate) fn register(&self) -> u64 {
        self.next_storage.fetch_add(1, Ordering::Relaxed)
    }

    /// The file, which `open` opens unless it is open with this access already.
    pub(crate) fn get(
        &self,
        key: FileKey,
        access: Access,
        open: impl Fn() -> Result<File, StorageError>,
    ) -> Result<Held, StorageError> {
        if let Some(held) = self.lock().find(key, access) {
            return Ok(held);
        }
        // Without the lock, so that other files can be used meanwhile.
        let file = Arc::new(self.with_room(open)?);
        let trace = Trace::of(&file);
        let least = Arc::new(AtomicU64::new(trace.as_ref().map_or(0, Trace::size)));
        let mut state = self.lock();
        let is_stranger = state.traces.compare(key, trace);
        let held = Held { file: Arc::clone(&file), least: Arc::clone(&least), is_stranger };
        let closed =
            state.insert(key, Entry { file, access, used: 0, is_stranger, least }, self.limit);
        drop(state);
        self.close_all(closed);
        Ok(held)
    }

    /// Closes files that make room for others, and keeps their traces. Without the lock, as it may take a while.
    fn close_all(&self, closed: Vec<(FileKey, Entry)>) {
        let traces = closed.iter().filter_map(|(key, entry)| Some((*key, Trace::of(&entry.file)?)));
        let traces: Vec<_> = traces.collect();
        drop(closed);
        let mut state = self.lock();
        for (key, trace) in traces {
            // It may be open again.
            if !state.open.contains_key(&key) {
                state.traces.keep(key, trace);
            }
        }
    }

    /// The file, if it is open.
    pub(crate) fn peek(&self, key: FileKey) -> Option<Arc<File>> {
        self.lock().open.get(&key).map(|entry| Arc::clone(&entry.file))
    }

    /// Runs an operation that needs a descriptor. While there is none, the oldest files are closed.
    pub(crate) fn with_room<T>(
        &self,
        open: impl Fn() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        loop {
            match open() {
                // Other threads may take the descriptors that are closed here, so that it may take more
                // than one try.
                Err(error) if error.is_out_of_descriptors() => {
                    if !self.make_room(0) {
                        self.on_shortage.get().inspect(|on_shortage| on_shortage());
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// Notes that somebody else has changed a file, so that nothing of it is verified.
    pub(crate) fn note_stranger(&self, key: FileKey) {
        let mut state = self.lock();
        state.traces.add_stranger(key);
        if let Some(entry) = state.open.get_mut(&key) {
            entry.is_stranger = true;
        }
    }

    /// Returns `true` if another file has had the name of this one since it was opened first, or it was cut.
    pub(crate) fn is_stranger(&self, key: FileKey) -> bool {
        self.lock().traces.is_stranger(key)
    }

    /// Closes the files of a storage, and takes those that have their names for what they are.
    pub(crate) fn begin_anew(&self, storage: u64) {
        self.close(storage, None);
        self.lock().traces.forget(storage);
    }

    /// Closes one file of a storage, or all.
    pub(crate) fn close(&self, storage: u64, file: Option<u32>) {
        let mut state = self.lock();
        state.traces.forget_closed(|key| {
            key.storage == storage && file.is_none_or(|file| file == key.file)
        });
        let closed: Vec<_> = match file {
            Some(file) => state.open.remove(&FileKey { storage, file }).into_iter().collect(),
            None => state
                .open
                .extract_if(|key, _| key.storage == storage)
                .map(|(_, entry)| entry)
                .collect(),
        };
        drop(state);
        drop(closed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for FilePool {
    /// 128 files.
    fn default() -> Self {
        Self::new(128)
    }
}

impl fmt::Debug for FilePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilePool")
            .field("limit", &self.limit)
            .field("open_files", &self.open_files())
            .finish_non_exhaustive()
    }
}

impl State {
    fn find(&mut self, key: FileKey, access: Access) -> Option<Held> {
        self.clock += 1;
        let entry = self.open.get_mut(&key)?;
        // The system refuses to write through it. The new descriptor replaces it.
        if access == Access::Write && entry.access == Access::Read {
            return None;
        }
        entry.used = self.clock;
        let (file, least) = (Arc::clone(&entry.file), Arc::clone(&entry.least));
        Some(Held { file, least, is_stranger: entry.is_stranger })
    }

    fn insert(&mut self, key: FileKey, entry: Entry, limit: usize) -> Vec<(FileKey, Entry)> {
        let replaced = self.open.insert(key, Entry { used: self.clock, ..entry });
        let mut closed = self.shrink_to(limit);
        closed.extend(replaced.map(|replaced| (key, replaced)));
        closed
    }

    /// Takes the least recently used files out, until no more than `limit` are left.
    fn shrink_to(&mut self, limit: usize) -> Vec<(FileKey, Entry)> {
        let mut closed = Vec::new();
        while self.open.len() > limit {
            // A scan of all costs less than the `open` that comes before it.
            let oldest = self.open.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key);
            closed.extend(oldest.and_then(|oldest| Some((oldest, self.open.remove(&oldest)?))));
        }
        closed
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io;

    use super::*;
    use crate::Operation;

    fn key(file: u32) -> FileKey {
        FileKey { storage: 0, file }
    }

    fn get(pool: &FilePool, file: u32) -> bool {
        let opened = Cell::new(false);
        pool.get(key(file), Access::Read, || {
            opened.set(true);
            Ok(tempfile::tempfile().unwrap())
        })
        .unwrap();
        opened.get()
    }

    // S-11.
    #[test]
    fn the_least_recently_used_file_is_closed() {
        let pool = FilePool::new(2);
        assert!(get(&pool, 1) && get(&pool, 2));
        assert!(!get(&pool, 1));
        assert!(get(&pool, 3));
        assert_eq!(pool.open_files(), 2);
        assert!(!get(&pool, 1));
        assert!(get(&pool, 2));
    }

    #[test]
    fn a_file_open_for_reading_is_opened_anew_for_writing() {
        let pool = FilePool::new(2);
        assert!(get(&pool, 1));
        let opened = Cell::new(false);
        let open = || {
            opened.set(true);
            Ok(tempfile::tempfile().unwrap())
        };
        pool.get(key(1), Access::Write, open).unwrap();
        assert!(opened.get());
        assert!(!get(&pool, 1));
        assert_eq!(pool.open_files(), 1);
    }

    // S-11, where others have taken the descriptors.
    #[cfg(unix)]
    #[test]
    fn when_the_system_has_no_descriptors_left_files_are_closed() {
        let pool = FilePool::new(8);
        assert!((0..8).all(|file| get(&pool, file)));
        // As a system would that has room for five, and for none.
        let open = |room| {
            let is_full = pool.open_files() >= room;
            let full = || io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
            match is_full {
                true => Err(StorageError::io(Operation::Open, "file", full())),
                false => Ok(tempfile::tempfile().unwrap()),
            }
        };
        pool.get(key(8), Access::Read, || open(5)).unwrap();
        assert_eq!(pool.open_files(), 5);
        assert!(!get(&pool, 7), "the newest are kept");
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        pool.on_shortage(move || _ = counted.fetch_add(1, Ordering::Relaxed));
        let error = pool.get(key(9), Access::Read, || open(0)).unwrap_err();
        assert!(error.is_out_of_descriptors());
        assert_eq!((pool.open_files(), calls.load(Ordering::Relaxed)), (0, 1));
    }

    #[test]
    fn room_for_others_is_made_of_the_older_half_but_not_of_the_last_files() {
        let pool = FilePool::new(8);
        assert!((0..8).all(|file| get(&pool, file)));
        assert!(pool.make_room(3));
        assert_eq!(pool.open_files(), 4);
        assert!(pool.make_room(3) && !pool.make_room(3));
        assert!((5..8).all(|file| !get(&pool, file)), "the newest are kept");
    }

    #[test]
    fn closing_a_storage_leaves_the_files_of_others() {
        let pool = FilePool::new(8);
        get(&pool, 1);
        let other = FileKey { storage: 1, file: 1 };
        pool.get(other, Access::Read, || Ok(tempfile::tempfile().unwrap())).unwrap();
        pool.close(0, None);
        assert_eq!(pool.open_files(), 1);
        pool.close(1, Some(1));
        assert_eq!(pool.open_files(), 0);
    }
}
