//! Looks at each element before it opens the file. Somebody who can write to the folder could
//! put a link there in between; Windows lets administrators alone make links, by default.

use std::{
    borrow::Cow,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::Refusal;
use crate::{Entry, EntryKind, FileStamp, FileTime, Mode};

#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if !fs::metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self(path.to_owned()))
    }

    pub(crate) fn disk(&self) -> Option<u64> {
        None
    }

    pub(crate) fn open_file<'a>(
        &self,
        elements: impl Iterator<Item = &'a [u8]>,
        follow: bool,
    ) -> Result<File, Refusal> {
        File::open(self.check(elements, follow)?).map_err(Refusal::Io)
    }

    pub(crate) fn create_file<'a>(
        &self,
        elements: impl Iterator<Item = &'a [u8]>,
        _: Mode,
    ) -> Result<File, Refusal> {
        let path = self.check(elements, false)?;
        create_parent(&path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(path).map_err(Refusal::Io)
    }

    pub(crate) fn remove<'a>(
        &self,
        elements: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), Refusal> {
        fs::remove_file(self.check(elements, false)?).map_err(Refusal::Io)
    }

    pub(crate) fn stamp<'a>(
        &self,
        elements: impl Iterator<Item = &'a [u8]>,
        follow: bool,
    ) -> Result<Option<FileStamp>, Refusal> {
        let path = self.check(elements, follow)?;
        let found = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let found = found.map_err(Refusal::Io)?;
        if !found.is_file() {
            return Ok(None);
        }
        let since = found.modified().map_err(Refusal::Io)?;
        let since = since.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(Some(FileStamp {
            size: found.len(),
            modified: FileTime {
                seconds: since.as_secs() as i64,
                nanoseconds: since.subsec_nanos(),
            },
            changed: None,
            inode: None,
        }))
    }

    pub(crate) fn entries<'a>(
        &self,
        elements: impl Iterator<Item = &'a [u8]>,
        follow: bool,
    ) -> Result<Vec<Entry>, Refusal> {
        let path = self.check(elements, follow)?;
        let entry = |found: io::Result<fs::DirEntry>| {
            let found = found?;
            let kind = match found.file_type()? {
                kind if kind.is_file() => EntryKind::File,
                kind if kind.is_dir() => EntryKind::Folder,
                kind if kind.is_symlink() => EntryKind::Link,
                _ => EntryKind::Other,
            };
            Ok(Entry { name: found.file_name(), kind })
        };
        fs::read_dir(path).and_then(|found| found.map(entry).collect()).map_err(Refusal::Io)
    }

    pub(crate) fn link_target<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<Option<PathBuf>, Refusal> {
        let path = self.check_parent(elements)?;
        match fs::symlink_metadata(&path).map_err(Refusal::Io)?.is_symlink() {
            true => fs::read_link(path).map(Some).map_err(Refusal::Io),
            false => Ok(None),
        }
    }

    #[cfg(windows)]
    pub(crate) fn create_link<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
        target: &Path,
    ) -> Result<(), Refusal> {
        let path = self.check_parent(elements)?;
        create_parent(&path)?;
        std::os::windows::fs::symlink_file(target, path).map_err(Refusal::Io)
    }

    #[cfg(not(windows))]
    pub(crate) fn create_link<'a>(
        &self,
        _: impl DoubleEndedIterator<Item = &'a [u8]>,
        _: &Path,
    ) -> Result<(), Refusal> {
        Err(Refusal::Io(io::ErrorKind::Unsupported.into()))
    }

    pub(crate) fn create_folder(&self, name: &str) -> io::Result<Self> {
        let path = self.0.join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<()> {
        fs::remove_dir(self.0.join(name))
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn sync_file_system(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn check<'a>(
        &self,
        elements: impl Iterator<Item = &'a [u8]>,
        follow: bool,
    ) -> Result<PathBuf, Refusal> {
        let mut path = self.0.clone();
        for (depth, element) in elements.enumerate() {
            path.push(&*os_element(element));
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() && !follow => return Err(Refusal::Link { depth }),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Refusal::Io(error)),
            }
        }
        Ok(path)
    }

    /// All but the last element is checked, which may be a link.
    fn check_parent<'a>(
        &self,
        mut elements: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<PathBuf, Refusal> {
        let last = elements.next_back().ok_or(Refusal::InvalidPath)?;
        let mut path = self.check(elements, false)?;
        path.push(&*os_element(last));
        Ok(path)
    }
}

fn create_parent(path: &Path) -> Result<(), Refusal> {
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(Refusal::Io)
}

/// Here names are text.
pub(crate) fn os_element(element: &[u8]) -> Cow<'_, std::ffi::OsStr> {
    match String::from_utf8_lossy(element) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_ref()),
        Cow::Owned(text) => Cow::Owned(OsString::from(text)),
    }
}
