use std::io::Write as _;
use std::mem;

use super::changes::Changes;
use super::collision::resolve;
use super::element::{Kinds, sanitise};
use super::folders::{FolderBuilder, FolderId, Folders};
use super::hasher::PathHasher;
use super::paths::{Names, Paths};
use super::policy::{PathChangeKind, PathPolicy};
use super::safe_path::SafePath;
use super::way::Way;

/// Collects the paths of files, in their order, and what they had to be changed to.
#[derive(Debug, Clone)]
pub(crate) struct PathBuilder {
    policy: PathPolicy,
    folders: FolderBuilder,
    way: Way,
    files: Names,
    targets: Names,
    changes: Changes,
    /// Of the file that is being added: where its name begins, if it has one; what was changed of
    /// its path; and, if anything was, its name as given.
    name: Option<usize>,
    kinds: Kinds,
    given: Box<[u8]>,
    is_full: bool,
}

impl PathBuilder {
    pub(crate) fn new() -> Self {
        Self {
            policy: PathPolicy::default(),
            folders: FolderBuilder::new(),
            way: Way::default(),
            files: Names::default(),
            targets: Names::default(),
            changes: Changes::default(),
            name: None,
            kinds: Kinds::default(),
            given: Box::default(),
            is_full: false,
        }
    }

    pub(crate) fn policy(&self) -> PathPolicy {
        self.policy
    }

    /// How names are written and told apart. Before the first file only.
    pub(crate) fn set_policy(&mut self, policy: PathPolicy) {
        self.policy = policy;
    }

    /// All files are in a folder of this name.
    pub(crate) fn set_root(&mut self, name: &[u8]) {
        let mut written = Vec::new();
        let kinds = sanitise(name, self.policy, &mut written);
        self.folders.set_root(&written);
        self.changes.root = (!kinds.is_empty()).then(|| (name.into(), kinds));
    }

    /// Goes back to the folder around all files.
    pub(crate) fn go_to_root(&mut self) {
        self.way.go_to_root();
    }

    /// Goes to a folder in the present one.
    pub(crate) fn enter(&mut self, raw: &[u8]) {
        self.is_full |= !self.way.enter(raw, self.policy, &mut self.folders);
    }

    /// Goes to a folder in the present one that was not entered before and will not be again.
    pub(crate) fn enter_new(&mut self, raw: &[u8]) {
        self.is_full |= !self.way.enter_new(raw, self.policy, &mut self.folders);
    }

    /// Goes to the folder around the present one.
    pub(crate) fn leave(&mut self) {
        self.way.leave();
    }

    /// The file that [`end`](Self::end) will complete has this name, in the present folder.
    pub(crate) fn name(&mut self, raw: &[u8]) {
        self.name = Some(self.files.bytes.len());
        self.kinds = sanitise(raw, self.policy, &mut self.files.bytes);
        self.kinds.merge(self.way.kinds());
        if !self.kinds.is_empty() {
            self.given = raw.into();
        }
    }

    /// Elements of the path that is being added, without the root.
    pub(crate) fn depth(&self) -> usize {
        if self.name.is_some() { self.way.depth() + 1 } else { 0 }
    }

    /// Whether the path that is being added had to change.
    pub(crate) fn is_changed(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// What was changed of the path that is being added, or the first of more, and that path as it was
    /// given.
    pub(crate) fn change(&self) -> Option<(PathChangeKind, Vec<u8>)> {
        let kind = self.kinds.first()?;
        Some((kind, self.folders.given_path(self.way.folder(), &self.given)))
    }

    /// Completes the path of a file; one without a name is padding of this length. `false` if there
    /// is no room for more.
    pub(crate) fn end(&mut self, length: u64) -> bool {
        let folder = match self.name.take() {
            Some(_) => Some(self.way.folder()),
            None => {
                let _ = write!(self.files.bytes, "{length}");
                self.folders.within(Folders::TOP, b".pad")
            }
        };
        if self.is_changed() {
            let (kinds, given) = (mem::take(&mut self.kinds), mem::take(&mut self.given));
            self.changes.push(self.files.len(), kinds, given);
        }
        !self.is_full && folder.is_some_and(|folder| self.files.close(folder))
    }

    /// The symlink that is being added leads here, from the root on. `false` if that is not plainly
    /// below the root, or is the symlink itself.
    pub(crate) fn target<T>(&mut self, target: T, max_depth: usize) -> bool
    where
        T: IntoIterator,
        T::Item: AsRef<[u8]>,
    {
        let (mut folder, mut depth) = (Folders::ROOT, 0);
        let start = self.targets.bytes.len();
        for element in target {
            let element = element.as_ref();
            if matches!(element, b"" | b"." | b"..") || depth >= max_depth {
                self.targets.bytes.truncate(start);
                return false;
            }
            // What was the last element until now is a folder.
            if depth > 0 {
                let name = &self.targets.bytes[start..];
                let Some(within) = self.folders.within(folder, name) else { return false };
                folder = within;
                self.targets.bytes.truncate(start);
            }
            sanitise(element, self.policy, &mut self.targets.bytes);
            depth += 1;
        }
        let name = &self.targets.bytes[start..];
        let path = self.path(folder, name);
        let is_own = self
            .name
            .is_some_and(|start| path == self.path(self.way.folder(), &self.files.bytes[start..]));
        let is_usable = depth > 0 && !is_own && self.targets.close(folder);
        if !is_usable {
            self.targets.bytes.truncate(start);
        }
        is_usable
    }

    fn path<'a>(&'a self, folder: FolderId, name: &'a [u8]) -> SafePath<'a> {
        SafePath::new(self.folders.folders(), folder, name)
    }

    /// Gives each file a path of its own; see [`resolve`]. The seed keys the comparison of paths.
    pub(crate) fn resolve(
        mut self,
        seed: &[u8],
        is_written: impl Fn(usize) -> bool,
    ) -> Option<Paths> {
        self.files.shrink();
        self.targets.shrink();
        let folders = self.folders.finish();
        let (policy, files, targets) = (self.policy, self.files, self.targets);
        let paths = Paths { policy, folders, files, targets, changes: self.changes };
        resolve(paths, is_written, &mut PathHasher::new(policy, seed))
    }
}
