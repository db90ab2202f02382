//! Places for connections: how many a process has descriptors for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The places of all torrents together. Cheap to clone.
///
/// A quarter of them is kept for connections that we make, so that strangers cannot take all.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Count>);

#[derive(Debug)]
struct Count {
    limit: usize,
    taken: AtomicUsize,
}

/// A place that is taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Places);

impl Places {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Count { limit: limit.max(4), taken: AtomicUsize::new(0) }))
    }

    /// Takes a place for a connection that we make; `None` if all are taken.
    pub(crate) fn take(&self) -> Option<Place> {
        self.take_below(self.0.limit)
    }

    /// Takes a place for a connection that comes in.
    pub(crate) fn take_incoming(&self) -> Option<Place> {
        self.take_below(self.0.limit / 4 * 3)
    }

    fn take_below(&self, limit: usize) -> Option<Place> {
        let taken = self.0.taken.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.clone());
        (taken < limit).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
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

/// Returns `true` if an operation has failed as no descriptor was left, in the process or in the system.
/// It says nothing about the peer or the file.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    #[cfg(unix)]
    let errors = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(|e| e.raw_os_error());
    // WSAEMFILE.
    #[cfg(not(unix))]
    let errors = [10024];
    error.raw_os_error().is_some_and(|error| errors.contains(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_places_for_connections_that_we_make() {
        let places = Places::new(8);
        let came: Vec<_> = std::iter::from_fn(|| places.take_incoming()).collect();
        let made: Vec<_> = std::iter::from_fn(|| places.take()).collect();
        assert_eq!((came.len(), made.len()), (6, 2));
        drop(came);
        assert!(places.take_incoming().is_some());
        drop(made);
        assert_eq!(std::iter::from_fn(|| places.take()).collect::<Vec<_>>().len(), 8);
    }

    #[test]
    fn a_lack_of_descriptors_is_known_from_other_errors() {
        assert!(!is_out_of_descriptors(&io::ErrorKind::ConnectionRefused.into()));
        #[cfg(unix)]
        assert!(is_out_of_descriptors(&rustix::io::Errno::MFILE.into()));
        assert!(descriptor_limit() >= 16);
    }
}
