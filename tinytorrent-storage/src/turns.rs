use std::{
    collections::HashSet,
    ops::ControlFlow,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Lets one check at a time run on each disk (S-19): two only keep its head moving, and both end
/// later. Shared by all whose checks should wait for each other; see
/// [`RecoverOptions::turns`](crate::RecoverOptions::turns).
#[derive(Debug, Default)]
pub struct CheckTurns {
    /// The disks that are being read, by the numbers the system has for them.
    busy: Mutex<HashSet<u64>>,
    freed: Condvar,
}

impl CheckTurns {
    /// Waits until the disk is free. `None` if `go_on`, which is asked now and then, ended it.
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
            let woken = self.freed.wait_timeout(busy, PATIENCE);
            busy = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(Turn { turns: self, disk })
    }
}

/// The right to read a disk, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a CheckTurns,
    disk: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut busy = self.turns.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.remove(&self.disk);
        self.turns.freed.notify_all();
    }
}

/// How long whoever waits may not notice that it need not any more.
const PATIENCE: Duration = Duration::from_millis(100);
