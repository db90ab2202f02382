use tinytorrent_bencode::{Document, ErrorKind as BencodeError, Kind, Node};
use tinytorrent_hash::{sha1, sha256};
use tinytorrent_types::{InfoHashV1, InfoHashV2, InfoHashes};

use super::keys::InfoKeys;
use super::{Collected, Info, Version, tree, v1};
use crate::error::{Error, ErrorKind};
use crate::layout::{Layout, LayoutBuilder};
use crate::report::{Report, Warnings};
use crate::warning::WarningKind;
use crate::{FileIndex, PathChange, ReadOptions};

/// Reads an info dictionary that stands alone.
pub(crate) fn read_bare(
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

/// Reads the info dictionary at `node`, whose list of files may have been collected before.
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
        // Without the rest they say nothing about the files.
        (keys.length, keys.files, keys.pieces) = (None, None, None);
    }
    let (sha1, collected) = collected.map(|files| files.finish(node.raw())).unzip();
    let hashes = hash(node.raw(), version, sha1);
    let mut reader = Reader { node, keys, hashes, collected, options, report };
    let piece_length = reader.piece_length(version)?;
    let name = reader.name()?;
    let files = reader.files(version, piece_length, &name)?;
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

/// What kind of torrent it is, before anything else is looked at (BEP 52, "meta version").
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
    // A hybrid torrent has the hashes of both; a v2 torrent may not have a part of v1.
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

/// The only way to an info-hash: the bytes as they are (BEP 3, BEP 52 "infohash").
fn hash(raw: &[u8], version: Version, known: Option<[u8; 20]>) -> InfoHashes {
    let v1 = || InfoHashV1::from_bytes(known.unwrap_or_else(|| sha1(raw)));
    let v2 = || InfoHashV2::from_bytes(sha256(raw));
    match version {
        Version::V1 => InfoHashes::from_v1(v1()),
        Version::V2 => InfoHashes::from_v2(v2()),
        Version::Hybrid => InfoHashes::from_both(v1(), v2()),
    }
}

/// What the layout made of the name: its first element.
fn written_name(layout: &Layout, name: &[u8]) -> String {
    let first = layout.files().find(|file| !file.is_pad()).map(|file| file.path);
    let first = first.and_then(|path| path.elements().next()).unwrap_or(name);
    String::from_utf8_lossy(first).into_owned()
}

/// What the files of a torrent amount to.
pub(super) struct Files {
    pub(super) layout: Layout,
    pub(super) roots: Vec<u32>,
    pub(super) is_single_file: bool,
}

/// One reading of an info dictionary.
pub(super) struct Reader<'r, 'doc, 'a> {
    pub(super) node: Node<'doc, 'a>,
    pub(super) keys: InfoKeys<'doc, 'a>,
    hashes: InfoHashes,
    pub(super) collected: Option<LayoutBuilder>,
    options: &'r ReadOptions,
    pub(super) report: &'r mut Report,
}

impl<'doc, 'a> Reader<'_, 'doc, 'a> {
    fn piece_length(&self, version: Version) -> Result<u32, Error> {
        let node = self.node.require("piece length")?;
        let found = node.to_i64()?;
        let error = |expected| Error::at(&node, ErrorKind::PieceLength { found, expected });
        let length = u32::try_from(found).ok().filter(|&length| length <= MAX_PIECE_LENGTH);
        let length = length.filter(|&length| length > 0);
        let length = length.ok_or_else(|| error("between 1 and 536854528"))?;
        if version.has_v2() && (!length.is_power_of_two() || length < MIN_V2_PIECE_LENGTH) {
            return Err(error("a power of two from 16384 on"));
        }
        Ok(length)
    }

    /// The name for the disk, not yet sanitised; never empty, never a dot.
    fn name(&mut self) -> Result<Vec<u8>, Error> {
        let utf8 = self.keys.name_utf8.and_then(|node| node.as_str());
        let utf8 = utf8.filter(|name| !name.is_empty()).map(str::as_bytes);
        let name = utf8.or_else(|| self.keys.name.and_then(|node| node.as_bytes()));
        match name {
            Some(name) if !matches!(name, b"" | b"." | b"..") => Ok(name.to_vec()),
            _ => {
                let at = self.keys.name.unwrap_or(self.node);
                self.report.deviate(&at, WarningKind::NoName)?;
                Ok(self.hash_text().into_bytes())
            }
        }
    }

    fn hash_text(&self) -> String {
        match (self.hashes.v1(), self.hashes.v2()) {
            (Some(v1), _) => v1.to_string(),
            (None, v2) => v2.map(|v2| v2.to_string()).unwrap_or_default(),
        }
    }

    /// The files, by the structure that is there: `length`, `files` or `file tree` (BEP 3, BEP 52).
    fn files(&mut self, version: Version, length: u32, name: &[u8]) -> Result<Files, Error> {
        let from_v1 = if version.has_v1() { Some(v1::read(self, length, name)?) } else { None };
        if !version.has_v2() {
            return from_v1.ok_or_else(|| Error::at(&self.node, ErrorKind::NoFiles));
        }
        let from_tree = tree::read(self, length, name)?;
        match from_v1 {
            None => Ok(from_tree),
            Some(from_v1) => tree::unite(self.node, from_v1, &from_tree),
        }
    }

    /// A builder whose comparison of paths nobody can prepare for, as the hash covers all paths.
    pub(super) fn builder(&self, piece_length: u32) -> LayoutBuilder {
        let mut builder = Layout::builder(piece_length);
        builder.policy(self.options.policy);
        self.keyed(builder, piece_length)
    }

    /// The same, with files that were collected before anything else was known.
    pub(super) fn keyed(&self, mut builder: LayoutBuilder, piece_length: u32) -> LayoutBuilder {
        builder.set_piece_length(piece_length);
        builder.set_seed(self.hashes.to_wire().as_bytes());
        builder
    }

    /// Builds, and notes each path that had to change. `at` finds the place of a file.
    pub(super) fn build(
        &mut self,
        builder: LayoutBuilder,
        files: Node<'doc, 'a>,
        at: impl Fn(FileIndex) -> Option<Node<'doc, 'a>>,
    ) -> Result<Layout, Error> {
        let layout = builder.build().map_err(|error| Error::at(&files, error))?;
        let (count, limit) = (layout.geometry().piece_count(), self.options.max_pieces);
        if count > limit {
            return Err(Error::at(&files, ErrorKind::TooManyPieces { count, limit }));
        }
        let changes = layout.path_changes();
        let kept = self.report.room().min(changes.len());
        self.report.skip(changes.len() - kept);
        for change in changes.take(kept) {
            let node = change.file.map_or(self.keys.name, &at).unwrap_or(files);
            let PathChange { written, kinds, .. } = change;
            self.report.note(&node, WarningKind::PathChanged { written, kinds });
        }
        Ok(layout)
    }

    /// Where the SHA-1 hashes lie in the info dictionary.
    fn pieces(&self, layout: &Layout) -> Result<core::ops::Range<usize>, Error> {
        let node = self.node.require("pieces")?;
        let found = node.to_bytes()?.len();
        let expected = u64::from(layout.geometry().piece_count()) * 20;
        if found as u64 != expected {
            return Err(Error::at(&node, ErrorKind::Pieces { expected, found }));
        }
        let end = node.offset() + node.raw().len() - self.node.offset();
        Ok(end - found..end)
    }

    fn check_content(&mut self, layout: &Layout) -> Result<(), Error> {
        if layout.total_length() == 0 {
            self.report.deviate(&self.node, WarningKind::NoContent)?;
        }
        Ok(())
    }

    fn source(&mut self) -> Result<Option<String>, Error> {
        text(self.keys.source, self.report)
    }
}

/// The text of an optional string; what is no UTF-8 is replaced, for display (BEP 3 names no
/// charset, and torrents have all of them).
pub(crate) fn text(
    node: Option<Node<'_, '_>>,
    report: &mut Report,
) -> Result<Option<String>, Error> {
    let Some(node) = node else { return Ok(None) };
    let Some(bytes) = node.as_bytes() else {
        report.deviate(&node, WarningKind::WrongKind(Kind::String))?;
        return Ok(None);
    };
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

/// BEP 38, "similar": entries of another length than 20 bytes are skipped.
pub(crate) fn similar(
    node: Option<Node<'_, '_>>,
    report: &mut Report,
) -> Result<Vec<InfoHashV1>, Error> {
    let Some(node) = list(node, report)? else { return Ok(Vec::new()) };
    let hash = |node: Node<'_, '_>| InfoHashV1::try_from(node.as_bytes()?).ok();
    Ok(node.list().filter_map(hash).collect())
}

/// BEP 38, "collections": entries that are no strings are skipped.
pub(crate) fn collections(
    node: Option<Node<'_, '_>>,
    report: &mut Report,
) -> Result<Vec<String>, Error> {
    let Some(node) = list(node, report)? else { return Ok(Vec::new()) };
    let name = |node: Node<'_, '_>| Some(String::from_utf8_lossy(node.as_bytes()?).into_owned());
    Ok(node.list().filter_map(name).collect())
}

fn list<'doc, 'a>(
    node: Option<Node<'doc, 'a>>,
    report: &mut Report,
) -> Result<Option<Node<'doc, 'a>>, Error> {
    let Some(node) = node else { return Ok(None) };
    if node.kind() != Kind::List {
        report.deviate(&node, WarningKind::WrongKind(Kind::List))?;
        return Ok(None);
    }
    Ok(Some(node))
}

/// A length in bytes.
pub(super) fn length(node: &Node<'_, '_>) -> Result<u64, Error> {
    if let Some(length) = node.as_u64() {
        return Ok(length);
    }
    match node.as_i64() {
        Some(length) => Err(Error::at(node, ErrorKind::NegativeLength(length))),
        None => Ok(node.to_u64()?),
    }
}

/// The error of a value that is missing from a dictionary.
pub(super) fn missing(dict: &Node<'_, '_>, key: &str) -> Error {
    dict.error(BencodeError::MissingKey(key.to_owned())).into()
}

/// As libtorrent has it: 32,767 blocks. Larger pieces would not fit the counters of peers.
const MAX_PIECE_LENGTH: u32 = 0x1fff_c000;

/// BEP 52, "piece length".
const MIN_V2_PIECE_LENGTH: u32 = 16 * 1024;
