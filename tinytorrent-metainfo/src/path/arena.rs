use core::fmt;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A relative path that is safe below the folder it is joined to.
///
/// It has at least one element; no element is empty, `.` or `..`, or holds a separator, NUL or
/// anything else that could lead elsewhere on the system at hand. Only a [`crate::PathPolicy`]
/// makes one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafePath<'a>(&'a [u8]);

impl<'a> SafePath<'a> {
    /// The elements joined with `/`. They are UTF-8 unless the policy keeps bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The elements, outermost first.
    pub fn elements(self) -> impl DoubleEndedIterator<Item = &'a [u8]> + Clone {
        self.0.split(|&byte| byte == b'/')
    }

    /// The last element: the file's own name.
    pub fn file_name(self) -> &'a [u8] {
        // `split` yields at least one part.
        self.elements().next_back().unwrap_or_default()
    }

    /// The path for people, with a replacement character for what is no text.
    pub fn to_string_lossy(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }

    /// The path for the file system, relative.
    pub fn to_path_buf(self) -> PathBuf {
        self.elements().map(os_element).collect()
    }

    /// The path for the file system, below `root`.
    pub fn below(self, root: &Path) -> PathBuf {
        let mut path = PathBuf::with_capacity(root.as_os_str().len() + 1 + self.0.len());
        path.push(root);
        path.extend(self.elements().map(os_element));
        path
    }
}

#[cfg(unix)]
fn os_element(element: &[u8]) -> Cow<'_, OsStr> {
    use std::os::unix::ffi::OsStrExt;
    Cow::Borrowed(OsStr::from_bytes(element))
}

#[cfg(not(unix))]
fn os_element(element: &[u8]) -> Cow<'_, OsStr> {
    // Elsewhere the policy lets nothing pass that is not UTF-8.
    match String::from_utf8_lossy(element) {
        Cow::Borrowed(text) => Cow::Borrowed(OsStr::new(text)),
        Cow::Owned(text) => Cow::Owned(text.into()),
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

/// Many paths in one allocation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PathArena {
    bytes: Vec<u8>,
    /// Where each path ends.
    ends: Vec<u32>,
}

impl PathArena {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Panics beyond the last path, as a slice does.
    pub(crate) fn get(&self, index: usize) -> SafePath<'_> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        SafePath(&self.bytes[start..self.ends[index] as usize])
    }

    /// Where the next path is written. Pushing is finished by [`close`](Self::close).
    pub(crate) fn open(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The bytes of the path that is being written.
    pub(crate) fn opened(&self) -> &[u8] {
        &self.bytes[self.ends.last().map_or(0, |&end| end as usize)..]
    }

    /// What was written from this length of [`open`](Self::open) on.
    pub(crate) fn opened_from(&self, start: usize) -> &[u8] {
        &self.bytes[start..]
    }

    /// Ends the path that was written; `false` if the arena is full (4 GiB).
    pub(crate) fn close(&mut self) -> bool {
        match u32::try_from(self.bytes.len()) {
            Ok(end) => {
                self.ends.push(end);
                true
            }
            Err(_) => false,
        }
    }

    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}
