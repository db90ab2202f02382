use std::io::Write as _;
use std::mem;

use super::changes::Changes;
use super::collision::resolve;
use super::cursor::Cursor;
use super::element::{Kinds, sanitise};
use super::folders::{FolderBuilder, FolderId, Folders};
use super::hasher::PathHasher;
use super::paths::{Names, Paths};
use super::policy::{PathChangeKind, PathPolicy};
use super::safe_path::SafePath;

/// A builder of [`Paths`]: takes names as the torrent has them, in the order of the files, and sanitises
/// them.
#[derive(Debug, Clone)]
pub(crate) struct PathBuilder {
    policy: PathPolicy,
    folders: FolderBuilder,
    cursor: Cursor,
    files: Names,
    targets: Names,
    changes: Changes,
    /// The start of the name of the file that is being added, if it has one.
    name: Option<usize>,
    /// The changes of that file's path.
    kinds: Kinds,
    /// That file's name in the torrent; empty if its path did not change.
    given: Box<[u8]>,
    /// True if the names take more than 4 GiB.
    is_full: bool,
}

impl PathBuilder {
    pub(crate) fn new() -> Self {
        Self {
            policy: PathPolicy::default(),
            folders: FolderBuilder::new(),
            cursor: Cursor::default(),
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

    /// Sets the rules for names. It has to be called before the root and the first file.
    pub(crate) fn set_policy(&mut self, policy: PathPolicy) {
        self.policy = policy;
    }

    /// Puts all files into a folder of this name.
    pub(crate) fn set_root(&mut self, name: &[u8]) {
        let mut written = Vec::new();
        let kinds = sanitise(name, self.policy, &mut written);
        self.folders.set_root(&written);
        self.changes.root = (!kinds.is_empty()).then(|| (name.into(), kinds));
    }

    /// Goes to the root.
    pub(crate) fn go_to_root(&mut self) {
        self.cursor.go_to_root();
    }

    /// Goes to a subfolder of the current folder.
    pub(crate) fn enter(&mut self, raw: &[u8]) {
        // `end_file` reports it.
        self.is_full |= !self.cursor.enter(raw, self.policy, &mut self.folders);
    }

    /// Goes to a new subfolder of the current folder, which is never entered again. A file tree has each
    /// folder once, so a search for it is not needed.
    pub(crate) fn enter_new(&mut self, raw: &[u8]) {
        self.is_full |= !self.cursor.enter_new(raw, self.policy, &mut self.folders);
    }

    /// Goes to the parent of the current folder.
    pub(crate) fn leave(&mut self) {
        self.cursor.leave();
    }

    /// Names the next file, which is in the current folder. [`end_file`](Self::end_file) completes it.
    pub(crate) fn set_name(&mut self, raw: &[u8]) {
        self.name = Some(self.files.bytes.len());
        self.kinds = sanitise(raw, self.policy, &mut self.files.bytes);
        self.kinds.merge(self.cursor.kinds());
        if !self.kinds.is_empty() {
            self.given = raw.into();
        }
    }

    /// The number of elements of the next file's path, without the root; 0 if it has no name.
    pub(crate) fn depth(&self) -> usize {
        if self.name.is_some() { self.cursor.depth() + 1 } else { 0 }
    }

    /// Returns true if the path of the next file had to change.
    pub(crate) fn is_changed(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// The first change of the next file's path, and that path as the torrent has it.
    pub(crate) fn first_change(&self) -> Option<(PathChangeKind, Vec<u8>)> {
        let kind = self.kinds.first()?;
        // The file has a name, and is below the root: only padding without a name is elsewhere.
        let root = self.changes.given_root(self.folders.folders().root());
        let below = self.folders.given_path(self.cursor.folder(), &self.given);
        let path = if root.is_empty() { below } else { [root, b"/", &below].concat() };
        Some((kind, path))
    }

    /// Completes the path of the next file. A file without a name is padding of this length. Returns
    /// false if all names together take more than 4 GiB.
    pub(crate) fn end_file(&mut self, length: u64) -> bool {
        let folder = match self.name.take() {
            Some(_) => Some(self.cursor.folder()),
            None => {
                // BEP 47 recommends `.pad/LENGTH` for padding. A vector takes every write.
                let _ = write!(self.files.bytes, "{length}");
                self.folders.find_or_add(Folders::TOP, b".pad")
            }
        };
        if self.is_changed() {
            let (kinds, given) = (mem::take(&mut self.kinds), mem::take(&mut self.given));
            self.changes.push(self.files.len(), kinds, given);
        }
        !self.is_full && folder.is_some_and(|folder| self.files.close(folder))
    }

    /// Sets the target of the next file, which is a symlink, as a path below the root. Returns false if
    /// an element leads elsewhere, or if the target is the symlink itself.
    pub(crate) fn add_target<T>(&mut self, target: T, max_depth: usize) -> bool
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
            // Another element follows, so the previous one is a folder.
            if depth > 0 {
                let name = &self.targets.bytes[start..];
                let Some(within) = self.folders.find_or_add(folder, name) else { return false };
                folder = within;
                self.targets.bytes.truncate(start);
            }
            sanitise(element, self.policy, &mut self.targets.bytes);
            depth += 1;
        }
        let name = &self.targets.bytes[start..];
        let path = self.path(folder, name);
        let is_own = self.name.is_some_and(|start| {
            path == self.path(self.cursor.folder(), &self.files.bytes[start..])
        });
        let is_usable = depth > 0 && !is_own && self.targets.close(folder);
        if !is_usable {
            self.targets.bytes.truncate(start);
        }
        is_usable
    }

    fn path<'a>(&'a self, folder: FolderId, name: &'a [u8]) -> SafePath<'a> {
        SafePath::new(self.folders.folders(), folder, name)
    }

    /// Finishes the paths and gives each file a path of its own; see [`resolve`]. The seed keys the
    /// hashes of paths.
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
