//! Each element is opened below the descriptor of the one before.

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
