//! What survives the end of a run.

mod files;
mod journal;
mod metadata;
mod record;
mod recover;
mod sample;
mod stamp;

use tinytorrent_types::{Bitfield, PieceIndex};

use crate::Misfit;

pub(crate) use journal::{BlockRange, Journal};
pub use metadata::MetadataFile;
pub use record::{RecordError, ResumeRecord};
pub use recover::{RecoverOptions, recover};

/// What a run finds of the runs before it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// Pieces that are on disk and right.
    pub have: Bitfield,
    /// Unfinished pieces of which some blocks are on disk, in order. Nobody has checked them; if
    /// such a piece fails, nobody is to blame.
    pub partial: Vec<PartialPiece>,
    /// What the record counted; zeros if there was none.
    pub counters: Counters,
    /// Files that are longer than their torrent says, wanted or not.
    pub longer: Vec<Misfit>,
}

impl Recovered {
    /// Nothing: a download begins.
    pub fn nothing(piece_count: u32) -> Self {
        Self::with_pieces(Bitfield::new(piece_count))
    }

    /// These pieces, and no others: after a [`verify`](crate::verify()), say.
    pub fn with_pieces(have: Bitfield) -> Self {
        Self { have, partial: Vec::new(), counters: Counters::default(), longer: Vec::new() }
    }
}

/// An unfinished piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialPiece {
    /// The piece.
    pub piece: PieceIndex,
    /// Numbers of the blocks that are on disk, ascending; see
    /// [`Geometry::nth_block`](tinytorrent_types::Geometry::nth_block).
    pub blocks: Vec<u32>,
}

/// Totals that last longer than a run (S-27). Bytes, unless the name says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Payload received.
    pub downloaded: u64,
    /// Payload sent.
    pub uploaded: u64,
    /// Payload received in vain: duplicates and pieces that failed.
    pub wasted: u64,
    /// Time the torrent was active.
    pub active_seconds: u64,
    /// Time the torrent was complete and active.
    pub seeding_seconds: u64,
}
