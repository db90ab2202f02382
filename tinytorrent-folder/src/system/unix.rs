//! The calls for Unix. Each element is opened relative to the descriptor of its parent folder.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Mode as Permissions, OFlags, Stat},
    io::Errno,
};

use super::Refusal;
use crate::{Entry, EntryKind, FileStamp, FileTime, Mode};

#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

/// The treatment of a folder of the path that is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Create,
    Fail,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, FOLDER, Permissions::empty())?))
    }

    pub(crate) fn disk(&self) -> Option<u64> {
        // Some systems number their devices with fewer bits, or with a sign.
        #[allow(clippy::unnecessary_cast)]
        rustix::fs::fstat(&self.0).map(|stat| stat.st_dev as u64).ok()
    }

    pub(crate) fn open_file<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
        follow: bool,
    ) -> Result<File, Refusal> {
        let flags = FILE | OFlags::RDONLY | no_follow(follow);
        match self.open_at_once(elements.clone(), flags, Permissions::empty(), follow) {
            Ok(file) => return Ok(File::from(file)),
            // Missing files are common while content is looked for, and need no second walk.
            Err(Errno::NOENT) => return Err(Refusal::Io(Errno::NOENT.into())),
            // The path may be too long for one call; or an element is a link, and the error needs its
            // depth.
            Err(_) => {}
        }
        self.at_parent(elements, Missing::Fail, follow, |folder, name, depth| {
            rustix::fs::openat(folder, name, flags, Permissions::empty())
                .map(File::from)
                .map_err(|error| refusal(folder, name, depth, error))
        })
    }

    pub(crate) fn create_file<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
        mode: Mode,
    ) -> Result<File, Refusal> {
        let flags = FILE | OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
        let permissions = Permissions::from_raw_mode(match mode {
            Mode::Data => 0o666,
            Mode::Executable => 0o777,
        });
        if let Ok(file) = self.open_at_once(elements.clone(), flags, permissions, false) {
            return Ok(File::from(file));
        }
        // Folders of the path may be missing.
        self.at_parent(elements, Missing::Create, false, |folder, name, depth| {
            rustix::fs::openat(folder, name, flags, permissions)
                .map(File::from)
                .map_err(|error| refusal(folder, name, depth, error))
        })
    }

    pub(crate) fn remove<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<(), Refusal> {
        self.at_parent(elements, Missing::Fail, false, |folder, name, depth| {
            rustix::fs::unlinkat(folder, name, AtFlags::empty())
                .map_err(|error| refusal(folder, name, depth, error))
        })
    }

    pub(crate) fn stamp<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
        follow: bool,
    ) -> Result<Option<FileStamp>, Refusal> {
        let flags = EXAMINE | OFlags::CLOEXEC | no_follow(follow);
        let at_once = self.open_at_once(elements.clone(), flags, Permissions::empty(), follow);
        if let Ok(stat) = at_once.and_then(rustix::fs::fstat) {
            return Ok(stamp_of(&stat));
        }
        let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        self.at_parent(elements, Missing::Fail, follow, |folder, name, depth| {
            rustix::fs::statat(folder, name, flags)
                .map(|stat| stamp_of(&stat))
                .map_err(|error| refusal(folder, name, depth, error))
        })
    }

    pub(crate) fn entries<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
        follow: bool,
    ) -> Result<Vec<Entry>, Refusal> {
        let folder = if elements.clone().next().is_none() {
            // Reading moves a position that a copy of the descriptor would share: `.` is opened anew.
            rustix::fs::openat(&self.0, ".", FOLDER, Permissions::empty())
                .map_err(|error| Refusal::Io(error.into()))?
        } else {
            self.at_parent(elements, Missing::Fail, follow, |above, name, depth| {
                open_folder(above, name, depth, Missing::Fail, follow)
            })?
        };
        let list = || -> rustix::io::Result<Vec<Entry>> {
            let mut entries = Vec::new();
            for entry in rustix::fs::Dir::read_from(&folder)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if !matches!(name, b"." | b"..") {
                    let kind = kind_of(folder.as_fd(), OsStr::from_bytes(name), entry.file_type())?;
                    entries.push(Entry { name: OsString::from_vec(name.to_vec()), kind });
                }
            }
            Ok(entries)
        };
        list().map_err(|error| Refusal::Io(error.into()))
    }

    pub(crate) fn link_target<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<Option<PathBuf>, Refusal> {
        self.at_parent(elements, Missing::Fail, false, |folder, name, depth| {
            match rustix::fs::readlinkat(folder, name, Vec::new()) {
                Ok(target) => Ok(Some(OsString::from_vec(target.into_bytes()).into())),
                Err(Errno::INVAL) => Ok(None),
                Err(error) => Err(refusal(folder, name, depth, error)),
            }
        })
    }

    pub(crate) fn create_link<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
        target: &Path,
    ) -> Result<(), Refusal> {
        self.at_parent(elements, Missing::Create, false, |folder, name, _| {
            rustix::fs::symlinkat(target, folder, name).map_err(|error| Refusal::Io(error.into()))
        })
    }

    /// Creates a folder directly in this one.
    pub(crate) fn create_folder(&self, name: &str) -> io::Result<Self> {
        rustix::fs::mkdirat(&self.0, name, Permissions::from_raw_mode(0o777))?;
        let flags = FOLDER | OFlags::NOFOLLOW;
        Ok(Self(rustix::fs::openat(&self.0, name, flags, Permissions::empty())?))
    }

    /// Removes an empty folder that is directly in this one.
    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, from, &self.0, to)?)
    }

    pub(crate) fn move_entry<'a, 'b>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
        to: &Folder,
        new: impl DoubleEndedIterator<Item = &'b [u8]>,
    ) -> Result<(), Refusal> {
        self.at_parent(elements, Missing::Fail, false, |folder, name, depth| {
            // Before folders are created for it.
            rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| refusal(folder, name, depth, error))?;
            to.at_parent(new, Missing::Create, false, |new_folder, new_name, _| {
                rename_into(folder, name, new_folder, new_name)
                    .map_err(|error| Refusal::Io(error.into()))
            })
        })
    }

    pub(crate) fn remove_folder_below<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<(), Refusal> {
        self.at_parent(elements, Missing::Fail, false, |folder, name, depth| {
            rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
                .map_err(|error| refusal(folder, name, depth, error))
        })
    }

    pub(crate) fn kind<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<EntryKind, Refusal> {
        self.at_parent(elements, Missing::Fail, false, |folder, name, depth| {
            kind_of(folder, name, FileType::Unknown)
                .map_err(|error| refusal(folder, name, depth, error))
        })
    }

    pub(crate) fn is_same(&self, other: &Folder) -> bool {
        let [one, other] = [self, other].map(|folder| rustix::fs::fstat(&folder.0));
        matches!((one, other), (Ok(one), Ok(other))
            if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
    }

    pub(crate) fn sync_below<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<(), Refusal> {
        self.at_parent(elements, Missing::Fail, false, |folder, name, depth| {
            let opened = open_folder(folder, name, depth, Missing::Fail, false)?;
            rustix::fs::fsync(opened).map_err(|error| Refusal::Io(error.into()))
        })
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn sync_file_system(&self) -> io::Result<bool> {
        rustix::fs::syncfs(&self.0)?;
        Ok(true)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn sync_file_system(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// Opens the whole path in one system call, which checks for links itself (`openat2`). Opening
    /// element by element takes several. After an error the caller has to try that way.
    #[cfg(target_os = "linux")]
    fn open_at_once<'a>(
        &self,
        elements: impl Iterator<Item = &'a [u8]>,
        flags: OFlags,
        permissions: Permissions,
        follow: bool,
    ) -> Result<OwnedFd, Errno> {
        use rustix::fs::ResolveFlags;

        let mut path = Vec::with_capacity(256);
        for element in elements {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(element);
        }
        let resolve = match follow {
            // A link that the user wants to follow may lead out of the folder.
            true => ResolveFlags::empty(),
            false => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        };
        rustix::fs::openat2(&self.0, path.as_slice(), flags, permissions, resolve)
    }

    #[cfg(not(target_os = "linux"))]
    fn open_at_once<'a>(
        &self,
        _: impl Iterator<Item = &'a [u8]>,
        _: OFlags,
        _: Permissions,
        _: bool,
    ) -> Result<OwnedFd, Errno> {
        // The caller then opens element by element, as on a Linux before 5.6.
        Err(Errno::NOSYS)
    }

    /// Opens the folders of the path one by one, and runs `act` in the last of them, with the last
    /// element and its depth.
    fn at_parent<'a, T>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
        missing: Missing,
        follow: bool,
        act: impl FnOnce(BorrowedFd<'_>, &OsStr, usize) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut elements = elements.map(OsStr::from_bytes);
        let Some(last) = elements.next_back() else { return Err(Refusal::InvalidPath) };
        let mut folder: Option<OwnedFd> = None;
        let mut depth = 0;
        for name in elements {
            let above = folder.as_ref().unwrap_or(&self.0).as_fd();
            folder = Some(open_folder(above, name, depth, missing, follow)?);
            depth += 1;
        }
        act(folder.as_ref().unwrap_or(&self.0).as_fd(), last, depth)
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Flags of every file. Opening a named pipe would block without `NONBLOCK`, which has no effect on
/// regular files.
const FILE: OFlags = OFlags::CLOEXEC.union(OFlags::NONBLOCK);

/// Flags to open an entry for its metadata alone.
#[cfg(target_os = "linux")]
const EXAMINE: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const EXAMINE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);

/// Renames an entry, unless the new name is taken.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_into(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    new_folder: BorrowedFd<'_>,
    new_name: &OsStr,
) -> rustix::io::Result<()> {
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(folder, name, new_folder, new_name, flags) {
        // Some file systems cannot do that, among them NFS.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rename_if_free(folder, name, new_folder, new_name)
        }
        renamed => renamed,
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_into(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    new_folder: BorrowedFd<'_>,
    new_name: &OsStr,
) -> rustix::io::Result<()> {
    rename_if_free(folder, name, new_folder, new_name)
}

fn rename_if_free(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    new_folder: BorrowedFd<'_>,
    new_name: &OsStr,
) -> rustix::io::Result<()> {
    match rustix::fs::statat(new_folder, new_name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => rustix::fs::renameat(folder, name, new_folder, new_name),
        Err(error) => Err(error),
    }
}

fn no_follow(follow: bool) -> OFlags {
    if follow { OFlags::empty() } else { OFlags::NOFOLLOW }
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

#[allow(clippy::unnecessary_cast, reason = "systems have different types for these")]
fn stamp_of(stat: &Stat) -> Option<FileStamp> {
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    is_file.then_some(FileStamp {
        size: stat.st_size as u64,
        modified: FileTime {
            seconds: stat.st_mtime as i64,
            nanoseconds: stat.st_mtime_nsec as u32,
        },
        changed: Some(FileTime {
            seconds: stat.st_ctime as i64,
            nanoseconds: stat.st_ctime_nsec as u32,
        }),
        inode: Some(stat.st_ino as u64),
    })
}

fn kind_of(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    listed: FileType,
) -> rustix::io::Result<EntryKind> {
    let found = match listed {
        // Some file systems leave the type out of the list.
        FileType::Unknown => {
            let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            FileType::from_raw_mode(stat.st_mode)
        }
        listed => listed,
    };
    Ok(match found {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Folder,
        FileType::Symlink => EntryKind::Link,
        _ => EntryKind::Other,
    })
}

fn open_folder(
    above: BorrowedFd<'_>,
    name: &OsStr,
    depth: usize,
    missing: Missing,
    follow: bool,
) -> Result<OwnedFd, Refusal> {
    let open = || rustix::fs::openat(above, name, FOLDER | no_follow(follow), Permissions::empty());
    let opened = match open() {
        Err(Errno::NOENT) if missing == Missing::Create => {
            match rustix::fs::mkdirat(above, name, Permissions::from_raw_mode(0o777)) {
                // Another thread may have created it in the meantime.
                Ok(()) | Err(Errno::EXIST) => open(),
                Err(error) => Err(error),
            }
        }
        other => other,
    };
    opened.map_err(|error| refusal(above, name, depth, error))
}

/// The reason of an error: a link, or the error itself.
fn refusal(above: BorrowedFd<'_>, name: &OsStr, depth: usize, error: Errno) -> Refusal {
    // Systems report a link as `ELOOP`, `ENOTDIR` or `EMLINK`, and each of these has other causes too.
    let is_link = matches!(error, Errno::LOOP | Errno::NOTDIR | Errno::MLINK)
        && rustix::fs::statat(above, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| is_link(&stat));
    if is_link { Refusal::Link { depth } } else { Refusal::Io(error.into()) }
}

pub(crate) fn os_element(element: &[u8]) -> &OsStr {
    OsStr::from_bytes(element)
}

#[cfg(test)]
mod tests;
