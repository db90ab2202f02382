use std::hash::{BuildHasher as _, RandomState};

use super::builder::PathBuilder;
use super::cursor::MAX_LEVELS;
use super::paths::Paths;
use super::policy::{PathChangeKind, PathPolicy};

impl Paths {
    /// The paths of the same names under another policy. `links` are the files that are symlinks; files
    /// that are never written may collide with others. `None` if it would take too long, or if a link
    /// would lead to itself.
    pub(crate) fn with_policy(
        &self,
        policy: PathPolicy,
        links: impl Iterator<Item = usize>,
        is_written: impl Fn(usize) -> bool,
    ) -> Option<Self> {
        let mut builder = PathBuilder::new();
        builder.set_policy(policy);
        if !self.folders.root().is_empty() {
            builder.set_root(self.given_root());
        }
        let mut links = links.enumerate().peekable();
        for file in 0..self.files.len() {
            self.add_given(file, &mut builder);
            if let Some((link, _)) = links.next_if(|(_, of)| *of == file)
                && !builder.add_target(self.target_below_root(link), MAX_LEVELS)
            {
                return None;
            }
            if !builder.end_file(0) {
                return None;
            }
        }
        builder.resolve(&seed(), is_written)
    }

    /// Returns true if every path is the one in the torrent.
    pub(crate) fn are_unchanged(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns true if the path of a file was changed for another reason than a collision.
    pub(crate) fn is_rewritten(&self, file: usize) -> bool {
        let mut kinds = self.changes.kinds(file);
        kinds.remove(PathChangeKind::Collision);
        !kinds.is_empty() || self.changes.root.is_some()
    }

    pub(super) fn given_root(&self) -> &[u8] {
        self.changes.given_root(self.folders.root())
    }

    /// Adds the path that a file has in the torrent to a builder.
    fn add_given(&self, file: usize, builder: &mut PathBuilder) {
        let folder = self.files.places[file].folder;
        // Padding without a path gets a name from the builder.
        if !self.folders.is_in_root(folder) {
            return;
        }
        builder.go_to_root();
        for folder in self.folders.folders_to(folder) {
            builder.enter(self.folders.given_name(folder));
        }
        builder.set_name(self.changes.given_name(file).unwrap_or(self.files.name(file)));
    }

    fn target_below_root(&self, link: usize) -> impl Iterator<Item = &[u8]> {
        let folders = self.folders.folders_to(self.targets.places[link].folder);
        let name = self.targets.name(link);
        folders.map(|folder| self.folders.name(folder)).chain([name])
    }
}

/// A random seed, so that nobody can prepare names with the same hash.
pub(super) fn seed() -> [u8; 8] {
    RandomState::new().hash_one(0).to_ne_bytes()
}
