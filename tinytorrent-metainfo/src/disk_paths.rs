//! The paths of files in one folder, which depend on the content and on the disk that are there.

mod renames;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tinytorrent_folder::{Error, Folder, Trial};

use crate::escape::escape;
use crate::path::{Kinds, os_bytes};
use crate::{
    File, FileIndex, Layout, LinkTarget, PathChange, PathChangeKind, PathPolicy, SafePath,
};

use renames::Renames;

pub use renames::RenameError;

/// The path of each file of a layout in one folder.
///
/// A file has the path of the layout, or, in two cases, the path under another [`PathPolicy`]:
///
/// - *Content exists under other names.* Under [`PathPolicy::Portable`], files that exist under the
///   torrent's own names are used. Under [`PathPolicy::System`], files that exist under the portable
///   names are used, if none exist under their own. If files may be written, one of them must have the
///   right length: otherwise they may be files of something else, which must not be overwritten.
/// - *The disk does not hold the names.* A disk may refuse characters that its system allows (FAT on
///   Linux), or take names for equal that differ in case or normalisation (ext4 folders with case
///   folding, most disks of macOS). A [`Trial`] finds out.
///
/// Files are renamed in two groups, each as a whole: those whose names a portable policy would rewrite,
/// and those whose names only differ in case. Under [`PathPolicy::Exact`] no search is made for portable
/// names, and a file that is [`renamed`](Self::renamed) cannot be held by the disk.
///
/// The user may give files other paths as well; see [`renamed_to`](Self::renamed_to).
///
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskPaths {
    other: Option<Arc<Other>>,
    /// The files that the user has renamed.
    renames: Option<Arc<Renames>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Other {
    layout: Layout,
    /// The files whose path is in this layout, ascending.
    files: Vec<FileIndex>,
}

/// Permission for trials of names, in which files are created and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trying {
    /// No trial: nothing is created.
    Never,
    /// A trial, if files are missing whose names the disk may not hold.
    IfMissing,
}

impl DiskPaths {
    /// The paths of the layout itself.
    pub fn as_laid_out() -> Self {
        Self::default()
    }

    /// Finds the paths in this folder.
    ///
    /// It takes as long as reading the paths from the torrent, and a few system calls for each file whose
    /// name a portable policy would change.
    ///
    /// # Errors
    /// No file descriptor is left to look with ([`Error::is_out_of_descriptors`]): files that are there
    /// would be taken for missing, and names that the disk holds for refused.
    pub fn find(layout: &Layout, folder: &Folder, trying: Trying) -> Result<Self, Error> {
        let policy = layout.path_policy();
        let other = match policy {
            PathPolicy::Portable => PathPolicy::System,
            PathPolicy::System | PathPolicy::Exact => PathPolicy::Portable,
        };
        // Names that cannot be sanitised in reasonable time stay as they are.
        let Ok(other) = layout.with_policy(other) else { return Ok(Self::default()) };
        // Both policies keep all names, so the disk makes no difference.
        if layout.paths().are_unchanged() && other.paths().are_unchanged() {
            return Ok(Self::default());
        }
        let (own, portable) = match policy {
            PathPolicy::Portable => (&other, layout),
            PathPolicy::System | PathPolicy::Exact => (layout, &other),
        };
        let names = Names { own, portable, folder, trying };
        let files = match policy {
            PathPolicy::Portable => names.files_with_own_names()?,
            PathPolicy::System | PathPolicy::Exact => names.files_with_portable_names()?,
        };
        let other = (!files.is_empty()).then(|| Arc::new(Other { layout: other, files }));
        Ok(Self { other, renames: None })
    }

    /// The path of a file, which is one of the layout given to [`find`](Self::find).
    pub fn path<'a>(&'a self, file: &File<'a>) -> SafePath<'a> {
        self.renamed_path(file.index).unwrap_or_else(|| self.found_path(file))
    }

    /// The path that a file has if the user has not renamed it.
    fn found_path<'a>(&'a self, file: &File<'a>) -> SafePath<'a> {
        let Some(other) = &self.other else { return file.path };
        let is_of_other = other.files.binary_search(&file.index).is_ok();
        let found = if is_of_other { other.layout.file(file.index.get()) } else { None };
        found.map_or(file.path, |found| found.path)
    }

    /// The target of a symlink of the layout; `None` for other files.
    pub fn link_target(&self, layout: &Layout, file: &File<'_>) -> Option<LinkTarget> {
        let target = file.link_target?;
        // A link to a renamed file leads to its new name.
        let renamed = self.renamed().iter().copied().chain(self.renames().map(|(file, _)| file));
        let mut renamed = renamed.filter_map(|index| layout.file(index.get()));
        let is_target = renamed.find(|file| file.path == target);
        let target = is_target.map_or(target, |file| self.path(&file));
        Some(LinkTarget::new(self.path(file), target))
    }

    /// The files whose path on disk differs from the one in the torrent, in order, with the reasons. Each
    /// change is built on request, as there may be many long ones.
    pub fn changes<'a>(&'a self, layout: &'a Layout) -> impl Iterator<Item = PathChange> + 'a {
        let is_all_same =
            layout.paths().are_unchanged() && self.renamed().is_empty() && self.renames.is_none();
        let files = layout.files().filter(move |file| !is_all_same && !file.is_pad());
        files.filter_map(|file| self.change(layout, &file))
    }

    /// The change of the path of one file, as in [`changes`](Self::changes).
    pub fn change(&self, layout: &Layout, file: &File<'_>) -> Option<PathChange> {
        let (index, written) = (file.index.as_usize(), self.path(file).to_bytes());
        let given = layout.paths().given_path(index);
        if given == written {
            return None;
        }
        let mut kinds = layout.paths().kinds(index);
        if let (Some(other), Ok(_)) = (&self.other, self.renamed().binary_search(&file.index)) {
            kinds = other.layout.paths().kinds(index);
        }
        if self.renamed_path(file.index).is_some() {
            kinds = Kinds::of(PathChangeKind::Renamed);
        }
        Some(PathChange {
            file: Some(file.index),
            original: escape(&given),
            written: String::from_utf8_lossy(&written).into_owned(),
            kinds: kinds.to_vec(),
        })
    }

    /// The files whose path differs from the one in the layout because of the disk or of what is on it,
    /// ascending.
    pub fn renamed(&self) -> &[FileIndex] {
        self.other.as_ref().map_or(&[], |other| &other.files)
    }
}

/// The two layouts between which the files of a folder decide.
struct Names<'a> {
    own: &'a Layout,
    portable: &'a Layout,
    folder: &'a Folder,
    trying: Trying,
}

/// The files whose two paths differ, by the reason.
struct Groups {
    /// Files whose portable name was sanitised.
    rewritten: Vec<u32>,
    /// Files whose portable name only has a number, because another file has a similar name.
    numbered: Vec<u32>,
}

/// The names under which the files of a group exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Own,
    Portable,
    None,
}

impl Names<'_> {
    fn files_with_own_names(&self) -> Result<Vec<FileIndex>, Error> {
        let Groups { rewritten, numbered } = self.groups();
        let mut files = Vec::new();
        let has_own = self.find(&rewritten, false)? == Found::Own;
        if has_own {
            files.extend(rewritten.iter().copied());
        }
        // The folder of a numbered file may be rewritten, and stays the same for all files in it.
        if (has_own || rewritten.is_empty()) && self.find(&numbered, true)? == Found::Own {
            files.extend(numbered);
        }
        Ok(sorted(files))
    }

    fn files_with_portable_names(&self) -> Result<Vec<FileIndex>, Error> {
        let Groups { rewritten, numbered } = self.groups();
        let found = [self.find(&rewritten, false)?, self.find(&numbered, true)?];
        let found = match self.own.path_policy() {
            PathPolicy::Exact => {
                found.map(|found| if found == Found::Own { found } else { Found::None })
            }
            PathPolicy::System | PathPolicy::Portable => found,
        };
        // A trial creates files, so it is made only if it can decide something.
        let is_undecided = |group: &[u32], found| !group.is_empty() && found == Found::None;
        let needs_trial = is_undecided(&rewritten, found[0]) || is_undecided(&numbered, found[1]);
        let trial = match needs_trial && self.trying == Trying::IfMissing {
            true => unless_short(Trial::new(self.folder))?,
            false => None,
        };
        let is_rewritten = match (found[0], &trial) {
            (Found::Portable, _) => true,
            (Found::None, Some(trial)) => !self.are_held(&rewritten, trial)?,
            (Found::None, None) | (Found::Own, _) => false,
        };
        let is_numbered = is_rewritten
            || match (found[1], &trial) {
                (Found::Portable, _) => true,
                (Found::None, Some(trial)) if !numbered.is_empty() => {
                    !trial.distinguishes_similar_names()?
                }
                (Found::None | Found::Own, _) => false,
            };
        let mut files = if is_rewritten { rewritten } else { Vec::new() };
        if is_numbered {
            files.extend(numbered);
        }
        Ok(sorted(files))
    }

    fn groups(&self) -> Groups {
        let differs = |file: &File<'_>| {
            let portable = self.portable.file(file.index.get());
            !file.is_pad() && portable.is_some_and(|portable| portable.path != file.path)
        };
        let differing = self.own.files().filter(differs).map(|file| file.index.get());
        let (rewritten, numbered) =
            differing.partition(|&file| self.portable.paths().is_rewritten(file as usize));
        Groups { rewritten, numbered }
    }

    /// Searches for files of a group, under their own names first. `are_similar` is true for names that
    /// only differ in case or normalisation.
    fn find(&self, group: &[u32], are_similar: bool) -> Result<Found, Error> {
        let mut lists = Lists { folder: self.folder, known: HashMap::new() };
        for file in group.iter().filter_map(|&file| self.own.file(file)) {
            let exists = match are_similar {
                // A disk that takes them for equal would find one file by the name of the other; the list
                // of the folder has the real name.
                true => lists.has(file.path)?,
                false => self.size(file.path)?.is_some(),
            };
            if exists {
                return Ok(Found::Own);
            }
        }
        for file in group.iter().filter_map(|&file| self.portable.file(file)) {
            let is_content = |size| match self.trying {
                Trying::Never => true,
                // Any empty file would match an empty one.
                Trying::IfMissing => size == file.length && file.length > 0,
            };
            if self.size(file.path)?.is_some_and(is_content) {
                return Ok(Found::Portable);
            }
        }
        Ok(Found::None)
    }

    /// The size of the file at this path, if there is one.
    fn size(&self, path: SafePath<'_>) -> Result<Option<u64>, Error> {
        let stamp = unless_short(self.folder.stamp(path.elements()))?.flatten();
        Ok(stamp.map(|stamp| stamp.size))
    }

    /// Returns true if the disk holds each element of the own paths of these files.
    fn are_held(&self, group: &[u32], trial: &Trial<'_>) -> Result<bool, Error> {
        let mut tried: HashSet<&[u8]> = HashSet::new();
        for &file in group {
            let [own, portable] = [self.own, self.portable].map(|layout| layout.file(file));
            let (Some(own), Some(portable)) = (own, portable) else { continue };
            // A policy changes elements, and never their number.
            for (own, portable) in own.path.elements().zip(portable.path.elements()) {
                if own != portable && tried.insert(own) && !trial.holds(own)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The outcome of looking at the disk; `None` for an error that says something about the disk.
fn unless_short<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_out_of_descriptors() => Err(error),
        Err(_) => Ok(None),
    }
}

fn sorted(mut files: Vec<u32>) -> Vec<FileIndex> {
    files.sort_unstable();
    files.into_iter().map(FileIndex::new).collect()
}

/// Lists of the names in folders. Each folder is read once.
struct Lists<'a> {
    folder: &'a Folder,
    known: HashMap<Vec<u8>, HashSet<Vec<u8>>>,
}

impl Lists<'_> {
    /// Returns true if the list of its folder has each element with exactly these bytes.
    fn has(&mut self, path: SafePath<'_>) -> Result<bool, Error> {
        let mut above = Vec::new();
        for (depth, element) in path.elements().enumerate() {
            if !self.known.contains_key(&above) {
                let elements: Vec<&[u8]> = path.elements().take(depth).collect();
                let entries = unless_short(self.folder.entries(elements))?.unwrap_or_default();
                let names =
                    entries.iter().filter_map(|entry| os_bytes(&entry.name)).map(<[u8]>::to_vec);
                self.known.insert(above.clone(), names.collect());
            }
            if !self.known.get(&above).is_some_and(|names| names.contains(element)) {
                return Ok(false);
            }
            above.extend_from_slice(element);
            above.push(b'/');
        }
        Ok(true)
    }
}
