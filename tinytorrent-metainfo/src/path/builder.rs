use std::io::Write as _;

use super::names::Names;
use super::{Claims, Folder, Kinds, PathArena, PathPolicy, Resolved, sanitise};

/// Collects the paths of files, in their order: where each begins, what it had to be changed to, and
/// who else claims it.
#[derive(Debug, Clone)]
pub(crate) struct PathBuilder {
    policy: PathPolicy,
    seed: Vec<u8>,
    names: Names,
    folder: Folder,
    claims: Claims,
    arena: PathArena,
    /// Of the file that is being added: where its name begins, if it has one; what was changed of
    /// its path; and, if anything was, its path as given.
    name: Option<usize>,
    kinds: Kinds,
    original: Vec<u8>,
}

impl PathBuilder {
    pub(crate) fn new() -> Self {
        let policy = PathPolicy::default();
        Self {
            policy,
            seed: Vec::new(),
            names: Names::new(policy, &[]),
            folder: Folder::default(),
            claims: Claims::default(),
            arena: PathArena::default(),
            name: None,
            kinds: Kinds::default(),
            original: Vec::new(),
        }
    }

    pub(crate) fn policy(&self) -> PathPolicy {
        self.policy
    }

    /// How names are written and told apart. Before the first file only.
    pub(crate) fn set_policy(&mut self, policy: PathPolicy) {
        self.policy = policy;
        self.rekey();
    }

    /// What keys the comparison of paths. Before the first file only.
    pub(crate) fn set_seed(&mut self, seed: &[u8]) {
        self.seed = seed.to_vec();
        self.rekey();
    }

    fn rekey(&mut self) {
        self.names = Names::new(self.policy, &self.seed);
        self.folder = Folder::root(self.written_root().to_vec().as_slice(), &mut self.names);
    }

    /// All files from here on are in a folder of this name. Answers what was changed of it.
    pub(crate) fn set_root(&mut self, name: &[u8]) -> Kinds {
        let mut written = Vec::new();
        let kinds = sanitise(name, self.policy, &mut written);
        self.folder = Folder::root(&written, &mut self.names);
        kinds
    }

    /// The folder around all files as it is written; empty if there is none.
    pub(crate) fn written_root(&self) -> &[u8] {
        self.folder.written_root().strip_suffix(b"/").unwrap_or_default()
    }

    /// Goes back to the folder around all files.
    pub(crate) fn go_to_root(&mut self) {
        self.folder.go_to_root();
    }

    /// Goes to a folder in the present one.
    pub(crate) fn enter(&mut self, raw: &[u8]) {
        self.folder.enter(raw, self.policy, &mut self.names);
    }

    /// Goes to the folder around the present one.
    pub(crate) fn leave(&mut self) {
        self.folder.leave();
    }

    /// The file that [`end`](Self::end) will complete has this name, in the present folder.
    pub(crate) fn name(&mut self, raw: &[u8]) {
        let path = self.arena.open();
        path.extend_from_slice(self.folder.written());
        self.name = Some(path.len());
        self.kinds = sanitise(raw, self.policy, path);
        self.kinds.merge(self.folder.kinds());
        if !self.kinds.is_empty() {
            self.original.extend_from_slice(self.folder.raw());
            self.original.extend_from_slice(raw);
        }
    }

    /// Elements of the path that is being added, without the root.
    pub(crate) fn depth(&self) -> usize {
        if self.name.is_some() { self.folder.depth() + 1 } else { 0 }
    }

    /// What was changed of the path that is being added.
    pub(crate) fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// The path that is being added as it was given, if anything of it was changed.
    pub(crate) fn original(&self) -> &[u8] {
        &self.original
    }

    /// Completes a path. One that is never written may clash with others. `false` if there is no
    /// room for more.
    pub(crate) fn end(&mut self, is_written: bool) -> bool {
        match self.name.take().filter(|_| is_written) {
            Some(start) => {
                let name = self.arena.opened_from(start);
                self.claims.file(&mut self.folder, name, &mut self.names);
            }
            None => self.claims.exempt(),
        }
        self.kinds = Kinds::default();
        self.original.clear();
        self.arena.close()
    }

    /// Names a file that has no name, and is never written.
    pub(crate) fn name_padding(&mut self, length: u64) {
        let _ = write!(self.arena.open(), ".pad/{length}");
    }

    /// The target of a symlink as it will be found on disk; `None` for one that is not plainly
    /// below the root, or that is the path being added.
    pub(crate) fn target<T>(&self, target: T, max_depth: usize) -> Option<PathArena>
    where
        T: IntoIterator,
        T::Item: AsRef<[u8]>,
    {
        let mut arena = PathArena::default();
        arena.open().extend_from_slice(self.folder.written_root());
        let mut is_empty = true;
        for (at, element) in target.into_iter().enumerate() {
            let element = element.as_ref();
            if matches!(element, b"" | b"." | b"..") || at >= max_depth {
                return None;
            }
            if !is_empty {
                arena.open().push(b'/');
            }
            sanitise(element, self.policy, arena.open());
            is_empty = false;
        }
        let is_own = arena.opened() == self.arena.opened();
        (!is_empty && !is_own && arena.close()).then_some(arena)
    }

    /// Gives each file a path of its own; see [`Claims::resolve`].
    pub(crate) fn resolve(mut self) -> Option<Resolved> {
        let mut resolved = self.claims.resolve(self.arena, &mut self.names)?;
        resolved.paths.shrink();
        Some(resolved)
    }
}
