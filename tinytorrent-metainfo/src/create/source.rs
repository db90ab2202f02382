use std::fs::{self, Metadata};
use std::path::Path;
use std::time::SystemTime;

use tinytorrent_folder::Folder;

use super::RefusalReason;
use super::joined::elements;

/// The state of a file when it was found. If it differs later, the file was changed in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) length: u64,
    pub(super) is_executable: bool,
    pub(super) identity: Identity,
    modified: Option<SystemTime>,
}

/// The identity of a file, which is the same under all of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity(System);

/// Device and inode; elsewhere the real path, if there is one.
#[cfg(unix)]
type System = (u64, u64);
#[cfg(not(unix))]
type System = Option<std::path::PathBuf>;

impl Source {
    /// Opens the file, to check that it can be read, and returns its state.
    pub(super) fn examine(folder: &Folder, path: &[u8]) -> Result<Self, RefusalReason> {
        let file = folder.open_file(elements(path))?;
        let metadata = file.metadata().map_err(RefusalReason::Io)?;
        Ok(Self::of(&folder.path_of(elements(path)), &metadata))
    }

    /// Returns true if the file is in the same state as before.
    pub(super) fn is_unchanged(&self, folder: &Folder, path: &[u8]) -> bool {
        // One system call is enough here; opening every file again would take several.
        let full = folder.path_of(elements(path));
        match fs::metadata(&full) {
            Ok(metadata) => Self::of(&full, &metadata) == *self,
            // The path may be longer than the system accepts in one call.
            Err(_) => Self::examine(folder, path).is_ok_and(|now| now == *self),
        }
    }

    fn of(path: &Path, metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            is_executable: is_executable(metadata),
            identity: Identity::of(path, metadata),
            modified: metadata.modified().ok(),
        }
    }
}

impl Identity {
    #[cfg(unix)]
    pub(super) fn of(_: &Path, metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self((metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    pub(super) fn of(path: &Path, _: &Metadata) -> Self {
        Self(std::fs::canonicalize(path).ok())
    }
}

/// Returns true if the owner may run the file, as in libtorrent.
#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

/// Returns true if the path itself is a link. It is followed under every policy.
pub(super) fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}
