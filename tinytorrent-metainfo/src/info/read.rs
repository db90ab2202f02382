use std::sync::Arc;

use tinytorrent_bencode::{Document, Node};
use tinytorrent_hash::{sha1, sha256};
use tinytorrent_types::{InfoHashV1, InfoHashV2, InfoHashes};

use super::collected::Collected;
use super::keys::InfoKeys;
use super::optional::{collections, similar};
use super::reader::{Files, Reader};
use super::{Info, Version, tree, v1};
use crate::ReadOptions;
use crate::error::{Error, ErrorKind};
use crate::layout::Layout;
use crate::report::{Report, Warnings};
use crate::warning::WarningKind;

impl ReadOptions {
    /// Reads a bare info dictionary, as peers send it for a magnet link (BEP 9), with the same checks as
    /// one in a torrent file.
    ///
    /// # Errors
    /// The first error, with byte offset and key path.
    pub fn read_info(&self, bytes: &[u8]) -> Result<Arc<Info>, Error> {
        let plain = Collected::read_plain(self, bytes, &["files"], |document, files| {
            read_bare(document, Some(files), self)
        });
        let info = match plain.filter(|info| info.path_changes().len() == 0) {
            Some(info) => info,
            None => read_bare(&self.bencode.decode(bytes)?, None, self)?,
        };
        Ok(Arc::new(info))
    }
}

/// Reads an info dictionary that is a document of its own.
fn read_bare(
    document: &Document<'_>,
    collected: Option<Collected>,
    options: &ReadOptions,
) -> Result<Info, Error> {
    let mut report = Report::new(options.lenient, options.max_warnings);
    document.deviations().for_each(|deviation| report.deviation(deviation));
    let mut info = read(document.root(), collected, options, &mut report)?;
    info.warnings = report.finish();
    Ok(info)
}

/// Reads the info dictionary at `node`. The list of files may have been collected during decoding.
pub(crate) fn read(
    node: Node<'_, '_>,
    collected: Option<Collected>,
    options: &ReadOptions,
    report: &mut Report,
) -> Result<Info, Error> {
    node.to_dict()?;
    let mut keys = InfoKeys::of(node);
    let version = version(node, &keys, report)?;
    if !version.has_v1() {
        // A v2 torrent with some keys of v1 alone; see `version`.
        (keys.length, keys.files, keys.pieces) = (None, None, None);
    }
    let (sha1, collected) = collected.map(|files| files.finish(node.raw())).unzip();
    let hashes = hash(node.raw(), version, sha1);
    let mut reader = Reader::new(node, keys, hashes, collected, options, report);
    let piece_length = reader.piece_length(version)?;
    let name = reader.name()?;
    let files = files(&mut reader, version, piece_length, &name)?;
    let layout = files.layout;
    let pieces = if version.has_v1() { Some(reader.pieces(&layout)?) } else { None };
    reader.check_content(&layout)?;
    Ok(Info {
        name: written_name(&layout, &name),
        raw: node.raw().into(),
        hashes,
        version,
        is_single_file: files.is_single_file,
        layout,
        pieces,
        roots: files.roots,
        is_private: keys.private.is_some_and(|node| node.as_bool().unwrap_or(false)),
        source: reader.source()?,
        similar: similar(keys.similar, reader.report)?,
        collections: collections(keys.collections, reader.report)?,
        warnings: Warnings::default(),
    })
}

/// The format, by the keys that are there. It is read before anything else (BEP 52, "meta version").
fn version(
    node: Node<'_, '_>,
    keys: &InfoKeys<'_, '_>,
    report: &mut Report,
) -> Result<Version, Error> {
    let meta_version = keys.meta_version.map(|node| node.to_i64()).transpose()?;
    if let (Some(found), Some(node)) = (meta_version, keys.meta_version) {
        match found {
            ..=0 => return Err(Error::at(&node, ErrorKind::NoSuchVersion(found))),
            1..=2 => {}
            3.. => return Err(Error::at(&node, ErrorKind::TooNew(found))),
        }
    }
    let has_v2 = match (meta_version, keys.file_tree) {
        (Some(2), Some(_)) => true,
        (None | Some(1), None) => false,
        _ => return Err(Error::at(&node, ErrorKind::VersionMismatch)),
    };
    if !has_v2 {
        let is_merkle = keys.root_hash.is_some() && keys.pieces.is_none();
        return if is_merkle {
            Err(Error::at(&node, ErrorKind::MerkleV1))
        } else {
            Ok(Version::V1)
        };
    }
    // A hybrid torrent has files and hashes of v1; a v2 torrent must have neither.
    let files = keys.length.or(keys.files);
    match (files, keys.pieces) {
        (Some(_), Some(_)) => return Ok(Version::Hybrid),
        (Some(part), None) | (None, Some(part)) => {
            report.deviate(&part, WarningKind::IncompleteV1)?;
        }
        (None, None) => {}
    }
    Ok(Version::V2)
}

/// Reads the files from `length`, `files` or `file tree` (BEP 3, BEP 52).
fn files(
    reader: &mut Reader<'_, '_, '_>,
    version: Version,
    length: u32,
    name: &[u8],
) -> Result<Files, Error> {
    let from_v1 = if version.has_v1() { Some(v1::read(reader, length, name)?) } else { None };
    if !version.has_v2() {
        return from_v1.ok_or_else(|| Error::at(&reader.node, ErrorKind::NoFiles));
    }
    let from_tree = tree::read(reader, length, name)?;
    match from_v1 {
        None => Ok(from_tree),
        Some(from_v1) => tree::merge_hybrid(reader.node, from_v1, &from_tree),
    }
}

/// Hashes the bytes of the dictionary as they were read (BEP 3, BEP 52 "infohash"). Info-hashes are made
/// nowhere else.
fn hash(raw: &[u8], version: Version, known: Option<[u8; 20]>) -> InfoHashes {
    let v1 = || InfoHashV1::from_bytes(known.unwrap_or_else(|| sha1(raw)));
    let v2 = || InfoHashV2::from_bytes(sha256(raw));
    match version {
        Version::V1 => InfoHashes::from_v1(v1()),
        Version::V2 => InfoHashes::from_v2(v2()),
        Version::Hybrid => InfoHashes::from_both(v1(), v2()),
    }
}

/// The sanitised name: the first element of each path.
fn written_name(layout: &Layout, name: &[u8]) -> String {
    // The path of padding may begin with `.pad` instead.
    let first = layout.files().find(|file| !file.is_pad()).map(|file| file.path);
    let first = first.and_then(|path| path.elements().next()).unwrap_or(name);
    String::from_utf8_lossy(first).into_owned()
}
