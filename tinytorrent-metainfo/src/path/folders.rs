use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, RandomState};

use super::hasher::{Identity, mix_all};

/// A folder of a [`Folders`].
pub(crate) type FolderId = u32;

/// The folders of a torrent, each with the one around it: a path costs what its last element takes,
/// however deep it is.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// The name of the folder around all files; empty if there is none.
    root: Vec<u8>,
    /// The names of the others, one after the other.
    names: Vec<u8>,
    entries: Vec<Entry>,
    /// The names as they were given of those that are written otherwise, ascending.
    given: Vec<(FolderId, Box<[u8]>)>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    around: FolderId,
    name_end: u32,
}

impl Folders {
    /// Where the download goes: the only folder that is in no other.
    pub(super) const TOP: FolderId = FolderId::MAX;

    /// The folder around all files; the same as the top if it has no name.
    pub(super) const ROOT: FolderId = 0;

    fn new() -> Self {
        let root = Entry { around: Self::TOP, name_end: 0 };
        Self { root: Vec::new(), names: Vec::new(), entries: vec![root], given: Vec::new() }
    }

    pub(super) fn root(&self) -> &[u8] {
        &self.root
    }

    /// All but the top, each after the one around it.
    pub(super) fn all(&self) -> impl Iterator<Item = FolderId> + use<> {
        0..self.entries.len() as FolderId
    }

    /// The folder around one that is not the top.
    #[inline]
    pub(super) fn around(&self, folder: FolderId) -> FolderId {
        self.entries[folder as usize].around
    }

    /// The last element of one that is not the top.
    #[inline]
    pub(super) fn name(&self, folder: FolderId) -> &[u8] {
        let Some(before) = (folder as usize).checked_sub(1) else { return &self.root };
        let [start, end] = [before, before + 1].map(|at| self.entries[at].name_end as usize);
        &self.names[start..end]
    }

    /// The last element as it was given.
    #[inline]
    pub(super) fn given_name(&self, folder: FolderId) -> &[u8] {
        match self.given.binary_search_by_key(&folder, |(folder, _)| *folder) {
            Ok(at) => &self.given[at].1,
            Err(_) => self.name(folder),
        }
    }

    /// The folders on the way to one, itself included, outermost first; without the root.
    pub(super) fn way_to(&self, mut folder: FolderId) -> impl Iterator<Item = FolderId> + use<> {
        let mut way = Vec::new();
        while !matches!(folder, Self::ROOT | Self::TOP) {
            way.push(folder);
            folder = self.around(folder);
        }
        way.into_iter().rev()
    }

    /// The path of a file of this name as it was given, without the root.
    pub(super) fn given_path(&self, folder: FolderId, name: &[u8]) -> Vec<u8> {
        let mut path = Vec::new();
        for folder in self.way_to(folder) {
            path.extend_from_slice(self.given_name(folder));
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    /// `true` if a folder is the root or below it; padding without a path is beside it.
    pub(super) fn is_in_root(&self, mut folder: FolderId) -> bool {
        while !matches!(folder, Self::ROOT | Self::TOP) {
            folder = self.around(folder);
        }
        folder == Self::ROOT
    }

    fn push(&mut self, around: FolderId, name: &[u8]) -> Option<FolderId> {
        let name_end = u32::try_from(self.names.len() + name.len()).ok()?;
        self.names.extend_from_slice(name);
        self.entries.push(Entry { around, name_end });
        Some(self.entries.len() as FolderId - 1)
    }

    /// Bytes of the names that are written otherwise.
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

/// Collects folders and knows those that are there.
#[derive(Debug, Clone)]
pub(super) struct FolderBuilder {
    folders: Folders,
    /// Those that are remembered, by the hash of the name and of the folder around it. Of those that
    /// share one, the first.
    known: HashMap<u64, FolderId, BuildHasherDefault<Identity>>,
    /// Unknown to all, so that nobody can make names that share a hash.
    keys: [u64; 2],
}

impl FolderBuilder {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        let keys = [0, 1].map(|which| random.hash_one(which) | 1);
        Self { folders: Folders::new(), known: HashMap::default(), keys }
    }

    pub(super) fn set_root(&mut self, name: &[u8]) {
        self.folders.root = name.to_vec();
    }

    /// The last element of a folder that is not the top, as it was given.
    #[inline]
    pub(super) fn given_name(&self, folder: FolderId) -> &[u8] {
        self.folders.given_name(folder)
    }

    /// The path of a file of this name as it was given, without the root.
    pub(super) fn given_path(&self, folder: FolderId, name: &[u8]) -> Vec<u8> {
        self.folders.given_path(folder, name)
    }

    /// The folder of this name in another, if it is remembered.
    pub(super) fn find(&self, around: FolderId, name: &[u8]) -> Option<FolderId> {
        let known = *self.known.get(&self.hash(around, name))?;
        let is_it = self.folders.around(known) == around && self.folders.name(known) == name;
        is_it.then_some(known)
    }

    /// Adds a folder of this name in another. `None` if there is no room for it (4 GiB of names).
    pub(super) fn push(&mut self, around: FolderId, name: &[u8]) -> Option<FolderId> {
        self.folders.push(around, name)
    }

    /// The same, of a folder that was given another name.
    pub(super) fn push_changed(
        &mut self,
        around: FolderId,
        name: &[u8],
        given: &[u8],
    ) -> Option<FolderId> {
        let folder = self.push(around, name)?;
        self.folders.given.push((folder, given.into()));
        Some(folder)
    }

    /// Makes a folder one that can be found, unless it was given another name: who looks for the one
    /// that is written means another folder.
    pub(super) fn remember(&mut self, folder: FolderId) {
        if self.folders.given.last().is_some_and(|(changed, _)| *changed == folder) {
            return;
        }
        let hash = self.hash(self.folders.around(folder), self.folders.name(folder));
        self.known.entry(hash).or_insert(folder);
    }

    /// The folder of this name in another, added if it is not remembered.
    pub(super) fn within(&mut self, around: FolderId, name: &[u8]) -> Option<FolderId> {
        let found = self.find(around, name);
        found.or_else(|| self.push(around, name).inspect(|&folder| self.remember(folder)))
    }

    /// The folders that are there.
    pub(super) fn folders(&self) -> &Folders {
        &self.folders
    }

    #[inline]
    fn hash(&self, around: FolderId, name: &[u8]) -> u64 {
        mix_all(self.keys, around.into(), name, |word| word).0
    }

    pub(super) fn finish(mut self) -> Folders {
        self.folders.shrink();
        self.folders
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PathBuilder, PathPolicy};

    /// A file tree names a folder once, and may have a hundred of them above a hundred thousand files.
    #[test]
    fn a_path_costs_what_its_name_takes() {
        let mut builder = PathBuilder::new();
        builder.set_policy(PathPolicy::Portable);
        let folder = [b'x'; 250];
        (0..100).for_each(|_| builder.enter_new(&folder));
        for number in 0..1_000 {
            builder.name(format!("{number}").as_bytes());
            assert!(builder.end(0));
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
            builder.name(b"file");
            assert!(builder.end(0));
        }
        let paths = builder.resolve(b"", |_| true).unwrap();
        assert_eq!(paths.folders.names, b"abcba");
        let renamed: Vec<u32> =
            paths.changes().filter_map(|change| Some(change.file?.get())).collect();
        assert_eq!(renamed, [3]);
    }
}
