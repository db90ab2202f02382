//! Two kinds of threads: those that serve files, and those that serve content of the program's own, which may
//! wait for a network for minutes while files are served.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Instant,
};

/// The kind of threads that serve a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Files,
    Own,
}

/// A value for each lane.
#[derive(Debug, Default)]
pub(super) struct Lanes<T> {
    files: T,
    own: T,
}

/// The torrents and the threads of a lane.
#[derive(Debug, Default)]
pub(super) struct LaneState {
    /// Torrents with jobs, due now or later, which are served in turn.
    pub(super) active: VecDeque<u64>,
    pub(super) idle_workers: usize,
    /// The instant at which the worker that went to sleep last wakes up by itself.
    pub(super) wakes_at: Option<Instant>,
}

impl<T> Lanes<T> {
    pub(super) fn both(&self) -> impl Iterator<Item = &T> {
        [&self.files, &self.own].into_iter()
    }

    pub(super) fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::Files => &self.files,
            Lane::Own => &self.own,
        }
    }

    pub(super) fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Files => &mut self.files,
            Lane::Own => &mut self.own,
        }
    }
}

impl Lanes<Condvar> {
    /// Wakes all threads.
    pub(super) fn notify_all(&self) {
        self.files.notify_all();
        self.own.notify_all();
    }
}

/// The threads for content of the program's own, which are started when there is some.
#[derive(Debug, Default)]
pub(super) struct OwnThreads {
    started: Mutex<Option<Vec<JoinHandle<()>>>>,
}

impl OwnThreads {
    /// Starts threads with `start`, unless they were started before. Returns the lane that has threads: without any
    /// of its own, such content has to share those of files.
    pub(super) fn start(
        &self,
        count: usize,
        start: impl Fn(usize) -> std::io::Result<JoinHandle<()>>,
    ) -> Lane {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let threads =
            started.get_or_insert_with(|| (0..count).map_while(|n| start(n).ok()).collect());
        if threads.is_empty() {
            // The next content tries again.
            *started = None;
            return Lane::Files;
        }
        Lane::Own
    }

    pub(super) fn take(&self) -> Vec<JoinHandle<()>> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, io};

    use super::*;

    #[test]
    fn threads_are_started_once_and_their_lack_is_no_error() {
        let threads = OwnThreads::default();
        let refuse = |_| Err(io::ErrorKind::WouldBlock.into());
        assert_eq!(threads.start(3, refuse), Lane::Files);
        let count = Cell::new(0);
        let start = |_| {
            count.set(count.get() + 1);
            Ok(std::thread::spawn(|| ()))
        };
        assert_eq!(threads.start(3, start), Lane::Own);
        assert_eq!(threads.start(3, start), Lane::Own);
        assert_eq!((count.get(), threads.take().len()), (3, 3));
    }
}
