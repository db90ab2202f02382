use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use tinytorrent_folder::{EntryKind, ErrorKind, Folder};
use tinytorrent_metainfo::{DiskPaths, FileIndex, Layout, PathChangeKind, RenameError, SafePath};
use tinytorrent_types::InfoHashes;

use super::{Back, FileContent, Storage, names, names::Names, place::Place};
use crate::{
    StorageError,
    resume::{Followed, ResumeRecord},
};

impl Storage {
    /// Gives a file another path; see [`rename_files`](Self::rename_files).
    ///
    /// # Errors
    /// As for [`rename_files`](Self::rename_files).
    pub fn rename_file(&self, file: FileIndex, path: &Path) -> Result<(), StorageError> {
        self.rename_files(&[(file, path.to_owned())])
    }

    /// Gives files other paths, which are relative to the root: all of them, or none. So a folder is renamed
    /// by new paths for all files in it. A path that leads out of the folder of the torrent is allowed; one
    /// that leads out of the root is not.
    ///
    /// A file that exists is renamed on disk, at once and without copying, and other I/O waits meanwhile. The
    /// path is kept beside the content, so that later runs find the file; [`path_changes`](Self::path_changes)
    /// has it, too. A file that gets the torrent's own path back is no longer among them. Folders that are
    /// empty by that are removed. Symbolic links that the torrent has to the file (BEP 47) are left as they
    /// are.
    ///
    /// After a kill at any moment, the next run finds the files under their new paths or under their old ones.
    /// A call waits for others that change the places of files, and for [`recover`](crate::recover).
    ///
    /// # Errors
    /// The path policy refuses a path or another file of the torrent has it ([`StorageError::NotRenamed`]),
    /// something has the path already ([`StorageError::Exists`]), the storage is read-only, or the system
    /// refuses.
    pub fn rename_files(&self, renames: &[(FileIndex, PathBuf)]) -> Result<(), StorageError> {
        self.rename_files_when_calm(renames, || ())
    }

    /// Renames files. The value of `calm` is kept while files are renamed on disk.
    pub(crate) fn rename_files_when_calm<T>(
        &self,
        renames: &[(FileIndex, PathBuf)],
        calm: impl Fn() -> T,
    ) -> Result<(), StorageError> {
        match &self.back {
            Back::Files(files) => files.rename_files(renames, calm),
            Back::Own(_) => Err(StorageError::NotPossible { what: "rename files" }),
        }
    }
}

impl FileContent {
    fn rename_files<T>(
        &self,
        renames: &[(FileIndex, PathBuf)],
        calm: impl Fn() -> T,
    ) -> Result<(), StorageError> {
        if self.manner.read_only {
            return Err(StorageError::ReadOnly);
        }
        let _alone = self.begin_change();
        let place = self.place().clone();
        place.refuse_removed()?;
        let paths = renamed(self.layout(), &place.paths, renames)?;
        let new = Place { paths, ..place.clone() };
        let files: BTreeSet<FileIndex> = renames.iter().map(|(file, _)| *file).collect();
        let moves = self.pool.with_room(|| self.moves_between(&place, &new, &files))?;

        let mut names = Names::of(&new.paths);
        names.moving = moves.iter().map(|step| (step.file, step.old.join(&b'/'))).collect();
        let save = || names.save(&place.root, &self.identity, self.layout());
        self.pool.with_room(save)?;
        let calm = calm();
        let followed = match self.carry_out(&moves, &new) {
            Ok(followed) => followed,
            Err(error) => {
                let _ = Names::of(&place.paths).save(&place.root, &self.identity, self.layout());
                return Err(error);
            }
        };
        // An error has no effect: the names count already, and a file that has its new path is not looked for
        // under the old one.
        let _ = Names::of(&new.paths).save(&place.root, &self.identity, self.layout());
        ResumeRecord::follow(self, &followed);
        drop(calm);
        Ok(())
    }

    /// The files of these that have another path than before. Whether they exist shows when nothing can
    /// create them any more.
    fn moves_between(
        &self,
        place: &Place,
        new: &Place,
        files: &BTreeSet<FileIndex>,
    ) -> Result<Vec<Step>, StorageError> {
        let mut moves = Vec::new();
        for file in files.iter().filter_map(|file| self.layout().file(file.get())) {
            let [old, path] = [place, new].map(|place| place.path(&file));
            if old == path {
                continue;
            }
            if place.root.kind(path.elements())?.is_some() {
                return Err(StorageError::Exists { path: new.full_path(&file) });
            }
            if !matches!(place.root.kind(old.elements())?, None | Some(EntryKind::File)) {
                return Err(StorageError::NotAFile { path: place.full_path(&file) });
            }
            moves.push(Step {
                file: file.index,
                old: old.elements().map(<[u8]>::to_vec).collect(),
                new: path.elements().map(<[u8]>::to_vec).collect(),
            });
        }
        Ok(moves)
    }

    /// Renames the files on disk, all or none, and has them found under their new names.
    fn carry_out(&self, moves: &[Step], new: &Place) -> Result<Vec<Followed>, StorageError> {
        let mut place = self.place_mut();
        place.refuse_removed()?;
        let mut done: Vec<(&Step, Followed)> = Vec::with_capacity(moves.len());
        for step in moves {
            // Windows renames no file that is open.
            self.pool.close(self.id, Some(step.file.get()));
            match self.pool.with_room(|| step.forward(&place.root)) {
                Ok(stamps) => done.extend(stamps.map(|stamps| (step, stamps))),
                Err(error) => {
                    for (step, _) in done.iter().rev() {
                        // The first error is the one to report.
                        let _ = self.pool.with_room(|| step.back(&place.root));
                    }
                    return Err(error);
                }
            }
        }
        place.paths = new.paths.clone();
        // While no write can create a file in one of them.
        let left = done.iter().filter_map(|(step, _)| step.old.split_last());
        remove_empty_folders(&place.root, left.map(|(_, folder)| folder.to_vec()), |_| ());
        Ok(done.into_iter().map(|(_, stamps)| stamps).collect())
    }
}

/// A file that is renamed on disk, if it exists.
struct Step {
    file: FileIndex,
    old: Vec<Vec<u8>>,
    new: Vec<Vec<u8>>,
}

impl Step {
    fn forward(&self, root: &Folder) -> Result<Option<Followed>, StorageError> {
        let before = root.stamp(slices(&self.old))?;
        if before.is_none() {
            return Ok(None);
        }
        root.move_entry(slices(&self.old), root, slices(&self.new))?;
        // Without it, the file is checked once more.
        let after = root.stamp(slices(&self.new)).unwrap_or_default();
        Ok(Some(Followed { file: self.file, before, after }))
    }

    fn back(&self, root: &Folder) -> Result<(), StorageError> {
        Ok(root.move_entry(slices(&self.new), root, slices(&self.old))?)
    }
}

/// The elements of a path, as a folder takes them.
pub(super) fn slices(path: &[Vec<u8>]) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    path.iter().map(Vec::as_slice)
}

fn renamed(
    layout: &Layout,
    paths: &DiskPaths,
    renames: &[(FileIndex, PathBuf)],
) -> Result<DiskPaths, StorageError> {
    let mut new = Vec::with_capacity(renames.len());
    for (file, path) in renames {
        new.push((
            *file,
            elements_of(path).ok_or_else(|| refused(path, PathChangeKind::Traversal))?,
        ));
    }
    let renamed = paths.renamed_to(layout, new)?;
    let reserved = renamed.renames().find(|(_, path)| names::is_reserved(*path));
    if let Some((_, path)) = reserved {
        return Err(refused(&path.to_path_buf(), PathChangeKind::Collision).into());
    }
    Ok(renamed)
}

fn refused(path: &Path, kind: PathChangeKind) -> RenameError {
    RenameError::Refused { path: path.to_string_lossy().into_owned(), kind }
}

/// The elements of a relative path; `None` if it leads elsewhere.
fn elements_of(path: &Path) -> Option<Vec<&[u8]>> {
    path.components()
        .map(|component| match component {
            Component::Normal(name) => Some(name.as_encoded_bytes()),
            _ => None,
        })
        .collect()
}

/// Does what a run that was killed has left: files that were about to be renamed get their names.
pub(super) fn finish_renames(
    place: &Place,
    names: Names,
    identity: &InfoHashes,
    layout: &Layout,
) -> Result<(), StorageError> {
    if names.moving.is_empty() {
        return Ok(());
    }
    for (file, old) in &names.moving {
        let Some(entry) = layout.file(file.get()) else { continue };
        finish_rename(&place.root, names::elements(old), place.path(&entry))?;
    }
    Names { moving: Vec::new(), ..names }.save(&place.root, identity, layout)
}

fn finish_rename<'a>(
    root: &Folder,
    old: impl DoubleEndedIterator<Item = &'a [u8]> + Clone,
    new: SafePath<'_>,
) -> Result<(), StorageError> {
    match (root.kind(old.clone()), root.kind(new.elements())) {
        (Ok(Some(EntryKind::File)), Ok(None)) => Ok(root.move_entry(old, root, new.elements())?),
        (Err(error), _) | (_, Err(error)) if matches!(error.kind(), ErrorKind::Io { .. }) => {
            Err(error.into())
        }
        // It was renamed. Or a link is in the way, or the path leads elsewhere: others may write to the folder.
        _ => Ok(()),
    }
}

/// Removes folders below the root from which entries were taken, and those above them, if they are empty.
pub(super) fn remove_empty_folders(
    root: &Folder,
    folders: impl Iterator<Item = Vec<Vec<u8>>>,
    mut failed: impl FnMut(StorageError),
) {
    let folders: BTreeSet<Vec<Vec<u8>>> = folders.collect();
    // The deepest of a tree come first.
    for folder in folders.iter().rev() {
        let mut folder = folder.as_slice();
        while let Some((_, above)) = folder.split_last() {
            match root.remove_folder(slices(folder)) {
                Ok(true) => folder = above,
                // A run that was killed may have removed it, and not those above.
                Ok(false) if matches!(root.kind(slices(folder)), Ok(None)) => folder = above,
                Ok(false) => break,
                Err(error) => {
                    failed(error.into());
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_folders_above_one_that_is_gone_already_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::create_dir_all(path("t/empty")).unwrap();
        std::fs::create_dir_all(path("u/empty")).unwrap();
        std::fs::write(path("u/file"), "").unwrap();
        let root = Folder::open(place.path()).unwrap();
        let gone = ["t/empty/gone", "u/empty/gone/gone"];
        let folders =
            gone.iter().map(|path| names::elements(path.as_bytes()).map(<[u8]>::to_vec).collect());
        remove_empty_folders(&root, folders, |error| panic!("{error}"));
        assert!(!path("t").exists() && !path("u/empty").exists() && path("u/file").exists());
    }
}
