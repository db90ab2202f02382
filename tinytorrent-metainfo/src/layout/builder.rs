use std::collections::BTreeMap;
use std::io::Write as _;

use tinytorrent_types::{Geometry, GeometryError};

use super::{FileAttributes, FileIndex, Layout};
use crate::path::{self, Kinds, PathArena, PathChange, PathChangeKind, PathPolicy, Resolved};

/// Collects the files of a [`Layout`] in the order of the content.
///
/// Paths are taken as a torrent has them and pass the [`PathPolicy`] on the way in.
#[derive(Debug, Clone)]
pub struct LayoutBuilder {
    piece_length: u32,
    policy: PathPolicy,
    seed: Vec<u8>,
    root: Vec<u8>,
    root_change: Option<PathChange>,
    starts: Vec<u64>,
    total: u64,
    attributes: Vec<FileAttributes>,
    paths: PathArena,
    links: Vec<(FileIndex, PathArena)>,
    changed: Vec<(u32, String, Kinds)>,
    /// Of the file that is being added: its path as given, if it had to change; its elements; what
    /// was changed.
    original: Vec<u8>,
    elements: u32,
    kinds: Kinds,
    error: Option<LayoutError>,
}

/// Why files make no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// No piece length, or more pieces than can be told apart.
    #[error("{0}")]
    Geometry(#[from] GeometryError),
    /// More than 2^31 files, or paths of more than 4 GiB.
    #[error("too many files")]
    TooManyFiles,
    /// The lengths add up to more than 2^63 - 1 bytes.
    #[error("the lengths up to file {file} exceed 2^63 - 1 bytes")]
    TotalLength {
        /// The file that went beyond.
        file: u32,
    },
    /// A path without elements; only pad files may do without (BEP 3, BEP 47).
    #[error("file {file} has no path")]
    EmptyPath {
        /// The file.
        file: u32,
    },
    /// A path with more elements than [`MAX_DEPTH`].
    #[error("the path of file {file} has more than {MAX_DEPTH} elements")]
    TooDeep {
        /// The file.
        file: u32,
    },
    /// The policy is [`PathPolicy::Reject`] and a name would have to change.
    #[error("the path of file {file}, {original:?}, is refused: {kind}")]
    PathRejected {
        /// The file.
        file: u32,
        /// Its path as the torrent has it.
        original: String,
        /// What is wrong with it, or the first of more reasons.
        kind: PathChangeKind,
    },
    /// As [`PathRejected`](Self::PathRejected), for the name of the folder that holds all files.
    #[error("the name {original:?} is refused: {kind}")]
    NameRejected {
        /// The name as the torrent has it.
        original: String,
        /// What is wrong with it, or the first of more reasons.
        kind: PathChangeKind,
    },
    /// So many paths collide that telling them apart would take too long.
    #[error("too many files share a path")]
    TooManyCollisions,
}

/// Elements of a path at most, as libtorrent has it.
pub const MAX_DEPTH: u32 = 100;

impl LayoutBuilder {
    pub(super) fn new(piece_length: u32) -> Self {
        Self {
            piece_length,
            policy: PathPolicy::default(),
            seed: Vec::new(),
            root: Vec::new(),
            root_change: None,
            starts: Vec::new(),
            total: 0,
            attributes: Vec::new(),
            paths: PathArena::default(),
            links: Vec::new(),
            changed: Vec::new(),
            original: Vec::new(),
            elements: 0,
            kinds: Kinds::default(),
            error: None,
        }
    }

    /// How names become paths. Set it before the first file. Default: [`PathPolicy::Portable`].
    pub fn policy(&mut self, policy: PathPolicy) -> &mut Self {
        self.policy = policy;
        self
    }

    /// Puts all files below a folder of this name. Set it before the first file, after the policy.
    pub fn root(&mut self, name: impl AsRef<[u8]>) -> &mut Self {
        let name = name.as_ref();
        self.root.clear();
        let kinds = path::sanitise(name, self.policy, &mut self.root);
        self.root_change = (!kinds.is_empty()).then(|| PathChange {
            file: None,
            original: escape(name),
            written: String::from_utf8_lossy(&self.root).into_owned(),
            kinds: kinds.to_vec(),
        });
        self
    }

    /// Adds a file of `length` bytes.
    pub fn file<P>(&mut self, path: P, length: u64) -> &mut Self
    where
        P: IntoIterator,
        P::Item: AsRef<[u8]>,
    {
        self.file_with(path, length, FileAttributes::NONE)
    }

    /// Adds a file with attributes. A pad file's path may be empty; a symlink is added by
    /// [`symlink`](Self::symlink), here its attribute is dropped (BEP 47).
    pub fn file_with<P>(&mut self, path: P, length: u64, attributes: FileAttributes) -> &mut Self
    where
        P: IntoIterator,
        P::Item: AsRef<[u8]>,
    {
        for element in path {
            self.push_element(element.as_ref());
        }
        self.end_file(length, attributes.without(FileAttributes::SYMLINK));
        self
    }

    /// Adds `length` bytes of padding (BEP 47).
    pub fn pad(&mut self, length: u64) -> &mut Self {
        self.file_with::<[&[u8]; 0]>([], length, FileAttributes::PAD)
    }

    /// Adds a symbolic link to `target`, a path from the [`root`](Self::root) on (BEP 47). A
    /// target with an element that is empty, `.` or `..`, or that is the link itself, is dropped
    /// and leaves an empty file.
    pub fn symlink<P, T>(&mut self, path: P, target: T, attributes: FileAttributes) -> &mut Self
    where
        P: IntoIterator,
        P::Item: AsRef<[u8]>,
        T: IntoIterator,
        T::Item: AsRef<[u8]>,
    {
        for element in path {
            self.push_element(element.as_ref());
        }
        self.end_symlink(target, attributes);
        self
    }

    /// The layout, if the files make one.
    ///
    /// # Errors
    /// See [`LayoutError`]: the first that was met.
    pub fn build(self) -> Result<Layout, LayoutError> {
        self.build_with_changes().map(|(layout, _)| layout)
    }

    /// The layout, and each path that is not as it was given.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with_changes(mut self) -> Result<(Layout, Vec<PathChange>), LayoutError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let geometry = Geometry::new(self.total, self.piece_length)?;
        let attributes = std::mem::take(&mut self.attributes);
        let paths = std::mem::take(&mut self.paths);
        let is_pad = |index: usize| attributes[index].is_pad();
        let resolved = path::resolve(paths, self.policy, &self.seed, is_pad)
            .ok_or(LayoutError::TooManyCollisions)?;
        let changes = self.report(&resolved)?;
        self.starts.push(self.total);
        self.starts.shrink_to_fit();
        let mut layout = Layout {
            geometry,
            starts: self.starts,
            attributes,
            paths: resolved.paths,
            links: self.links,
        };
        layout.attributes.shrink_to_fit();
        layout.paths.shrink();
        Ok((layout, changes))
    }

    /// What keys the comparison of paths, so that nobody can prepare for it.
    pub(crate) fn seed(&mut self, seed: &[u8]) {
        self.seed = seed.to_vec();
    }

    /// Whether the path that is being added is not as it was given.
    pub(crate) fn has_changed(&self) -> bool {
        !self.kinds.is_empty()
    }

    pub(crate) fn file_count(&self) -> u32 {
        self.attributes.len() as u32
    }

    /// Adds an element to the path of the file that [`end_file`](Self::end_file) will complete.
    pub(crate) fn push_element(&mut self, raw: &[u8]) {
        self.elements += 1;
        if self.elements > MAX_DEPTH {
            return;
        }
        if self.elements > 1 {
            self.paths.open().push(b'/');
        } else if !self.root.is_empty() {
            self.paths.open().extend_from_slice(&self.root);
            self.paths.open().push(b'/');
        }
        let before = self.paths.opened().len();
        let kinds = path::sanitise(raw, self.policy, self.paths.open());
        self.remember_original(raw, before, kinds);
        self.kinds.merge(kinds);
    }

    /// Keeps the path as it was given from the first change on. Until there it is what was written
    /// (`before` bytes, with the root).
    fn remember_original(&mut self, raw: &[u8], before: usize, kinds: Kinds) {
        if self.kinds.is_empty() && kinds.is_empty() {
            return;
        }
        if self.kinds.is_empty() {
            let root = if self.root.is_empty() { 0 } else { self.root.len() + 1 };
            self.original.extend_from_slice(&self.paths.opened()[root..before]);
        } else {
            self.original.push(b'/');
        }
        self.original.extend_from_slice(raw);
    }

    /// Completes the file whose path was pushed.
    pub(crate) fn end_file(&mut self, length: u64, attributes: FileAttributes) {
        let file = self.file_count();
        if let Err(error) = self.check_file(file, length, attributes) {
            self.error.get_or_insert(error);
        }
        if self.elements == 0 {
            let _ = write!(self.paths.open(), ".pad/{length}");
        }
        if !self.kinds.is_empty() {
            self.changed.push((file, escape(&self.original), self.kinds));
        }
        if !self.paths.close() {
            self.error.get_or_insert(LayoutError::TooManyFiles);
        }
        self.starts.push(self.total);
        self.attributes.push(attributes);
        self.total = self.total.saturating_add(length);
        self.original.clear();
        self.elements = 0;
        self.kinds = Kinds::default();
    }

    /// Completes the symlink whose path was pushed. Answers whether its target is usable.
    pub(crate) fn end_symlink<T>(&mut self, target: T, attributes: FileAttributes) -> bool
    where
        T: IntoIterator,
        T::Item: AsRef<[u8]>,
    {
        let file = self.file_count();
        let target = self.sanitise_target(target);
        let is_usable = target.is_some();
        let attributes = attributes.without(FileAttributes::SYMLINK.with(FileAttributes::PAD));
        if let Some(target) = target {
            self.links.push((FileIndex::new(file), target));
            self.end_file(0, attributes.with(FileAttributes::SYMLINK));
        } else {
            self.end_file(0, attributes);
        }
        is_usable
    }

    /// The target as it will be found on disk; `None` for one that is not plainly below the root.
    fn sanitise_target<T>(&self, target: T) -> Option<PathArena>
    where
        T: IntoIterator,
        T::Item: AsRef<[u8]>,
    {
        let mut arena = PathArena::default();
        arena.open().extend_from_slice(&self.root);
        let mut is_empty = true;
        for (at, element) in target.into_iter().enumerate() {
            let element = element.as_ref();
            if matches!(element, b"" | b"." | b"..") || at >= MAX_DEPTH as usize {
                return None;
            }
            if !arena.opened().is_empty() {
                arena.open().push(b'/');
            }
            path::sanitise(element, self.policy, arena.open());
            is_empty = false;
        }
        let is_own = arena.opened() == self.paths.opened();
        (!is_empty && !is_own && arena.close()).then_some(arena)
    }

    fn check_file(
        &self,
        file: u32,
        length: u64,
        attributes: FileAttributes,
    ) -> Result<(), LayoutError> {
        if file >= MAX_FILES {
            return Err(LayoutError::TooManyFiles);
        }
        if self.elements > MAX_DEPTH {
            return Err(LayoutError::TooDeep { file });
        }
        if self.elements == 0 && !attributes.is_pad() {
            return Err(LayoutError::EmptyPath { file });
        }
        if length > MAX_TOTAL || self.total > MAX_TOTAL - length {
            return Err(LayoutError::TotalLength { file });
        }
        if let (PathPolicy::Reject, Some(kind)) = (self.policy, self.kinds.first()) {
            let original = escape(&self.original);
            return Err(LayoutError::PathRejected { file, original, kind });
        }
        Ok(())
    }

    /// Brings together what the policy changed and what collisions changed.
    fn report(&self, resolved: &Resolved) -> Result<Vec<PathChange>, LayoutError> {
        if let (PathPolicy::Reject, Some(change)) = (self.policy, &self.root_change) {
            let (original, kind) = (change.original.clone(), change.kinds[0]);
            return Err(LayoutError::NameRejected { original, kind });
        }
        if let (PathPolicy::Reject, Some((file, path))) = (self.policy, resolved.renamed.first()) {
            let kind = PathChangeKind::Collision;
            return Err(LayoutError::PathRejected { file: *file, original: escape(path), kind });
        }
        let mut found: BTreeMap<u32, (String, Kinds)> = BTreeMap::new();
        for (file, original, kinds) in &self.changed {
            found.insert(*file, (original.clone(), *kinds));
        }
        for (file, path) in &resolved.renamed {
            let entry = found.entry(*file).or_insert_with(|| (escape(path), Kinds::default()));
            entry.1.add(PathChangeKind::Collision);
        }
        let change = |(file, (original, kinds)): (u32, (String, Kinds))| PathChange {
            file: Some(FileIndex::new(file)),
            original,
            written: resolved.paths.get(file as usize).to_string_lossy().into_owned(),
            kinds: kinds.to_vec(),
        };
        Ok(self.root_change.clone().into_iter().chain(found.into_iter().map(change)).collect())
    }
}

/// Raw bytes for people: text as it is, controls and what is no text as `%XX`.
pub(crate) fn escape(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let _ = core::fmt::Write::write_fmt(
                    &mut text,
                    format_args!("%{:02X}", character as u32),
                );
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = core::fmt::Write::write_fmt(&mut text, format_args!("%{byte:02X}"));
        }
    }
    text
}

/// As many as indices of 31 bits can tell apart; a torrent file would be 60 GiB.
const MAX_FILES: u32 = 1 << 31;

/// What file systems and `off_t` can address.
const MAX_TOTAL: u64 = i64::MAX as u64;
