//! Fields of records: how values are written, and read again.

use std::path::PathBuf;

use tinytorrent_bencode::Node;
use tinytorrent_bencode::encode::DictEncoder;

use crate::PeerAddress;

/// The fields of a record. What is not there, or is something else, is `None` or empty.
pub(super) struct Fields<'doc, 'a>(pub(super) Node<'doc, 'a>);

impl Fields<'_, '_> {
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        let bytes = self.bytes(name)?;
        #[cfg(unix)]
        return Some(std::os::unix::ffi::OsStrExt::from_bytes(bytes))
            .map(|path: &std::ffi::OsStr| path.into());
        #[cfg(not(unix))]
        return std::str::from_utf8(bytes).ok().map(PathBuf::from);
    }

    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name)?.as_bytes()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    pub(super) fn count(&self, name: &str) -> Option<usize> {
        self.number(name)?.try_into().ok()
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.number(name).map_or(default, |number| number != 0)
    }

    pub(super) fn peers(&self, name: &str) -> Vec<PeerAddress> {
        let list = self.0.get(name).into_iter().flat_map(|node| node.list());
        list.filter_map(|node| node.as_str()?.parse().ok()).collect()
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.0.get(name).map(texts_of).unwrap_or_default()
    }

    pub(super) fn tiers(&self, name: &str) -> Vec<Vec<String>> {
        let list = self.0.get(name).into_iter().flat_map(|node| node.list());
        list.map(texts_of).collect()
    }
}

fn texts_of(list: Node<'_, '_>) -> Vec<String> {
    list.list().filter_map(|node| node.as_str().map(str::to_owned)).collect()
}

pub(super) fn put_limit(dict: &mut DictEncoder<'_>, name: &str, limit: Option<u64>) {
    if let Some(limit) = limit {
        dict.integer(name, limit);
    }
}

pub(super) fn put_list(
    dict: &mut DictEncoder<'_>,
    name: &str,
    items: impl Iterator<Item = String>,
) {
    dict.list(name, |list| items.for_each(|item| list.bytes(item)));
}

pub(super) fn put_tiers(dict: &mut DictEncoder<'_>, name: &str, tiers: &[Vec<String>]) {
    dict.list(name, |list| {
        for tier in tiers {
            list.list(|list| tier.iter().for_each(|url| list.bytes(url)));
        }
    });
}
