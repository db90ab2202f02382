use tinytorrent_bencode::{ErrorKind as BencodeError, Node};
use tinytorrent_types::InfoHashes;

use super::Version;
use super::keys::InfoKeys;
use super::optional::text;
use crate::error::{Error, ErrorKind};
use crate::layout::{Layout, LayoutBuilder};
use crate::report::Report;
use crate::warning::WarningKind;
use crate::{FileIndex, PathChange, ReadOptions};

/// The files of an info dictionary.
pub(super) struct Files {
    pub(super) layout: Layout,
    /// The offset of each file's root in the info dictionary, 0 for none; empty in a v1 torrent.
    pub(super) roots: Vec<u32>,
    pub(super) is_single_file: bool,
}

/// The state of reading an info dictionary.
pub(super) struct Reader<'r, 'doc, 'a> {
    pub(super) node: Node<'doc, 'a>,
    pub(super) keys: InfoKeys<'doc, 'a>,
    hashes: InfoHashes,
    pub(super) collected: Option<LayoutBuilder>,
    options: &'r ReadOptions,
    pub(super) report: &'r mut Report,
}

impl<'r, 'doc, 'a> Reader<'r, 'doc, 'a> {
    pub(super) fn new(
        node: Node<'doc, 'a>,
        keys: InfoKeys<'doc, 'a>,
        hashes: InfoHashes,
        collected: Option<LayoutBuilder>,
        options: &'r ReadOptions,
        report: &'r mut Report,
    ) -> Self {
        Self { node, keys, hashes, collected, options, report }
    }

    pub(super) fn piece_length(&self, version: Version) -> Result<u32, Error> {
        let node = self.node.require("piece length")?;
        let found = node.to_i64()?;
        let error = |expected| Error::at(&node, ErrorKind::PieceLength { found, expected });
        // A length below zero is out of range as well.
        let length = u32::try_from(found).ok().filter(|&length| length <= MAX_PIECE_LENGTH);
        let length = length.filter(|&length| length > 0);
        let length = length.ok_or_else(|| error("between 1 and 536854528"))?;
        if version.has_v2() && (!length.is_power_of_two() || length < MIN_V2_PIECE_LENGTH) {
            return Err(error("a power of two from 16384 on"));
        }
        Ok(length)
    }

    /// The name before sanitising. It is never empty, `.` or `..`.
    pub(super) fn name(&mut self) -> Result<Vec<u8>, Error> {
        // Clients that write `name` in a local charset add `name.utf-8`.
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

    /// A builder for files of this torrent.
    pub(super) fn builder(&self, piece_length: u32) -> LayoutBuilder {
        let mut builder = Layout::builder(piece_length);
        builder.policy(self.options.policy);
        self.with_seed(builder, piece_length)
    }

    /// Sets the piece length and the seed of a builder, which may have files already.
    pub(super) fn with_seed(&self, mut builder: LayoutBuilder, piece_length: u32) -> LayoutBuilder {
        builder.set_piece_length(piece_length);
        // The info-hash covers all paths, so a change of a path changes the seed.
        builder.set_seed(self.hashes.to_wire().as_bytes());
        builder
    }

    /// Builds the layout, and reports each path that had to change. `at` finds the node of a file.
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
        // The trees of v2 cover no padding.
        if self.hashes.v2().is_none() {
            let payload = layout.geometry().total_payload();
            let padding = layout.total_length() - payload;
            let limit = self.options.padding_limit(payload);
            if padding > limit {
                return Err(Error::at(&files, ErrorKind::TooMuchPadding { padding, limit }));
            }
        }
        let changes = layout.path_changes();
        // Building a change and finding its node take time, so only those that are kept are built.
        let kept = self.report.remaining().min(changes.len());
        self.report.count_only(changes.len() - kept);
        for change in changes.take(kept) {
            let node = change.file.map_or(self.keys.name, &at).unwrap_or(files);
            let PathChange { written, kinds, .. } = change;
            self.report.note(&node, WarningKind::PathChanged { written, kinds });
        }
        Ok(layout)
    }

    /// The range of the SHA-1 hashes in the info dictionary.
    pub(super) fn pieces(&self, layout: &Layout) -> Result<core::ops::Range<usize>, Error> {
        let node = self.node.require("pieces")?;
        let found = node.to_bytes()?.len();
        let expected = u64::from(layout.geometry().piece_count()) * 20;
        if found as u64 != expected {
            return Err(Error::at(&node, ErrorKind::Pieces { expected, found }));
        }
        // The hashes are the end of the encoded string, behind its length.
        let end = node.offset() + node.raw().len() - self.node.offset();
        Ok(end - found..end)
    }

    pub(super) fn check_content(&mut self, layout: &Layout) -> Result<(), Error> {
        if layout.total_length() == 0 {
            self.report.deviate(&self.node, WarningKind::NoContent)?;
        }
        Ok(())
    }

    pub(super) fn source(&mut self) -> Result<Option<String>, Error> {
        text(self.keys.source, self.report)
    }
}

/// Reads a length in bytes.
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

/// The largest piece length: 32,767 blocks, as in libtorrent. Larger pieces do not fit its counters.
const MAX_PIECE_LENGTH: u32 = 0x1fff_c000;

/// The smallest piece length of v2 (BEP 52, "piece length").
const MIN_V2_PIECE_LENGTH: u32 = 16 * 1024;
