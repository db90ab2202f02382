use std::time::Duration;

use tinytorrent_storage::{Fault, StorageError};

use super::cancellation::Cancellation;

/// The patience of a job on a thread while no descriptor is left for a file. Others are closed sooner or later,
/// and the torrent is not to blame.
#[derive(Debug)]
pub(super) struct Patience {
    cancellation: Cancellation,
    is_told: bool,
}

/// Interval at which files are tried to be opened again.
const PAUSE: Duration = Duration::from_millis(250);

impl Patience {
    /// The patience of a job that ends with this flag.
    pub(super) fn new(cancellation: Cancellation) -> Self {
        Self { cancellation, is_told: false }
    }

    /// Returns `true` after a pause, if the job is to be tried again after this error.
    pub(super) fn waits_after(&mut self, error: &StorageError) -> bool {
        if error.fault() != Fault::NoDescriptor || self.cancellation.is_cancelled() {
            return false;
        }
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!(%error, "waiting until a descriptor is free");
        }
        std::thread::sleep(PAUSE);
        true
    }

    /// Runs an operation until it has the descriptors that it needs, or the job is to end.
    pub(super) fn run<T>(
        &mut self,
        operation: impl Fn() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        loop {
            match operation() {
                Err(error) if self.waits_after(&error) => {}
                outcome => return outcome,
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::cell::Cell;
    use std::io;

    use tinytorrent_storage::Operation;

    use super::super::cancellation::CancelOnDrop;
    use super::*;

    fn short() -> StorageError {
        let source = io::Error::from(rustix::io::Errno::MFILE);
        StorageError::Io { operation: Operation::Open, path: "x".into(), source }
    }

    #[test]
    fn a_job_is_tried_until_it_has_a_descriptor_or_is_cancelled() {
        let owner = CancelOnDrop::default();
        let tries = Cell::new(0);
        let patience = || Patience::new(owner.flag());
        let found = patience().run(|| {
            tries.set(tries.get() + 1);
            if tries.get() < 3 { Err(short()) } else { Ok(7) }
        });
        assert_eq!((found.unwrap(), tries.get()), (7, 3));
        assert!(patience().run(|| Err::<(), _>(StorageError::ReadOnly)).is_err());
        owner.cancel();
        let error = patience().run(|| Err::<(), _>(short())).unwrap_err();
        assert_eq!(error.fault(), Fault::NoDescriptor);
    }
}
