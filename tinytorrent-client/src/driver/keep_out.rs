//! Folders that no content may lie in, since what a program finds there it trusts.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// Returns the first of the folders that a file of a content would lie in. The root is the folder of the content,
/// and the files are below it.
pub(super) fn find_intrusion<'a>(
    folders: &'a [PathBuf],
    root: &Path,
    files: impl Iterator<Item = PathBuf> + Clone,
) -> Option<&'a Path> {
    folders.iter().map(PathBuf::as_path).find(|folder| is_intruded(folder, root, files.clone()))
}

fn is_intruded(folder: &Path, root: &Path, mut files: impl Iterator<Item = PathBuf>) -> bool {
    let below = resolve(folder).strip_prefix(resolve(root)).map(|path| path.components().count());
    // One that holds the root is where the user wants the content to be.
    let Some(depth) = below.ok().filter(|depth| *depth > 0) else { return false };
    let mut seen = HashSet::new();
    files.any(|file| {
        let Ok(inner) = file.strip_prefix(root) else { return false };
        let inner: PathBuf = inner.components().take(depth).collect();
        // Most files have the same beginning.
        !seen.contains(&inner) && {
            let path = root.join(&inner);
            seen.insert(inner);
            is_same(&path, folder)
        }
    })
}

/// The path without links, as far as it exists: a folder may be created later.
fn resolve(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|known| {
        // The current folder stands before a relative path.
        let real = if known.as_os_str().is_empty() { Path::new(".") } else { known };
        Some((known, fs::canonicalize(real).ok()?))
    });
    match known {
        Some((known, real)) => real.join(path.strip_prefix(known).unwrap_or(path)),
        None => path.to_owned(),
    }
}

/// `true` if both are the same on disk, or would be where letters have no case.
fn is_same(a: &Path, b: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().as_ref().and_then(identity);
    let lower = |path: &Path| PathBuf::from(resolve(path).to_string_lossy().to_lowercase());
    identity(a).is_some_and(|a| Some(a) == identity(b)) || lower(a) == lower(b)
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;

    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_may_lie_beside_the_folder_and_not_in_it() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir_all(root.join("a/state")).unwrap();
        let folders = [place.path().join("else"), root.join("a/state")];
        let check = |root: &Path, files: &[&str]| {
            let files = files.iter().map(|file| root.join(file)).collect::<Vec<_>>();
            find_intrusion(&folders, root, files.into_iter()).map(Path::to_owned)
        };
        assert_eq!(check(&root, &["a/other/x", "b", "state/x", "a/x"]), None);
        for intruder in ["a/state/x", "a/state", "a/state/b/c", "A/State/x"] {
            let found = check(&root, &["b", intruder]);
            assert_eq!(found.as_ref(), Some(&folders[1]), "{intruder}");
        }
        // The folder of the content is in it, by the wish of the user.
        assert_eq!(check(&root.join("a/state/deeper"), &["x"]), None);
        assert_eq!(check(&root.join("a/state"), &["x"]), None);
    }

    #[test]
    fn a_folder_that_does_not_exist_yet_is_kept_free() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        let folders = [root.join("a/state")];
        let files = |file: &str| std::iter::once(root.join(file));
        assert!(find_intrusion(&folders, &root, files("a/state/x")).is_some());
        assert!(find_intrusion(&folders, &root, files("a/else/x")).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_leads_to_the_same_folder() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::create_dir_all(path("root/state")).unwrap();
        std::os::unix::fs::symlink(path("root"), path("link")).unwrap();
        let folders = [path("root/state")];
        let files = std::iter::once(path("link/state/x"));
        assert!(find_intrusion(&folders, &path("link"), files).is_some());
    }
}
