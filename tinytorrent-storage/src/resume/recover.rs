use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use tinytorrent_types::{Bitfield, PieceIndex};

use super::{
    PartialPiece, Recovered, ResumeRecord,
    files::{Claim, Files},
};
use crate::{CheckTurns, PieceHashes, Storage, StorageError, VerifyProgress, verify};

/// How to [`recover`].
///
/// # Defaults
/// - [`threads`](Self::threads): as many as there are processors, at most 4
/// - [`ignore_record`](Self::ignore_record): no
/// - [`turns`](Self::turns): none, it waits for nobody
#[derive(Debug, Clone)]
pub struct RecoverOptions {
    threads: usize,
    ignore_record: bool,
    turns: Option<Arc<CheckTurns>>,
}

impl RecoverOptions {
    /// Threads that check what the record does not vouch for.
    pub fn threads(&mut self, threads: usize) -> &mut Self {
        self.threads = threads;
        self
    }

    /// Whether to check everything that is on disk, record or not.
    pub fn ignore_record(&mut self, ignore: bool) -> &mut Self {
        self.ignore_record = ignore;
        self
    }

    /// What is checked waits until nobody else with the same turns checks on the same disk (S-19);
    /// what the record vouches for does not wait. Until then progress tells of no piece.
    pub fn turns(&mut self, turns: Arc<CheckTurns>) -> &mut Self {
        self.turns = Some(turns);
        self
    }
}

impl Default for RecoverOptions {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads: processors.min(4), ignore_record: false, turns: None }
    }
}

/// Finds what earlier runs have left on disk.
///
/// The record's claims hold for files whose [`FileStamp`] is as it was. Every piece of any other
/// file that has data on disk is checked, which finds what was written after the record, and blocks
/// of unfinished pieces are found through the record and the journal (S-16, S-18). What was killed
/// loses what was in its memory, and nothing else.
///
/// `None` if `progress` ended it.
///
/// # Errors
/// The system refuses, or something else stands where a file should. Files that are absent or too
/// short are no error, nor are records that are absent or damaged.
pub fn recover(
    storage: &Storage,
    hashes: &PieceHashes,
    options: &RecoverOptions,
    mut progress: impl FnMut(VerifyProgress) -> ControlFlow<()> + Send,
) -> Result<Option<Recovered>, StorageError> {
    let geometry = storage.geometry();
    let record = ResumeRecord::load(storage).filter(|_| !options.ignore_record);
    let files = Files::look(storage, record.as_ref())?;

    let mut recovered = Recovered::nothing(geometry.piece_count());
    let mut unsure = Bitfield::new(geometry.piece_count());
    for piece in geometry.pieces() {
        match files.claim(storage, piece) {
            Claim::Absent => {}
            Claim::Changed | Claim::Padding => _ = unsure.insert(piece),
            Claim::Unchanged => {
                if record.as_ref().is_some_and(|record| record.have.contains(piece)) {
                    recovered.have.insert(piece);
                }
            }
        }
    }
    let claims = claims(storage, record.as_ref(), &files);
    for (&piece, blocks) in &claims {
        // Stopped between the last block and the hash.
        if blocks.len() == geometry.block_count(piece) as usize && !recovered.have.contains(piece) {
            unsure.insert(piece);
        }
    }
    let turns = options.turns.as_ref().filter(|_| !unsure.is_empty());
    let waiting = VerifyProgress { pieces_done: 0, pieces_total: unsure.count(), bytes_done: 0 };
    let turn = turns.map(|turns| turns.wait(storage.disk(), || progress(waiting)));
    if let Some(None) = turn {
        return Ok(None);
    }
    let verified = verify(storage, hashes, &unsure, options.threads, progress);
    drop(turn);
    if verified.is_cancelled {
        return Ok(None);
    }
    if let Some((_, error)) = verified.first_error {
        return Err(error);
    }
    for piece in verified.have.iter().filter_map(|index| geometry.piece(index)) {
        recovered.have.insert(piece);
    }
    if let Some(record) = &record {
        recovered.counters = record.counters;
    }
    // A piece of which all blocks are there was checked: it is right, or has to come anew.
    let is_partial = |piece: PieceIndex, blocks: &[u32]| {
        !recovered.have.contains(piece) && blocks.len() < geometry.block_count(piece) as usize
    };
    recovered.partial = claims
        .into_iter()
        .filter(|(piece, blocks)| is_partial(*piece, blocks))
        .map(|(piece, blocks)| PartialPiece { piece, blocks })
        .collect();
    Ok(Some(recovered))
}

/// Blocks that were written, by the record and by the journal, as far as the files reach.
fn claims(
    storage: &Storage,
    record: Option<&ResumeRecord>,
    files: &Files,
) -> BTreeMap<PieceIndex, Vec<u32>> {
    let geometry = storage.geometry();
    let journal = storage.journal().load(storage.root(), geometry);
    let of_record = record.map_or(&[][..], |record| &record.partial);
    let mut pieces = BTreeMap::<PieceIndex, Vec<u32>>::new();
    for claim in of_record.iter().chain(&journal) {
        pieces.entry(claim.piece).or_default().extend(&claim.blocks);
    }
    for (&piece, blocks) in &mut pieces {
        blocks.sort_unstable();
        blocks.dedup();
        blocks.retain(|&number| {
            geometry.nth_block(piece, number).is_some_and(|block| files.may_have(storage, block))
        });
    }
    pieces.retain(|_, blocks| !blocks.is_empty());
    pieces
}
