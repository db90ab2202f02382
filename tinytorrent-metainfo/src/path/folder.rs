use super::names::Names;
use super::{Kinds, PathPolicy, sanitise};

/// The folder that files are added to, as the torrent has it and as it is written.
///
/// Most files of a torrent share their folder with the file before, so it remembers the way there:
/// an element that was in the same place on the way to the file before is neither sanitised nor
/// hashed again.
#[derive(Debug, Clone, Default)]
pub(super) struct Folder {
    /// The elements as the torrent has them, a slash behind each.
    raw: Vec<u8>,
    /// The elements as they are written, a slash behind each.
    written: Vec<u8>,
    /// The folder around all files if there is one, and those within each other below it: down to
    /// the present one, and then those that were below it last.
    levels: Vec<Level>,
    /// How many of the levels lead to the present folder, and how many would, if all were kept.
    depth: usize,
    /// Levels of the folder around all files: one or none.
    base: usize,
}

/// A folder on the way: all that is known of the path down to it.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    raw_end: usize,
    written_end: usize,
    hash: u64,
    kinds: Kinds,
    /// Whether its hash was handed out.
    is_claimed: bool,
}

impl Folder {
    /// The folder of this name, or nameless the one around everything.
    pub(super) fn root(name: &[u8], names: &mut Names) -> Self {
        if name.is_empty() {
            return Self::default();
        }
        let written = [name, b"/"].concat();
        let hash = names.hash(Names::ROOT, name);
        let level = Level { written_end: written.len(), hash, ..Level::default() };
        Self { raw: Vec::new(), written, levels: vec![level], depth: 1, base: 1 }
    }

    /// Goes back to the root.
    pub(super) fn go_to_root(&mut self) {
        self.depth = self.base;
    }

    /// Goes to the folder around this one, unless this is the root.
    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1).max(self.base);
    }

    /// Goes to a folder in this one. Beyond `MAX_LEVELS` it only counts.
    pub(super) fn enter(&mut self, raw: &[u8], policy: PathPolicy, names: &mut Names) {
        let above = self.level();
        self.depth += 1;
        if self.depth > MAX_LEVELS {
            return;
        }
        if let Some(next) = self.levels.get(self.depth - 1) {
            if self.raw[above.raw_end..next.raw_end - 1] == *raw {
                return;
            }
            self.levels.truncate(self.depth - 1);
            self.raw.truncate(above.raw_end);
            self.written.truncate(above.written_end);
        }
        self.raw.extend_from_slice(raw);
        self.raw.push(b'/');
        let mut kinds = sanitise(raw, policy, &mut self.written);
        let hash = names.hash(above.hash, &self.written[above.written_end..]);
        self.written.push(b'/');
        kinds.merge(above.kinds);
        let (raw_end, written_end) = (self.raw.len(), self.written.len());
        self.levels.push(Level { raw_end, written_end, hash, kinds, is_claimed: false });
    }

    /// How deep it is below the root.
    pub(super) fn depth(&self) -> usize {
        self.depth - self.base
    }

    /// The way to it as the torrent has it, without the root, with a slash at the end.
    pub(super) fn raw(&self) -> &[u8] {
        &self.raw[..self.level().raw_end]
    }

    /// The way to it as it is written, with the root and a slash at the end.
    pub(super) fn written(&self) -> &[u8] {
        &self.written[..self.level().written_end]
    }

    /// The root as it is written, with a slash at the end; empty if there is none.
    pub(super) fn written_root(&self) -> &[u8] {
        let root = self.levels.first().filter(|_| self.base > 0);
        &self.written[..root.map_or(0, |root| root.written_end)]
    }

    /// The hash of the way to it.
    pub(super) fn hash(&self) -> u64 {
        self.level().hash
    }

    /// What was changed on the way to it, below the root.
    pub(super) fn kinds(&self) -> Kinds {
        self.level().kinds
    }

    /// Hands out the hashes of the folders on the way that were not handed out before.
    pub(super) fn claim(&mut self, mut each: impl FnMut(u64)) {
        let way = self.depth.min(self.levels.len());
        // Whoever claims a folder claims those around it.
        for level in self.levels[..way].iter_mut().rev().take_while(|level| !level.is_claimed) {
            level.is_claimed = true;
            each(level.hash);
        }
    }

    fn level(&self) -> Level {
        let way = self.depth.min(self.levels.len());
        way.checked_sub(1)
            .map_or(Level { hash: Names::ROOT, ..Level::default() }, |at| self.levels[at])
    }
}

/// More than a layout admits, root included.
const MAX_LEVELS: usize = 128;
