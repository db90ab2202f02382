use std::time::{Duration, Instant};

use crate::StorageError;

/// Runs an operation, again and again while no descriptor is left for it: that says nothing about the
/// content. `go_on` is called before each pause; when it returns `false`, there is no other try.
///
/// # Errors
/// Those of the operation; the lack of descriptors after [`PATIENCE`].
pub(super) fn with_patience<T>(
    mut operation: impl FnMut() -> Result<T, StorageError>,
    go_on: impl Fn() -> bool,
) -> Result<T, StorageError> {
    let start = Instant::now();
    loop {
        match operation() {
            Err(error) if error.is_out_of_descriptors() && start.elapsed() < PATIENCE => {
                if !go_on() {
                    return Err(error);
                }
                std::thread::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest wait. In a process that uses descriptors for nothing else, others will not become free.
const PATIENCE: Duration = Duration::from_secs(20);
