use core::fmt;

use super::changes::Changes;
use super::folders::{FolderId, Folders};
use super::policy::PathPolicy;
use super::safe_path::SafePath;

/// The paths of a torrent's files, in their order.
#[derive(Clone)]
pub(crate) struct Paths {
    pub(super) policy: PathPolicy,
    pub(super) folders: Folders,
    pub(super) files: Names,
    /// The targets of the symlinks, in the order of the files.
    pub(super) targets: Names,
    pub(super) changes: Changes,
}

impl Paths {
    /// The path of a file.
    ///
    /// # Panics
    /// There is no such file.
    pub(crate) fn get(&self, file: usize) -> SafePath<'_> {
        self.files.path(file, &self.folders)
    }

    /// The target of the symlink with this position among the symlinks.
    pub(crate) fn target(&self, link: usize) -> SafePath<'_> {
        self.targets.path(link, &self.folders)
    }

    /// The policy of the paths.
    pub(crate) fn policy(&self) -> PathPolicy {
        self.policy
    }

    fn all(&self) -> [impl Iterator<Item = SafePath<'_>>; 2] {
        [&self.files, &self.targets]
            .map(|names| (0..names.len()).map(|index| names.path(index, &self.folders)))
    }
}

/// Paths are equal if all elements are. The order of folders and the names in the torrent do not count.
impl PartialEq for Paths {
    fn eq(&self, other: &Self) -> bool {
        self.all().into_iter().zip(other.all()).all(|(ours, theirs)| ours.eq(theirs))
    }
}

impl Eq for Paths {}

impl fmt::Debug for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().into_iter().flatten()).finish()
    }
}

/// Names of files in one allocation, each with its folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(super) bytes: Vec<u8>,
    pub(super) places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) folder: FolderId,
    end: u32,
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    #[inline]
    pub(super) fn name(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.places[before].end);
        &self.bytes[start as usize..self.places[index].end as usize]
    }

    fn path<'a>(&'a self, index: usize, folders: &'a Folders) -> SafePath<'a> {
        SafePath::new(folders, self.places[index].folder, self.name(index))
    }

    /// Ends the name that was appended to `bytes`. Returns false if all names together take more than
    /// 4 GiB.
    #[inline]
    pub(super) fn close(&mut self, folder: FolderId) -> bool {
        let Ok(end) = u32::try_from(self.bytes.len()) else { return false };
        self.places.push(Place { folder, end });
        true
    }

    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.places.shrink_to_fit();
    }
}
