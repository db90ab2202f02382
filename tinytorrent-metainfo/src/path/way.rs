use super::element::{Kinds, sanitise};
use super::folders::{FolderBuilder, FolderId, Folders};
use super::policy::PathPolicy;

/// The way to the folder that files are added to.
///
/// Most files of a torrent share their folder with the file before, so it remembers the way there:
/// an element that was in the same place on the way to the file before is not looked at again.
#[derive(Debug, Clone, Default)]
pub(super) struct Way {
    /// The folders within each other below the root: down to the present one, and then those that
    /// were below it last.
    levels: Vec<Level>,
    /// How many of the levels lead to the present folder, and how many would, if all were kept.
    depth: usize,
    /// The element that is entered, as it is written.
    written: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    folder: FolderId,
    /// What was changed on the way down to it.
    kinds: Kinds,
}

impl Way {
    pub(super) fn go_to_root(&mut self) {
        self.depth = 0;
    }

    /// Goes to the folder around this one, unless this is the root.
    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Goes to a folder in this one; beyond `MAX_LEVELS` it only counts. `false` if there is no room
    /// for more folders.
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
        // What is written already would be written the same again.
        let (around, kinds) = self.last();
        let Some(folder) = folders.find(around, raw) else {
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

    /// The same, for one that was not entered before and will not be again.
    pub(super) fn enter_new(
        &mut self,
        raw: &[u8],
        policy: PathPolicy,
        folders: &mut FolderBuilder,
    ) -> bool {
        self.levels.truncate(self.depth);
        self.depth += 1;
        if self.depth > MAX_LEVELS {
            return true;
        }
        let (around, mut kinds) = self.last();
        self.written.clear();
        let changed = sanitise(raw, policy, &mut self.written);
        kinds.merge(changed);
        let folder = match changed.is_empty() {
            true => folders.push(around, &self.written),
            false => folders.push_changed(around, &self.written, raw),
        };
        self.levels.extend(folder.map(|folder| Level { folder, kinds }));
        folder.is_some()
    }

    /// The innermost folder that is kept, and what was changed on the way to it.
    fn last(&self) -> (FolderId, Kinds) {
        let root = (Folders::ROOT, Kinds::default());
        self.levels.last().map_or(root, |level| (level.folder, level.kinds))
    }

    /// How deep it is below the root.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Where it leads.
    pub(super) fn folder(&self) -> FolderId {
        self.levels().last().map_or(Folders::ROOT, |level| level.folder)
    }

    /// What was changed on it, below the root.
    pub(super) fn kinds(&self) -> Kinds {
        self.levels().last().map_or(Kinds::default(), |level| level.kinds)
    }

    fn levels(&self) -> &[Level] {
        &self.levels[..self.depth.min(self.levels.len())]
    }
}

/// More than a layout admits.
pub(super) const MAX_LEVELS: usize = 128;
