use std::{
    fs::File,
    path::{Path, PathBuf},
};

// `super`: tests compile this file a second time, above another `system`.
use super::system::{self, Refusal};
use crate::{Entry, Error, ErrorKind, FileStamp, Mode, Operation, error::is_absence};

/// A folder, and the files below it.
///
/// Paths are given as their elements, outermost first. All methods may be called from many threads.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    handle: system::Folder,
    follows_links: bool,
}

/// The elements of a path, outermost first.
pub trait Elements<'a>:
    IntoIterator<Item = &'a [u8], IntoIter: DoubleEndedIterator + Clone>
{
}

impl<'a, T> Elements<'a> for T where
    T: IntoIterator<Item = &'a [u8], IntoIter: DoubleEndedIterator + Clone>
{
}

impl Folder {
    /// Opens a folder that exists.
    ///
    /// # Errors
    /// It does not exist, is no folder, or the system refuses.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let handle = system::Folder::open(path)
            .map_err(|source| Error::io(Operation::Open, path, source))?;
        Ok(Self { path: path.to_owned(), handle, follows_links: false })
    }

    /// Opens a folder, which is created with those above it where they are missing.
    ///
    /// # Errors
    /// It cannot be created, is no folder, or the system refuses.
    pub fn create(path: &Path) -> Result<Self, Error> {
        // On a medium that is read-only, `mkdir` of a folder that exists is an error as well.
        if !path.is_dir() {
            std::fs::create_dir_all(path)
                .map_err(|source| Error::io(Operation::Create, path, source))?;
        }
        Self::open(path)
    }

    /// Follows symbolic links when files are read, wherever they lead. Writing, creating and removing
    /// never do.
    pub fn follow_links(&mut self, follow: bool) -> &mut Self {
        self.follows_links = follow;
        self
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something below it, for people; what is no text is replaced.
    pub fn path_of<'a>(&self, elements: impl Elements<'a>) -> PathBuf {
        let mut path = self.path.clone();
        path.extend(elements.into_iter().map(system::os_element));
        path
    }

    /// The number that the system has for the disk it is on, where that is known.
    pub fn disk(&self) -> Option<u64> {
        self.handle.disk()
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// The file is missing ([`Error::is_not_found`]), something else stands in its place or on the way
    /// to it, or the system refuses.
    pub fn open_file<'a>(&self, elements: impl Elements<'a>) -> Result<File, Error> {
        self.regular(elements, |handle, elements| handle.open_file(elements, self.follows_links))
    }

    /// Opens a regular file for reading and writing. The file and the folders on the way to it are
    /// created where they are missing; a file that exists keeps its content and its permissions.
    ///
    /// # Errors
    /// Something else stands in its place or on the way to it, or the system refuses.
    pub fn create_file<'a>(&self, elements: impl Elements<'a>, mode: Mode) -> Result<File, Error> {
        self.regular(elements, |handle, elements| handle.create_file(elements, mode))
    }

    fn regular<'a, I: DoubleEndedIterator<Item = &'a [u8]> + Clone>(
        &self,
        elements: impl Elements<'a, IntoIter = I>,
        open: impl FnOnce(&system::Folder, I) -> Result<File, Refusal>,
    ) -> Result<File, Error> {
        let elements = elements.into_iter();
        let file = check(elements.clone())
            .and_then(|()| open(&self.handle, elements.clone()))
            .map_err(|refusal| self.explain_open(refusal, elements.clone()))?;
        let metadata = file.metadata().map_err(|source| {
            Error::io(Operation::Examine, self.path_of(elements.clone()), source)
        })?;
        if !metadata.is_file() {
            return Err(Error::new(self.path_of(elements), ErrorKind::NotAFile));
        }
        Ok(file)
    }

    /// The stamp of a regular file; `None` if there is none, but perhaps something else.
    ///
    /// # Errors
    /// A link stands on the way or in the place of the file, or the system refuses.
    pub fn stamp<'a>(&self, elements: impl Elements<'a>) -> Result<Option<FileStamp>, Error> {
        let elements = elements.into_iter();
        let stamp = check(elements.clone())
            .and_then(|()| self.handle.stamp(elements.clone(), self.follows_links));
        match stamp {
            Err(Refusal::Io(error)) if is_absence(&error) => Ok(None),
            stamp => stamp.map_err(|refusal| self.explain(refusal, Operation::Examine, elements)),
        }
    }

    /// The entries of a folder below this one, or of this one if there is no element, in no order.
    /// `.` and `..` are left out.
    ///
    /// # Errors
    /// The folder is missing ([`Error::is_not_found`]), a link stands on the way, or the system refuses.
    pub fn entries<'a>(&self, elements: impl Elements<'a>) -> Result<Vec<Entry>, Error> {
        let elements = elements.into_iter();
        check_each(elements.clone())
            .and_then(|()| self.handle.entries(elements.clone(), self.follows_links))
            .map_err(|refusal| self.explain(refusal, Operation::Read, elements))
    }

    /// The target of a symbolic link as it stands there; `None` if there is none, but perhaps
    /// something else.
    ///
    /// # Errors
    /// A link stands on the way, or the system refuses.
    pub fn link_target<'a>(&self, elements: impl Elements<'a>) -> Result<Option<PathBuf>, Error> {
        let elements = elements.into_iter();
        match check(elements.clone()).and_then(|()| self.handle.link_target(elements.clone())) {
            Err(Refusal::Io(error)) if is_absence(&error) => Ok(None),
            target => target.map_err(|refusal| self.explain(refusal, Operation::Read, elements)),
        }
    }

    /// Creates a symbolic link with this target, and the folders on the way to it.
    ///
    /// # Errors
    /// Something stands in its place, or the system refuses or has no links.
    pub fn create_link<'a>(&self, elements: impl Elements<'a>, target: &Path) -> Result<(), Error> {
        let elements = elements.into_iter();
        check(elements.clone())
            .and_then(|()| self.handle.create_link(elements.clone(), target))
            .map_err(|refusal| self.explain(refusal, Operation::Create, elements))
    }

    /// Renames one file of the folder itself to another, replacing that one.
    ///
    /// # Errors
    /// The system refuses.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        self.handle
            .rename(from, to)
            .map_err(|source| Error::io(Operation::Rename, self.path.join(from), source))
    }

    /// Removes a file, if it exists.
    ///
    /// # Errors
    /// A link stands on the way, or the system refuses.
    pub fn remove<'a>(&self, elements: impl Elements<'a>) -> Result<(), Error> {
        let elements = elements.into_iter();
        match check(elements.clone()).and_then(|()| self.handle.remove(elements.clone())) {
            Err(Refusal::Io(error)) if is_absence(&error) => Ok(()),
            result => result.map_err(|refusal| self.explain(refusal, Operation::Remove, elements)),
        }
    }

    /// Brings new and renamed entries of the folder itself to the medium.
    ///
    /// # Errors
    /// The system refuses.
    pub fn sync_entries(&self) -> Result<(), Error> {
        self.handle.sync().map_err(|source| Error::io(Operation::Sync, &self.path, source))
    }

    /// Brings all that was written to the folder's file system to the medium; `false` where the system
    /// cannot do that.
    ///
    /// # Errors
    /// The system refuses.
    pub fn sync_file_system(&self) -> Result<bool, Error> {
        self.handle
            .sync_file_system()
            .map_err(|source| Error::io(Operation::Sync, &self.path, source))
    }

    pub(crate) fn handle(&self) -> &system::Folder {
        &self.handle
    }

    /// A socket, or a device without a driver, cannot be opened, for reasons of which none says so.
    fn explain_open<'a>(
        &self,
        refusal: Refusal,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
    ) -> Error {
        let is_other = |error: &std::io::Error| {
            let stamp = self.handle.stamp(elements.clone(), self.follows_links);
            !is_absence(error) && matches!(stamp, Ok(None))
        };
        match &refusal {
            Refusal::Io(error) if is_other(error) => {
                Error::new(self.path_of(elements), ErrorKind::NotAFile)
            }
            _ => self.explain(refusal, Operation::Open, elements),
        }
    }

    fn explain<'a>(
        &self,
        refusal: Refusal,
        operation: Operation,
        elements: impl Iterator<Item = &'a [u8]>,
    ) -> Error {
        let path = |count| {
            let mut path = self.path.clone();
            path.extend(elements.take(count).map(system::os_element));
            path
        };
        match refusal {
            Refusal::Io(source) => Error::io(operation, path(usize::MAX), source),
            Refusal::Link { depth } => Error::new(path(depth + 1), ErrorKind::Link),
            Refusal::InvalidPath => Error::new(path(usize::MAX), ErrorKind::InvalidPath),
        }
    }
}

fn check<'a>(elements: impl Iterator<Item = &'a [u8]> + Clone) -> Result<(), Refusal> {
    if elements.clone().next().is_none() {
        return Err(Refusal::InvalidPath);
    }
    check_each(elements)
}

/// A caller should have made sure of it; this is the second lock on the same door.
fn check_each<'a>(mut elements: impl Iterator<Item = &'a [u8]>) -> Result<(), Refusal> {
    let is_plain = |element: &[u8]| {
        !matches!(element, b"" | b"." | b"..")
            && !element.iter().any(|&byte| byte == 0 || byte == b'/')
    };
    if elements.all(is_plain) { Ok(()) } else { Err(Refusal::InvalidPath) }
}

#[cfg(all(test, unix))]
#[path = "folder/tests.rs"]
mod tests;
