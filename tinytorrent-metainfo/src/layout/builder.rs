use std::ops::Range;

use tinytorrent_types::{Geometry, GeometryError};

use super::limits::{MAX_DEPTH, MAX_FILES, MAX_TOTAL};
use super::{FileAttributes, Layout, LayoutError, refuse_changes};
use crate::FileIndex;
use crate::escape::escape;
use crate::path::{PathBuilder, PathPolicy};

/// A builder of [`Layout`]: takes the files in the order of the content.
///
/// Paths are given as a torrent has them. The [`PathPolicy`] sanitises them.
#[derive(Debug, Clone)]
pub struct LayoutBuilder {
    piece_length: u32,
    is_aligned: bool,
    seed: Vec<u8>,
    paths: PathBuilder,
    starts: Vec<u64>,
    total: u64,
    attributes: Vec<FileAttributes>,
    links: Vec<FileIndex>,
    error: Option<LayoutError>,
}

impl LayoutBuilder {
    pub(super) fn new(piece_length: u32) -> Self {
        Self {
            piece_length,
            is_aligned: false,
            seed: Vec::new(),
            paths: PathBuilder::new(),
            starts: Vec::new(),
            total: 0,
            attributes: Vec::new(),
            links: Vec::new(),
            error: None,
        }
    }

    /// Sets the rules by which names become paths. Call it before [`root`](Self::root); after the first
    /// file it has no effect. Default: [`PathPolicy::System`].
    pub fn policy(&mut self, policy: PathPolicy) -> &mut Self {
        if self.attributes.is_empty() {
            self.paths.set_policy(policy);
        }
        self
    }

    /// Begins a new piece with each file, as in a v2 torrent (BEP 52). A file that does not end with a
    /// full piece is followed by padding, which belongs to no piece. Pad files that are added are left
    /// out. After the first file this method has no effect.
    pub fn aligned(&mut self) -> &mut Self {
        self.is_aligned |= self.attributes.is_empty();
        self
    }

    /// Puts all files into a folder of this name. Call it after [`policy`](Self::policy).
    pub fn root(&mut self, name: impl AsRef<[u8]>) -> &mut Self {
        self.paths.set_root(name.as_ref());
        self
    }

    /// Adds a file of `length` bytes.
    pub fn file<P>(&mut self, path: P, length: u64) -> &mut Self
    where
        P: IntoIterator,
        P::Item: AsRef<[u8]>,
    {
        self.file_with(path, length, FileAttributes::NONE)
    }

    /// Adds a file with attributes. The path of a pad file may be empty. The attribute of a symlink is
    /// dropped: [`symlink`](Self::symlink) adds those (BEP 47).
    pub fn file_with<P>(&mut self, path: P, length: u64, attributes: FileAttributes) -> &mut Self
    where
        P: IntoIterator,
        P::Item: AsRef<[u8]>,
    {
        // An aligned layout adds its own padding, so that the torrent's would be there twice.
        if !(self.is_aligned && attributes.is_pad()) {
            self.push_path(path);
            self.end_file(length, attributes.without(FileAttributes::SYMLINK));
        }
        self
    }

    /// Adds `length` bytes of padding (BEP 47).
    pub fn pad(&mut self, length: u64) -> &mut Self {
        self.file_with::<[&[u8]; 0]>([], length, FileAttributes::PAD)
    }

    /// Adds a symbolic link to `target`, which is a path below the [`root`](Self::root) (BEP 47). An
    /// empty file is added instead if an element of the target is empty, `.` or `..`, or if the target is
    /// the link itself.
    pub fn symlink<P, T>(&mut self, path: P, target: T, attributes: FileAttributes) -> &mut Self
    where
        P: IntoIterator,
        P::Item: AsRef<[u8]>,
        T: IntoIterator,
        T::Item: AsRef<[u8]>,
    {
        self.push_path(path);
        self.end_symlink(target, attributes);
        self
    }

    /// Finishes the layout.
    ///
    /// # Errors
    /// The first error of the files; see [`LayoutError`].
    pub fn build(mut self) -> Result<Layout, LayoutError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let geometry = self.geometry()?;
        let paths = std::mem::replace(&mut self.paths, PathBuilder::new());
        // Padding is never on disk, so that its path cannot collide with another.
        let is_written = |file: usize| !self.attributes[file].is_pad();
        let paths = paths.resolve(&self.seed, is_written).ok_or(LayoutError::TooManyCollisions)?;
        refuse_changes(&paths)?;
        // Each file ends where the next one starts, and this is the end of the last.
        self.starts.push(self.total);
        self.starts.shrink_to_fit();
        self.attributes.shrink_to_fit();
        Ok(Layout {
            geometry,
            starts: self.starts,
            attributes: self.attributes,
            paths,
            links: self.links,
        })
    }

    fn geometry(&self) -> Result<Geometry, GeometryError> {
        if !self.is_aligned {
            let geometry = Geometry::new(self.total, self.piece_length)?;
            return Ok(geometry.padded(self.padding()));
        }
        // The geometry makes the gaps behind the files itself.
        let files = self.spans().filter(|(_, file)| !file.is_pad());
        Geometry::aligned(files.map(|(span, _)| span.end - span.start), self.piece_length)
    }

    /// The range of each file in the content, with its attributes.
    fn spans(&self) -> impl Iterator<Item = (Range<u64>, FileAttributes)> {
        let ends = self.starts.iter().skip(1).copied().chain([self.total]);
        let spans = self.starts.iter().zip(ends).map(|(&start, end)| start..end);
        spans.zip(self.attributes.iter().copied())
    }

    /// The pieces that end with padding, each with the length of that padding.
    fn padding(&self) -> impl Iterator<Item = (u32, u32)> {
        let length = u64::from(self.piece_length);
        let mut start = None;
        // An empty file between two pad files does not end the padding.
        let files = self.spans().filter(|(span, _)| !span.is_empty());
        files.filter_map(move |(span, file)| {
            // Pad files in a row are one padding.
            start = file.is_pad().then(|| start.unwrap_or(span.start));
            let start = start?;
            let piece = start / length;
            let end = ((piece + 1) * length).min(self.total);
            // The geometry exists, so the pieces are at most 2^31.
            (span.end >= end).then(|| (piece as u32, (end - start) as u32))
        })
    }

    /// The builder of paths. The path of a file is added to it before [`end_file`](Self::end_file).
    pub(crate) fn paths(&mut self) -> &mut PathBuilder {
        &mut self.paths
    }

    pub(crate) fn file_count(&self) -> u32 {
        self.attributes.len() as u32
    }

    /// Sets the length of a piece, which may be known only after the files.
    pub(crate) fn set_piece_length(&mut self, bytes: u32) {
        self.piece_length = bytes;
    }

    /// Sets the seed of the hashes of paths. It should depend on the torrent, so that nobody can prepare
    /// collisions.
    pub(crate) fn set_seed(&mut self, seed: &[u8]) {
        self.seed = seed.to_vec();
    }

    fn push_path<P>(&mut self, path: P)
    where
        P: IntoIterator,
        P::Item: AsRef<[u8]>,
    {
        let mut path = path.into_iter();
        // A pad file may have no path.
        let Some(mut name) = path.next() else { return };
        self.paths.go_to_root();
        for next in path {
            self.paths.enter(name.as_ref());
            name = next;
        }
        self.paths.set_name(name.as_ref());
    }

    /// Completes the file whose path was added, with the padding behind it if files are aligned.
    #[inline]
    pub(crate) fn end_file(&mut self, length: u64, attributes: FileAttributes) {
        let file = self.file_count();
        // The first error is kept for `build`, so that calls can be chained.
        if self.error.is_none() {
            self.error = self.check_file(file, length, attributes).err();
        }
        if !self.paths.end_file(length) {
            self.error.get_or_insert(LayoutError::TooManyFiles);
        }
        self.starts.push(self.total);
        self.attributes.push(attributes);
        // `check_file` has recorded an overflow, which `build` returns.
        self.total = self.total.saturating_add(length);
        // A piece length of 0 is an error of `build`.
        let rest = length.checked_rem(self.piece_length.into()).unwrap_or(0);
        if self.is_aligned && rest > 0 && !attributes.is_pad() {
            self.end_file(u64::from(self.piece_length) - rest, FileAttributes::PAD);
        }
    }

    /// Completes the symlink whose path was added. Returns false if its target is not usable, and adds
    /// an empty file instead.
    pub(crate) fn end_symlink<T>(&mut self, target: T, attributes: FileAttributes) -> bool
    where
        T: IntoIterator,
        T::Item: AsRef<[u8]>,
    {
        let file = self.file_count();
        let is_usable = self.paths.add_target(target, MAX_DEPTH as usize);
        // A link with the attribute of padding would be left out on disk.
        let attributes = attributes.without(FileAttributes::SYMLINK.with(FileAttributes::PAD));
        if is_usable {
            self.links.push(FileIndex::new(file));
            self.end_file(0, attributes.with(FileAttributes::SYMLINK));
        } else {
            self.end_file(0, attributes);
        }
        is_usable
    }

    #[inline]
    fn check_file(
        &self,
        file: u32,
        length: u64,
        attributes: FileAttributes,
    ) -> Result<(), LayoutError> {
        if file >= MAX_FILES {
            return Err(LayoutError::TooManyFiles);
        }
        if self.paths.depth() > MAX_DEPTH as usize {
            return Err(LayoutError::TooDeep { file });
        }
        if self.paths.depth() == 0 && !attributes.is_pad() {
            return Err(LayoutError::EmptyPath { file });
        }
        // A difference, as the sum could overflow.
        if length > MAX_TOTAL || self.total > MAX_TOTAL - length {
            return Err(LayoutError::TotalLength { file });
        }
        if self.paths.policy() == PathPolicy::Exact
            && let Some((kind, original)) = self.paths.first_change()
        {
            return Err(LayoutError::PathRejected { file, original: escape(&original), kind });
        }
        Ok(())
    }
}
