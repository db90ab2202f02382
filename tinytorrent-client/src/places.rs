//! Places for connections: how many a process has descriptors for.

mod table;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tinytorrent_storage::FilePool;
use tokio::sync::Notify;

use crate::registry::Registry;
use crate::torrent;
use table::Table;

/// The places of all torrents together. Cheap to clone.
///
/// A quarter of them is kept for connections that we make, so that strangers cannot take all.
///
/// Connections and open files share the descriptors of the process. If one of them finds none, the other makes
/// room: for a socket, the files that were used longest ago are closed; for a file, the connections of least
/// use, and their places are gone for a while.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    files: Arc<FilePool>,
    /// Connections have to be closed.
    shortage: Notify,
}

/// A place that is taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Places);

/// Content files that stay open when a socket needs a descriptor. Most downloads write to fewer at a time.
const KEPT_FILES: usize = 8;

/// Interval at which a place or a descriptor is asked for again.
const PLACE_PAUSE: Duration = Duration::from_millis(250);

impl Places {
    /// Makes this number of places. They make room for the files of the pool.
    pub(crate) fn new(limit: usize, files: Arc<FilePool>) -> Self {
        let table = Mutex::new(Table::new(limit));
        let shortage = Notify::new();
        let shared = Arc::new(Shared { table, files: Arc::clone(&files), shortage });
        // The pool is a part of the places, and is not to keep them.
        let weak = Arc::downgrade(&shared);
        files.on_shortage(move || {
            if let Some(shared) = weak.upgrade() {
                Self(shared).close_some();
            }
        });
        Self(shared)
    }

    /// The files that make room for connections, and the other way round.
    pub(crate) fn files(&self) -> &Arc<FilePool> {
        &self.0.files
    }

    /// The number of places that are taken, and the limit at present.
    pub(crate) fn taken(&self) -> (usize, usize) {
        self.lock().taken()
    }

    /// Takes a place for a connection that we make; `None` if all are taken.
    pub(crate) fn take(&self) -> Option<Place> {
        self.lock().take(Instant::now()).then(|| Place(self.clone()))
    }

    /// Takes a place for a connection that comes in.
    pub(crate) fn take_incoming(&self) -> Option<Place> {
        self.lock().take_incoming(Instant::now()).then(|| Place(self.clone()))
    }

    /// Changes the number of places. Those beyond it are closed, first the connections of least use.
    pub(crate) fn set_limit(&self, limit: usize) {
        if self.lock().set_most(limit) {
            self.0.shortage.notify_one();
        }
    }

    /// Waits until there may be a place or a descriptor.
    pub(crate) async fn pause(&self) {
        tokio::time::sleep(PLACE_PAUSE).await;
    }

    /// Makes room for a connection for which no descriptor is left.
    pub(crate) fn make_room_for_connection(&self) {
        // Without files that could be closed, one more connection would be at the cost of another.
        self.0.files.make_room(KEPT_FILES);
    }

    /// Makes room for a request to a tracker, for which no descriptor is left.
    pub(crate) fn make_room_for_tracker(&self) {
        if !self.0.files.make_room(KEPT_FILES) {
            self.close_some();
        }
    }

    /// Closes connections whenever there are too many, for ever: that of least use of the torrent with most,
    /// again and again.
    pub(crate) async fn run(self, registry: Arc<Registry>) {
        loop {
            self.0.shortage.notified().await;
            let count = self.lock().take_excess();
            let torrents = registry.all();
            let holders = torrents.iter().map(|torrent| {
                (torrent.with(|driver, now| driver.stats(now).peers, |_| 0), torrent)
            });
            close_of_most(count, holders, |torrent| leave_one(torrent));
        }
    }

    fn close_some(&self) {
        if self.lock().note_shortage(Instant::now()) {
            tracing::warn!("no descriptor is left: connections are closed");
            self.0.shortage.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // A panic under the lock cannot leave the table in a bad state.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().release();
    }
}

/// Closes this number of connections, as far as there are so many. `holders` are those who have some, with their
/// numbers. `close` closes one of a holder, or returns `false` if it has none.
fn close_of_most<T>(
    count: usize,
    holders: impl Iterator<Item = (u32, T)>,
    mut close: impl FnMut(&T) -> bool,
) {
    let (numbers, holders): (Vec<_>, Vec<_>) = holders.unzip();
    let mut most: BinaryHeap<_> =
        numbers.into_iter().zip((0..holders.len()).map(Reverse)).collect();
    for _ in 0..count {
        while let Some((number, Reverse(holder))) = most.pop() {
            if close(&holders[holder]) {
                most.push((number.saturating_sub(1), Reverse(holder)));
                break;
            }
        }
    }
}

fn leave_one(torrent: &torrent::Shared) -> bool {
    let mut has_left = false;
    torrent.change(|driver, now| has_left = driver.leave_one(now));
    has_left
}

/// Descriptors that a process may have: its soft limit, or a usual one where there is none.
pub(crate) fn descriptor_limit() -> usize {
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let limit = Some(8192);
    // More are of no use, and some systems have no limit.
    usize::try_from(limit.unwrap_or(1 << 16)).unwrap_or(usize::MAX).min(1 << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_make_room_for_files_and_are_not_replaced() {
        let places = Places::new(100, Arc::default());
        let mut made: Vec<_> = (0..40).map(|_| places.take().unwrap()).collect();
        places.make_room_for_tracker();
        // No file is open that could be closed instead.
        places.0.shortage.notified().await;
        let excess = places.lock().take_excess();
        made.truncate(40 - excess);
        assert_eq!(made.len(), 35);
        assert!(places.take().is_none(), "their places are gone");
    }

    #[test]
    fn those_who_have_most_connections_lose_them() {
        let numbers = [3, 9, 0, 8, 0];
        // There is one that has not shaken hands, which does not count.
        let mut left = [3, 9, 1, 8, 0];
        let mut close = |count| {
            close_of_most(count, numbers.into_iter().zip(0..), |&holder: &usize| {
                let is_there = left[holder] > 0;
                left[holder] -= u32::from(is_there);
                is_there
            });
            left
        };
        assert_eq!(close(0), [3, 9, 1, 8, 0]);
        assert_eq!(close(5), [3, 6, 1, 6, 0]);
        assert_eq!(close(100), [0; 5]);
    }

    #[test]
    fn the_limit_of_the_process_is_known() {
        assert!(descriptor_limit() >= 16);
    }
}
