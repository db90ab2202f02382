//! From files and hashes to the info dictionary.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tinytorrent_bencode::encode::{self, DictEncoder, ListEncoder};

use super::scan::{Content, Found};
use super::{CreateError, CreateOptions};
use crate::content::Digest;
use crate::info::BITCOMET_PAD;
use crate::metainfo::PieceLayers;
use crate::{FileIndex, Layout, PathPolicy, Version, merkle};

/// Where everything goes, before anything is hashed.
pub(super) struct Plan<'a> {
    content: &'a Content,
    name: &'a [u8],
    version: Version,
    piece_length: u32,
    pub(super) layout: Layout,
    /// For each file of the layout the one on disk; `None` for padding.
    sources: Vec<Option<usize>>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        options: &CreateOptions,
        content: &'a Content,
        name: &'a [u8],
        piece_length: u32,
    ) -> Result<Self, CreateError> {
        let version = options.version;
        let mut builder = Layout::builder(piece_length);
        // These paths are for counting only; what is read lies at the paths that were found.
        builder.policy(PathPolicy::System).root(name);
        if version == Version::V2 {
            builder.aligned();
        }
        // v2 aligns files by rule; hybrids spell the padding out in `files`, also after the last file, as
        // libtorrent does.
        let is_padded = version == Version::Hybrid && !content.is_single_file;
        let mut sources = Vec::new();
        for (at, file) in content.files.iter().enumerate() {
            if version.has_v1() && file.elements.iter().any(|name| name.starts_with(BITCOMET_PAD)) {
                return Err(CreateError::Padding { path: file.path.clone() });
            }
            let stand_in = [name.to_vec()];
            let elements = if content.is_single_file { &stand_in } else { &file.elements[..] };
            builder.file(elements, file.length);
            sources.push(Some(at));
            let rest = file.length % u64::from(piece_length);
            if rest > 0 && is_padded {
                builder.pad(u64::from(piece_length) - rest);
            }
            sources.resize(builder.file_count() as usize, None);
        }
        let layout = builder.build()?;
        Ok(Self { content, name, version, piece_length, layout, sources })
    }

    pub(super) fn path(&self, file: FileIndex) -> PathBuf {
        let source = self.sources.get(file.as_usize()).copied().flatten();
        source.map_or_else(|| self.content.root.clone(), |at| self.content.files[at].path.clone())
    }

    /// The info dictionary, and the piece layers beside it.
    pub(super) fn encode(
        &self,
        options: &CreateOptions,
        digests: &[Digest],
    ) -> (Vec<u8>, PieceLayers) {
        let (roots, layers) = self.trees(digests);
        let mut out = Vec::new();
        encode::dict(&mut out, |dict| {
            if self.version.has_v2() {
                dict.dict("file tree", |dict| self.file_tree(dict, &roots));
            }
            if self.version.has_v1() && !self.content.is_single_file {
                dict.list("files", |list| self.files(list));
            }
            if self.version.has_v1() && self.content.is_single_file {
                dict.integer("length", self.content.files[0].length);
            }
            if self.version.has_v2() {
                dict.integer("meta version", 2);
            }
            dict.bytes("name", self.name);
            dict.integer("piece length", u64::from(self.piece_length));
            if self.version.has_v1() {
                let hashes: Vec<[u8; 20]> =
                    digests.iter().filter_map(|digest| digest.sha1).collect();
                dict.bytes("pieces", hashes.as_flattened());
            }
            if options.is_private {
                dict.integer("private", 1);
            }
            if let Some(source) = &options.source {
                dict.bytes("source", source);
            }
        });
        (out, layers)
    }

    /// BEP 3 "files", with padding as BEP 47 recommends it.
    fn files(&self, list: &mut ListEncoder<'_>) {
        for (file, source) in self.layout.files().zip(&self.sources) {
            list.dict(|dict| match source {
                Some(at) => {
                    dict.integer("length", file.length);
                    dict.list("path", |list| {
                        self.content.files[*at].elements.iter().for_each(|name| list.bytes(name));
                    });
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

    /// BEP 52 "file tree". Files are in the order of the tree already, so one pass is enough.
    fn file_tree(&self, dict: &mut DictEncoder<'_>, roots: &[Option<merkle::Hash>]) {
        if self.content.is_single_file {
            return leaf(dict, self.name, &self.content.files[0], roots[0]);
        }
        let files: Vec<_> = self.content.files.iter().zip(roots.iter().copied()).collect();
        folder(dict, &files, 0);
    }

    /// The root of each file on disk, and the layers of those larger than a piece.
    fn trees(&self, digests: &[Digest]) -> (Vec<Option<merkle::Hash>>, PieceLayers) {
        if !self.version.has_v2() {
            return (vec![None; self.content.files.len()], PieceLayers::default());
        }
        let mut layers = BTreeMap::new();
        let files = self.layout.files().filter(|file| !file.is_pad());
        let roots = files.map(|file| {
            let pieces = self.layout.file_pieces(file.index);
            let layer: Vec<merkle::Hash> =
                pieces.filter_map(|piece| digests[piece.as_usize()].root).collect();
            match layer[..] {
                [] => None,
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

type Entry<'a> = (&'a Found, Option<merkle::Hash>);

/// One folder of the tree. The depth is that of the paths, which the layout has limited.
fn folder(dict: &mut DictEncoder<'_>, files: &[Entry<'_>], depth: usize) {
    for group in files.chunk_by(|(one, _), (other, _)| one.elements[depth] == other.elements[depth])
    {
        let name = &group[0].0.elements[depth];
        match group {
            [(file, root)] if file.elements.len() == depth + 1 => leaf(dict, name, file, *root),
            _ => dict.dict(name, |dict| folder(dict, group, depth + 1)),
        }
    }
}

fn leaf(dict: &mut DictEncoder<'_>, name: &[u8], file: &Found, root: Option<merkle::Hash>) {
    dict.dict(name, |dict| {
        dict.dict("", |dict| {
            dict.integer("length", file.length);
            if let Some(root) = root {
                dict.bytes("pieces root", root);
            }
        });
    });
}
