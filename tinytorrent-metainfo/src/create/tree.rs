//! The file tree of a v2 torrent (BEP 52 "file tree").

use tinytorrent_bencode::encode::DictEncoder;

use super::attributes::{attributes, symlink_path};
use super::content::Found;
use crate::{Version, merkle};

/// Writes the tree of a folder. Its files are in the order of the tree, so one pass is enough.
pub(super) fn root(
    dict: &mut DictEncoder<'_>,
    found: &[Found],
    roots: &[Option<merkle::Hash>],
    version: Version,
) {
    let entries: Vec<Entry<'_>> = found
        .iter()
        .zip(roots.iter().copied())
        .map(|(found, root)| (found.elements().collect(), found, root))
        .collect();
    match &entries[..] {
        // In a hybrid torrent `files` says that it is a folder.
        [(elements, found, root)] if version == Version::V2 && elements.len() == 1 => {
            with_empty_folder(dict, elements[0], |dict| leaf(dict, elements[0], found, *root));
        }
        entries => folder(dict, entries, 0),
    }
}

type Entry<'a> = (Vec<&'a [u8]>, &'a Found, Option<merkle::Hash>);

/// Writes one folder of the tree.
fn folder(dict: &mut DictEncoder<'_>, files: &[Entry<'_>], depth: usize) {
    for group in files.chunk_by(|(one, ..), (other, ..)| one[depth] == other[depth]) {
        let (elements, found, root) = &group[0];
        let name = elements[depth];
        if elements.len() == depth + 1 {
            leaf(dict, name, found, *root);
        } else {
            // The layout has limited the depth of paths, so the recursion is limited too.
            dict.dict(name, |dict| folder(dict, group, depth + 1));
        }
    }
}

/// Writes the only file of a folder, and an empty folder beside it.
///
/// In BEP 52, "interpreting paths", a tree of one file is a torrent of a single file, and a folder of one
/// file cannot be written. Readers ignore an empty folder (V-08), but the tree then has two entries, so
/// that this library and libtorrent put the file into a folder of the torrent's name. See
/// `docs/decisions/0013-v2-folder-of-one-file.md`.
fn with_empty_folder(
    dict: &mut DictEncoder<'_>,
    name: &[u8],
    leaf: impl FnOnce(&mut DictEncoder<'_>),
) {
    let empty = if name == b".pad" { ".pad.0" } else { ".pad" };
    let is_first = empty.as_bytes() < name;
    if is_first {
        dict.dict(empty, |_| ());
    }
    leaf(dict);
    if !is_first {
        dict.dict(empty, |_| ());
    }
}

/// Writes the entry of a file or link.
pub(super) fn leaf(
    dict: &mut DictEncoder<'_>,
    name: impl AsRef<[u8]>,
    found: &Found,
    root: Option<merkle::Hash>,
) {
    dict.dict(name, |dict| {
        dict.dict("", |dict| {
            attributes(dict, found);
            dict.integer("length", found.length());
            if let Some(root) = root {
                dict.bytes("pieces root", root);
            }
            symlink_path(dict, found);
        });
    });
}
