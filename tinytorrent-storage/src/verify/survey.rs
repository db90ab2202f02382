use std::{fs::File, ops::Range, sync::Arc};

use tinytorrent_folder::{Extent, Extents};
use tinytorrent_types::PieceIndex;

use crate::{Storage, StorageError, presence::Presence, storage::Target};

/// A search for pieces in a row of which nothing is on disk: a torrent of a few bytes can claim 2^21 of them,
/// and they are found in one step.
pub(super) struct Survey<'a> {
    storage: &'a Storage,
    /// The file that was looked at last.
    current: Option<(Target, Extents<Arc<File>>)>,
}

/// Pieces in a row, and their presence or the error of their file.
pub(super) type Run = (Range<u32>, Result<Presence, StorageError>);

impl<'a> Survey<'a> {
    pub(super) fn new(storage: &'a Storage) -> Self {
        Self { storage, current: None }
    }

    /// The pieces from this one on that are in the same state. `None` if it has data, or shares its file with
    /// at most one other piece.
    pub(super) fn run_from(&mut self, piece: PieceIndex) -> Option<Run> {
        // Content of the program's own is asked for each piece.
        let files = self.storage.files()?;
        let layout = self.storage.layout();
        let span = layout.piece_spans(piece).next()?;
        let within = |length: u64| {
            layout.pieces_within(span.file, span.offset..span.offset.saturating_add(length))
        };
        if within(u64::MAX).len() < 2 {
            return None;
        }
        if span.is_pad {
            return Some((within(u64::MAX), Ok(Presence::Padding)));
        }
        let state = match files.extent(span, &mut self.current) {
            Ok((Extent::Data, _)) => return None,
            Ok((Extent::Hole, hole)) => {
                let run = within(hole.end - hole.start);
                return (!run.is_empty()).then_some((run, Ok(Presence::Hole)));
            }
            Ok((Extent::Beyond, _)) => Ok(Presence::Absent),
            Err(error) if error.is_not_found() => Ok(Presence::Absent),
            // The pieces are looked at one by one, which waits.
            Err(error) if error.is_out_of_descriptors() => return None,
            Err(error) => Err(error),
        };
        // The last one may have other files too, but lacks as much.
        let last = layout.file_pieces(span.file).next_back()?;
        Some((piece.get()..last.get() + 1, state))
    }
}
