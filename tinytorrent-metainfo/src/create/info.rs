//! The info dictionary, made from files and their hashes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tinytorrent_bencode::encode::{self, ListEncoder};

use super::attributes::{attributes, symlink_path};
use super::content::{Content, Found, Item, Order, check_name};
use super::joined::elements;
use super::{CreateError, CreateOptions, RefusalReason, Refusals, tree};
use crate::content::Digest;
use crate::info::BITCOMET_PAD;
use crate::metainfo::PieceLayers;
use crate::{FileAttributes, FileIndex, Layout, PathPolicy, Version, merkle};

/// A torrent before hashing: its files with their places in the content.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) content: Content,
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) piece_length: u32,
    pub(super) layout: Layout,
    /// For each file of the layout its index in `content.found`; `None` for padding.
    sources: Vec<Option<usize>>,
}

impl Draft {
    pub(super) fn new(options: &CreateOptions, mut content: Content) -> Result<Self, CreateError> {
        let version = options.version;
        let name = options.name.clone().map_or_else(|| content.name(), Ok)?;
        check_name(&name)?;
        content.sort(if version.has_v2() { Order::Tree } else { Order::Path });
        if content.total_length() == 0 {
            return Err(CreateError::NoContent { path: content.root });
        }
        if version.has_v1() && !content.is_single_file {
            refuse_padding(&content)?;
        }
        let piece_length = options
            .piece_length
            .unwrap_or(CreateOptions::default_piece_length(content.total_length()));
        let (layout, sources) = lay_out(&content, &name, version, piece_length)?;
        Ok(Self { content, name, version, piece_length, layout, sources })
    }

    /// The file on disk for a file of the layout; `None` for padding.
    pub(super) fn found(&self, file: FileIndex) -> Option<&Found> {
        let source = self.sources.get(file.as_usize()).copied().flatten();
        source.map(|at| &self.content.found[at])
    }

    pub(super) fn path(&self, file: FileIndex) -> PathBuf {
        let found = self.found(file);
        found.map_or_else(|| self.content.root.clone(), |found| self.content.path_of(found))
    }

    /// The info dictionary, and the piece layers beside it.
    pub(super) fn encode(
        &self,
        options: &CreateOptions,
        digests: &[Digest],
    ) -> (Vec<u8>, PieceLayers) {
        let (roots, layers) = self.trees(digests);
        let hashes: Vec<[u8; 20]> = digests.iter().filter_map(|digest| digest.sha1).collect();
        (self.encode_info(options, hashes.as_flattened(), &roots), layers)
    }

    /// The info dictionary with made-up hashes, and otherwise as it will be.
    pub(super) fn encode_unhashed(&self, options: &CreateOptions) -> Vec<u8> {
        // Strict reading refuses roots that are all zero.
        let pieces = vec![0; self.layout.geometry().piece_count() as usize * 20];
        let root = |found: &Found| (found.length() > 0).then_some([1; 32]);
        let roots: Vec<_> = self.content.found.iter().map(root).collect();
        self.encode_info(options, &pieces, &roots)
    }

    fn encode_info(
        &self,
        options: &CreateOptions,
        pieces: &[u8],
        roots: &[Option<merkle::Hash>],
    ) -> Vec<u8> {
        let lone = self.content.found.first().filter(|_| self.content.is_single_file);
        let v1 = self.version.has_v1();
        let mut out = Vec::new();
        encode::dict(&mut out, |dict| {
            if lone.is_some_and(Found::is_executable) {
                dict.bytes("attr", "x");
            }
            if self.version.has_v2() {
                dict.dict("file tree", |dict| match lone {
                    Some(file) => tree::leaf(dict, &self.name, file, roots[0]),
                    None => tree::root(dict, &self.content.found, roots, self.version),
                });
            }
            match lone {
                Some(file) if v1 => dict.integer("length", file.length()),
                None if v1 => dict.list("files", |list| self.files(list)),
                _ => {}
            }
            if self.version.has_v2() {
                dict.integer("meta version", 2);
            }
            dict.bytes("name", &self.name);
            dict.integer("piece length", u64::from(self.piece_length));
            if v1 {
                dict.bytes("pieces", pieces);
            }
            if options.is_private {
                dict.integer("private", 1);
            }
            if let Some(source) = &options.source {
                dict.bytes("source", source);
            }
        });
        out
    }

    /// Writes `files` (BEP 3), with padding files as BEP 47 recommends them.
    fn files(&self, list: &mut ListEncoder<'_>) {
        for (file, source) in self.layout.files().zip(&self.sources) {
            list.dict(|dict| match source.map(|at| &self.content.found[at]) {
                Some(found) => {
                    attributes(dict, found);
                    dict.integer("length", found.length());
                    dict.list("path", |list| found.elements().for_each(|name| list.bytes(name)));
                    symlink_path(dict, found);
                }
                None => {
                    dict.bytes("attr", "p");
                    dict.integer("length", file.length);
                    dict.list("path", |list| {
                        list.bytes(".pad");
                        list.bytes(file.length.to_string());
                    });
                }
            });
        }
    }

    /// The root of each file, and the layers of files larger than a piece.
    fn trees(&self, digests: &[Digest]) -> (Vec<Option<merkle::Hash>>, PieceLayers) {
        if !self.version.has_v2() {
            return (vec![None; self.content.found.len()], PieceLayers::default());
        }
        let mut layers = BTreeMap::new();
        let files = self.layout.files().filter(|file| !file.is_pad());
        let roots = files.map(|file| {
            let pieces = self.layout.file_pieces(file.index);
            let layer: Vec<merkle::Hash> =
                pieces.filter_map(|piece| digests[piece.as_usize()].root).collect();
            match layer[..] {
                [] => None,
                // The hash of a single piece is the root of its file, and no layer is needed.
                [root] => Some(root),
                _ => {
                    let leaves = merkle::leaves_per_piece(self.piece_length);
                    let root = merkle::root_of_layer(&layer, leaves);
                    layers.insert(root, layer);
                    Some(root)
                }
            }
        });
        let roots = roots.collect();
        (roots, PieceLayers::from_computed(layers))
    }
}

fn lay_out(
    content: &Content,
    name: &str,
    version: Version,
    piece_length: u32,
) -> Result<(Layout, Vec<Option<usize>>), CreateError> {
    let mut builder = Layout::builder(piece_length);
    // The layout is used for offsets. Files are opened by the paths in `content`, so sanitised names do
    // no harm here.
    builder.policy(PathPolicy::System).root(name);
    if version == Version::V2 {
        builder.aligned();
    }
    // The padding of a v2 torrent is implicit. A hybrid torrent has it in `files`, also behind the last
    // file, as in libtorrent.
    let is_padded = version == Version::Hybrid && !content.is_single_file;
    let mut sources = Vec::new();
    for (at, found) in content.found.iter().enumerate() {
        match &found.item {
            Item::Link(target) => {
                builder.symlink(found.elements(), elements(target), FileAttributes::NONE);
            }
            Item::File(source) if content.is_single_file => {
                builder.file([name], source.length);
            }
            Item::File(source) => {
                builder.file(found.elements(), source.length);
            }
        }
        sources.push(Some(at));
        let rest = found.length() % u64::from(piece_length);
        if rest > 0 && is_padded {
            builder.pad(u64::from(piece_length) - rest);
        }
        // Padding, explicit or by alignment, has no file on disk.
        sources.resize(builder.file_count() as usize, None);
    }
    Ok((builder.build()?, sources))
}

/// Refuses files whose names mean padding to readers of v1.
fn refuse_padding(content: &Content) -> Result<(), CreateError> {
    let mut refusals = Refusals::default();
    for found in &content.found {
        if found.elements().any(|name| name.starts_with(BITCOMET_PAD)) {
            refusals.push(content.path_of(found), RefusalReason::Padding);
        }
    }
    refusals.into_result()
}
