use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tinytorrent_types::InfoHashes;
use tokio::sync::{Notify, watch};

use super::State;
use super::end::End;
use crate::driver::Driver;
use crate::spans::TorrentSpan;

/// A torrent, as its handles, its task and the listening sockets share it.
///
/// The driver is under one lock. Its task holds the lock for a turn, and a handle for as long as it takes to
/// read some values or to change a setting; nobody waits for anything else meanwhile.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) hashes: InfoHashes,
    /// Wakes the task up.
    wake: Arc<Notify>,
    span: TorrentSpan,
    state: watch::Receiver<State>,
    slot: Mutex<Slot>,
}

#[derive(Debug)]
enum Slot {
    Running(Box<Driver>),
    Ended(Box<End>),
}

impl Shared {
    pub(crate) fn new(
        hashes: InfoHashes,
        wake: Arc<Notify>,
        state: watch::Receiver<State>,
        driver: Driver,
    ) -> Arc<Self> {
        let slot = Mutex::new(Slot::Running(Box::new(driver)));
        Arc::new(Self { hashes, wake, span: TorrentSpan::new(hashes), state, slot })
    }

    /// Reads or changes something of a running torrent, or reads what is left of one that has ended.
    pub(crate) fn with<R>(
        &self,
        running: impl FnOnce(&mut Driver, Instant) -> R,
        ended: impl FnOnce(&mut End) -> R,
    ) -> R {
        self.span.in_scope(|| match &mut *self.lock() {
            Slot::Running(driver) => running(driver, Instant::now()),
            Slot::Ended(end) => ended(end),
        })
    }

    /// Logs that the files of the torrent in the kept session are not removed.
    pub(crate) fn log_unforgotten(&self, error: &dyn std::error::Error) {
        self.log(|| tracing::warn!(%error, "a torrent stays in the session"));
    }

    /// Logs something about the torrent, in its span.
    pub(crate) fn log(&self, log: impl FnOnce()) {
        self.span.in_scope(log);
    }

    /// Changes something, and lets the task act on it. Does nothing if the torrent has ended.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Driver, Instant)) {
        self.with(change, |_| ());
        self.wake();
    }

    /// Lets the task act on what was changed.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Begins to stop the torrent.
    pub(crate) fn begin_stop(&self) {
        self.change(|driver, now| driver.stop(now));
    }

    /// The receiver of the state, for those who wait for a change.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Ends the torrent, and keeps what handles may still ask for. The second call does nothing.
    pub(crate) fn end(&self) {
        let mut slot = self.lock();
        if let Slot::Running(driver) = &mut *slot {
            let end = Box::new(driver.end(Instant::now()));
            // Under the lock to the end: who sees the last state finds the last figures.
            let driver = std::mem::replace(&mut *slot, Slot::Ended(end));
            if let (Slot::Running(driver), Slot::Ended(end)) = (driver, &*slot) {
                driver.publish_end(end);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        // After a panic the task is gone, and the guard of the task ends the torrent.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
