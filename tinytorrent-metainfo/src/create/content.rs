use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tinytorrent_folder::Folder;

use super::joined::{elements, path_of};
use super::note::CreateNote;
use super::source::Source;
use super::{CreateError, NameFault, RefusalReason};
use crate::path::os_bytes;

/// The files and links of a torrent that is to be created.
#[derive(Debug)]
pub(super) struct Content {
    /// The file or folder as it was given; for a list, the name of the torrent.
    pub(super) root: PathBuf,
    /// True for a file, false for a folder or a list, even of one file.
    pub(super) is_single_file: bool,
    /// The folder below which the paths of `found` are opened; `None` if each has a place of its own.
    pub(super) folder: Option<Folder>,
    pub(super) found: Vec<Found>,
    /// The targets of followed links that are folders.
    pub(super) linked_folders: Vec<PathBuf>,
    pub(super) notes: Vec<CreateNote>,
}

/// The order of the files.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// Whole paths as bytes, in which `/` is one byte among others, as in mktorrent and transmission.
    Path,
    /// Paths element by element, as in a file tree (BEP 52).
    Tree,
}

/// A file or link of a torrent.
#[derive(Debug)]
pub(super) struct Found {
    /// The path in the torrent below its name, elements joined with `/`.
    pub(super) path: Box<[u8]>,
    pub(super) item: Item,
    /// The file on disk as it was given; `None` if it is at the same path below the folder.
    pub(super) given: Option<Box<Path>>,
}

/// A file or a link.
#[derive(Debug)]
pub(super) enum Item {
    /// A file, as it was when it was found.
    File(Source),
    /// A link, with its target as a path below the folder, elements joined with `/`.
    Link(Box<[u8]>),
}

impl Content {
    pub(super) fn sort(&mut self, order: Order) {
        match order {
            Order::Path => self.found.sort_by(|one, other| one.path.cmp(&other.path)),
            Order::Tree => self.found.sort_by(|one, other| one.elements().cmp(other.elements())),
        }
    }

    pub(super) fn total_length(&self) -> u64 {
        // The layout refuses a total that does not fit.
        self.found.iter().map(Found::length).fold(0, u64::saturating_add)
    }

    /// The path of a file for display and for the system.
    pub(super) fn path_of(&self, found: &Found) -> PathBuf {
        match &found.given {
            Some(given) => given.to_path_buf(),
            None => path_of(&self.root, &found.path),
        }
    }

    /// Calls a function with the folder of a file, and with its path below that.
    ///
    /// # Errors
    /// The folder of a file that was given cannot be opened.
    pub(super) fn at<T>(
        &self,
        found: &Found,
        act: impl FnOnce(&Folder, &[u8]) -> T,
    ) -> Result<T, RefusalReason> {
        match (&self.folder, &found.given) {
            (Some(folder), _) => Ok(act(folder, &found.path)),
            (None, Some(given)) => at_given(given, act),
            (None, None) => Err(RefusalReason::Io(io::ErrorKind::NotFound.into())),
        }
    }

    /// The last element of the path, which is resolved if it ends in `.` or `..`.
    pub(super) fn name(&self) -> Result<String, CreateError> {
        let not_text = |name: &OsStr| CreateError::Name {
            name: name.to_string_lossy().into_owned(),
            fault: NameFault::NotUtf8,
        };
        let text = |name: &OsStr| name.to_str().map(str::to_owned).ok_or_else(|| not_text(name));
        // `.` and `a/..` have no name of their own.
        if let Some(name) = self.root.file_name() {
            return text(name);
        }
        let real = fs::canonicalize(&self.root);
        let real = real.map_err(|error| CreateError::io(&self.root, error))?;
        let nameless = || CreateError::Name { name: String::new(), fault: NameFault::Empty };
        text(real.file_name().ok_or_else(nameless)?)
    }
}

impl Found {
    pub(super) fn elements(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        elements(&self.path)
    }

    pub(super) fn length(&self) -> u64 {
        self.source().map_or(0, |source| source.length)
    }

    pub(super) fn is_executable(&self) -> bool {
        self.source().is_some_and(|source| source.is_executable)
    }

    pub(super) fn source(&self) -> Option<&Source> {
        match &self.item {
            Item::File(source) => Some(source),
            Item::Link(_) => None,
        }
    }
}

/// Calls a function with the folder of a file that the user has given, and with its name there.
pub(super) fn at_given<T>(
    given: &Path,
    act: impl FnOnce(&Folder, &[u8]) -> T,
) -> Result<T, RefusalReason> {
    // The user's path may have links, which are not followed below a `Folder`.
    let real = fs::canonicalize(given).map_err(RefusalReason::Io)?;
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(RefusalReason::NotAFile);
    };
    let invalid = || RefusalReason::Io(io::ErrorKind::InvalidFilename.into());
    let name = os_bytes(name).ok_or_else(invalid)?;
    Ok(act(&Folder::open(parent)?, name))
}

/// Checks that a text can be the name of a file or folder on disk.
pub(super) fn check_name(name: &str) -> Result<(), CreateError> {
    check_element(name).map_err(|fault| CreateError::Name { name: name.to_owned(), fault })
}

/// Checks that a text can be an element of a path.
pub(super) fn check_element(element: &str) -> Result<(), NameFault> {
    match element {
        "" => Err(NameFault::Empty),
        "." | ".." => Err(NameFault::Dots),
        element if element.contains(['/', '\0']) => Err(NameFault::Separator),
        element if element.len() > MAX_NAME => Err(NameFault::TooLong),
        _ => Ok(()),
    }
}

/// Bytes of a name at most, in common file systems.
const MAX_NAME: usize = 255;
