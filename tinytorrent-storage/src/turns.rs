use std::{
    collections::HashSet,
    ops::ControlFlow,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// A lock for each disk, so that one check at a time runs on it (S-19).
///
/// Two checks at a time move the head of the disk between them, and both end later. Checks that share
/// this value wait for each other; see [`RecoverOptions::turns`](crate::RecoverOptions::turns).
#[derive(Debug, Default)]
pub struct CheckTurns {
    /// The disks with a check, by the numbers that the system has for them.
    busy: Mutex<HashSet<u64>>,
    freed: Condvar,
}

impl CheckTurns {
    /// Waits until the disk has no other check. `None` if `go_on`, which is called now and then, ended
    /// the wait.
    pub(crate) fn wait(
        &self,
        disk: u64,
        mut go_on: impl FnMut() -> ControlFlow<()>,
    ) -> Option<Turn<'_>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        while !busy.insert(disk) {
            if go_on().is_break() {
                return None;
            }
            let woken = self.freed.wait_timeout(busy, POLL_INTERVAL);
            busy = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(Turn { turns: self, disk })
    }
}

/// The right to check a disk, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a CheckTurns,
    disk: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut busy = self.turns.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.remove(&self.disk);
        // Not one of them: those that wait are for different disks, and the one that wakes may be
        // for another.
        self.turns.freed.notify_all();
    }
}

/// Time between two calls of `go_on`, and so the delay until a check that was cancelled stops waiting.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
