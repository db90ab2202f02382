//! Paths below the root of a torrent, elements joined with `/`.

use std::path::{Path, PathBuf};

use crate::path::os_element;

/// The elements of a path that is joined with `/`; none for an empty path.
pub(super) fn elements(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    path.split(|&byte| byte == b'/').filter(|element| !element.is_empty())
}

/// The path of an entry below the root, for display and for the system.
pub(super) fn path_of(root: &Path, path: &[u8]) -> PathBuf {
    let mut all = root.to_owned();
    all.extend(elements(path).map(os_element));
    all
}
