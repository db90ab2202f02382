//! The keys of BEP 47, which entries of `files` and of the file tree share.

use tinytorrent_bencode::encode::DictEncoder;

use super::content::{Found, Item};
use super::joined::elements;

/// BEP 47 "attr".
pub(super) fn attributes(dict: &mut DictEncoder<'_>, found: &Found) {
    match &found.item {
        Item::Link(_) => dict.bytes("attr", "l"),
        Item::File(source) if source.is_executable => dict.bytes("attr", "x"),
        Item::File(_) => {}
    }
}

/// BEP 47 "symlink path".
pub(super) fn symlink_path(dict: &mut DictEncoder<'_>, found: &Found) {
    if let Item::Link(target) = &found.item {
        dict.list("symlink path", |list| elements(target).for_each(|name| list.bytes(name)));
    }
}
