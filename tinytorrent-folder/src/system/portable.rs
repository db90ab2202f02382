//! The calls for systems that are not Unix. Each element is examined before the file is opened.
//!
//! A program that can write to the folder could put a link there in between. On Windows only
//! administrators can make links, by default.

use std::{
    borrow::Cow,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
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
        let path = self.check(elements, follow)?;
        refuse_special(&path)?;
        File::open(path).map_err(Refusal::Io)
    }

    pub(crate) fn create_file<'a>(
        &self,
        elements: impl Iterator<Item = &'a [u8]>,
        _: Mode,
    ) -> Result<File, Refusal> {
        let path = self.check(elements, false)?;
        refuse_special(&path)?;
        create_parent(&path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(path).map_err(Refusal::Io)
    }

    pub(crate) fn remove<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<(), Refusal> {
        fs::remove_file(self.check_parent(elements)?).map_err(Refusal::Io)
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
        let modified = file_time(found.modified().map_err(Refusal::Io)?);
        Ok(Some(FileStamp { size: found.len(), modified, changed: None, inode: None }))
    }

    pub(crate) fn entries<'a>(
        &self,
        elements: impl Iterator<Item = &'a [u8]>,
        follow: bool,
    ) -> Result<Vec<Entry>, Refusal> {
        let path = self.check(elements, follow)?;
        let entry = |found: io::Result<fs::DirEntry>| {
            let found = found?;
            Ok(Entry { name: found.file_name(), kind: kind_of(found.file_type()?) })
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

    pub(crate) fn create_link<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
        target: &Path,
    ) -> Result<(), Refusal> {
        let path = self.check_parent(elements)?;
        create_parent(&path)?;
        symlink(target, &path).map_err(Refusal::Io)
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

    pub(crate) fn move_entry<'a, 'b>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
        to: &Folder,
        new: impl DoubleEndedIterator<Item = &'b [u8]>,
    ) -> Result<(), Refusal> {
        let (old, new) = (self.check_parent(elements)?, to.check_parent(new)?);
        // Before folders are created for it.
        fs::symlink_metadata(&old).map_err(Refusal::Io)?;
        create_parent(&new)?;
        if fs::symlink_metadata(&new).is_ok() {
            return Err(Refusal::Io(io::ErrorKind::AlreadyExists.into()));
        }
        fs::rename(old, new).map_err(Refusal::Io)
    }

    pub(crate) fn remove_folder_below<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<(), Refusal> {
        let path = self.check(elements, false)?;
        fs::remove_dir(path).map_err(Refusal::Io)
    }

    pub(crate) fn kind<'a>(
        &self,
        elements: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<EntryKind, Refusal> {
        let path = self.check_parent(elements)?;
        fs::symlink_metadata(path).map(|found| kind_of(found.file_type())).map_err(Refusal::Io)
    }

    pub(crate) fn is_same(&self, other: &Folder) -> bool {
        let [one, other] = [self, other].map(|folder| fs::canonicalize(&folder.0));
        matches!((one, other), (Ok(one), Ok(other)) if one == other)
    }

    pub(crate) fn sync_below<'a>(
        &self,
        elements: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), Refusal> {
        let path = self.check(elements, false)?;
        fs::metadata(path).map(drop).map_err(Refusal::Io)
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
            path.push(name_of(element)?);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() && !follow => return Err(Refusal::Link { depth }),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Refusal::Io(error)),
            }
        }
        Ok(path)
    }

    /// Checks all elements but the last, which may be a link.
    fn check_parent<'a>(
        &self,
        mut elements: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<PathBuf, Refusal> {
        let last = elements.next_back().ok_or(Refusal::InvalidPath)?;
        let mut path = self.check(elements, false)?;
        path.push(name_of(last)?);
        Ok(path)
    }
}

fn kind_of(found: fs::FileType) -> EntryKind {
    match found {
        kind if kind.is_file() => EntryKind::File,
        kind if kind.is_dir() => EntryKind::Folder,
        kind if kind.is_symlink() => EntryKind::Link,
        _ => EntryKind::Other,
    }
}

fn create_parent(path: &Path) -> Result<(), Refusal> {
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(Refusal::Io)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Refuses a pipe or a device, which could keep the program waiting as soon as it is opened.
fn refuse_special(path: &Path) -> Result<(), Refusal> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(Refusal::Io(io::ErrorKind::InvalidInput.into())),
        _ => Ok(()),
    }
}

fn file_time(time: SystemTime) -> FileTime {
    let seconds = |duration: Duration| duration.as_secs() as i64;
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => FileTime { seconds: seconds(since), nanoseconds: since.subsec_nanos() },
        Err(error) => {
            let before = error.duration();
            // The nanoseconds count forwards from the whole second before.
            match before.subsec_nanos() {
                0 => FileTime { seconds: -seconds(before), nanoseconds: 0 },
                part => {
                    FileTime { seconds: -seconds(before) - 1, nanoseconds: 1_000_000_000 - part }
                }
            }
        }
    }
}

/// The element as a name of the system.
fn name_of(element: &[u8]) -> Result<&str, Refusal> {
    let is_elsewhere = |byte: &u8| matches!(byte, b'\\' | b':');
    match str::from_utf8(element) {
        // On Windows `\` is a separator, `c:` a drive, and `a:b` a stream of the file `a`.
        Ok(name) if !element.iter().any(is_elsewhere) => Ok(name),
        _ => Err(Refusal::InvalidPath),
    }
}

/// An element for display, where names are text: other bytes are replaced.
pub(crate) fn os_element(element: &[u8]) -> Cow<'_, std::ffi::OsStr> {
    match String::from_utf8_lossy(element) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_ref()),
        Cow::Owned(text) => Cow::Owned(OsString::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `\` and `:` lead elsewhere on Windows, and bytes that are no text would become another name.
    #[test]
    fn an_element_that_is_no_single_name_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        for name in [&b"a\\b"[..], b"c:", b"c:a", b"a:b", b"\xff"] {
            let path = [name].into_iter();
            let refusals = [
                folder.open_file(path.clone(), false).err(),
                folder.create_file(path.clone(), Mode::Data).err(),
                folder.stamp(path.clone(), false).err(),
                folder.link_target(path.clone()).err(),
                folder.create_link(path.clone(), Path::new("a")).err(),
                folder.remove(path).err(),
            ];
            for refusal in refusals {
                assert!(matches!(refusal, Some(Refusal::InvalidPath)), "{name:?}");
            }
        }
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
