use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tinytorrent_folder::{EntryKind, Folder};

use super::content::{Found, Item};
use super::joined::{elements, path_of};
use super::links::target_from_root;
use super::note::{CreateNote, CreateNoteKind};
use super::source::{Identity, Source, is_link};
use super::{CreateError, LinkPolicy, RefusalReason, Refusals};
use crate::{LayoutError, MAX_DEPTH};

/// A walk without recursion.
pub(super) struct Walk<'a> {
    folder: &'a Folder,
    root: &'a Path,
    links: LinkPolicy,
    found: Vec<Found>,
    /// All folders that were met, each behind the one that holds it.
    folders: Vec<FolderMet>,
    /// The folders that are still to be read.
    pending: Vec<usize>,
    /// The paths of the folders that links led to.
    linked_folders: Vec<PathBuf>,
    refusals: Refusals,
    notes: [CreateNote; 4],
}

/// The outcome of a walk.
pub(super) struct Walked {
    pub(super) found: Vec<Found>,
    pub(super) linked_folders: Vec<PathBuf>,
    pub(super) notes: Vec<CreateNote>,
}

struct FolderMet {
    /// From the root on, elements joined with `/`; empty for the root itself.
    path: Vec<u8>,
    parent: usize,
    depth: u32,
    /// `true` if the torrent has something that lies below it.
    is_used: bool,
}

/// Indices into the notes.
const EMPTY: usize = 0;
const FOLLOWED: usize = 1;
const SKIPPED: usize = 2;
const SPECIAL: usize = 3;

impl<'a> Walk<'a> {
    pub(super) fn new(folder: &'a Folder, root: &'a Path, links: LinkPolicy) -> Self {
        let kinds = [
            CreateNoteKind::EmptyFolders,
            CreateNoteKind::FollowedLinks,
            CreateNoteKind::SkippedLinks,
            CreateNoteKind::SpecialFiles,
        ];
        let mut notes = kinds.map(CreateNote::new);
        if is_link(root) {
            notes[FOLLOWED].push(|| root.to_owned());
        }
        Self {
            folder,
            root,
            links,
            found: Vec::new(),
            folders: vec![FolderMet { path: Vec::new(), parent: 0, depth: 0, is_used: true }],
            pending: vec![0],
            linked_folders: Vec::new(),
            refusals: Refusals::default(),
            notes,
        }
    }

    /// Reads all folders.
    pub(super) fn run(mut self) -> Result<Walked, CreateError> {
        while let Some(at) = self.pending.pop() {
            self.folder(at);
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
    fn folder(&mut self, at: usize) {
        let entries = self.folder.entries(elements(&self.folders[at].path));
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let path = self.path_of(&self.folders[at].path);
                return self.refusals.push(path, error.into());
            }
        };
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let FolderMet { path: parent, depth, .. } = &self.folders[at];
        let (parent, depth) = (parent.clone(), depth + 1);
        for entry in entries {
            let Some(name) = entry.name.to_str() else {
                let path = self.path_of(&parent).join(&entry.name);
                self.refusals.push(path, RefusalReason::NotUtf8);
                continue;
            };
            let mut path = parent.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            if let Err(reason) = self.entry(at, depth, &path, entry.kind) {
                self.refusals.push(self.path_of(&path), reason);
            }
        }
    }

    fn entry(
        &mut self,
        parent: usize,
        depth: u32,
        path: &[u8],
        kind: EntryKind,
    ) -> Result<(), RefusalReason> {
        match kind {
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
                self.enter(parent, depth, path);
                Ok(())
            }
            EntryKind::Link if self.links == LinkPolicy::Keep => {
                let target = self.folder.link_target(elements(path))?;
                let target = target.ok_or(RefusalReason::Dangling)?;
                let target = target_from_root(path, &target)?;
                self.add(parent, path, Item::Link(target.into()));
                Ok(())
            }
            EntryKind::Link => self.follow(parent, depth, path),
            _ => self.file(parent, path),
        }
    }

    fn file(&mut self, parent: usize, path: &[u8]) -> Result<(), RefusalReason> {
        let source = Source::examine(self.folder, path)?;
        self.add(parent, path, Item::File(source));
        Ok(())
    }

    /// Takes in what a link leads to.
    fn follow(&mut self, parent: usize, depth: u32, path: &[u8]) -> Result<(), RefusalReason> {
        let link = self.path_of(path);
        let metadata = fs::metadata(&link).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => RefusalReason::Dangling,
            _ => RefusalReason::Io(error),
        })?;
        if metadata.is_file() {
            self.note(FOLLOWED, path);
            return self.file(parent, path);
        }
        if !metadata.is_dir() {
            self.note(SPECIAL, path);
            return Ok(());
        }
        if self.is_on_the_way(parent, Identity::of(&link, &metadata)) {
            return Err(RefusalReason::Loop);
        }
        self.note(FOLLOWED, path);
        self.linked_folders.push(link);
        self.enter(parent, depth, path);
        Ok(())
    }

    /// `true` if a folder is this one or one of those that hold it.
    fn is_on_the_way(&self, mut at: usize, target: Identity) -> bool {
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

    fn enter(&mut self, parent: usize, depth: u32, path: &[u8]) {
        self.pending.push(self.folders.len());
        self.folders.push(FolderMet { path: path.to_vec(), parent, depth, is_used: false });
    }

    fn add(&mut self, parent: usize, path: &[u8], item: Item) {
        self.found.push(Found { path: path.into(), item });
        let mut at = parent;
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

/// Files and folders at most: ten times what the default limits of reading take. Links that are
/// followed can make a small disk look endless.
const MAX_ENTRIES: usize = 4_000_000;
