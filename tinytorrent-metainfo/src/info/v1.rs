//! `length` and `files` (BEP 3, BEP 47).

use tinytorrent_bencode::{Kind, Node};

use super::keys::FileKeys;
use super::reader::{Files, Reader, length, missing};
use crate::error::{Error, ErrorKind};
use crate::layout::{FileAttributes, Layout, LayoutBuilder};
use crate::report::Report;
use crate::warning::WarningKind;

pub(super) fn read(
    reader: &mut Reader<'_, '_, '_>,
    piece_length: u32,
    name: &[u8],
) -> Result<Files, Error> {
    let kind = match (reader.keys.length, reader.keys.files) {
        (Some(node), None) => return read_length(reader, node, piece_length, name),
        (None, Some(node)) => return read_files(reader, node, piece_length, name),
        (None, None) => ErrorKind::NoFiles,
        (Some(_), Some(_)) => ErrorKind::LengthAndFiles,
    };
    Err(Error::at(&reader.node, kind))
}

/// Reads a single file, which has the name of the torrent.
fn read_length<'doc, 'a>(
    reader: &mut Reader<'_, 'doc, 'a>,
    node: Node<'doc, 'a>,
    piece_length: u32,
    name: &[u8],
) -> Result<Files, Error> {
    let mut builder = reader.builder(piece_length);
    let attributes = attributes(reader.keys.attr, reader.report)?;
    // A torrent of padding or of a link alone would have no content.
    let without_content = FileAttributes::SYMLINK.with(FileAttributes::PAD);
    builder.file_with([name], length(&node)?, attributes.without(without_content));
    let at = reader.keys.name;
    let layout = reader.build(builder, node, |_| at)?;
    Ok(Files { layout, roots: Vec::new(), is_single_file: true })
}

/// Reads a list of files, which are in a folder of the torrent's name, even a single one.
fn read_files<'doc, 'a>(
    reader: &mut Reader<'_, 'doc, 'a>,
    node: Node<'doc, 'a>,
    piece_length: u32,
    name: &[u8],
) -> Result<Files, Error> {
    let files = node.to_list()?;
    let mut builder = match reader.collected.take() {
        Some(collected) => reader.with_seed(collected, piece_length),
        None => reader.builder(piece_length),
    };
    builder.root(name);
    for file in files {
        read_file(file, &mut builder, reader.report)?;
    }
    if builder.file_count() == 0 {
        return Err(Error::at(&node, ErrorKind::EmptyFiles));
    }
    let layout = reader.build(builder, node, |file| {
        let file = node.index(file.as_usize())?;
        FileKeys::of(file).path.or(Some(file))
    })?;
    // Files with the same path are among the changed paths, so without changes there are none.
    if !reader.report.is_lenient() && layout.path_changes().len() > 0 {
        check_paths(node, &layout)?;
    }
    Ok(Files { layout, roots: Vec::new(), is_single_file: false })
}

/// Refuses two files with the same path, and a file with the path of a folder (BEP 3 "path").
fn check_paths(files: Node<'_, '_>, layout: &Layout) -> Result<(), Error> {
    let mut paths = Vec::new();
    for (file, node) in layout.files().zip(files.list()).filter(|(file, _)| !file.is_pad()) {
        // Without the end of its list, a path is a prefix of the paths below it.
        let path = used_path(&FileKeys::of(node)).and_then(|path| path.raw().strip_suffix(b"e"));
        paths.extend(path.map(|path| (path, file.index.get(), node)));
    }
    // In the order of their bytes, a path that begins with another one comes right behind it or behind
    // others that do.
    paths.sort_unstable_by_key(|(path, file, _)| (*path, *file));
    for pair in paths.windows(2) {
        let [(first, ..), (second, ..)] = pair else { continue };
        if second.starts_with(first) {
            let [earlier, later] = if pair[0].1 < pair[1].1 { [0, 1] } else { [1, 0] };
            let (_, file, node) = pair[later];
            return Err(Error::at(&node, ErrorKind::SamePath { file, of: pair[earlier].1 }));
        }
    }
    Ok(())
}

/// Reads an entry of `files`.
pub(super) fn read_file(
    node: Node<'_, '_>,
    builder: &mut LayoutBuilder,
    report: &mut Report,
) -> Result<(), Error> {
    node.to_dict()?;
    let keys = FileKeys::of(node);
    let mut attributes = attributes(keys.attr, report)?;
    if push_path(node, &keys, builder, attributes.is_pad())? {
        attributes = attributes.with(FileAttributes::PAD);
    }
    if attributes.is_symlink() {
        return end_symlink(node, &keys, attributes, builder, report);
    }
    let length = length(&keys.length.ok_or_else(|| missing(&node, "length"))?)?;
    builder.end_file(length, attributes);
    Ok(())
}

/// Adds the path of a file to the builder. Returns true if it is a name that BitComet gives to padding.
fn push_path(
    file: Node<'_, '_>,
    keys: &FileKeys<'_, '_>,
    builder: &mut LayoutBuilder,
    is_pad: bool,
) -> Result<bool, Error> {
    let Some(path) = used_path(keys) else {
        // Padding needs no path (BEP 47).
        return if is_pad { Ok(false) } else { Err(missing(&file, "path")) };
    };
    let paths = builder.paths();
    paths.go_to_root();
    let mut elements = path.to_list()?;
    let Some(name) = elements.next() else { return Ok(false) };
    let mut name = name.to_bytes()?;
    let mut is_bitcomet_pad = name.starts_with(BITCOMET_PAD);
    for next in elements {
        paths.enter(name);
        name = next.to_bytes()?;
        is_bitcomet_pad |= name.starts_with(BITCOMET_PAD);
    }
    paths.set_name(name);
    Ok(is_bitcomet_pad)
}

/// The path that is used: `path.utf-8` if it is UTF-8, or `path`.
fn used_path<'doc, 'a>(keys: &FileKeys<'doc, 'a>) -> Option<Node<'doc, 'a>> {
    let usable = |node: &Node<'_, '_>| {
        node.list().next().is_some() && node.list().all(|element| element.as_str().is_some())
    };
    keys.path_utf8.filter(usable).or(keys.path)
}

/// Reads `attr` (BEP 47).
pub(super) fn attributes(
    node: Option<Node<'_, '_>>,
    report: &mut Report,
) -> Result<FileAttributes, Error> {
    let Some(node) = node else { return Ok(FileAttributes::NONE) };
    let Some(letters) = node.as_bytes() else {
        report.deviate(&node, WarningKind::WrongKind(Kind::String))?;
        return Ok(FileAttributes::NONE);
    };
    Ok(FileAttributes::from_letters(letters))
}

/// Completes a symlink. It has no content, and its `length` is ignored (BEP 47).
pub(super) fn end_symlink(
    node: Node<'_, '_>,
    keys: &FileKeys<'_, '_>,
    attributes: FileAttributes,
    builder: &mut LayoutBuilder,
    report: &mut Report,
) -> Result<(), Error> {
    let Some(target) = keys.symlink_path else {
        report.deviate(&node, WarningKind::Symlink)?;
        builder.end_symlink::<[&[u8]; 0]>([], attributes);
        return Ok(());
    };
    let elements = target.to_list()?.map(|node| node.to_bytes());
    let elements = elements.collect::<Result<Vec<_>, _>>()?;
    if !builder.end_symlink(elements, attributes) {
        report.deviate(&target, WarningKind::Symlink)?;
    }
    Ok(())
}

/// The beginning of the names that BitComet gives to padding, in place of an attribute.
pub(crate) const BITCOMET_PAD: &[u8] = b"_____padding_file_";
