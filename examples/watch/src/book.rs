use std::ffi::{OsStr, OsString};

use serde_json::{Map, Value, json};
use tinytorrent_metainfo::Magnet;
use tinytorrent_types::InfoHashes;

use crate::Stamp;
use crate::ledger::{Book, Named};

/// The version of the format. A book of another one is not read.
const VERSION: u64 = 1;

impl Book {
    /// The book as JSON.
    pub(crate) fn to_json(&self) -> String {
        let files = self.files.iter().map(|(name, (stamp, torrents))| {
            json!({
                "name": name_json(name),
                "stamp": [stamp.size, stamp.modified, stamp.changed, stamp.inode],
                "torrents": torrents.iter().map(named_json).collect::<Vec<_>>(),
            })
        });
        let files: Vec<Value> = files.collect();
        let ignored: Vec<Value> = self.ignored.iter().map(|name| name_json(name)).collect();
        let book = json!({
            "version": VERSION,
            "folder": self.folder,
            "files": files,
            "ignored": ignored,
        });
        format!("{book:#}\n")
    }

    /// Reads a book; `None` if it is damaged, or of another version.
    pub(crate) fn from_json(text: &[u8]) -> Option<Self> {
        let book: Value = serde_json::from_slice(text).ok()?;
        if book["version"] != VERSION {
            return None;
        }
        let mut read = Self { folder: book["folder"].as_u64(), ..Self::default() };
        for file in book["files"].as_array()? {
            let stamp: Option<Vec<_>> =
                file["stamp"].as_array()?.iter().map(Value::as_u64).collect();
            let [size, modified, changed, inode] = stamp?.try_into().ok()?;
            let torrents: Option<_> = file["torrents"].as_array()?.iter().map(named).collect();
            let stamp = Stamp { size, modified, changed, inode };
            read.files.insert(name(&file["name"])?, (stamp, torrents?));
        }
        let ignored: Option<_> = book["ignored"].as_array()?.iter().map(name).collect();
        read.ignored = ignored?;
        Some(read)
    }
}

/// Text, or a list of bytes for a name that is none.
fn name_json(name: &OsStr) -> Value {
    name.to_str().map_or_else(|| name.as_encoded_bytes().into(), Value::from)
}

fn name(value: &Value) -> Option<OsString> {
    if let Some(text) = value.as_str() {
        return Some(text.into());
    }
    #[cfg(unix)]
    {
        let byte = |value: &Value| value.as_u64().and_then(|byte| byte.try_into().ok());
        let bytes: Option<Vec<u8>> = value.as_array()?.iter().map(byte).collect();
        Some(std::os::unix::ffi::OsStringExt::from_vec(bytes?))
    }
    // Names that are no text are read anew there.
    #[cfg(not(unix))]
    Some(OsString::from("\0"))
}

fn named_json(named: &Named) -> Value {
    let mut entry = Map::new();
    let v1 = named.hashes.v1().map(|hash| ("info_hash_v1", hash.to_string()));
    let v2 = named.hashes.v2().map(|hash| ("info_hash_v2", hash.to_string()));
    let name = named.name.clone().map(|name| ("name", name));
    for (key, text) in [v1, v2, name].into_iter().flatten() {
        entry.insert(key.into(), text.into());
    }
    if named.is_dismissed {
        entry.insert("dismissed".into(), true.into());
    }
    entry.into()
}

fn named(entry: &Value) -> Option<Named> {
    let read = |key: &str| Some(Magnet::from_info_hash(entry[key].as_str()?)?.hashes);
    let v1 = read("info_hash_v1").and_then(|hashes| hashes.v1());
    let v2 = read("info_hash_v2").and_then(|hashes| hashes.v2());
    let hashes = InfoHashes::new(v1, v2)?;
    let name = entry["name"].as_str().map(str::to_owned);
    Some(Named { hashes, name, is_dismissed: entry["dismissed"] == true })
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::{InfoHashV1, InfoHashV2};

    use super::*;

    fn book() -> Book {
        let v1 = InfoHashV1::from_bytes([1; 20]);
        let v2 = InfoHashV2::from_bytes([2; 32]);
        let named = |hashes, name: Option<&str>, is_dismissed| Named {
            hashes,
            name: name.map(str::to_owned),
            is_dismissed,
        };
        let torrents = vec![
            named(InfoHashes::from_v1(v1), Some("a \"name\"\u{202e}"), false),
            named(InfoHashes::from_both(v1, v2), None, true),
            named(InfoHashes::from_v2(v2), None, false),
        ];
        let stamp = Stamp { size: 1, modified: u64::MAX, changed: 3, inode: 4 };
        let mut book = Book { folder: Some(7), ..Book::default() };
        book.files.insert("a.torrent".into(), (stamp, torrents));
        book.files.insert("b.magnet".into(), (stamp, Vec::new()));
        book.ignored.insert("content.torrent".into());
        #[cfg(unix)]
        book.files.insert(
            std::os::unix::ffi::OsStringExt::from_vec(b"caf\xe9.torrent".to_vec()),
            (stamp, Vec::new()),
        );
        book
    }

    #[test]
    fn a_book_comes_back_as_it_was() {
        assert_eq!(Book::from_json(book().to_json().as_bytes()), Some(book()));
        assert_eq!(Book::from_json(Book::default().to_json().as_bytes()), Some(Book::default()));
    }

    #[test]
    fn a_book_that_is_cut_or_of_another_version_is_none() {
        let text = book().to_json();
        for end in 0..text.trim_end().len() {
            assert_eq!(Book::from_json(&text.as_bytes()[..end]), None, "{end}");
        }
        let later = text.replace("\"version\": 1", "\"version\": 2");
        assert_ne!(later, text);
        assert_eq!(Book::from_json(later.as_bytes()), None);
    }
}
