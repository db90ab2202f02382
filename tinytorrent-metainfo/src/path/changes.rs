use super::element::Kinds;
use super::policy::PathChangeKind;

/// The changes of the root and of the files. [`Folders`](super::folders::Folders) has the changed names
/// of the other folders.
///
/// Only the name of a file is kept, not its path: any number of files may be below a folder whose name
/// had to change. Paths are built on request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// The root's name in the torrent, and its changes.
    pub(super) root: Option<(Box<[u8]>, Kinds)>,
    /// The files with a changed path, ascending.
    pub(super) files: Vec<Changed>,
}

#[derive(Debug, Clone)]
pub(super) struct Changed {
    pub(super) file: u32,
    /// The changes of the path, without those of the root.
    pub(super) kinds: Kinds,
    /// The name in the torrent.
    pub(super) name: Box<[u8]>,
}

impl Changes {
    /// Adds the changes of a file, which comes after those that are there.
    pub(super) fn push(&mut self, file: usize, kinds: Kinds, name: Box<[u8]>) {
        self.files.push(Changed { file: file as u32, kinds, name });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.root.is_none() && self.files.is_empty()
    }

    /// The root's name in the torrent, of which this is the name on disk.
    pub(super) fn given_root<'a>(&'a self, written: &'a [u8]) -> &'a [u8] {
        self.root.as_ref().map_or(written, |(name, _)| name)
    }

    /// The name of a file in the torrent, if its path had to change.
    pub(super) fn given_name(&self, file: usize) -> Option<&[u8]> {
        let at = self.files.binary_search_by_key(&file, |changed| changed.file as usize).ok()?;
        Some(&self.files[at].name)
    }

    /// The changes of a file's path, without those of the root.
    pub(super) fn kinds(&self, file: usize) -> Kinds {
        let at = self.files.binary_search_by_key(&file, |changed| changed.file as usize);
        at.map_or(Kinds::default(), |at| self.files[at].kinds)
    }

    /// Adds a collision to the changes of these files, ascending. `name` has the names before it.
    pub(super) fn add_collisions<'a>(&mut self, files: &[usize], name: impl Fn(usize) -> &'a [u8]) {
        let collision = Kinds::of(PathChangeKind::Collision);
        // The search is in the old entries alone: new ones are appended and sorted in at the end.
        let known = self.files.len();
        for &file in files {
            let place = self.files[..known].binary_search_by_key(&(file as u32), |c| c.file);
            match place {
                Ok(at) => self.files[at].kinds.merge(collision),
                Err(_) => self.push(file, collision, name(file).into()),
            }
        }
        self.files.sort_by_key(|changed| changed.file);
        self.files.shrink_to_fit();
    }
}
