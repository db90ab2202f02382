//! The folder that content lives in, and the only way to a file below it.
//!
//! Elements come from a torrent, so a link that somebody put there must lead nowhere (S-20): each
//! element is opened relative to the folder before it and no element is followed if it is a link.
//! The root itself is the user's choice and may be a link.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use crate::{Operation, StorageError};

#[cfg(not(unix))]
use portable as system;
#[cfg(unix)]
use unix as system;

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// Reads too. Folders and the file are created where they are missing.
    Write,
}

#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    folder: system::Folder,
}

impl Root {
    /// Opens the folder, which is created with those above it if need be.
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self, StorageError> {
        if access == Access::Write {
            std::fs::create_dir_all(path)
                .map_err(|source| StorageError::io(Operation::Create, path, source))?;
        }
        let folder = system::Folder::open(path)
            .map_err(|source| StorageError::io(Operation::Open, path, source))?;
        Ok(Self { path: path.to_owned(), folder })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file would be, for people.
    pub(crate) fn path_of<'a>(&self, elements: impl Iterator<Item = &'a [u8]>) -> PathBuf {
        let mut path = self.path.clone();
        path.extend(elements.map(|element| String::from_utf8_lossy(element).into_owned()));
        path
    }

    /// Opens a regular file.
    pub(crate) fn file<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
        access: Access,
    ) -> Result<File, StorageError> {
        let file = check_elements(elements.clone())
            .and_then(|()| self.folder.file(elements.clone(), access))
            .map_err(|refusal| self.explain(refusal, Operation::Open, elements.clone()))?;
        let metadata = file.metadata().map_err(|source| {
            StorageError::io(Operation::Examine, self.path_of(elements.clone()), source)
        })?;
        if !metadata.is_file() {
            return Err(StorageError::NotAFile { path: self.path_of(elements) });
        }
        Ok(file)
    }

    /// Size and time of change of a regular file; `None` if there is none.
    pub(crate) fn stamp<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
    ) -> Result<Option<FileStamp>, StorageError> {
        match self.folder.stamp(elements.clone()) {
            Ok(stamp) => Ok(stamp),
            Err(Refusal::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(refusal) => Err(self.explain(refusal, Operation::Examine, elements)),
        }
    }

    /// Renames one file of the root's top level to another, replacing that one.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        self.folder
            .rename(from, to)
            .map_err(|source| StorageError::io(Operation::Rename, self.path.join(from), source))
    }

    /// Removes a file, if it exists.
    pub(crate) fn remove<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
    ) -> Result<(), StorageError> {
        match self.folder.remove(elements.clone()) {
            Err(Refusal::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(refusal) => Err(self.explain(refusal, Operation::Remove, elements)),
            Ok(()) => Ok(()),
        }
    }

    /// Brings new and renamed entries of the root itself to the medium.
    pub(crate) fn sync_entries(&self) -> Result<(), StorageError> {
        self.folder.sync().map_err(|source| StorageError::io(Operation::Sync, &self.path, source))
    }

    /// Brings all that was written to the file system of the root to the medium; `false` where
    /// the system cannot do that.
    pub(crate) fn sync_file_system(&self) -> Result<bool, StorageError> {
        self.folder
            .sync_file_system()
            .map_err(|source| StorageError::io(Operation::Sync, &self.path, source))
    }

    fn explain<'a>(
        &self,
        refusal: Refusal,
        operation: Operation,
        elements: impl Iterator<Item = &'a [u8]>,
    ) -> StorageError {
        match refusal {
            Refusal::Io(source) => StorageError::io(operation, self.path_of(elements), source),
            Refusal::Link { depth } => {
                StorageError::SymbolicLink { path: self.path_of(elements.take(depth + 1)) }
            }
        }
    }
}

/// What tells whether a file was changed since: its size in bytes and its time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// Size in bytes.
    pub size: u64,
    /// Seconds of the time of change, since 1970.
    pub seconds: i64,
    /// The nanoseconds beside them.
    pub nanoseconds: u32,
}

enum Refusal {
    Io(std::io::Error),
    /// The element at this depth is a link.
    Link {
        depth: usize,
    },
}

/// The path policy has seen every path; this is the second lock on the same door.
fn check_elements<'a>(elements: impl Iterator<Item = &'a [u8]>) -> Result<(), Refusal> {
    let mut count = 0;
    for element in elements {
        let is_plain = !matches!(element, b"" | b"." | b"..")
            && !element.iter().any(|&byte| byte == 0 || byte == b'/');
        if !is_plain {
            return Err(Refusal::Io(std::io::ErrorKind::InvalidInput.into()));
        }
        count += 1;
    }
    if count == 0 {
        return Err(Refusal::Io(std::io::ErrorKind::InvalidInput.into()));
    }
    Ok(())
}

#[cfg(unix)]
mod unix {
    use std::{
        ffi::OsStr,
        fs::File,
        io,
        os::{
            fd::{AsFd, BorrowedFd, OwnedFd},
            unix::ffi::OsStrExt,
        },
        path::Path,
    };

    use rustix::{
        fs::{AtFlags, FileType, Mode, OFlags},
        io::Errno,
    };

    use super::{Access, FileStamp, Refusal};

    #[derive(Debug)]
    pub(super) struct Folder(OwnedFd);

    impl Folder {
        pub(super) fn open(path: &Path) -> io::Result<Self> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
        }

        pub(super) fn file<'a>(
            &self,
            elements: impl DoubleEndedIterator<Item = &'a [u8]>,
            access: Access,
        ) -> Result<File, Refusal> {
            self.at_parent(elements, access, |folder, name, depth| {
                // A pipe in the place of a file must not keep us waiting: `NONBLOCK`.
                let common = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let flags = match access {
                    Access::Read => OFlags::RDONLY,
                    Access::Write => OFlags::RDWR | OFlags::CREATE,
                };
                rustix::fs::openat(folder, name, common | flags, Mode::from_raw_mode(0o666))
                    .map(File::from)
                    .map_err(|error| refusal(folder, name, depth, error))
            })
        }

        pub(super) fn remove<'a>(
            &self,
            elements: impl DoubleEndedIterator<Item = &'a [u8]>,
        ) -> Result<(), Refusal> {
            self.at_parent(elements, Access::Read, |folder, name, depth| {
                rustix::fs::unlinkat(folder, name, AtFlags::empty())
                    .map_err(|error| refusal(folder, name, depth, error))
            })
        }

        pub(super) fn stamp<'a>(
            &self,
            elements: impl DoubleEndedIterator<Item = &'a [u8]>,
        ) -> Result<Option<FileStamp>, Refusal> {
            self.at_parent(elements, Access::Read, |folder, name, depth| {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|error| refusal(folder, name, depth, error))?;
                let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
                Ok(is_file.then_some(FileStamp {
                    size: stat.st_size as u64,
                    seconds: stat.st_mtime as i64,
                    nanoseconds: stat.st_mtime_nsec as u32,
                }))
            })
        }

        pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            Ok(rustix::fs::renameat(&self.0, from, &self.0, to)?)
        }

        pub(super) fn sync(&self) -> io::Result<()> {
            Ok(rustix::fs::fsync(&self.0)?)
        }

        #[cfg(target_os = "linux")]
        pub(super) fn sync_file_system(&self) -> io::Result<bool> {
            rustix::fs::syncfs(&self.0)?;
            Ok(true)
        }

        #[cfg(not(target_os = "linux"))]
        pub(super) fn sync_file_system(&self) -> io::Result<bool> {
            Ok(false)
        }

        /// Walks to the last element, whose folder is then at hand.
        fn at_parent<'a, T>(
            &self,
            elements: impl DoubleEndedIterator<Item = &'a [u8]>,
            access: Access,
            act: impl FnOnce(BorrowedFd<'_>, &OsStr, usize) -> Result<T, Refusal>,
        ) -> Result<T, Refusal> {
            let mut elements = elements.map(OsStr::from_bytes);
            let Some(last) = elements.next_back() else {
                return Err(Refusal::Io(io::ErrorKind::InvalidInput.into()));
            };
            let mut folder: Option<OwnedFd> = None;
            let mut depth = 0;
            for name in elements {
                let above = folder.as_ref().unwrap_or(&self.0).as_fd();
                folder = Some(open_folder(above, name, depth, access)?);
                depth += 1;
            }
            act(folder.as_ref().unwrap_or(&self.0).as_fd(), last, depth)
        }
    }

    fn open_folder(
        above: BorrowedFd<'_>,
        name: &OsStr,
        depth: usize,
        access: Access,
    ) -> Result<OwnedFd, Refusal> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(above, name, flags, Mode::empty());
        let opened = match open() {
            Err(Errno::NOENT) if access == Access::Write => {
                match rustix::fs::mkdirat(above, name, Mode::from_raw_mode(0o777)) {
                    // Another thread may have been faster.
                    Ok(()) | Err(Errno::EXIST) => open(),
                    Err(error) => Err(error),
                }
            }
            other => other,
        };
        opened.map_err(|error| refusal(above, name, depth, error))
    }

    /// Systems say `ELOOP`, `ENOTDIR` or `EMLINK` of a link; this tells it from other reasons.
    fn refusal(above: BorrowedFd<'_>, name: &OsStr, depth: usize, error: Errno) -> Refusal {
        let is_link = matches!(error, Errno::LOOP | Errno::NOTDIR | Errno::MLINK)
            && rustix::fs::statat(above, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
        if is_link { Refusal::Link { depth } } else { Refusal::Io(error.into()) }
    }
}

#[cfg(not(unix))]
mod portable {
    //! Looks at each element before it opens the file. Somebody who can write to the folder could
    //! put a link there in between; Windows lets administrators alone make links, by default.

    use std::{
        fs::{self, File, OpenOptions},
        io,
        path::{Path, PathBuf},
    };

    use super::{Access, FileStamp, Refusal};

    #[derive(Debug)]
    pub(super) struct Folder(PathBuf);

    impl Folder {
        pub(super) fn open(path: &Path) -> io::Result<Self> {
            if !fs::metadata(path)?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            Ok(Self(path.to_owned()))
        }

        pub(super) fn file<'a>(
            &self,
            elements: impl DoubleEndedIterator<Item = &'a [u8]>,
            access: Access,
        ) -> Result<File, Refusal> {
            let path = self.check(elements)?;
            let is_writing = access == Access::Write;
            if let (true, Some(parent)) = (is_writing, path.parent()) {
                fs::create_dir_all(parent).map_err(Refusal::Io)?;
            }
            OpenOptions::new()
                .read(true)
                .write(is_writing)
                .create(is_writing)
                .open(path)
                .map_err(Refusal::Io)
        }

        pub(super) fn remove<'a>(
            &self,
            elements: impl DoubleEndedIterator<Item = &'a [u8]>,
        ) -> Result<(), Refusal> {
            fs::remove_file(self.check(elements)?).map_err(Refusal::Io)
        }

        pub(super) fn stamp<'a>(
            &self,
            elements: impl DoubleEndedIterator<Item = &'a [u8]>,
        ) -> Result<Option<FileStamp>, Refusal> {
            let found = fs::symlink_metadata(self.check(elements)?).map_err(Refusal::Io)?;
            if !found.is_file() {
                return Ok(None);
            }
            let since = found.modified().map_err(Refusal::Io)?;
            let since = since.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            Ok(Some(FileStamp {
                size: found.len(),
                seconds: since.as_secs() as i64,
                nanoseconds: since.subsec_nanos(),
            }))
        }

        pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            fs::rename(self.0.join(from), self.0.join(to))
        }

        pub(super) fn sync(&self) -> io::Result<()> {
            Ok(())
        }

        pub(super) fn sync_file_system(&self) -> io::Result<bool> {
            Ok(false)
        }

        fn check<'a>(&self, elements: impl Iterator<Item = &'a [u8]>) -> Result<PathBuf, Refusal> {
            let mut path = self.0.clone();
            for (depth, element) in elements.enumerate() {
                path.push(String::from_utf8_lossy(element).as_ref());
                match fs::symlink_metadata(&path) {
                    Ok(found) if found.is_symlink() => return Err(Refusal::Link { depth }),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(Refusal::Io(error)),
                }
            }
            Ok(path)
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::Fault;

    fn elements(path: &str) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        path.split('/').map(str::as_bytes)
    }

    // S-20.
    #[test]
    fn a_link_is_followed_at_no_depth() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), b"secret").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        symlink(outside.path(), folder.path().join("a/away")).unwrap();
        symlink(outside.path().join("secret"), folder.path().join("a/file")).unwrap();
        symlink(outside.path().join("new"), folder.path().join("dangling")).unwrap();
        symlink("a", folder.path().join("within")).unwrap();

        let root = Root::open(folder.path(), Access::Write).unwrap();
        for (path, link) in [
            ("a/away/secret", "a/away"),
            ("a/away/new", "a/away"),
            ("a/file", "a/file"),
            ("dangling", "dangling"),
            ("within/file", "within"),
        ] {
            for access in [Access::Read, Access::Write] {
                let error = root.file(elements(path), access).unwrap_err();
                let StorageError::SymbolicLink { path: found } = &error else {
                    panic!("{path}: {error}")
                };
                assert_eq!(found, &folder.path().join(link));
                assert_eq!(error.fault(), Fault::Obstructed);
            }
        }
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn elements_that_lead_elsewhere_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(&folder.path().join("root"), Access::Write).unwrap();
        for path in ["../x", "a/../../x", "", "/x", "a//b", ".", "a\0b"] {
            assert!(root.file(elements(path), Access::Write).is_err(), "{path:?}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_pipe_or_a_folder_in_the_place_of_a_file_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path(), Access::Write).unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for path in ["folder", "pipe"] {
            for access in [Access::Read, Access::Write] {
                let error = root.file(elements(path), access).unwrap_err();
                assert_eq!(error.fault(), Fault::Obstructed, "{error}");
            }
        }
    }

    #[test]
    fn reading_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path(), Access::Read).unwrap();
        assert!(root.file(elements("a/b"), Access::Read).unwrap_err().is_not_found());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(Root::open(&folder.path().join("absent"), Access::Read).is_err());
    }
}
