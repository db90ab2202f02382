use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tinytorrent_folder::{Folder, Mode};
use tinytorrent_storage::StorageError;

use crate::ClientError;

/// The lock of a folder with a kept session: two clients would write over each other's records.
///
/// The system takes it back when the process ends, in whatever way.
#[derive(Debug)]
pub(crate) struct SessionLock(Mutex<Option<File>>);

/// The name of the file that is locked. It is empty, and stays.
const NAME: &str = "session.lock";

impl SessionLock {
    /// Locks the folder, which is created if it is missing.
    ///
    /// # Errors
    /// Another client has it, in this process or another one, or the file cannot be made.
    pub(crate) fn new(path: &Path) -> Result<Self, ClientError> {
        let folder = Folder::create(path).map_err(StorageError::from)?;
        let file = folder.create_file([NAME.as_bytes()], Mode::Data).map_err(StorageError::from)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(Mutex::new(Some(file)))),
            Err(TryLockError::WouldBlock) => {
                Err(ClientError::SessionInUse { folder: path.to_owned() })
            }
            Err(TryLockError::Error(error)) => {
                // Some network file systems have no locks, and a session can be kept there all the same.
                tracing::warn!(path = %path.display(), %error, "the session is not locked");
                Ok(Self(Mutex::new(None)))
            }
        }
    }

    /// Gives the folder back: nothing is written there any more.
    pub(crate) fn release(&self) {
        // Closing the file ends the lock.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
