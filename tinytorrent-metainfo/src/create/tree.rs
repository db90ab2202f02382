//! The file tree of a v2 torrent (BEP 52 "file tree").

use tinytorrent_bencode::encode::DictEncoder;

use super::content::Found;
use super::info::{attributes, symlink_path};
use crate::merkle;

/// The tree of a folder. Files are in the order of the tree already, so one pass is enough.
pub(super) fn root(dict: &mut DictEncoder<'_>, found: &[Found], roots: &[Option<merkle::Hash>]) {
    let entries: Vec<Entry<'_>> = found
        .iter()
        .zip(roots.iter().copied())
        .map(|(found, root)| (found.elements().collect(), found, root))
        .collect();
    folder(dict, &entries, 0);
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
