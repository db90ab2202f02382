//! Keys of BEP 47 in entries of `files` and of the file tree.

use tinytorrent_bencode::encode::DictEncoder;

use super::content::{Found, Item};
use super::joined::elements;

/// Writes `attr` (BEP 47).
pub(super) fn attributes(dict: &mut DictEncoder<'_>, found: &Found) {
    match &found.item {
        Item::Link(_) => dict.bytes("attr", "l"),
        Item::File(source) if source.is_executable => dict.bytes("attr", "x"),
        Item::File(_) => {}
    }
}

/// Writes `symlink path` (BEP 47).
pub(super) fn symlink_path(dict: &mut DictEncoder<'_>, found: &Found) {
    if let Item::Link(target) = &found.item {
        dict.list("symlink path", |list| elements(target).for_each(|name| list.bytes(name)));
    }
}
