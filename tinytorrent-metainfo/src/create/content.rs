use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use tinytorrent_folder::Folder;

use super::joined::{elements, path_of};
use super::note::CreateNote;
use super::source::Source;
use super::{CreateError, NameFault};

/// The files and links of a torrent that is to be created.
#[derive(Debug)]
pub(super) struct Content {
    /// The file or folder as it was given.
    pub(super) root: PathBuf,
    /// True for a file, false for a folder, even of one file.
    pub(super) is_single_file: bool,
    /// The folder below which the paths of `found` are opened.
    pub(super) folder: Folder,
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
    /// The path below the folder, elements joined with `/`.
    pub(super) path: Box<[u8]>,
    pub(super) item: Item,
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
        if self.is_single_file { self.root.clone() } else { path_of(&self.root, &found.path) }
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

/// Checks that a text can be the name of a file or folder on disk.
pub(super) fn check_name(name: &str) -> Result<(), CreateError> {
    let fault = match name {
        "" => NameFault::Empty,
        "." | ".." => NameFault::Dots,
        name if name.contains(['/', '\0']) => NameFault::Separator,
        name if name.len() > MAX_NAME => NameFault::TooLong,
        _ => return Ok(()),
    };
    Err(CreateError::Name { name: name.to_owned(), fault })
}

/// Bytes of a name at most, in common file systems.
const MAX_NAME: usize = 255;
