//! `file tree` (BEP 52).

use tinytorrent_bencode::{Dict, Node};

use super::keys::FileKeys;
use super::reader::{Files, Reader, length, missing};
use super::v1::{attributes, end_symlink};
use crate::error::{Error, ErrorKind};
use crate::layout::{LayoutBuilder, LayoutError, MAX_DEPTH};
use crate::report::Report;

/// Reads the tree depth first, in the order of the dictionaries. Each file begins a new piece.
pub(super) fn read(
    reader: &mut Reader<'_, '_, '_>,
    piece_length: u32,
    name: &[u8],
) -> Result<Files, Error> {
    let tree = reader.node.require("file tree")?;
    // In a hybrid torrent `files` says that there is a folder.
    let is_single_file = reader.keys.files.is_none() && is_one_file(tree)?;
    let mut builder = reader.builder(piece_length);
    builder.aligned();
    if !is_single_file {
        builder.root(name);
    }
    let mut walk =
        Walk { builder, roots: Vec::new(), changed: Vec::new(), info_offset: reader.node.offset() };
    walk.read(tree, reader.report)?;
    let Walk { builder, mut roots, changed, .. } = walk;
    if builder.file_count() == 0 {
        return Err(Error::at(&tree, ErrorKind::EmptyFiles));
    }
    let layout = reader.build(builder, tree, |file| {
        let at = changed.binary_search_by_key(&file.get(), |(file, _)| *file).ok()?;
        Some(changed[at].1)
    })?;
    roots.shrink_to_fit();
    Ok(Files { layout, roots, is_single_file })
}

/// Checks that both halves of a hybrid torrent have the same files (BEP 52, "upgrade path"), and merges
/// them. The layout is the one of v1, in which padding is explicit.
pub(super) fn merge_hybrid(
    node: Node<'_, '_>,
    mut from_v1: Files,
    from_tree: &Files,
) -> Result<Files, Error> {
    let (v1, tree) = (&from_v1.layout, &from_tree.layout);
    let mut roots = vec![0; v1.file_count() as usize];
    // The two layouts differ in padding alone.
    let mut theirs = tree.files().filter(|file| !file.is_pad());
    for ours in v1.files().filter(|file| !file.is_pad()) {
        let agree = theirs.next().filter(|theirs| {
            ours.path == theirs.path
                && ours.length == theirs.length
                && ours.link_target == theirs.link_target
                // Padding may come before or behind an empty file.
                && (ours.offset == theirs.offset || ours.length == 0)
        });
        let Some(theirs) = agree else {
            let file = ours.index.get();
            return Err(Error::at(&node, ErrorKind::HybridMismatch { file }));
        };
        roots[ours.index.as_usize()] = from_tree.roots[theirs.index.as_usize()];
    }
    if theirs.next().is_some() {
        let file = v1.file_count();
        return Err(Error::at(&node, ErrorKind::HybridMismatch { file }));
    }
    from_v1.roots = roots;
    Ok(from_v1)
}

/// Returns true if the only entry of the tree is a file (BEP 52, "interpreting paths").
fn is_one_file(tree: Node<'_, '_>) -> Result<bool, Error> {
    let mut entries = tree.to_dict()?;
    let first = entries.next();
    Ok(first.is_some_and(|(_, entry)| is_file(entry)) && entries.next().is_none())
}

fn is_file(entry: Node<'_, '_>) -> bool {
    entry.dict().next().is_some_and(|(key, _)| key.is_empty())
}

/// A walk over a file tree without recursion.
struct Walk<'doc, 'a> {
    builder: LayoutBuilder,
    /// The offset of each file's root in the info dictionary, 0 for none.
    roots: Vec<u32>,
    /// The files whose path had to change, with their nodes.
    changed: Vec<(u32, Node<'doc, 'a>)>,
    info_offset: usize,
}

impl<'doc, 'a> Walk<'doc, 'a> {
    fn read(&mut self, tree: Node<'doc, 'a>, report: &mut Report) -> Result<(), Error> {
        // The folders whose entries are being read, outermost first.
        let mut open: Vec<Dict<'doc, 'a>> = vec![tree.to_dict()?];
        while let Some(folder) = open.last_mut() {
            let Some((name, entry)) = folder.next() else {
                open.pop();
                self.builder.paths().leave();
                continue;
            };
            let mut entries = entry.to_dict()?;
            if name.is_empty() {
                return Err(Error::at(&entry, ErrorKind::FileTree));
            }
            // Before the folder is entered, so that no claim makes `open` grow further.
            if open.len() > MAX_DEPTH as usize {
                let file = self.builder.file_count();
                return Err(Error::at(&entry, LayoutError::TooDeep { file }));
            }
            if !is_file(entry) {
                self.builder.paths().enter_new(name);
                open.push(entries);
                continue;
            }
            let file = entries.next().map(|(_, file)| file);
            let (Some(file), None) = (file, entries.next()) else {
                return Err(Error::at(&entry, ErrorKind::FileTree));
            };
            self.builder.paths().set_name(name);
            self.read_file(entry, file, report)?;
        }
        Ok(())
    }

    /// Reads the dictionary of a file whose path was added.
    fn read_file(
        &mut self,
        entry: Node<'doc, 'a>,
        file: Node<'doc, 'a>,
        report: &mut Report,
    ) -> Result<(), Error> {
        file.to_dict()?;
        let keys = FileKeys::of(file);
        let attributes = attributes(keys.attr, report)?;
        if attributes.is_pad() {
            return Err(Error::at(&file, ErrorKind::PadInTree));
        }
        if self.builder.paths().is_changed() {
            self.changed.push((self.builder.file_count(), entry));
        }
        if attributes.is_symlink() {
            self.roots.push(0);
            return end_symlink(file, &keys, attributes, &mut self.builder, report);
        }
        let length = length(&keys.length.ok_or_else(|| missing(&file, "length"))?)?;
        self.roots.push(if length > 0 { self.root_offset(file, &keys)? } else { 0 });
        self.builder.end_file(length, attributes);
        // Padding, which the builder has added, has no root.
        self.roots.resize(self.builder.file_count() as usize, 0);
        Ok(())
    }

    fn root_offset(&self, file: Node<'_, '_>, keys: &FileKeys<'_, '_>) -> Result<u32, Error> {
        let error = || Error::at(&keys.pieces_root.unwrap_or(file), ErrorKind::PiecesRoot);
        let node = keys.pieces_root.ok_or_else(error)?;
        let root: &[u8; 32] = node.as_array().ok_or_else(error)?;
        if root.iter().all(|&byte| byte == 0) {
            return Err(error());
        }
        // The root is the end of the encoded string, behind its length.
        let end = node.offset() + node.raw().len() - self.info_offset;
        u32::try_from(end - 32).map_err(|_| error())
    }
}
