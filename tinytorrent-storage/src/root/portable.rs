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

    pub(super) fn disk(&self) -> Option<u64> {
        None
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
