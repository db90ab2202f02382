use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use tinytorrent_folder::Folder;

use super::joined::{elements, path_of};
use super::note::CreateNote;
use super::source::Source;
use super::{CreateError, NameFault};

/// Everything that a torrent will hold.
#[derive(Debug)]
pub(super) struct Content {
    /// The file or folder as it was given.
    pub(super) root: PathBuf,
    /// One file, rather than a folder that may hold one.
    pub(super) is_single_file: bool,
    /// The folder below which the paths of `found` are opened.
    pub(super) folder: Folder,
    pub(super) found: Vec<Found>,
    /// The folders elsewhere that links led to.
    pub(super) linked_folders: Vec<PathBuf>,
    pub(super) notes: Vec<CreateNote>,
}

/// The order of the files.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// Paths as text, with `/` among the other characters, as mktorrent and transmission have it.
    Path,
    /// Element by element: the order of a file tree (BEP 52).
    Tree,
}

/// A file or link of a torrent.
#[derive(Debug)]
pub(super) struct Found {
    /// From the folder on, elements joined with `/`.
    pub(super) path: Box<[u8]>,
    pub(super) item: Item,
}

#[derive(Debug)]
pub(super) enum Item {
    File(Source),
    /// The target from the folder on, elements joined with `/`.
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
        self.found.iter().map(Found::length).fold(0, u64::saturating_add)
    }

    /// The path of a file for people and for the system.
    pub(super) fn path_of(&self, found: &Found) -> PathBuf {
        if self.is_single_file { self.root.clone() } else { path_of(&self.root, &found.path) }
    }

    /// The last element of the path, or of what it stands for (`.`, `..`).
    pub(super) fn name(&self) -> Result<String, CreateError> {
        let not_text = |name: &OsStr| CreateError::Name {
            name: name.to_string_lossy().into_owned(),
            fault: NameFault::NotUtf8,
        };
        let text = |name: &OsStr| name.to_str().map(str::to_owned).ok_or_else(|| not_text(name));
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

/// `true` if the name can be that of a file or folder on disk.
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

/// Bytes of a name that common file systems hold.
const MAX_NAME: usize = 255;
