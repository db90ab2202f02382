//! The layout of the content: files, pieces, and the conversion between them.

mod builder;
mod error;
mod file;
mod limits;
mod spans;

pub use builder::LayoutBuilder;
pub use error::LayoutError;
pub use file::{File, FileAttributes};
pub use limits::MAX_DEPTH;
pub use spans::{FileSpan, Spans};

use std::ops::Range;

use tinytorrent_types::{BlockInfo, Geometry, PieceIndex};

use crate::FileIndex;
use crate::path::{PathChange, PathPolicy, Paths, SafePath};

/// The files of a torrent in the order of its content, with their paths on disk.
///
/// The content is the concatenation of all files, empty and pad files included (BEP 3, BEP 47). Every
/// path is sanitised by a [`PathPolicy`](crate::PathPolicy): it is relative, stays below the folder it
/// is joined to, and belongs to one file alone. In a multi-file torrent it begins with the torrent's
/// name.
///
/// A lookup takes `O(log files)`. A file takes about 17 bytes and its name, a folder 8 bytes and its
/// name.
///
/// ```
/// use tinytorrent_metainfo::Layout;
///
/// let mut builder = Layout::builder(16_384);
/// builder.file(["album", "a.flac"], 20_000).file(["album", "b.flac"], 5_000);
/// let layout = builder.build()?;
///
/// let piece = layout.geometry().piece(1).unwrap();
/// let spans: Vec<_> = layout.piece_spans(piece).collect();
/// assert_eq!((spans[0].file.get(), spans[0].offset, spans[0].length), (0, 16_384, 3_616));
/// assert_eq!((spans[1].file.get(), spans[1].offset, spans[1].length), (1, 0, 5_000));
/// # Ok::<(), tinytorrent_metainfo::LayoutError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    geometry: Geometry,
    /// Offset of each file in the content, ascending, and the total at the end.
    starts: Vec<u64>,
    attributes: Vec<FileAttributes>,
    paths: Paths,
    /// The symlinks, in order.
    links: Vec<FileIndex>,
}

impl Layout {
    /// Creates a builder, with pieces of this many bytes.
    pub fn builder(piece_length: u32) -> LayoutBuilder {
        LayoutBuilder::new(piece_length)
    }

    /// The division of the content into pieces and blocks.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Bytes of all files, pad files included: also those between the files of a v2 torrent, which no peer
    /// sends. [`payload_length_total`](Self::payload_length_total) is the size for people.
    pub fn total_length(&self) -> u64 {
        // The builder puts the total at the end.
        self.starts.last().copied().unwrap_or(0)
    }

    /// Bytes of all files but pad files.
    pub fn payload_length_total(&self) -> u64 {
        let lengths = self.files().filter(|file| !file.is_pad()).map(|file| file.length);
        lengths.sum()
    }

    /// The number of files, empty and pad files included.
    pub fn file_count(&self) -> u32 {
        // The builder admits no more than `u32::MAX` files.
        self.attributes.len() as u32
    }

    /// All files, in the order of the content.
    pub fn files(&self) -> impl ExactSizeIterator<Item = File<'_>> + DoubleEndedIterator + Clone {
        (0..self.file_count()).map(|index| self.view(index))
    }

    /// The file with this index; `None` beyond the last.
    pub fn file(&self, index: u32) -> Option<File<'_>> {
        (index < self.file_count()).then(|| self.view(index))
    }

    /// The path of a file as the torrent has it, with the folder of the torrent, joined with `/`. It has not
    /// passed the path policy: elements may be empty, `.` or `..`, and bytes need not be UTF-8. `None` beyond
    /// the last file.
    pub fn original_path(&self, file: FileIndex) -> Option<Vec<u8>> {
        (file.get() < self.file_count()).then(|| self.paths.given_path(file.get() as usize))
    }

    /// The paths that differ from those in the torrent: first the folder of the torrent, then the files
    /// in their order. Each is built on request, as there may be many long ones.
    pub fn path_changes(
        &self,
    ) -> impl ExactSizeIterator<Item = PathChange> + DoubleEndedIterator + Clone {
        self.paths.changes()
    }

    /// The policy of the paths.
    pub fn path_policy(&self) -> PathPolicy {
        self.paths.policy()
    }

    /// The same files with paths under another policy.
    ///
    /// Names are sanitised anew from those in the torrent. Targets of links are not: they are taken as
    /// this policy has written them.
    ///
    /// # Errors
    /// [`LayoutError::TooManyCollisions`]; and under [`PathPolicy::Exact`] a refused name or path.
    pub fn with_policy(&self, policy: PathPolicy) -> Result<Self, LayoutError> {
        let links = self.links.iter().map(|link| link.as_usize());
        let is_written = |file: usize| !self.attributes[file].is_pad();
        let paths = self.paths.with_policy(policy, links, is_written);
        let paths = paths.ok_or(LayoutError::TooManyCollisions)?;
        refuse_changes(&paths)?;
        Ok(Self {
            geometry: self.geometry.clone(),
            starts: self.starts.clone(),
            attributes: self.attributes.clone(),
            links: self.links.clone(),
            paths,
        })
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The parts of files that make up `offset..offset + length` of the content, in order. Empty files
    /// have no part. A range beyond the content is cut at its end.
    pub fn spans(&self, offset: u64, length: u64) -> Spans<'_> {
        let end = offset.saturating_add(length).min(self.total_length());
        // The last file that starts at or before `offset` has the byte there: empty files with the
        // same start come before it.
        let file = self.starts.partition_point(|&start| start <= offset).saturating_sub(1);
        Spans::new(self, file, offset, end)
    }

    /// The parts of files that a block covers.
    pub fn block_spans(&self, block: BlockInfo) -> Spans<'_> {
        self.spans(self.geometry.block_offset(block), block.length().into())
    }

    /// The parts of files that a piece covers.
    pub fn piece_spans(&self, piece: PieceIndex) -> Spans<'_> {
        self.spans(self.geometry.piece_offset(piece), self.geometry.piece_length(piece).into())
    }

    /// The pieces that have a byte of this file, in order. There are none for an empty file, for padding
    /// that belongs to no piece (the gaps of a v2 torrent, BEP 52), and for the index of a file that does
    /// not exist.
    pub fn file_pieces(
        &self,
        file: FileIndex,
    ) -> impl ExactSizeIterator<Item = PieceIndex> + DoubleEndedIterator + use<> {
        let found = self.file(file.get()).filter(|file| file.length > 0 && !self.is_gap(file));
        let range = found.map_or(0..0, |file| {
            let piece = |offset: u64| (offset / u64::from(self.nominal_piece_length())) as usize;
            piece(file.offset)..piece(file.offset + file.length - 1) + 1
        });
        let pieces = self.geometry.pieces();
        let mut pieces = pieces.take(range.end);
        if range.start > 0 {
            pieces.nth(range.start - 1);
        }
        pieces
    }

    /// Returns true for padding that belongs to no piece.
    fn is_gap(&self, file: &File<'_>) -> bool {
        // In content without gaps a piece ends behind each byte that is in it.
        file.is_pad()
            && self.geometry.piece_at(file.offset).is_some_and(|piece| {
                let end = u64::from(self.geometry.piece_length(piece));
                file.offset - self.geometry.piece_offset(piece) >= end
            })
    }

    /// The pieces all of whose bytes are among these of the file, from the first that begins at or behind
    /// their start; none if there is no such file.
    pub fn pieces_within(&self, file: FileIndex, bytes: Range<u64>) -> Range<u32> {
        let Some(file) = self.file(file.get()) else { return 0..0 };
        let length = u64::from(self.nominal_piece_length());
        let end = file.offset + bytes.end.min(file.length);
        let first = (file.offset + bytes.start.min(file.length)).div_ceil(length);
        // The piece in which they end is among them if it ends there too: with the content, or before a
        // gap.
        let is_whole = |piece: &PieceIndex| {
            self.geometry.piece_offset(*piece) + u64::from(self.geometry.piece_length(*piece))
                == end
        };
        let last = end.checked_sub(1).and_then(|last| self.geometry.piece_at(last));
        let behind = last.filter(is_whole).map_or(end / length, |last| u64::from(last.get()) + 1);
        // The geometry has at most 2^31 pieces.
        if first < behind { first as u32..behind as u32 } else { 0..0 }
    }

    /// Bytes of a piece without the padding at its end; see [`Geometry::payload_length`]. Only these
    /// have to come from peers, as padding is zero (BEP 47). In a v2 torrent it is the length of the
    /// piece. A piece that is all padding counts whole, and is requested like any other.
    pub fn payload_length(&self, piece: PieceIndex) -> u32 {
        self.geometry.payload_length(piece)
    }

    fn nominal_piece_length(&self) -> u32 {
        self.geometry.nominal_piece_length()
    }

    fn view(&self, index: u32) -> File<'_> {
        let at = index as usize;
        let file = FileIndex::new(index);
        let attributes = self.attributes[at];
        File {
            index: file,
            offset: self.starts[at],
            length: self.starts[at + 1] - self.starts[at],
            attributes,
            path: self.paths.get(at),
            link_target: attributes.is_symlink().then(|| self.link_target(file)).flatten(),
        }
    }

    fn link_target(&self, file: FileIndex) -> Option<SafePath<'_>> {
        self.links.binary_search(&file).ok().map(|link| self.paths.target(link))
    }
}

/// Refuses a changed path under [`PathPolicy::Exact`].
fn refuse_changes(paths: &Paths) -> Result<(), LayoutError> {
    // The builder has checked names one by one; collisions are known only at the end.
    let (PathPolicy::Exact, Some(change)) = (paths.policy(), paths.changes().next()) else {
        return Ok(());
    };
    let (original, kind) = (change.original, change.kinds[0]);
    Err(match change.file {
        None => LayoutError::NameRejected { original, kind },
        Some(file) => LayoutError::PathRejected { file: file.get(), original, kind },
    })
}

#[cfg(test)]
mod tests;
