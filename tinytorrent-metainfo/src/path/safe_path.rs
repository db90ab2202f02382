use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::cursor::MAX_LEVELS;
use super::folders::{FolderId, Folders};

/// A relative path that stays below the folder it is joined to.
///
/// It has at least one element. No element is empty, `.` or `..`, or has a separator, NUL or another
/// character that could lead elsewhere on this system. Only a [`crate::PathPolicy`] makes one. Paths are
/// compared element by element.
#[derive(Clone, Copy)]
pub struct SafePath<'a> {
    folders: &'a Folders,
    folder: FolderId,
    name: &'a [u8],
}

impl<'a> SafePath<'a> {
    pub(super) fn new(folders: &'a Folders, folder: FolderId, name: &'a [u8]) -> Self {
        Self { folders, folder, name }
    }

    /// The elements, outermost first. They are UTF-8, but under [`PathPolicy::System`](crate::PathPolicy)
    /// on Unix they may be other bytes too.
    pub fn elements(self) -> Elements<'a> {
        // Folders know their parents, so the path is filled in from its end.
        let mut way = [Folders::TOP; MAX_WAY];
        let (mut start, mut folder) = (MAX_WAY, self.folder);
        while folder != Folders::TOP && start > 0 {
            start -= 1;
            way[start] = folder;
            folder = self.folders.parent(folder);
        }
        // A root without a name is the folder of the download itself.
        if way.get(start) == Some(&Folders::ROOT) && self.folders.root().is_empty() {
            start += 1;
        }
        Elements { folders: self.folders, way, start, end: MAX_WAY, name: Some(self.name) }
    }

    /// The last element, which is the name of the file.
    pub fn file_name(self) -> &'a [u8] {
        self.name
    }

    /// The elements joined with `/`.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut path = Vec::new();
        for element in self.elements() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(element);
        }
        path
    }

    /// The path for display, with a replacement character for bytes that are not UTF-8.
    pub fn to_string_lossy(self) -> String {
        String::from_utf8_lossy(&self.to_bytes()).into_owned()
    }

    /// The relative path for the file system.
    pub fn to_path_buf(self) -> PathBuf {
        self.elements().map(os_element).collect()
    }

    /// The path below `root` for the file system.
    pub fn below(self, root: &Path) -> PathBuf {
        let mut path = root.to_owned();
        path.extend(self.elements().map(os_element));
        path
    }
}

/// The elements of a [`SafePath`]; see [`SafePath::elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    folders: &'a Folders,
    /// The folders of the path that are left are those of `start..end`.
    way: [FolderId; MAX_WAY],
    start: usize,
    end: usize,
    name: Option<&'a [u8]>,
}

/// Folders of a path at most, with the root.
const MAX_WAY: usize = MAX_LEVELS + 1;

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.start == self.end {
            return self.name.take();
        }
        self.start += 1;
        Some(self.folders.name(self.way[self.start - 1]))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.end - self.start + usize::from(self.name.is_some());
        (count, Some(count))
    }
}

impl DoubleEndedIterator for Elements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.name.is_some() || self.start == self.end {
            return self.name.take();
        }
        self.end -= 1;
        Some(self.folders.name(self.way[self.end]))
    }
}

impl ExactSizeIterator for Elements<'_> {}

#[cfg(unix)]
pub(crate) fn os_element(element: &[u8]) -> Cow<'_, OsStr> {
    use std::os::unix::ffi::OsStrExt;
    Cow::Borrowed(OsStr::from_bytes(element))
}

#[cfg(not(unix))]
pub(crate) fn os_element(element: &[u8]) -> Cow<'_, OsStr> {
    // On these systems every policy replaces bytes that are not UTF-8.
    match String::from_utf8_lossy(element) {
        Cow::Borrowed(text) => Cow::Borrowed(OsStr::new(text)),
        Cow::Owned(text) => Cow::Owned(text.into()),
    }
}

/// The bytes of a name from the file system. `None` if names are text on this system, and this one is
/// not.
#[cfg(unix)]
pub(crate) fn os_bytes(name: &OsStr) -> Option<&[u8]> {
    Some(std::os::unix::ffi::OsStrExt::as_bytes(name))
}

#[cfg(not(unix))]
pub(crate) fn os_bytes(name: &OsStr) -> Option<&[u8]> {
    name.to_str().map(str::as_bytes)
}

// Not derived: the folders of different layouts have other ids.
impl PartialEq for SafePath<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.elements().eq(other.elements())
    }
}

impl Eq for SafePath<'_> {}

impl PartialOrd for SafePath<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SafePath<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.elements().cmp(other.elements())
    }
}

impl Hash for SafePath<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.elements().for_each(|element| element.hash(state));
    }
}

impl fmt::Display for SafePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string_lossy())
    }
}

impl fmt::Debug for SafePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafePath({:?})", self.to_string_lossy())
    }
}
