use core::ops::Range;
use std::fs::File;

use tinytorrent_folder::{Extent, Extents};
use tinytorrent_types::PieceIndex;

use super::files::{Fault, FaultKind, Open};
use crate::{FileIndex, Layout};

/// A search for pieces whose state is known without reading: those of files that are missing or too short,
/// and those of holes.
///
/// A torrent of a few bytes can claim 2^21 pieces of one file. They are found in one step, whatever their
/// number.
pub(super) struct Survey<'a> {
    layout: &'a Layout,
    open: Open<'a>,
    /// The file that was looked at last.
    current: Option<(FileIndex, Extents<File>)>,
}

/// The state of pieces in a row.
#[derive(Debug)]
pub(super) enum Known {
    /// They read as zeros.
    Zeros,
    Faulty(Fault),
}

impl<'a> Survey<'a> {
    pub(super) fn new(layout: &'a Layout, open: Open<'a>) -> Self {
        Self { layout, open, current: None }
    }

    /// The pieces from this one on that are in the same known state. `None` if it has to be read, or shares
    /// its file with at most one other piece: then there are as many files to name as pieces.
    pub(super) fn run_from(&mut self, piece: PieceIndex) -> Option<(Range<u32>, Known)> {
        let layout = self.layout;
        let span = layout.piece_spans(piece).next()?;
        let within = |end| layout.pieces_within(span.file, span.offset..end);
        if within(u64::MAX).len() < 2 {
            return None;
        }
        if span.is_pad {
            return Some((within(u64::MAX), Known::Zeros));
        }
        let zeros = |end| Some(within(end)).filter(|run| !run.is_empty());
        let kind = match self.extent(span.file, span.offset) {
            Ok((Extent::Data, _)) => return None,
            Ok((Extent::Hole, end)) => return zeros(end).map(|run| (run, Known::Zeros)),
            Ok((Extent::Beyond, _)) => FaultKind::Short,
            Err(kind) => kind,
        };
        // The last one may have other files too, but is as faulty.
        let last = layout.file_pieces(span.file).next_back()?;
        Some((piece.get()..last.get() + 1, Known::Faulty(Fault { file: span.file, kind })))
    }

    fn extent(&mut self, file: FileIndex, offset: u64) -> Result<(Extent, u64), FaultKind> {
        let mut extents = match self.current.take() {
            Some((current, extents)) if current == file => extents,
            _ => Extents::new((self.open)(file)?).map_err(FaultKind::Io)?,
        };
        let found = extents.at(offset).map_err(FaultKind::Io);
        self.current = Some((file, extents));
        found
    }
}
