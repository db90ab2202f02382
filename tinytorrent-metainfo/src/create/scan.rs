//! The search for the files of a torrent. Each file is opened as a check, but not read.

use std::fs;
use std::io;
use std::path::Path;

use tinytorrent_folder::Folder;

use super::content::{Content, Found, Item};
use super::note::{CreateNote, CreateNoteKind};
use super::source::{Source, is_link};
use super::walk::{Walk, Walked};
use super::{CreateError, LinkPolicy, RefusalReason};
use crate::path::os_bytes;

/// Finds the files and links for a torrent of `path`, in no order.
pub(super) fn scan(path: &Path, links: LinkPolicy) -> Result<Content, CreateError> {
    // The user's own path may be a link, so it is followed.
    let metadata = fs::metadata(path).map_err(|error| CreateError::io(path, error))?;
    if metadata.is_dir() {
        return scan_folder(path, links);
    }
    if !metadata.is_file() {
        return Err(CreateError::NotAFile { path: path.to_owned() });
    }
    scan_file(path)
}

/// Finds a single file.
fn scan_file(path: &Path) -> Result<Content, CreateError> {
    let failed = |error| CreateError::io(path, error);
    // The user's path may have links, which are not followed below a `Folder`.
    let real = fs::canonicalize(path).map_err(failed)?;
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(CreateError::NotAFile { path: path.to_owned() });
    };
    let folder = open(parent)?;
    let name = os_bytes(name).ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
    let source = Source::examine(&folder, name).map_err(|reason| match reason {
        RefusalReason::Io(error) => failed(error),
        reason => failed(io::Error::other(reason.to_string())),
    })?;
    let mut notes = Vec::new();
    if is_link(path) {
        let mut note = CreateNote::new(CreateNoteKind::FollowedLinks);
        note.push(|| path.to_owned());
        notes.push(note);
    }
    Ok(Content {
        root: path.to_owned(),
        is_single_file: true,
        folder,
        found: vec![Found { path: name.into(), item: Item::File(source) }],
        linked_folders: Vec::new(),
        notes,
    })
}

fn scan_folder(path: &Path, links: LinkPolicy) -> Result<Content, CreateError> {
    let mut folder = open(path)?;
    folder.follow_links(links == LinkPolicy::Follow);
    let Walked { found, linked_folders, notes } = Walk::new(&folder, path, links).run()?;
    let root = path.to_owned();
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
