use core::ops::{ControlFlow, Range};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use super::content::{Content, Found};
use super::info::Draft;
use super::joined::elements;
use super::note::{CreateNote, CreateNoteKind};
use super::source::{Identity, Source};
use super::{CreateError, CreateOptions, RefusalReason};
use crate::content::{Digest, Fault, FaultKind, Hashing, Observer, unobserved};
use crate::{FileIndex, Info, Metainfo, PathPolicy, ReadOptions};

/// A torrent that is to be created. Its files were found and can be read; nothing is hashed yet.
///
/// Hashing may take hours. Before it, a program can show the files that are left out, and check that the
/// torrent file can be written without overwriting content.
///
/// ```
/// use tinytorrent_metainfo::{CreateOptions, OutputConflict};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.bin");
/// std::fs::write(&path, [7; 100_000])?;
/// let plan = CreateOptions::new().plan(&path)?;
/// for note in plan.notes() {
///     eprintln!("{note}");
/// }
/// assert_eq!(plan.output_conflict(&path)?, Some(OutputConflict::Source));
/// let metainfo = plan.create_unobserved()?;
/// # assert_eq!(metainfo.info().name(), "a.bin");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CreatePlan {
    options: CreateOptions,
    draft: Draft,
    notes: Vec<CreateNote>,
}

/// A reason why a torrent file must not be written to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutputConflict {
    /// The path is one of the files of the torrent, perhaps under another name.
    Source,
    /// The path is in the folder of the torrent, or in a folder that one of its links leads to. The
    /// folder would then have a file that the torrent does not have.
    InsideFolder,
}

impl CreatePlan {
    pub(super) fn new(options: CreateOptions, content: Content) -> Result<Self, CreateError> {
        let mut draft = Draft::new(&options, content)?;
        let info = draft.encode_unhashed(&options);
        // Errors that do not depend on hashes are found now, not after hours of hashing.
        read_back(&info, PathPolicy::Exact)?;
        let mut notes = std::mem::take(&mut draft.content.notes);
        notes.extend(unportable_names(&draft, &info));
        Ok(Self { options, draft, notes })
    }

    /// The name of the torrent.
    pub fn name(&self) -> &str {
        &self.draft.name
    }

    /// Bytes of all files.
    pub fn total_length(&self) -> u64 {
        self.draft.content.total_length()
    }

    /// Bytes of a piece.
    pub fn piece_length(&self) -> u32 {
        self.draft.piece_length
    }

    /// Remarks on the files, at most one of each kind.
    pub fn notes(&self) -> &[CreateNote] {
        &self.notes
    }

    /// The reason why the torrent file must not be written to `output`, if there is one. Files are
    /// compared by their identity, so links, hard links and other spellings of a name are recognised.
    ///
    /// # Errors
    /// The system refuses to examine `output` or its folder.
    pub fn output_conflict(&self, output: &Path) -> io::Result<Option<OutputConflict>> {
        match fs::metadata(output) {
            Ok(metadata) if self.is_source(&Identity::of(output, &metadata)) => {
                return Ok(Some(OutputConflict::Source));
            }
            // A path that does not exist yet may still be in the folder.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let content = &self.draft.content;
        if content.folder.is_none() {
            return Ok(None);
        }
        let parent = match output.parent() {
            // `a.torrent` has an empty parent, which cannot be resolved.
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let parent = fs::canonicalize(parent)?;
        for folder in std::iter::once(&content.root).chain(&content.linked_folders) {
            if parent.starts_with(fs::canonicalize(folder)?) {
                return Ok(Some(OutputConflict::InsideFolder));
            }
        }
        Ok(None)
    }

    fn is_source(&self, identity: &Identity) -> bool {
        self.sources().any(|(_, source)| source.identity == *identity)
    }

    /// Reads and hashes the files.
    ///
    /// It takes a megabyte of memory for each thread, and that of the hashes.
    ///
    /// # Errors
    /// See [`CreateError`]: a file cannot be read or was changed since it was found, or the observer
    /// ends the task. [`create_unobserved`](Self::create_unobserved) does without one.
    pub fn create(&self, observer: Observer<'_>) -> Result<Metainfo, CreateError> {
        let digests = self.hash(observer)?;
        self.check_unchanged()?;
        let (info, layers) = self.draft.encode(&self.options, &digests);
        let info = read_back(&info, PathPolicy::default())?;
        let mut metainfo = Metainfo::with_layers(info, layers);
        self.options.set_outer_keys(&mut metainfo);
        Ok(metainfo)
    }

    /// Reads and hashes the files, which nothing interrupts; see [`create`](Self::create).
    ///
    /// # Errors
    /// See [`CreateError`]: a file cannot be read or was changed since it was found.
    pub fn create_unobserved(&self) -> Result<Metainfo, CreateError> {
        self.create(&unobserved)
    }

    fn hash(&self, observer: Observer<'_>) -> Result<Vec<Digest>, CreateError> {
        let layout = &self.draft.layout;
        let count = layout.geometry().piece_count() as usize;
        let state = Mutex::new((vec![Digest::default(); count], None));
        let hashing = Hashing {
            layout,
            version: self.options.version,
            open: &|file| self.open(file),
            threads: self.options.threads,
            // What is created is told by reading alone, whatever the file system says of holes.
            skips: false,
            is_by_tree_alone: &|_| false,
            observer: &|progress| {
                // After a fault the other threads need not go on.
                let has_failed = state.lock().is_ok_and(|state| state.1.is_some());
                if has_failed { ControlFlow::Break(()) } else { observer(progress) }
            },
        };
        let is_done = hashing.run(&|pieces: Range<u32>, outcome: Result<Digest, Fault>| {
            // A panic of one thread ends the whole scope, so a poisoned lock needs no other treatment.
            let Ok(mut state) = state.lock() else { return };
            match outcome {
                Ok(digest) => state.0[pieces.start as usize..pieces.end as usize].fill(digest),
                // The first fault is the one that is returned.
                Err(fault) => state.1 = state.1.take().or(Some(fault)),
            }
        });
        let (digests, fault) = state.into_inner().unwrap_or_default();
        match fault {
            Some(fault) => Err(CreateError::content(self.draft.path(fault.file), fault.kind)),
            None if !is_done => Err(CreateError::Cancelled),
            None => Ok(digests),
        }
    }

    fn open(&self, file: FileIndex) -> Result<fs::File, FaultKind> {
        let found = self.draft.found(file).ok_or(FaultKind::Missing)?;
        let opened = self.draft.content.at(found, |folder, path| folder.open_file(elements(path)));
        Ok(opened.map_err(RefusalReason::into_fault)??)
    }

    /// Checks that no file was changed since it was found.
    fn check_unchanged(&self) -> Result<(), CreateError> {
        // Hashing notices only a file that became shorter.
        let content = &self.draft.content;
        for (found, source) in self.sources() {
            let is_unchanged = content.at(found, |folder, path| source.is_unchanged(folder, path));
            if !is_unchanged.unwrap_or(false) {
                return Err(CreateError::Changed { path: content.path_of(found) });
            }
        }
        Ok(())
    }

    fn sources(&self) -> impl Iterator<Item = (&Found, &Source)> {
        self.draft.content.found.iter().filter_map(|found| Some((found, found.source()?)))
    }
}

/// Reads the created info dictionary strictly, so that other readers accept it too.
fn read_back(info: &[u8], policy: PathPolicy) -> Result<std::sync::Arc<Info>, CreateError> {
    let mut options = ReadOptions::strict();
    options.path_policy(policy).read_info(info).map_err(CreateError::Unreadable)
}

/// A note of the names that would have to change on some systems.
fn unportable_names(draft: &Draft, info: &[u8]) -> Option<CreateNote> {
    // With too many collisions there is no note: the torrent is fine on this system.
    let info = read_back(info, PathPolicy::Portable).ok()?;
    let mut note = CreateNote::new(CreateNoteKind::UnportableNames);
    for change in info.path_changes() {
        note.push(|| match change.file {
            Some(file) => draft.path(file),
            None => draft.content.root.clone(),
        });
    }
    (note.count > 0).then_some(note)
}
