use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that jobs on threads check from time to time, since a thread cannot be aborted.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancellation(Arc<AtomicBool>);

/// The owner of a flag, which sets it when dropped.
#[derive(Debug, Default)]
pub(super) struct CancelOnDrop(Cancellation);

impl Cancellation {
    pub(super) fn is_cancelled(&self) -> bool {
        // Relaxed, as the flag publishes no other memory.
        self.0.load(Ordering::Relaxed)
    }
}

impl CancelOnDrop {
    /// Returns the flag, for a job.
    pub(super) fn flag(&self) -> Cancellation {
        self.0.clone()
    }

    /// Asks the jobs to end early.
    pub(super) fn cancel(&self) {
        self.0.0.store(true, Ordering::Relaxed);
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
