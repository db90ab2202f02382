use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, RandomState};

use super::hasher::{Identity, mix_all};

/// A folder of a [`Folders`].
pub(crate) type FolderId = u32;

/// The folders of a torrent as a tree in which each folder has its parent. So a path of any depth takes
/// only the memory of its last element.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// The name of the root; empty if it has none.
    root: Vec<u8>,
    /// The names of the other folders, without separators.
    names: Vec<u8>,
    entries: Vec<Entry>,
    /// The names in the torrent of folders whose name on disk differs, ascending.
    given: Vec<(FolderId, Box<[u8]>)>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    parent: FolderId,
    name_end: u32,
}

impl Folders {
    /// The folder of the download, the only one without a parent.
    pub(super) const TOP: FolderId = FolderId::MAX;

    /// The folder of the torrent, which has all files; the same as the top if it has no name.
    pub(super) const ROOT: FolderId = 0;

    fn new() -> Self {
        let root = Entry { parent: Self::TOP, name_end: 0 };
        Self { root: Vec::new(), names: Vec::new(), entries: vec![root], given: Vec::new() }
    }

    pub(super) fn root(&self) -> &[u8] {
        &self.root
    }

    /// All folders but the top, each after its parent.
    pub(super) fn all(&self) -> impl Iterator<Item = FolderId> + use<> {
        0..self.entries.len() as FolderId
    }

    /// The parent of a folder that is not the top.
    #[inline]
    pub(super) fn parent(&self, folder: FolderId) -> FolderId {
        self.entries[folder as usize].parent
    }

    /// The name on disk of a folder that is not the top.
    #[inline]
    pub(super) fn name(&self, folder: FolderId) -> &[u8] {
        // Folder 0 is the root, whose name is not among the others.
        let Some(before) = (folder as usize).checked_sub(1) else { return &self.root };
        let [start, end] = [before, before + 1].map(|at| self.entries[at].name_end as usize);
        &self.names[start..end]
    }

    /// The name in the torrent of a folder that is not the top.
    #[inline]
    pub(super) fn given_name(&self, folder: FolderId) -> &[u8] {
        match self.given.binary_search_by_key(&folder, |(folder, _)| *folder) {
            Ok(at) => &self.given[at].1,
            Err(_) => self.name(folder),
        }
    }

    /// The folders of the path to a folder, itself included, outermost first; without the root.
    pub(super) fn folders_to(
        &self,
        mut folder: FolderId,
    ) -> impl Iterator<Item = FolderId> + use<> {
        let mut way = Vec::new();
        while !matches!(folder, Self::ROOT | Self::TOP) {
            way.push(folder);
            folder = self.parent(folder);
        }
        way.into_iter().rev()
    }

    /// The path in the torrent of a file of this name, without the root.
    pub(super) fn given_path(&self, folder: FolderId, name: &[u8]) -> Vec<u8> {
        let mut path = Vec::new();
        for folder in self.folders_to(folder) {
            path.extend_from_slice(self.given_name(folder));
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    /// Returns true if a folder is the root or below it. Only padding without a path is elsewhere.
    pub(super) fn is_in_root(&self, mut folder: FolderId) -> bool {
        while !matches!(folder, Self::ROOT | Self::TOP) {
            folder = self.parent(folder);
        }
        folder == Self::ROOT
    }

    fn push(&mut self, parent: FolderId, name: &[u8]) -> Option<FolderId> {
        let name_end = u32::try_from(self.names.len() + name.len()).ok()?;
        self.names.extend_from_slice(name);
        self.entries.push(Entry { parent, name_end });
        Some(self.entries.len() as FolderId - 1)
    }

    /// Bytes of the names in the torrent that differ on disk.
    #[cfg(test)]
    pub(super) fn given_length(&self) -> usize {
        self.given.iter().map(|(_, name)| name.len()).sum()
    }

    fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.entries.shrink_to_fit();
        self.given.shrink_to_fit();
    }
}

/// A builder of [`Folders`], with an index of their names.
#[derive(Debug, Clone)]
pub(super) struct FolderBuilder {
    folders: Folders,
    /// The index: folders by the hash of their name and parent. Of folders with the same hash it has the
    /// first.
    known: HashMap<u64, FolderId, BuildHasherDefault<Identity>>,
    /// Random keys of the hash, so that nobody can prepare names with the same hash.
    keys: [u64; 2],
}

impl FolderBuilder {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        // The keys of `mix_all` are odd.
        let keys = [0, 1].map(|which| random.hash_one(which) | 1);
        Self { folders: Folders::new(), known: HashMap::default(), keys }
    }

    pub(super) fn set_root(&mut self, name: &[u8]) {
        self.folders.root = name.to_vec();
    }

    /// The name in the torrent of a folder that is not the top.
    #[inline]
    pub(super) fn given_name(&self, folder: FolderId) -> &[u8] {
        self.folders.given_name(folder)
    }

    /// The path in the torrent of a file of this name, without the root.
    pub(super) fn given_path(&self, folder: FolderId, name: &[u8]) -> Vec<u8> {
        self.folders.given_path(folder, name)
    }

    /// The subfolder of this name, if it is in the index.
    pub(super) fn find(&self, parent: FolderId, name: &[u8]) -> Option<FolderId> {
        let known = *self.known.get(&self.hash(parent, name))?;
        // Other names may have the same hash.
        let is_it = self.folders.parent(known) == parent && self.folders.name(known) == name;
        is_it.then_some(known)
    }

    /// Adds a subfolder. `None` if all names together would take more than 4 GiB.
    pub(super) fn push(&mut self, parent: FolderId, name: &[u8]) -> Option<FolderId> {
        self.folders.push(parent, name)
    }

    /// Adds a subfolder whose name in the torrent differs from the one on disk.
    pub(super) fn push_changed(
        &mut self,
        parent: FolderId,
        name: &[u8],
        given: &[u8],
    ) -> Option<FolderId> {
        let folder = self.push(parent, name)?;
        self.folders.given.push((folder, given.into()));
        Some(folder)
    }

    /// Adds a folder to the index, unless its name had to change.
    pub(super) fn remember(&mut self, folder: FolderId) {
        // A torrent that also has a folder of the new name means another folder by it.
        if self.folders.given.last().is_some_and(|(changed, _)| *changed == folder) {
            return;
        }
        let hash = self.hash(self.folders.parent(folder), self.folders.name(folder));
        self.known.entry(hash).or_insert(folder);
    }

    /// The subfolder of this name, which is added if it is not in the index.
    pub(super) fn find_or_add(&mut self, parent: FolderId, name: &[u8]) -> Option<FolderId> {
        let found = self.find(parent, name);
        found.or_else(|| self.push(parent, name).inspect(|&folder| self.remember(folder)))
    }

    /// The folders that were added so far.
    pub(super) fn folders(&self) -> &Folders {
        &self.folders
    }

    #[inline]
    fn hash(&self, parent: FolderId, name: &[u8]) -> u64 {
        mix_all(self.keys, parent.into(), name, |word| word).0
    }

    pub(super) fn finish(mut self) -> Folders {
        self.folders.shrink();
        self.folders
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PathBuilder, PathPolicy};

    /// A file tree has each folder once, and a hundred of them may be above a hundred thousand files.
    #[test]
    fn a_path_costs_what_its_name_takes() {
        let mut builder = PathBuilder::new();
        builder.set_policy(PathPolicy::Portable);
        let folder = [b'x'; 250];
        (0..100).for_each(|_| builder.enter_new(&folder));
        for number in 0..1_000 {
            builder.set_name(format!("{number}").as_bytes());
            assert!(builder.end_file(0));
        }
        let paths = builder.resolve(b"", |_| true).unwrap();
        assert_eq!(paths.folders.names.len(), 100 * folder.len());
        assert_eq!(paths.get(999).to_bytes().len(), 100 * (folder.len() + 1) + 3);
    }

    #[test]
    fn a_folder_that_is_left_and_entered_again_is_the_same() {
        let mut builder = PathBuilder::new();
        for folder in [["a", "b"], ["a", "c"], ["b", "a"], ["a", "b"]] {
            builder.go_to_root();
            folder.iter().for_each(|name| builder.enter(name.as_bytes()));
            builder.set_name(b"file");
            assert!(builder.end_file(0));
        }
        let paths = builder.resolve(b"", |_| true).unwrap();
        assert_eq!(paths.folders.names, b"abcba");
        let renamed: Vec<u32> =
            paths.changes().filter_map(|change| Some(change.file?.get())).collect();
        assert_eq!(renamed, [3]);
    }
}
