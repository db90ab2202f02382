use std::sync::{Arc, Mutex, PoisonError};

/// Figures of a job on a thread, for those who watch it. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Gauge<T>(Arc<Mutex<Option<T>>>);

impl<T: Copy> Gauge<T> {
    /// Shows these figures from now on.
    pub(super) fn set(&self, figures: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(figures);
    }

    /// The present figures; `None` before the first ones.
    pub(super) fn get(&self) -> Option<T> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Gauge<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Gauge<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}
