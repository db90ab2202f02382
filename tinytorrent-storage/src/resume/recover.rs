use std::{ops::ControlFlow, sync::Arc};

use tinytorrent_types::{Bitfield, PieceIndex};

use super::{
    PartialPiece, Recovered, ResumeRecord,
    files::{Claim, Files},
    journal::Claims,
    sample::{self, Sample},
};
use crate::{CheckTurns, PieceHashes, Storage, StorageError, Verified, VerifyProgress, verify};

/// How to [`recover`].
///
/// # Defaults
/// - [`threads`](Self::threads): as many as there are processors, at most 4
/// - [`ignore_record`](Self::ignore_record): no
/// - [`turns`](Self::turns): none, it waits for nobody
/// - [`sample_bytes`](Self::sample_bytes): 16 MiB
/// - [`seed`](Self::seed): 0
#[derive(Debug, Clone)]
pub struct RecoverOptions {
    threads: usize,
    ignore_record: bool,
    turns: Option<Arc<CheckTurns>>,
    sample_bytes: u64,
    seed: u64,
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

    /// Bytes that are hashed at most of what the record vouches for; zero for none. Default: 16 MiB.
    /// No more than 16 pieces are taken, of no more than 32 files, which a spinning disk reads in half
    /// a second; one piece is taken however large it is. It does not wait for [`turns`](Self::turns).
    pub fn sample_bytes(&mut self, bytes: u64) -> &mut Self {
        self.sample_bytes = bytes;
        self
    }

    /// Seed of the choice of that sample. Default: 0. With another one each time, all of the content
    /// has its turn over many runs.
    pub fn seed(&mut self, seed: u64) -> &mut Self {
        self.seed = seed;
        self
    }
}

impl Default for RecoverOptions {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: processors.min(4),
            ignore_record: false,
            turns: None,
            sample_bytes: sample::BYTES,
            seed: 0,
        }
    }
}

/// Finds what earlier runs have left on disk.
///
/// The record's claims hold for files whose [`FileStamp`](crate::FileStamp) is as it was. Every piece of any other
/// file that has data on disk is checked, which finds what was written after the record, and blocks
/// of unfinished pieces are found through the record and the journal (S-16, S-18). What was killed
/// loses what was in its memory, and nothing else.
///
/// A sample of what the record vouches for is hashed all the same: up to 16 pieces, of each file or
/// of files here and there. If one is wrong, all of its file is checked, and if several files are
/// wrong, everything is.
///
/// `None` if `progress` ended it.
///
/// # Errors
/// The system refuses, something else stands where a file should, or a hybrid torrent contradicts itself
/// ([`StorageError::Inconsistent`]). Files that are absent or too
/// short are no error, nor are records that are absent or damaged.
pub fn recover(
    storage: &Storage,
    hashes: &PieceHashes,
    options: &RecoverOptions,
    mut progress: impl FnMut(VerifyProgress) -> ControlFlow<()> + Send,
) -> Result<Option<Recovered>, StorageError> {
    let geometry = storage.geometry();
    let record = ResumeRecord::load(storage).filter(|_| !options.ignore_record);
    let mut files = Files::look(storage, record.as_ref())?;
    if let Some(record) = &record {
        let sample = Sample::pick(storage, record, &files, options.sample_bytes, options.seed);
        let pieces = sample.pieces(geometry.piece_count());
        let go_on = |_| ControlFlow::Continue(());
        let verified = verify(storage, hashes, &pieces, options.threads, go_on);
        refuse_inconsistent(&verified)?;
        sample.judge(&verified, storage, &mut files);
    }

    let mut recovered = Recovered::nothing(geometry.piece_count());
    recovered.longer = files.longer(storage);
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
    refuse_inconsistent(&verified)?;
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

/// An error if some content has shown that the torrent contradicts itself (V-17).
fn refuse_inconsistent(verified: &Verified) -> Result<(), StorageError> {
    match verified.inconsistent {
        Some(piece) => Err(StorageError::Inconsistent { piece: piece.get() }),
        None => Ok(()),
    }
}

/// Blocks that were written, by the record and by the journal, as far as the files reach.
fn claims(storage: &Storage, record: Option<&ResumeRecord>, files: &Files) -> Claims {
    let geometry = storage.geometry();
    let of_record = record.map_or(&[][..], |record| &record.partial);
    let of_record = of_record.iter().map(|partial| (partial.piece, partial.blocks.clone()));
    let mut claims: Claims = of_record.collect();
    storage.journal().replay(storage.root(), geometry, &mut claims);
    for (&piece, blocks) in &mut claims {
        blocks.retain(|&number| {
            geometry.nth_block(piece, number).is_some_and(|block| files.may_have(storage, block))
        });
    }
    claims.retain(|_, blocks| !blocks.is_empty());
    claims
}
