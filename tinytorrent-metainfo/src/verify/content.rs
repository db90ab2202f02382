use core::cmp::Ordering;
use std::fs;

use tinytorrent_folder::Folder;

use super::fault::FileFaultKind;
use crate::content::FaultKind;
use crate::{DiskPaths, File, FileIndex, Metainfo};

/// The files of a torrent on disk.
pub(super) struct Content<'a> {
    pub(super) metainfo: &'a Metainfo,
    pub(super) folder: Folder,
    pub(super) paths: DiskPaths,
}

impl Content<'_> {
    pub(super) fn open(&self, file: FileIndex) -> Result<fs::File, FaultKind> {
        let file = self.metainfo.layout().file(file.get()).ok_or(FaultKind::Missing)?;
        Ok(self.folder.open_file(self.paths.path(&file).elements())?)
    }

    /// The fault of a file that its pieces do not show: one behind another fault of the same piece, an empty
    /// file that is missing, a file that is too long, a wrong link.
    pub(super) fn fault_of(&self, file: &File<'_>) -> Option<FileFaultKind> {
        if let Some(target) = self.paths.link_target(self.metainfo.layout(), file) {
            return match self.folder.link_target(self.paths.path(file).elements()) {
                Ok(Some(found)) if target.is_named_by(&found) => None,
                Ok(Some(_)) => Some(FileFaultKind::Wrong),
                Ok(None) => Some(FileFaultKind::Missing),
                Err(error) => Some(FileFaultKind::of(error)),
            };
        }
        match self.folder.stamp(self.paths.path(file).elements()) {
            Ok(Some(stamp)) => match stamp.size.cmp(&file.length) {
                Ordering::Less => Some(FileFaultKind::Short),
                Ordering::Equal => None,
                Ordering::Greater => Some(FileFaultKind::Long),
            },
            // Opening the file again gives the reason.
            Ok(None) => self.open(file.index).err().map(FileFaultKind::from),
            Err(error) => Some(FileFaultKind::of(error)),
        }
    }
}
