//! The file tree of a v2 torrent (BEP 52 "file tree").

use tinytorrent_bencode::encode::DictEncoder;

use super::attributes::{attributes, symlink_path};
use super::content::Found;
use crate::{Version, merkle};

/// The tree of a folder. Files are in the order of the tree already, so one pass is enough.
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
        // Readers of a hybrid know from `files` that there is a folder.
        [(elements, found, root)] if version == Version::V2 && elements.len() == 1 => {
            beside_nothing(dict, elements[0], |dict| leaf(dict, elements[0], found, *root));
        }
        entries => folder(dict, entries, 0),
    }
}

type Entry<'a> = (Vec<&'a [u8]>, &'a Found, Option<merkle::Hash>);

/// One folder of the tree. The depth is that of the paths, which the layout has limited.
fn folder(dict: &mut DictEncoder<'_>, files: &[Entry<'_>], depth: usize) {
    for group in files.chunk_by(|(one, ..), (other, ..)| one[depth] == other[depth]) {
        let (elements, found, root) = &group[0];
        let name = elements[depth];
        if elements.len() == depth + 1 {
            leaf(dict, name, found, *root);
        } else {
            dict.dict(name, |dict| folder(dict, group, depth + 1));
        }
    }
}

/// Puts the only file of a folder beside an empty folder.
///
/// BEP 52, "interpreting paths", takes a tree of one file for a torrent of a single file, and has no
/// word for a folder that holds one. An empty folder has no meaning for readers (V-08), and with it
/// the tree has two entries: this library and libtorrent then put the file into a folder of the
/// torrent's name. See `docs/decisions/0013-v2-folder-of-one-file.md`.
fn beside_nothing(
    dict: &mut DictEncoder<'_>,
    name: &[u8],
    leaf: impl FnOnce(&mut DictEncoder<'_>),
) {
    let nothing = if name == b".pad" { ".pad.0" } else { ".pad" };
    let is_first = nothing.as_bytes() < name;
    if is_first {
        dict.dict(nothing, |_| ());
    }
    leaf(dict);
    if !is_first {
        dict.dict(nothing, |_| ());
    }
}

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
