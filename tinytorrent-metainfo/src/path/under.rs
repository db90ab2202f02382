use std::hash::{BuildHasher as _, RandomState};

use super::builder::PathBuilder;
use super::paths::Paths;
use super::policy::{PathChangeKind, PathPolicy};
use super::way::MAX_LEVELS;

impl Paths {
    /// The paths that another policy makes of the same names. `links` are the files that are symlinks,
    /// and what is never written may clash with others. `None` where that would take too long, or
    /// would make a link lead to itself.
    pub(crate) fn under(
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
            self.hand_over(file, &mut builder);
            if let Some((link, _)) = links.next_if(|(_, of)| *of == file)
                && !builder.target(self.target_below_root(link), MAX_LEVELS)
            {
                return None;
            }
            if !builder.end(0) {
                return None;
            }
        }
        builder.resolve(&seed(), is_written)
    }

    /// `true` if every path is as it was given.
    pub(crate) fn are_as_given(&self) -> bool {
        self.changes.is_empty()
    }

    /// `true` if the file got another path for other reasons than that somebody else has its own.
    pub(crate) fn is_rewritten(&self, file: usize) -> bool {
        let mut kinds = self.changes.kinds(file);
        kinds.remove(PathChangeKind::Collision);
        !kinds.is_empty() || self.changes.root.is_some()
    }

    pub(super) fn given_root(&self) -> &[u8] {
        self.changes.root.as_ref().map_or(self.folders.root(), |(name, _)| name)
    }

    /// Adds the path of a file as it was given to a builder.
    fn hand_over(&self, file: usize, builder: &mut PathBuilder) {
        let folder = self.files.places[file].folder;
        if !self.folders.is_in_root(folder) {
            return;
        }
        builder.go_to_root();
        for folder in self.folders.way_to(folder) {
            builder.enter(self.folders.given_name(folder));
        }
        builder.name(self.changes.given_name(file).unwrap_or(self.files.name(file)));
    }

    fn target_below_root(&self, link: usize) -> impl Iterator<Item = &[u8]> {
        let folders = self.folders.way_to(self.targets.places[link].folder);
        let name = self.targets.name(link);
        folders.map(|folder| self.folders.name(folder)).chain([name])
    }
}

/// Nobody can make names that share a hash who does not know it.
fn seed() -> [u8; 8] {
    RandomState::new().hash_one(0).to_ne_bytes()
}
