use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tinytorrent_folder::{EntryKind, Folder};

use super::content::{Found, Item};
use super::exclude::Exclusions;
use super::joined::{elements, path_of};
use super::links::target_from_root;
use super::note::{CreateNote, CreateNoteKind};
use super::source::{Identity, Source, is_link};
use super::{CreateError, CreateOptions, LinkPolicy, RefusalReason, Refusals};
use crate::{LayoutError, MAX_DEPTH};

/// A walk over the entries of a folder without recursion.
pub(super) struct Walk<'a> {
    folder: &'a Folder,
    root: &'a Path,
    links: LinkPolicy,
    exclusions: &'a Exclusions,
    found: Vec<Found>,
    /// All folders that were found, each after its parent.
    folders: Vec<FolderFound>,
    /// Indices of the folders that are still to be read.
    pending: Vec<usize>,
    /// The paths of followed links that lead to folders.
    linked_folders: Vec<PathBuf>,
    refusals: Refusals,
    notes: [CreateNote; 5],
}

/// The outcome of a walk.
pub(super) struct Walked {
    pub(super) found: Vec<Found>,
    pub(super) linked_folders: Vec<PathBuf>,
    pub(super) notes: Vec<CreateNote>,
}

/// A folder that was found.
struct FolderFound {
    /// The path below the root, elements joined with `/`; empty for the root itself.
    path: Vec<u8>,
    parent: usize,
    depth: u32,
    /// True if the torrent has a file or link below it.
    is_used: bool,
}

/// Indices into the notes.
const EMPTY: usize = 0;
const FOLLOWED: usize = 1;
const SKIPPED: usize = 2;
const SPECIAL: usize = 3;
const EXCLUDED: usize = 4;

impl<'a> Walk<'a> {
    pub(super) fn new(folder: &'a Folder, root: &'a Path, options: &'a CreateOptions) -> Self {
        // In the order of the constants above.
        let kinds = [
            CreateNoteKind::EmptyFolders,
            CreateNoteKind::FollowedLinks,
            CreateNoteKind::SkippedLinks,
            CreateNoteKind::SpecialFiles,
            CreateNoteKind::Excluded,
        ];
        let mut notes = kinds.map(CreateNote::new);
        if is_link(root) {
            notes[FOLLOWED].push(|| root.to_owned());
        }
        Self {
            folder,
            root,
            links: options.links,
            exclusions: &options.exclusions,
            found: Vec::new(),
            folders: vec![FolderFound { path: Vec::new(), parent: 0, depth: 0, is_used: true }],
            pending: vec![0],
            linked_folders: Vec::new(),
            refusals: Refusals::default(),
            notes,
        }
    }

    /// Reads all folders.
    pub(super) fn run(mut self) -> Result<Walked, CreateError> {
        while let Some(at) = self.pending.pop() {
            self.read_folder(at);
            if self.found.len() + self.folders.len() > MAX_ENTRIES {
                return Err(LayoutError::TooManyFiles.into());
            }
        }
        self.note_empty_folders();
        let Walk { found, notes, refusals, linked_folders, .. } = self;
        refusals.into_result()?;
        let notes = notes.into_iter().filter(|note| note.count > 0).collect();
        Ok(Walked { found, linked_folders, notes })
    }

    /// Reads one folder.
    fn read_folder(&mut self, at: usize) {
        let entries = self.folder.entries(elements(&self.folders[at].path));
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let path = self.path_of(&self.folders[at].path);
                return self.refusals.push(path, error.into());
            }
        };
        // Refusals and notes keep the first few, which should be the same each time.
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let FolderFound { path: parent, depth, .. } = &self.folders[at];
        let (parent, depth) = (parent.clone(), depth + 1);
        for entry in entries {
            // A refusal does not end the walk, so that all of them are reported at once.
            let mut path = parent.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.name.as_encoded_bytes());
            if self.exclusions.match_path(&path) {
                self.notes[EXCLUDED].push(|| path_of(self.root, &parent).join(&entry.name));
                continue;
            }
            if entry.name.to_str().is_none() {
                let path = self.path_of(&parent).join(&entry.name);
                self.refusals.push(path, RefusalReason::NotUtf8);
                continue;
            }
            if let Err(reason) = self.add_entry(at, depth, &path, entry.kind) {
                self.refusals.push(self.path_of(&path), reason);
            }
        }
    }

    /// Treats one entry according to its kind and the policy for links.
    fn add_entry(
        &mut self,
        parent: usize,
        depth: u32,
        path: &[u8],
        kind: EntryKind,
    ) -> Result<(), RefusalReason> {
        match kind {
            // Entries that are left out may be at any depth.
            EntryKind::Other => {
                self.note(SPECIAL, path);
                Ok(())
            }
            EntryKind::Link if self.links == LinkPolicy::Skip => {
                self.note(SKIPPED, path);
                Ok(())
            }
            _ if depth > MAX_DEPTH => Err(RefusalReason::TooDeep),
            EntryKind::Folder => {
                self.add_folder(parent, depth, path);
                Ok(())
            }
            EntryKind::Link if self.links == LinkPolicy::Keep => {
                let target = self.folder.link_target(elements(path))?;
                let target = target.ok_or(RefusalReason::Dangling)?;
                let target = target_from_root(path, &target)?;
                self.add(parent, path, Item::Link(target.into()));
                Ok(())
            }
            EntryKind::Link => self.follow_link(parent, depth, path),
            _ => self.add_file(parent, path),
        }
    }

    fn add_file(&mut self, parent: usize, path: &[u8]) -> Result<(), RefusalReason> {
        let source = Source::examine(self.folder, path)?;
        self.add(parent, path, Item::File(source));
        Ok(())
    }

    /// Adds the file or folder that a link leads to.
    fn follow_link(&mut self, parent: usize, depth: u32, path: &[u8]) -> Result<(), RefusalReason> {
        let link = self.path_of(path);
        let metadata = fs::metadata(&link).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => RefusalReason::Dangling,
            _ => RefusalReason::Io(error),
        })?;
        if metadata.is_file() {
            self.note(FOLLOWED, path);
            return self.add_file(parent, path);
        }
        if !metadata.is_dir() {
            self.note(SPECIAL, path);
            return Ok(());
        }
        if self.is_below(parent, Identity::of(&link, &metadata)) {
            return Err(RefusalReason::Loop);
        }
        self.note(FOLLOWED, path);
        self.linked_folders.push(link);
        self.add_folder(parent, depth, path);
        Ok(())
    }

    /// Returns true if a folder, or one of its parents, is the target.
    fn is_below(&self, mut at: usize, target: Identity) -> bool {
        // Links to folders are few, so the identities of folders are not kept.
        loop {
            let path = self.path_of(&self.folders[at].path);
            let is_same =
                fs::metadata(&path).is_ok_and(|metadata| Identity::of(&path, &metadata) == target);
            if is_same || at == 0 {
                return is_same;
            }
            at = self.folders[at].parent;
        }
    }

    fn add_folder(&mut self, parent: usize, depth: u32, path: &[u8]) {
        self.pending.push(self.folders.len());
        self.folders.push(FolderFound { path: path.to_vec(), parent, depth, is_used: false });
    }

    fn add(&mut self, parent: usize, path: &[u8], item: Item) {
        self.found.push(Found { path: path.into(), item, given: None });
        let mut at = parent;
        // A folder that is in use already has parents that are, too.
        while !std::mem::replace(&mut self.folders[at].is_used, true) {
            at = self.folders[at].parent;
        }
    }

    fn note(&mut self, kind: usize, path: &[u8]) {
        self.notes[kind].push(|| path_of(self.root, path));
    }

    fn note_empty_folders(&mut self) {
        for folder in self.folders.iter().filter(|folder| !folder.is_used) {
            self.notes[EMPTY].push(|| path_of(self.root, &folder.path));
        }
    }

    fn path_of(&self, path: &[u8]) -> PathBuf {
        path_of(self.root, path)
    }
}

/// Files and folders at most: ten times the default limits of reading. Followed links could make a small
/// disk look endless.
const MAX_ENTRIES: usize = 4_000_000;
