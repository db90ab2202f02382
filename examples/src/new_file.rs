use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::Failure;
use crate::cancel::Draft;

/// A file that is to be written, which appears whole or not at all.
///
/// The bytes go to a temporary file of the same folder, which takes the name when they are on the
/// medium. Nothing is left behind when that fails.
#[derive(Debug)]
pub struct NewFile {
    /// The name as it was given, for people.
    path: PathBuf,
    /// The file behind the links of `path`, if there is one to replace.
    target: PathBuf,
    replaces: bool,
}

impl NewFile {
    /// Makes sure that a file can be written to this path, and leaves nothing there: what cannot work
    /// should be known before long work.
    ///
    /// # Errors
    /// The path exists, and `replaces` is not set or it is no regular file; or the folder cannot be
    /// written to.
    pub fn at(path: &Path, replaces: bool) -> Result<Self, Failure> {
        let names_a_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if path.file_name().is_none() || names_a_folder {
            return Err(refuse(path, "it names a folder"));
        }
        let target = match fs::symlink_metadata(path) {
            Ok(found) => existing(path, &found, replaces)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(failed(path, &error)),
        };
        let file = Self { path: path.to_owned(), target, replaces };
        file.temporary().map_err(|error| file.explain(&error))?;
        Ok(file)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// The file cannot be written, or another program has made a file of this name in the meantime.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let write = || {
            let mut file = self.temporary()?;
            let _draft = Draft::new(file.path());
            file.write_all(bytes)?;
            // A name that outlives a crash must have its bytes.
            file.as_file().sync_all()?;
            let placed = match self.replaces {
                true => file.persist(&self.target),
                false => file.persist_noclobber(&self.target),
            };
            placed.map(drop).map_err(|error| error.error)
        };
        write().map_err(|error| self.explain(&error))
    }

    /// A temporary file with the permissions of any new file. It goes when it is dropped.
    fn temporary(&self) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".tinytorrent-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder.tempfile_in(folder(&self.target))
    }

    fn explain(&self, error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::AlreadyExists => refuse(&self.path, EXISTS),
            io::ErrorKind::NotFound => {
                let folder = folder(&self.target).display();
                refuse(&self.path, &format!("there is no folder {folder}"))
            }
            _ => failed(&self.path, error),
        }
    }
}

const EXISTS: &str = "it exists already; --force replaces it";

/// The file to replace, if what was found may be replaced.
fn existing(path: &Path, found: &Metadata, replaces: bool) -> Result<PathBuf, Failure> {
    let metadata = match found.is_symlink() {
        true => fs::metadata(path).map_err(|_| refuse(path, "it is a link that leads nowhere"))?,
        false => found.clone(),
    };
    if !metadata.is_file() {
        return Err(refuse(path, "it is no regular file"));
    }
    if !replaces {
        return Err(refuse(path, EXISTS));
    }
    fs::canonicalize(path).map_err(|error| failed(path, &error))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

fn refuse(path: &Path, reason: &str) -> Failure {
    Failure::CouldNot(format!("cannot write {}: {reason}", path.display()))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::could_not(format!("cannot write {}", path.display()), error)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| name(e).into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_with_the_permissions_of_any_other() {
        let place = tempfile::tempdir().unwrap();
        let (path, other) = (place.path().join("new"), place.path().join("other"));
        let file = NewFile::at(&path, false).unwrap();
        assert!(names(place.path()).is_empty());
        file.write(b"whole").unwrap();
        fs::write(&other, b"").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&other));
        assert_eq!(names(place.path()), ["new", "other"]);
    }

    #[test]
    fn what_is_there_is_replaced_only_if_asked_for() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("old");
        fs::write(&path, b"old").unwrap();
        let told = NewFile::at(&path, false).unwrap_err().to_string();
        assert!(told.contains("--force"), "{told}");
        let link = place.path().join("link");
        symlink("old", &link).unwrap();
        NewFile::at(&link, true).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(place.path()), ["link", "old"]);
    }

    #[test]
    fn a_file_that_comes_in_between_is_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("new");
        let file = NewFile::at(&path, false).unwrap();
        fs::write(&path, b"theirs").unwrap();
        file.write(b"ours").unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(place.path()), ["new"]);
    }

    #[test]
    fn folders_devices_and_dangling_links_are_never_replaced() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        symlink("none", at("dangling")).unwrap();
        let paths = [at("folder"), at("dangling"), at("none/new"), at("new/"), at("folder/..")];
        for path in paths.into_iter().chain(["/dev/null".into()]) {
            let told = NewFile::at(&path, true).unwrap_err().to_string();
            assert!(told.contains(&path.display().to_string()), "{told}");
        }
        assert_eq!(names(place.path()), ["dangling", "folder"]);
    }
}
