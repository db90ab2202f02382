use super::element::{Kinds, sanitise};
use super::folders::{FolderBuilder, FolderId, Folders};
use super::policy::PathPolicy;

/// The current folder of a [`PathBuilder`](super::builder::PathBuilder), with its parents.
///
/// Most files of a torrent are in the folder of the previous file. So the folders of the previous path
/// are kept, and an element that is the same as before is not sanitised again.
#[derive(Debug, Clone, Default)]
pub(super) struct Cursor {
    /// The folders from below the root to the current one, followed by those of the previous path.
    levels: Vec<Level>,
    /// The depth of the current folder: the number of levels that lead to it. It may be larger than
    /// their count, as levels beyond `MAX_LEVELS` are not kept.
    depth: usize,
    /// A buffer for the sanitised name of a folder.
    written: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    folder: FolderId,
    /// The changes of its path.
    kinds: Kinds,
}

impl Cursor {
    pub(super) fn go_to_root(&mut self) {
        self.depth = 0;
    }

    /// Goes to the parent of the current folder; the root stays.
    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Goes to a subfolder. Beyond `MAX_LEVELS` it only counts the depth. Returns false if all names of
    /// folders take more than 4 GiB.
    pub(super) fn enter(
        &mut self,
        raw: &[u8],
        policy: PathPolicy,
        folders: &mut FolderBuilder,
    ) -> bool {
        if let Some(next) = self.levels.get(self.depth)
            && folders.given_name(next.folder) == raw
        {
            self.depth += 1;
            return true;
        }
        self.levels.truncate(self.depth);
        // A folder of this name in the same parent has been sanitised before.
        let (parent, kinds) = self.last();
        let Some(folder) = folders.find(parent, raw) else {
            let has_room = self.enter_new(raw, policy, folders);
            folders.remember(self.folder());
            return has_room;
        };
        self.depth += 1;
        if self.depth <= MAX_LEVELS {
            self.levels.push(Level { folder, kinds });
        }
        true
    }

    /// Goes to a new subfolder, without a search for one of the same name.
    pub(super) fn enter_new(
        &mut self,
        raw: &[u8],
        policy: PathPolicy,
        folders: &mut FolderBuilder,
    ) -> bool {
        self.levels.truncate(self.depth);
        self.depth += 1;
        // The layout refuses the path, and needs to know only its depth.
        if self.depth > MAX_LEVELS {
            return true;
        }
        let (parent, mut kinds) = self.last();
        self.written.clear();
        let changed = sanitise(raw, policy, &mut self.written);
        kinds.merge(changed);
        let folder = match changed.is_empty() {
            true => folders.push(parent, &self.written),
            false => folders.push_changed(parent, &self.written, raw),
        };
        self.levels.extend(folder.map(|folder| Level { folder, kinds }));
        folder.is_some()
    }

    /// The innermost folder that is kept, and the changes of its path.
    fn last(&self) -> (FolderId, Kinds) {
        let root = (Folders::ROOT, Kinds::default());
        self.levels.last().map_or(root, |level| (level.folder, level.kinds))
    }

    /// The depth of the current folder below the root.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The current folder, or the innermost of its parents that is kept.
    pub(super) fn folder(&self) -> FolderId {
        self.levels().last().map_or(Folders::ROOT, |level| level.folder)
    }

    /// The changes of its path, without those of the root.
    pub(super) fn kinds(&self) -> Kinds {
        self.levels().last().map_or(Kinds::default(), |level| level.kinds)
    }

    fn levels(&self) -> &[Level] {
        &self.levels[..self.depth.min(self.levels.len())]
    }
}

/// Folders of a path that are kept: more than the depth that a layout accepts.
pub(super) const MAX_LEVELS: usize = 128;
