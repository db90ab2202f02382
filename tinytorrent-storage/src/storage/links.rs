use std::io;

use tinytorrent_folder::{Error, ErrorKind};
use tinytorrent_metainfo::File;

use super::{FileContent, place::Place};
use crate::StorageError;

impl FileContent {
    /// Creates a symbolic link of the torrent (BEP 47), unless something is in its place. It is relative,
    /// and leads to a place below the root. A system or a disk without links is no error.
    pub(super) fn create_link(&self, place: &Place, file: &File<'_>) -> Result<(), StorageError> {
        let Some(target) = place.link_target(self.layout(), file) else { return Ok(()) };
        let path = place.path(file);
        // `stamp` finds regular files alone, so that a link has to be looked for as well.
        if place.root.stamp(path.elements())?.is_some()
            || place.root.link_target(path.elements())?.is_some()
        {
            return Ok(());
        }
        match place.root.create_link(path.elements(), &target.to_path_buf()) {
            Err(error) if !is_without_links(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn is_without_links(error: &Error) -> bool {
    let ErrorKind::Io { source, .. } = error.kind() else { return false };
    // Linux gives `EPERM` for FAT and similar file systems.
    matches!(source.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
        && source.raw_os_error() != Some(ACCESS_DENIED)
}

/// The code of `EACCES`, which shows that the user may not write there, and not that there are no links.
#[cfg(unix)]
const ACCESS_DENIED: i32 = rustix::io::Errno::ACCESS.raw_os_error();
#[cfg(not(unix))]
const ACCESS_DENIED: i32 = 5;
