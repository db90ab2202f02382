//! Bencode written without the encoder, so that tests can make any torrent, right or wrong.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod exfat;

use tinytorrent_metainfo::{Error, ErrorKind, Metainfo, PathPolicy, ReadOptions, WarningKind};

/// A string.
pub(crate) fn s(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [format!("{}:", bytes.len()).as_bytes(), bytes].concat()
}

/// An integer.
pub(crate) fn i(number: i128) -> Vec<u8> {
    format!("i{number}e").into_bytes()
}

/// A list.
pub(crate) fn l(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    [b"l".to_vec(), items.into_iter().collect::<Vec<_>>().concat(), b"e".to_vec()].concat()
}

/// A list of strings.
pub(crate) fn strings<S: AsRef<[u8]>>(items: impl IntoIterator<Item = S>) -> Vec<u8> {
    l(items.into_iter().map(s))
}

/// A dictionary, sorted.
pub(crate) fn d<K: AsRef<[u8]>>(entries: impl IntoIterator<Item = (K, Vec<u8>)>) -> Vec<u8> {
    let mut entries: Vec<_> =
        entries.into_iter().map(|(key, value)| (key.as_ref().to_vec(), value)).collect();
    entries.sort();
    let body = entries.iter().flat_map(|(key, value)| [s(key), value.clone()].concat());
    [b"d".to_vec(), body.collect(), b"e".to_vec()].concat()
}

/// An entry of `files`.
pub(crate) fn file(length: i128, path: &[&str]) -> Vec<u8> {
    d([("length", i(length)), ("path", strings(path))])
}

/// An info dictionary with changed values of some keys; `None` removes a key.
pub(crate) fn info(changes: &[(&str, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut entries = vec![
        ("length", i(40_000)),
        ("name", s("a.bin")),
        ("piece length", i(16_384)),
        ("pieces", s([7; 60])),
    ];
    for (key, value) in changes {
        entries.retain(|(known, _)| known != key);
        entries.extend(value.clone().map(|value| (*key, value)));
    }
    d(entries)
}

/// An info dictionary with these `files`, and the right number of pieces of 16 KiB.
pub(crate) fn info_of_files(files: &[Vec<u8>], total: usize) -> Vec<u8> {
    info(&[
        ("length", None),
        ("files", Some(l(files.to_vec()))),
        ("name", Some(s("folder"))),
        ("pieces", Some(s(vec![7; total.div_ceil(16_384) * 20]))),
    ])
}

/// A torrent file around an info dictionary.
pub(crate) fn torrent(info: Vec<u8>, more: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let more = more.iter().map(|(key, value)| (*key, value.clone()));
    d(more.chain([("info", info)]))
}

/// The result of reading a valid torrent, which is the same strictly and leniently.
pub(crate) fn both(bytes: &[u8]) -> Metainfo {
    let strict = Metainfo::from_bytes(bytes).unwrap_or_else(|error| panic!("strict: {error}"));
    let lenient = Metainfo::from_bytes_lenient(bytes).unwrap();
    assert_eq!(strict, lenient, "lenient reading of a strict torrent is the same");
    assert!(strict.warnings().iter().all(|warning| warning.kind.is_harmless()));
    strict
}

/// The torrent with names that every system can hold.
pub(crate) fn portable(bytes: &[u8]) -> Metainfo {
    let mut options = ReadOptions::lenient();
    options.path_policy(PathPolicy::Portable).read(bytes).unwrap()
}

/// The result of reading a torrent leniently that strict reading refuses, and the first warning.
pub(crate) fn lenient(bytes: &[u8]) -> (Metainfo, WarningKind) {
    let refused = Metainfo::from_bytes(bytes).expect_err("strict reading refuses it");
    let read = Metainfo::from_bytes_lenient(bytes).unwrap_or_else(|error| panic!("{error}"));
    assert!(!read.warnings().is_empty(), "{refused}");
    assert!(read.warnings().iter().any(|warning| !warning.kind.is_harmless()), "{refused}");
    let warning = read.warnings()[0].kind.clone();
    (read, warning)
}

/// The error of reading an invalid torrent, which is the same strictly and leniently.
pub(crate) fn refused(bytes: &[u8]) -> Error {
    let strict = Metainfo::from_bytes(bytes).expect_err("strict reading refuses it");
    let lenient = Metainfo::from_bytes_lenient(bytes).expect_err("lenient reading refuses it");
    assert_eq!(strict, lenient);
    strict
}

/// The kind of [`refused`].
pub(crate) fn refused_kind(bytes: &[u8]) -> ErrorKind {
    refused(bytes).kind().clone()
}

/// The paths of all files.
pub(crate) fn paths(metainfo: &Metainfo) -> Vec<String> {
    metainfo.layout().files().map(|file| file.path.to_string()).collect()
}
