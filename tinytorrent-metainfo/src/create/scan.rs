//! The search for the files of a torrent. Each file is opened as a check, but not read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tinytorrent_folder::Folder;

use super::content::{Content, Found, Item, Order, at_given, check_element, check_name};
use super::note::{CreateNote, CreateNoteKind};
use super::source::{Source, is_link};
use super::walk::{Walk, Walked};
use super::{CreateError, CreateOptions, LinkPolicy, NameFault, RefusalReason, Refusals};

/// Finds the files and links for a torrent of `path`, in no order.
pub(super) fn scan(path: &Path, options: &CreateOptions) -> Result<Content, CreateError> {
    // The user's own path may be a link, so it is followed.
    let metadata = fs::metadata(path).map_err(|error| CreateError::io(path, error))?;
    if metadata.is_dir() {
        return scan_folder(path, options);
    }
    if !metadata.is_file() {
        return Err(CreateError::NotAFile { path: path.to_owned() });
    }
    scan_file(path)
}

/// Finds a single file.
fn scan_file(path: &Path) -> Result<Content, CreateError> {
    let source = examine(path).map_err(|reason| match reason {
        RefusalReason::Io(error) => CreateError::io(path, error),
        reason => CreateError::io(path, io::Error::other(reason.to_string())),
    })?;
    let mut followed = CreateNote::new(CreateNoteKind::FollowedLinks);
    if is_link(path) {
        followed.push(|| path.to_owned());
    }
    // The path of a single file is its name, which may be another in the torrent.
    let found = Found { path: Box::default(), item: Item::File(source), given: Some(path.into()) };
    Ok(Content {
        root: path.to_owned(),
        is_single_file: true,
        folder: None,
        found: vec![found],
        linked_folders: Vec::new(),
        notes: kept([followed]),
    })
}

/// Finds files that were given one by one, each with its path in the torrent.
pub(super) fn scan_list<N: AsRef<str>, P: AsRef<Path>>(
    files: impl IntoIterator<Item = (N, P)>,
    options: &CreateOptions,
) -> Result<Content, CreateError> {
    let name = options.name.as_deref().ok_or(CreateError::NoName)?;
    check_name(name)?;
    let mut followed = CreateNote::new(CreateNoteKind::FollowedLinks);
    let mut excluded = CreateNote::new(CreateNoteKind::Excluded);
    let (mut found, mut refusals) = (Vec::new(), Refusals::default());
    for (name, path) in files {
        let (name, path) = (name.as_ref(), path.as_ref());
        check_path(name)?;
        if options.exclusions.match_path_or_folder(name.as_bytes()) {
            excluded.push(|| path.to_owned());
            continue;
        }
        if is_link(path) {
            followed.push(|| path.to_owned());
        }
        match examine(path) {
            Ok(source) => found.push(Found {
                path: name.as_bytes().into(),
                item: Item::File(source),
                given: Some(path.into()),
            }),
            Err(reason) => refusals.push(path.to_owned(), reason),
        }
    }
    refusals.into_result()?;
    let mut content = Content {
        root: PathBuf::from(name),
        is_single_file: false,
        folder: None,
        found,
        linked_folders: Vec::new(),
        notes: kept([followed, excluded]),
    };
    check_distinct(&mut content)?;
    Ok(content)
}

/// Checks that a text can be a path below the name of a torrent.
fn check_path(path: &str) -> Result<(), CreateError> {
    let fault = |fault| CreateError::Name { name: path.to_owned(), fault };
    if path.is_empty() {
        return Err(fault(NameFault::Empty));
    }
    path.split('/').try_for_each(check_element).map_err(|found| match found {
        NameFault::Empty => fault(NameFault::EmptyElement),
        found => fault(found),
    })
}

/// Checks that no file has the path of another, or of a folder.
fn check_distinct(content: &mut Content) -> Result<(), CreateError> {
    // In this order a path is followed by those below it.
    content.sort(Order::Tree);
    let taken = content.found.windows(2).find(|pair| {
        let mut below = pair[1].elements();
        pair[0].elements().all(|element| below.next() == Some(element))
    });
    match taken {
        None => Ok(()),
        Some(pair) => Err(CreateError::Name {
            name: String::from_utf8_lossy(&pair[0].path).into_owned(),
            fault: NameFault::Taken,
        }),
    }
}

/// The state of a file that the user has given, which is opened as a check.
fn examine(path: &Path) -> Result<Source, RefusalReason> {
    if !fs::metadata(path).map_err(RefusalReason::Io)?.is_file() {
        return Err(RefusalReason::NotAFile);
    }
    at_given(path, Source::examine)?
}

/// The notes that say something.
fn kept<const N: usize>(notes: [CreateNote; N]) -> Vec<CreateNote> {
    notes.into_iter().filter(|note| note.count > 0).collect()
}

fn scan_folder(path: &Path, options: &CreateOptions) -> Result<Content, CreateError> {
    let mut folder = open(path)?;
    folder.follow_links(options.links == LinkPolicy::Follow);
    let Walked { found, linked_folders, notes } = Walk::new(&folder, path, options).run()?;
    let root = path.to_owned();
    let folder = Some(folder);
    Ok(Content { root, is_single_file: false, folder, found, linked_folders, notes })
}

fn open(path: &Path) -> Result<Folder, CreateError> {
    Folder::open(path).map_err(|error| {
        let (path, kind) = error.into_parts();
        match kind {
            tinytorrent_folder::ErrorKind::Io { source, .. } => CreateError::Io { path, source },
            kind => CreateError::Io { path, source: io::Error::other(kind.to_string()) },
        }
    })
}
