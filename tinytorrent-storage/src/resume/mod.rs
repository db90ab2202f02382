//! Resume data: files beside the content from which the next run continues.

mod files;
mod journal;
mod metadata;
mod record;
mod recover;
mod sample;
mod stamp;

use tinytorrent_types::{Bitfield, InfoHashes, PieceIndex};

use crate::Misfit;

pub(crate) use journal::{BlockRange, Journal, load};
pub(crate) use record::{Followed, file_name as record_name};
pub(crate) use recover::recover_with;
pub(crate) use stamp::encode as encode_stamp;

pub use metadata::MetadataFile;
pub use record::{RecordError, ResumeRecord};
pub use recover::{RecoverOptions, recover};

/// The names of all files of a torrent that are kept here.
pub(crate) fn file_names(identity: &InfoHashes) -> impl Iterator<Item = String> {
    let others = [record::file_name(identity), journal::file_name(&identity.to_wire())];
    others.into_iter().chain(metadata::file_names(identity))
}

/// The state of the content that earlier runs have left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// Pieces that are on disk and right.
    pub have: Bitfield,
    /// Unfinished pieces with some blocks on disk, in order. The blocks are not checked, so that no peer
    /// can be blamed if such a piece fails.
    pub partial: Vec<PartialPiece>,
    /// The counters of the record; zeros without one.
    pub counters: Counters,
    /// Files that are longer than in the torrent, wanted or not.
    pub longer: Vec<Misfit>,
}

impl Recovered {
    /// The state before a download: no pieces.
    pub fn nothing(piece_count: u32) -> Self {
        Self::with_pieces(Bitfield::new(piece_count))
    }

    /// The state with these pieces and no others, after a [`verify`](crate::verify()) for instance.
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

/// Totals over all runs (S-27), in bytes unless the name has another unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct Counters {
    /// Payload received.
    pub downloaded: u64,
    /// Payload sent.
    pub uploaded: u64,
    /// Payload received without use: duplicates and pieces that failed.
    pub wasted: u64,
    /// Time the torrent was active.
    pub active_seconds: u64,
    /// Time the torrent was complete and active.
    pub seeding_seconds: u64,
}
