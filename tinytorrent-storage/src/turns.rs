use std::{
    collections::HashSet,
    ops::ControlFlow,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A lock for each disk, so that one check at a time runs on it (S-19).
///
/// Two checks at a time move the head of the disk between them, and both end later. Checks that share
/// this value wait for each other; see [`RecoverOptions::turns`](crate::RecoverOptions::turns).
#[derive(Debug, Default)]
pub struct CheckTurns {
    busy: Mutex<Busy>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Busy {
    /// The disks with a check, by the numbers that the system has for them.
    disks: HashSet<u64>,
    /// Checks at a time at most, over all disks; `None` for no limit.
    limit: Option<usize>,
}

impl Busy {
    /// Takes the disk, if there may be one more check.
    fn take(&mut self, disk: u64) -> bool {
        self.limit.is_none_or(|limit| self.disks.len() < limit) && self.disks.insert(disk)
    }
}

impl CheckTurns {
    /// Limits the number of checks at a time over all disks, beside one for each disk; `None` for no limit.
    /// Those that run go on.
    pub fn set_limit(&self, count: Option<usize>) {
        self.lock().limit = count;
        self.freed.notify_all();
    }

    /// Waits until the disk has no other check. `None` if `go_on`, which is called now and then, ended
    /// the wait.
    pub(crate) fn wait(
        &self,
        disk: u64,
        mut go_on: impl FnMut() -> ControlFlow<()>,
    ) -> Option<Turn<'_>> {
        let mut busy = self.lock();
        while !busy.take(disk) {
            if go_on().is_break() {
                return None;
            }
            let woken = self.freed.wait_timeout(busy, POLL_INTERVAL);
            busy = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(Turn { turns: self, disk })
    }

    fn lock(&self) -> MutexGuard<'_, Busy> {
        // A panic under the lock cannot leave the set in a bad state.
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.turns.lock().disks.remove(&self.disk);
        // Not one of them: those that wait are for different disks, and the one that wakes may be
        // for another.
        self.turns.freed.notify_all();
    }
}

/// Time between two calls of `go_on`, and so the delay until a check that was cancelled stops waiting.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_over_all_disks_are_limited_and_one_disk_has_one() {
        let turns = CheckTurns::default();
        let take = |disk| turns.wait(disk, || ControlFlow::Break(()));
        let first = take(1);
        assert!(first.is_some() && take(1).is_none());
        turns.set_limit(Some(2));
        let second = take(2);
        assert!(second.is_some() && take(3).is_none());
        turns.set_limit(Some(1));
        drop(first);
        assert!(take(1).is_none(), "the other one goes on");
        turns.set_limit(None);
        assert!(take(1).is_some() && take(2).is_none());
    }
}
