//! What is on disk.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::CreateError;

/// What a torrent will hold.
pub(super) struct Content {
    /// The name of the file or folder itself.
    pub(super) name: Vec<u8>,
    pub(super) root: PathBuf,
    /// One file, rather than a folder that may hold one.
    pub(super) is_single_file: bool,
    /// In the [`Order`] that was asked for.
    pub(super) files: Vec<Found>,
}

/// What comes first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// Paths as text, with `/` among the other characters: what mktorrent and transmission do.
    Path,
    /// Element by element: the order of a file tree (BEP 52).
    Tree,
}

/// A file.
pub(super) struct Found {
    /// Elements below the folder; none for a file that stands alone.
    pub(super) elements: Vec<Vec<u8>>,
    pub(super) path: PathBuf,
    pub(super) length: u64,
}

pub(super) fn scan(root: &Path, order: Order) -> Result<Content, CreateError> {
    let metadata = fs::metadata(root).map_err(|error| CreateError::io(root, error))?;
    let is_single_file = metadata.is_file();
    let mut walk = Walk { files: Vec::new(), folders: Vec::new() };
    walk.visit(root.to_owned(), &metadata, Vec::new())?;
    while let Some((folder, elements, ancestors)) = walk.folders.pop() {
        walk.folder(&folder, &elements, ancestors)?;
    }
    let mut files = walk.files;
    match order {
        Order::Path => files.sort_by_cached_key(|file| file.elements.join(&b'/')),
        Order::Tree => files.sort_by(|one, other| one.elements.cmp(&other.elements)),
    }
    if files.iter().all(|file| file.length == 0) {
        return Err(CreateError::NoContent { path: root.to_owned() });
    }
    Ok(Content { name: name(root)?, root: root.to_owned(), is_single_file, files })
}

/// A walk without recursion.
struct Walk {
    files: Vec<Found>,
    /// Folders to look into: path, elements, and the real paths of the folders above.
    folders: Vec<(PathBuf, Vec<Vec<u8>>, Vec<PathBuf>)>,
}

impl Walk {
    fn visit(
        &mut self,
        path: PathBuf,
        metadata: &Metadata,
        elements: Vec<Vec<u8>>,
    ) -> Result<(), CreateError> {
        if metadata.is_file() {
            self.files.push(Found { elements, path, length: metadata.len() });
        } else if metadata.is_dir() {
            self.folders.push((path, elements, Vec::new()));
        }
        // Sockets, pipes and devices have no content.
        Ok(())
    }

    fn folder(
        &mut self,
        folder: &Path,
        elements: &[Vec<u8>],
        mut ancestors: Vec<PathBuf>,
    ) -> Result<(), CreateError> {
        let failed = |error| CreateError::io(folder, error);
        let real = fs::canonicalize(folder).map_err(failed)?;
        if ancestors.contains(&real) {
            return Err(CreateError::Loop { path: folder.to_owned() });
        }
        ancestors.push(real);
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let metadata = fs::metadata(&path).map_err(|error| CreateError::io(&path, error))?;
            let mut below = elements.to_vec();
            below.push(bytes(&entry.file_name(), &path)?);
            let before = self.folders.len();
            self.visit(path, &metadata, below)?;
            if let Some((_, _, above)) = self.folders.get_mut(before) {
                above.clone_from(&ancestors);
            }
        }
        Ok(())
    }
}

/// The last element of the path, or of what it stands for (`.`, `..`).
fn name(root: &Path) -> Result<Vec<u8>, CreateError> {
    if let Some(name) = root.file_name() {
        return bytes(name, root);
    }
    let real = fs::canonicalize(root).map_err(|error| CreateError::io(root, error))?;
    let name = real.file_name().ok_or_else(|| CreateError::Name { path: root.to_owned() })?;
    bytes(name, root)
}

#[cfg(unix)]
fn bytes(name: &OsStr, _: &Path) -> Result<Vec<u8>, CreateError> {
    Ok(std::os::unix::ffi::OsStrExt::as_bytes(name).to_vec())
}

#[cfg(not(unix))]
fn bytes(name: &OsStr, path: &Path) -> Result<Vec<u8>, CreateError> {
    let name = name.to_str().ok_or_else(|| CreateError::Name { path: path.to_owned() })?;
    Ok(name.as_bytes().to_vec())
}
