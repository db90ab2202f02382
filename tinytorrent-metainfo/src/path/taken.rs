use std::collections::HashSet;

use super::hasher::PathHasher;
use super::policy::PathPolicy;
use super::safe_path::SafePath;
use super::with_policy::seed;

/// Paths that are in use. Those that a file system may take for equal count as equal, under every policy:
/// nobody has looked at the disk.
///
/// Paths are compared by hashes, as in [`resolve`](super::collision::resolve). An accident refuses a path
/// that is free.
pub(crate) struct TakenPaths {
    hasher: PathHasher,
    files: HashSet<u64>,
    folders: HashSet<u64>,
}

impl TakenPaths {
    pub(crate) fn new() -> Self {
        let hasher = PathHasher::new(PathPolicy::Portable, &seed());
        Self { hasher, files: HashSet::new(), folders: HashSet::new() }
    }

    pub(crate) fn add(&mut self, path: SafePath<'_>) {
        let (folders, file) = self.hashes(path);
        self.folders.extend(folders);
        self.files.insert(file);
    }

    /// Returns `true` if no file or folder has this path, and no file has that of one of its folders.
    pub(crate) fn is_free(&mut self, path: SafePath<'_>) -> bool {
        let (folders, file) = self.hashes(path);
        !self.files.contains(&file)
            && !self.folders.contains(&file)
            && !folders.iter().any(|folder| self.files.contains(folder))
    }

    /// The hashes of the folders of a path, and of the path.
    fn hashes(&mut self, path: SafePath<'_>) -> (Vec<u64>, u64) {
        let mut hash = PathHasher::ROOT;
        let mut hashes = Vec::new();
        for element in path.elements() {
            hash = self.hasher.hash(hash, element);
            hashes.push(hash);
        }
        hashes.pop();
        (hashes, hash)
    }
}
