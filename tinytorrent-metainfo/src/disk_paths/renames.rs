//! The files that the user has given other paths.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::DiskPaths;
use crate::path::TakenPaths;
use crate::{File, FileIndex, Layout, LayoutError, PathChangeKind, SafePath};

/// Renamed files and their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Renames {
    /// The renamed files, ascending.
    files: Vec<FileIndex>,
    /// The paths of these files alone, in the same order.
    paths: Layout,
}

/// The reason why a file cannot be renamed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenameError {
    /// The torrent has no such file, or it is padding or a link.
    #[error("the torrent has no file {file} to rename")]
    NoFile {
        /// The index that was given.
        file: u32,
    },
    /// The path has no element, or more than [`MAX_DEPTH`](crate::MAX_DEPTH).
    #[error("the new path of file {file} has no element, or too many")]
    Depth {
        /// The file.
        file: u32,
    },
    /// The path policy of the layout would have to change the path, or another file or folder of the torrent
    /// has it, at least on some file systems.
    #[error("the path {path:?} is refused: {kind}")]
    Refused {
        /// The path, with a replacement character for bytes that are not UTF-8.
        path: String,
        /// The first reason.
        kind: PathChangeKind,
    },
}

impl DiskPaths {
    /// The same paths, but for files that get others, given as their elements below the folder. A file that
    /// gets the path it would have without any renaming is renamed no more.
    ///
    /// The whole list is applied at once, so that two files may change places. Nothing happens on disk. It
    /// takes as long as going through all paths of the torrent.
    ///
    /// # Errors
    /// See [`RenameError`].
    pub fn renamed_to<P>(
        &self,
        layout: &Layout,
        new: impl IntoIterator<Item = (FileIndex, P)>,
    ) -> Result<Self, RenameError>
    where
        P: IntoIterator,
        P::Item: AsRef<[u8]>,
    {
        let mut all: BTreeMap<FileIndex, Vec<Vec<u8>>> =
            self.renames().map(|(file, path)| (file, to_elements(path))).collect();
        for (index, path) in new {
            let is_plain = |file: &File<'_>| !file.is_pad() && file.link_target.is_none();
            let Some(file) = layout.file(index.get()).filter(is_plain) else {
                return Err(RenameError::NoFile { file: index.get() });
            };
            let path: Vec<_> = path.into_iter().map(|element| element.as_ref().to_vec()).collect();
            if self.found_path(&file).elements().eq(path.iter().map(Vec::as_slice)) {
                all.remove(&index);
            } else {
                all.insert(index, path);
            }
        }
        let renames = if all.is_empty() { None } else { Some(Renames::new(layout, &all)?) };
        let renamed = Self { other: self.other.clone(), renames: renames.map(Arc::new) };
        renamed.refuse_clashes(layout)?;
        Ok(renamed)
    }

    /// The files that the user has renamed, ascending, with their paths.
    pub fn renames(&self) -> impl Iterator<Item = (FileIndex, SafePath<'_>)> {
        let renames = self.renames.as_deref().into_iter();
        renames.flat_map(|renames| {
            renames.files.iter().zip(renames.paths.files()).map(|(&file, own)| (file, own.path))
        })
    }

    /// An error if a renamed file has the path of another file or of a folder, or its path leads through
    /// a file.
    fn refuse_clashes(&self, layout: &Layout) -> Result<(), RenameError> {
        let is_renamed = |file: &File<'_>| self.renamed_path(file.index).is_some();
        let mut taken = TakenPaths::new();
        for file in layout.files().filter(|file| !file.is_pad() && !is_renamed(file)) {
            taken.add(self.path(&file));
        }
        for (_, path) in self.renames() {
            if !taken.is_free(path) {
                return Err(refused(path, PathChangeKind::Collision));
            }
            taken.add(path);
        }
        Ok(())
    }

    pub(super) fn renamed_path(&self, file: FileIndex) -> Option<SafePath<'_>> {
        self.renames.as_ref()?.path(file)
    }
}

impl Renames {
    fn new(
        layout: &Layout,
        paths: &BTreeMap<FileIndex, Vec<Vec<u8>>>,
    ) -> Result<Self, RenameError> {
        let files: Vec<FileIndex> = paths.keys().copied().collect();
        let mut builder = Layout::builder(1);
        builder.policy(layout.path_policy());
        // Lengths do not matter, but a layout has content.
        paths.values().for_each(|path| _ = builder.file(path, 1));
        let built = builder.build().map_err(|error| match error {
            LayoutError::PathRejected { original, kind, .. } => {
                RenameError::Refused { path: original, kind }
            }
            LayoutError::EmptyPath { file } | LayoutError::TooDeep { file } => {
                RenameError::Depth { file: files[file as usize].get() }
            }
            // No other limit is met by files of one byte that a layout has already.
            _ => RenameError::NoFile { file: u32::MAX },
        })?;
        if let Some(change) = built.path_changes().next() {
            let kind = change.kinds.first().copied().unwrap_or(PathChangeKind::Collision);
            return Err(RenameError::Refused { path: change.original, kind });
        }
        Ok(Self { files, paths: built })
    }

    fn path(&self, file: FileIndex) -> Option<SafePath<'_>> {
        let at = self.files.binary_search(&file).ok()?;
        Some(self.paths.file(at as u32)?.path)
    }
}

fn to_elements(path: SafePath<'_>) -> Vec<Vec<u8>> {
    path.elements().map(<[u8]>::to_vec).collect()
}

fn refused(path: SafePath<'_>, kind: PathChangeKind) -> RenameError {
    RenameError::Refused { path: path.to_string_lossy(), kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileAttributes, PathPolicy};

    fn layout(policy: PathPolicy) -> Layout {
        let mut builder = Layout::builder(16_384);
        builder.policy(policy).root("t").file(["a"], 5).pad(9).file(["d", "b"], 5).file(["É"], 5);
        builder.symlink(["l"], ["a"], FileAttributes::NONE);
        builder.build().unwrap()
    }

    fn renamed(
        paths: &DiskPaths,
        layout: &Layout,
        new: &[(u32, &str)],
    ) -> Result<DiskPaths, RenameError> {
        let new = new.iter().map(|&(file, path)| (FileIndex::new(file), path.split('/')));
        paths.renamed_to(layout, new)
    }

    fn all(paths: &DiskPaths, layout: &Layout) -> Vec<String> {
        let files = layout.files().filter(|file| !file.is_pad());
        files.map(|file| paths.path(&file).to_string()).collect()
    }

    #[test]
    fn renamed_files_have_their_new_paths_and_tell_them() {
        let layout = layout(PathPolicy::System);
        let paths = DiskPaths::as_laid_out();
        let paths = renamed(&paths, &layout, &[(2, "other/new/b"), (0, "t/d/b")]).unwrap();
        assert_eq!(all(&paths, &layout), ["t/d/b", "other/new/b", "t/É", "t/l"]);
        let changes: Vec<_> = paths.changes(&layout).collect();
        assert_eq!(changes.len(), 2);
        assert_eq!(
            (changes[1].original.as_str(), changes[1].written.as_str()),
            ("t/d/b", "other/new/b")
        );
        assert_eq!(changes[1].kinds, [PathChangeKind::Renamed]);
        assert_eq!(changes[1].file.map(FileIndex::get), Some(2));
        let link = layout.file(4).unwrap();
        let target = paths.link_target(&layout, &link).unwrap();
        assert_eq!(target.to_path_buf(), std::path::Path::new("d/b"), "it leads to the new name");

        let back = renamed(&paths, &layout, &[(2, "t/d/b"), (0, "t/x")]).unwrap();
        assert_eq!(all(&back, &layout), ["t/x", "t/d/b", "t/É", "t/l"]);
        assert_eq!(back.renames().count(), 1);
        let back = renamed(&back, &layout, &[(0, "t/a")]).unwrap();
        assert_eq!((back.renames().count(), back.changes(&layout).count()), (0, 0));
    }

    #[test]
    fn files_may_change_places() {
        let layout = layout(PathPolicy::System);
        let paths = DiskPaths::as_laid_out();
        let paths = renamed(&paths, &layout, &[(0, "t/d/b"), (2, "t/a")]).unwrap();
        assert_eq!(all(&paths, &layout)[..2], ["t/d/b", "t/a"]);
    }

    // S-20: no path leads out of the folder, and none is another's.
    #[test]
    fn a_path_that_leads_elsewhere_or_is_taken_is_refused() {
        use PathChangeKind::{Collision, Control, Empty, Reserved, Separator, TooLong, Traversal};
        let long = "x".repeat(256);
        let both = [PathPolicy::System, PathPolicy::Portable, PathPolicy::Exact];
        let portable = [PathPolicy::Portable];
        let cases: &[(&[PathPolicy], &str, PathChangeKind)] = &[
            (&both, "..", Traversal),
            (&both, "t/../../x", Traversal),
            (&both, "", Empty),
            (&both, "/x", Empty),
            (&both, "t/a\0", Control),
            (&both, &long, TooLong),
            (&portable, "t/con", Reserved),
            (&portable, "t/a:b", Separator),
            (&both, "t/d/b", Collision),
            // The folder of another file, and a path through another file.
            (&both, "t/d", Collision),
            (&both, "t/é/x", Collision),
            (&both, "t/l/x", Collision),
            // The disk may take them for equal.
            (&both, "T/D/B", Collision),
            (&both, "t/e\u{301}", Collision),
        ];
        for (policies, path, expected) in cases {
            for &policy in *policies {
                let layout = layout(policy);
                let paths = DiskPaths::as_laid_out();
                let error = renamed(&paths, &layout, &[(0, path)]).unwrap_err();
                let RenameError::Refused { kind, .. } = error else { panic!("{path:?}: {error}") };
                assert_eq!(kind, *expected, "{path:?} under {policy:?}");
            }
        }
        let layout = layout(PathPolicy::System);
        let paths = DiskPaths::as_laid_out();
        for (file, path) in [(1, "x"), (4, "x"), (5, "x")] {
            let error = renamed(&paths, &layout, &[(file, path)]).unwrap_err();
            assert_eq!(error, RenameError::NoFile { file });
        }
        let deep = ["x"; 101].join("/");
        let error = renamed(&paths, &layout, &[(2, &deep)]).unwrap_err();
        assert_eq!(error, RenameError::Depth { file: 2 });
        let none = paths.renamed_to(&layout, [(FileIndex::new(2), [""; 0])]).unwrap_err();
        assert_eq!(none, RenameError::Depth { file: 2 });
        let twice = renamed(&paths, &layout, &[(0, "x"), (2, "x/y")]).unwrap_err();
        assert!(matches!(twice, RenameError::Refused { kind: Collision, .. }));
    }

    #[test]
    fn a_file_may_change_the_case_of_its_own_name() {
        let layout = layout(PathPolicy::Portable);
        let paths = renamed(&DiskPaths::as_laid_out(), &layout, &[(0, "t/A")]).unwrap();
        assert_eq!(all(&paths, &layout)[0], "t/A");
    }
}
