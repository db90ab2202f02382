use std::fs::{self, Metadata};
use std::path::Path;
use std::time::SystemTime;

use tinytorrent_folder::Folder;

use super::RefusalReason;
use super::joined::elements;

/// A file as it was found. One that compares unequal later was changed in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) length: u64,
    pub(super) is_executable: bool,
    pub(super) identity: Identity,
    modified: Option<SystemTime>,
}

/// The marks by which the system tells files apart, whatever names they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity(System);

#[cfg(unix)]
type System = (u64, u64);
#[cfg(not(unix))]
type System = Option<std::path::PathBuf>;

impl Source {
    /// Opens the file, which proves that it can be read, and asks the system about it.
    pub(super) fn examine(folder: &Folder, path: &[u8]) -> Result<Self, RefusalReason> {
        let file = folder.open_file(elements(path))?;
        let metadata = file.metadata().map_err(RefusalReason::Io)?;
        Ok(Self::of(&folder.path_of(elements(path)), &metadata))
    }

    /// `true` if the file is as it was found. One call of the system tells, where opening each file of
    /// many again takes several.
    pub(super) fn is_unchanged(&self, folder: &Folder, path: &[u8]) -> bool {
        let full = folder.path_of(elements(path));
        match fs::metadata(&full) {
            Ok(metadata) => Self::of(&full, &metadata) == *self,
            // The path may be longer than the system takes at once.
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

/// As libtorrent has it: whether the owner may run it.
#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

/// `true` if the path itself is a link, which is followed whatever the policy.
pub(super) fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}
