use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

// `super`: tests compile this file a second time, above another `system`.
use super::system::{self, Refusal};
use crate::{
    Entry, EntryKind, Error, ErrorKind, FileStamp, Mode, Operation,
    error::{is_absence, is_occupied},
};

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
    /// It does not exist, is not a folder, or the system refuses.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let handle = system::Folder::open(path)
            .map_err(|source| Error::io(Operation::Open, path, source))?;
        Ok(Self { path: path.to_owned(), handle, follows_links: false })
    }

    /// Opens a folder. If it is missing it is created, with its parents.
    ///
    /// # Errors
    /// It cannot be created, is not a folder, or the system refuses.
    pub fn create(path: &Path) -> Result<Self, Error> {
        // On a read-only medium `mkdir` fails even for a folder that exists.
        if !path.is_dir() {
            std::fs::create_dir_all(path)
                .map_err(|source| Error::io(Operation::Create, path, source))?;
        }
        Self::open(path)
    }

    /// Follows symbolic links to anywhere when files are read. Writing, creating and removing never
    /// follow one.
    pub fn follow_links(&mut self, follow: bool) -> &mut Self {
        self.follows_links = follow;
        self
    }

    /// The path that the folder was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of an entry below the folder, for display. Where names are text, bytes that are not UTF-8
    /// are replaced.
    pub fn path_of<'a>(&self, elements: impl Elements<'a>) -> PathBuf {
        let mut path = self.path.clone();
        path.extend(elements.into_iter().map(system::os_element));
        path
    }

    /// The system's number of the disk that the folder is on, where there is one.
    pub fn disk(&self) -> Option<u64> {
        self.handle.disk()
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// The file is missing ([`Error::is_not_found`]), something else is in its place or in the place of a
    /// folder of its path, or the system refuses.
    pub fn open_file<'a>(&self, elements: impl Elements<'a>) -> Result<File, Error> {
        self.open_regular(elements, |handle, elements| {
            handle.open_file(elements, self.follows_links)
        })
    }

    /// Opens a regular file for reading and writing. The file and the folders of its path are created
    /// where they are missing; a file that exists keeps its content and its permissions.
    ///
    /// # Errors
    /// Something else is in its place or in the place of a folder of its path, or the system refuses.
    pub fn create_file<'a>(&self, elements: impl Elements<'a>, mode: Mode) -> Result<File, Error> {
        self.open_regular(elements, |handle, elements| handle.create_file(elements, mode))
    }

    fn open_regular<'a, I: DoubleEndedIterator<Item = &'a [u8]> + Clone>(
        &self,
        elements: impl Elements<'a, IntoIter = I>,
        open: impl FnOnce(&system::Folder, I) -> Result<File, Refusal>,
    ) -> Result<File, Error> {
        let elements = elements.into_iter();
        let file = check(elements.clone())
            .and_then(|()| open(&self.handle, elements.clone()))
            .map_err(|refusal| self.open_error(refusal, elements.clone()))?;
        // The type is read from the open file: a path could lead to another file by now.
        let metadata = file.metadata().map_err(|source| {
            Error::io(Operation::Examine, self.path_of(elements.clone()), source)
        })?;
        if !metadata.is_file() {
            return Err(Error::new(self.path_of(elements), ErrorKind::NotAFile));
        }
        Ok(file)
    }

    /// The stamp of a regular file; `None` if the entry is missing or of another kind.
    ///
    /// # Errors
    /// A link is in the place of the file or of a folder of its path, or the system refuses.
    pub fn stamp<'a>(&self, elements: impl Elements<'a>) -> Result<Option<FileStamp>, Error> {
        let elements = elements.into_iter();
        let stamp = check(elements.clone())
            .and_then(|()| self.handle.stamp(elements.clone(), self.follows_links));
        match stamp {
            Err(Refusal::Io(error)) if is_absence(&error) => Ok(None),
            stamp => stamp.map_err(|refusal| self.error(refusal, Operation::Examine, elements)),
        }
    }

    /// The entries of a folder below this one, or of this one if there is no element, in no order.
    /// `.` and `..` are left out.
    ///
    /// # Errors
    /// The folder is missing ([`Error::is_not_found`]), it or a folder of its path is a link, or the
    /// system refuses.
    pub fn entries<'a>(&self, elements: impl Elements<'a>) -> Result<Vec<Entry>, Error> {
        let elements = elements.into_iter();
        check_each(elements.clone())
            .and_then(|()| self.handle.entries(elements.clone(), self.follows_links))
            .map_err(|refusal| self.error(refusal, Operation::Read, elements))
    }

    /// The target of a symbolic link, unchanged; `None` if the entry is missing or of another kind.
    ///
    /// # Errors
    /// A folder of its path is a link, or the system refuses.
    pub fn link_target<'a>(&self, elements: impl Elements<'a>) -> Result<Option<PathBuf>, Error> {
        let elements = elements.into_iter();
        match check(elements.clone()).and_then(|()| self.handle.link_target(elements.clone())) {
            Err(Refusal::Io(error)) if is_absence(&error) => Ok(None),
            target => target.map_err(|refusal| self.error(refusal, Operation::Read, elements)),
        }
    }

    /// Creates a symbolic link with this target, and the folders of its path.
    ///
    /// # Errors
    /// An entry of this name exists, or the system refuses or has no links.
    pub fn create_link<'a>(&self, elements: impl Elements<'a>, target: &Path) -> Result<(), Error> {
        let elements = elements.into_iter();
        check(elements.clone())
            .and_then(|()| self.handle.create_link(elements.clone(), target))
            .map_err(|refusal| self.error(refusal, Operation::Create, elements))
    }

    /// Renames a file that is directly in the folder, and replaces the file of the new name.
    ///
    /// # Errors
    /// The system refuses.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        self.handle
            .rename(from, to)
            .map_err(|source| Error::io(Operation::Rename, self.path.join(from), source))
    }

    /// Replaces the file of this name, which is directly in the folder, by one with these bytes. The new one
    /// is written beside it, as `NAME.new`, and renamed, so that a kill or a full disk leaves the old one.
    /// With `sync` it is on the medium at the return, so that a power failure leaves one of the two as well.
    ///
    /// # Errors
    /// The system refuses; the old file, if any, is unchanged.
    pub fn replace(&self, name: &str, bytes: &[u8], sync: bool) -> Result<(), Error> {
        let draft = format!("{name}.new");
        // A killed run may have left a longer draft, and `create_file` keeps the content of a file.
        self.remove([draft.as_bytes()])?;
        let written =
            self.write_draft(&draft, bytes, sync).and_then(|()| self.rename(&draft, name));
        if written.is_err() {
            // The first error is the one to report.
            let _ = self.remove([draft.as_bytes()]);
        }
        written?;
        // The new name is on the medium only when the folder is.
        if sync { self.sync_entries() } else { Ok(()) }
    }

    fn write_draft(&self, draft: &str, bytes: &[u8], sync: bool) -> Result<(), Error> {
        let mut file = self.create_file([draft.as_bytes()], Mode::Data)?;
        let io = |operation| move |source| Error::io(operation, self.path.join(draft), source);
        file.write_all(bytes).map_err(io(Operation::Write))?;
        // Before the file is renamed: a power failure could otherwise leave its new name without its
        // bytes.
        if sync {
            file.sync_all().map_err(io(Operation::Sync))?;
        }
        Ok(())
    }

    /// Removes a file or a link, if it exists.
    ///
    /// # Errors
    /// A folder of its path is a link, or the system refuses.
    pub fn remove<'a>(&self, elements: impl Elements<'a>) -> Result<(), Error> {
        let elements = elements.into_iter();
        match check(elements.clone()).and_then(|()| self.handle.remove(elements.clone())) {
            Err(Refusal::Io(error)) if is_absence(&error) => Ok(()),
            result => result.map_err(|refusal| self.error(refusal, Operation::Remove, elements)),
        }
    }

    /// Moves a file or a link to a place below another folder, or this one, and never replaces anything
    /// there. The folders of the new path are created where they are missing; after an error, some of them
    /// may be left behind.
    ///
    /// On Linux and Apple's systems the system refuses to replace an entry. On others it is looked for
    /// first, so that one that is created in between is replaced.
    ///
    /// # Errors
    /// It is missing ([`Error::is_not_found`]), something has the new name
    /// ([`AlreadyExists`](std::io::ErrorKind::AlreadyExists)), the places are on different file systems
    /// ([`CrossesDevices`](std::io::ErrorKind::CrossesDevices)), a folder of a path is a link, or the system
    /// refuses.
    pub fn move_entry<'a, 'b>(
        &self,
        elements: impl Elements<'a>,
        folder: &Folder,
        new: impl Elements<'b>,
    ) -> Result<(), Error> {
        let (elements, new) = (elements.into_iter(), new.into_iter());
        check(new.clone())
            .map_err(|refusal| folder.error(refusal, Operation::Rename, new.clone()))?;
        check(elements.clone())
            .and_then(|()| self.handle.move_entry(elements.clone(), &folder.handle, new.clone()))
            .map_err(|refusal| match refusal {
                // The entry in the way is the one to name.
                Refusal::Io(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    folder.error(Refusal::Io(error), Operation::Rename, new)
                }
                refusal => self.error(refusal, Operation::Rename, elements),
            })
    }

    /// Removes a folder below this one, if it is empty. Returns `false` if it is missing, or has entries.
    ///
    /// # Errors
    /// It or a folder of its path is a link, or the system refuses.
    pub fn remove_folder<'a>(&self, elements: impl Elements<'a>) -> Result<bool, Error> {
        let elements = elements.into_iter();
        let removed = check(elements.clone())
            .and_then(|()| self.handle.remove_folder_below(elements.clone()));
        match removed {
            Ok(()) => Ok(true),
            Err(Refusal::Io(error)) if is_absence(&error) || is_occupied(&error) => Ok(false),
            Err(refusal) => Err(self.error(refusal, Operation::Remove, elements)),
        }
    }

    /// The kind of an entry; `None` if it is missing.
    ///
    /// # Errors
    /// A folder of its path is a link, or the system refuses.
    pub fn kind<'a>(&self, elements: impl Elements<'a>) -> Result<Option<EntryKind>, Error> {
        let elements = elements.into_iter();
        match check(elements.clone()).and_then(|()| self.handle.kind(elements.clone())) {
            Ok(kind) => Ok(Some(kind)),
            Err(Refusal::Io(error)) if is_absence(&error) => Ok(None),
            Err(refusal) => Err(self.error(refusal, Operation::Examine, elements)),
        }
    }

    /// Returns `true` if both are the same folder, whatever paths they were opened with.
    pub fn is_same(&self, other: &Folder) -> bool {
        self.handle.is_same(&other.handle)
    }

    /// Flushes the list of entries of a folder below this one to the medium.
    ///
    /// # Errors
    /// The folder is missing, it or a folder of its path is a link, or the system refuses.
    pub fn sync_folder<'a>(&self, elements: impl Elements<'a>) -> Result<(), Error> {
        let elements = elements.into_iter();
        check(elements.clone())
            .and_then(|()| self.handle.sync_below(elements.clone()))
            .map_err(|refusal| self.error(refusal, Operation::Sync, elements))
    }

    /// Flushes the list of the folder's own entries to the medium, so that new names survive a crash.
    ///
    /// # Errors
    /// The system refuses.
    pub fn sync_entries(&self) -> Result<(), Error> {
        self.handle.sync().map_err(|source| Error::io(Operation::Sync, &self.path, source))
    }

    /// Flushes everything written to the folder's file system to the medium. Returns false where the
    /// system has no such call.
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

    /// The error of a failed open.
    fn open_error<'a>(
        &self,
        refusal: Refusal,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
    ) -> Error {
        // Sockets and devices without a driver fail to open, each system with other errors, so the
        // kind of the entry decides.
        let is_other = |error: &std::io::Error| {
            let stamp = self.handle.stamp(elements.clone(), self.follows_links);
            !is_absence(error) && matches!(stamp, Ok(None))
        };
        match &refusal {
            Refusal::Io(error) if is_other(error) => {
                Error::new(self.path_of(elements), ErrorKind::NotAFile)
            }
            _ => self.error(refusal, Operation::Open, elements),
        }
    }

    fn error<'a>(
        &self,
        refusal: Refusal,
        operation: Operation,
        elements: impl Iterator<Item = &'a [u8]>,
    ) -> Error {
        // A link is named by its own path: the first elements up to it.
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

/// Checks that each element is a plain name. Callers pass sanitised paths; this check holds if one of
/// them has a bug.
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
