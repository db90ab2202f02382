use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A flag that jobs on threads check from time to time, since a thread cannot be aborted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancellation(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_cancelled: AtomicBool,
    alone: Mutex<()>,
}

/// The owner of a flag, which sets it when dropped.
#[derive(Debug, Default)]
pub(crate) struct CancelOnDrop(Cancellation);

impl Cancellation {
    pub(crate) fn is_cancelled(&self) -> bool {
        // Relaxed, as the flag publishes no other memory.
        self.0.is_cancelled.load(Ordering::Relaxed)
    }

    /// Keeps other jobs with the same flag waiting here until the value is dropped.
    pub(crate) fn alone(&self) -> MutexGuard<'_, ()> {
        self.0.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CancelOnDrop {
    /// Returns the flag, for a job.
    pub(crate) fn flag(&self) -> Cancellation {
        self.0.clone()
    }

    /// Asks the jobs to end early.
    pub(crate) fn cancel(&self) {
        self.0.0.is_cancelled.store(true, Ordering::Relaxed);
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_the_owner_cancels() {
        let owner = CancelOnDrop::default();
        let flag = owner.flag();
        assert!(!flag.is_cancelled());
        drop(owner);
        assert!(flag.is_cancelled());
    }
}
