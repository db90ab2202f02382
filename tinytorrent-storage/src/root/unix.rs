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
    fs::{AtFlags, FileType, Mode, OFlags, Stat},
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

    pub(super) fn disk(&self) -> Option<u64> {
        // Some systems number their devices with fewer bits, or with a sign.
        #[allow(clippy::unnecessary_cast)]
        rustix::fs::fstat(&self.0).map(|stat| stat.st_dev as u64).ok()
    }

    pub(super) fn file<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
        access: Access,
    ) -> Result<File, Refusal> {
        // A pipe in the place of a file must not keep us waiting: `NONBLOCK`.
        let common = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let flags = common
            | match access {
                Access::Read => OFlags::RDONLY,
                Access::Write => OFlags::RDWR | OFlags::CREATE,
            };
        let mode = Mode::from_raw_mode(0o666);
        match self.open_at_once(elements.clone(), flags, mode) {
            Ok(file) => return Ok(File::from(file)),
            Err(Errno::NOENT) if access == Access::Read => {
                return Err(Refusal::Io(Errno::NOENT.into()));
            }
            // Folders may have to be made, a link to be named.
            Err(_) => {}
        }
        self.at_parent(elements, access, |folder, name, depth| {
            rustix::fs::openat(folder, name, flags, mode)
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
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
    ) -> Result<Option<FileStamp>, Refusal> {
        let flags = EXAMINE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let at_once = self.open_at_once(elements.clone(), flags, Mode::empty());
        if let Ok(stat) = at_once.and_then(rustix::fs::fstat) {
            return Ok(stamp_of(&stat));
        }
        self.at_parent(elements, Access::Read, |folder, name, depth| {
            rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                .map(|stat| stamp_of(&stat))
                .map_err(|error| refusal(folder, name, depth, error))
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

    /// Opens what is there in one call of the system, where it can be told to follow no link on the
    /// way; walking is several times as many. Any error means no more than that this is no way.
    #[cfg(target_os = "linux")]
    fn open_at_once<'a>(
        &self,
        elements: impl Iterator<Item = &'a [u8]>,
        flags: OFlags,
        mode: Mode,
    ) -> Result<OwnedFd, Errno> {
        use rustix::fs::ResolveFlags;

        let mut path = Vec::with_capacity(256);
        for element in elements {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(element);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        rustix::fs::openat2(&self.0, path.as_slice(), flags, mode, resolve)
    }

    #[cfg(not(target_os = "linux"))]
    fn open_at_once<'a>(
        &self,
        _: impl Iterator<Item = &'a [u8]>,
        _: OFlags,
        _: Mode,
    ) -> Result<OwnedFd, Errno> {
        Err(Errno::NOSYS)
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

/// For what is only looked at.
#[cfg(target_os = "linux")]
const EXAMINE: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const EXAMINE: OFlags = OFlags::RDONLY;

#[allow(clippy::unnecessary_cast, reason = "systems have different types for times")]
fn stamp_of(stat: &Stat) -> Option<FileStamp> {
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    is_file.then_some(FileStamp {
        size: stat.st_size as u64,
        seconds: stat.st_mtime as i64,
        nanoseconds: stat.st_mtime_nsec as u32,
    })
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
