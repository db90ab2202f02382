use std::{ops::ControlFlow, sync::Arc};

use tinytorrent_types::{Bitfield, Geometry, PieceIndex};

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
/// of unfinished pieces are found through the journal or, without one, the record (S-16, S-18). What was killed
/// loses what was in its memory, and nothing else.
///
/// A sample of what the record vouches for is hashed all the same: up to 16 pieces, of each file or
/// of files here and there. If one is wrong, all of its file is checked, and if several files are
/// wrong, everything is.
///
/// Claims that do not hold are taken back in the journal, so that no later run finds them again; a storage
/// that is read-only is not written to.
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
    progress: impl FnMut(VerifyProgress) -> ControlFlow<()> + Send,
) -> Result<Option<Recovered>, StorageError> {
    let geometry = storage.geometry();
    let record = ResumeRecord::load(storage);
    // Also a record that is ignored now counts for the next run.
    let is_needed = record.as_ref().is_some_and(|record| !record.partial.is_empty());
    let record = record.filter(|_| !options.ignore_record);
    let mut files = Files::look(storage, record.as_ref())?;
    if let Some(record) = &record {
        check_sample(storage, hashes, options, record, &mut files)?;
    }
    let journal = storage.journal().load(storage.root(), geometry);
    let claims = journal.clone().unwrap_or_else(|| recorded_blocks(record.as_ref()));
    let mut claims = within_files(storage, &files, claims);
    let mut recovered = Recovered::nothing(geometry.piece_count());
    recovered.longer = files.longer(storage);
    let vouched = vouched_pieces(storage, record.as_ref(), &files);
    recovered.counters = record.map(|record| record.counters).unwrap_or_default();
    let unsure = unsure_pieces(storage, &files, &claims, &vouched);
    let Some(checked) = check(storage, hashes, options, &unsure, progress)? else {
        return Ok(None);
    };
    let have = checked.iter().chain(vouched.iter());
    for piece in have.filter_map(|index| geometry.piece(index)) {
        recovered.have.insert(piece);
    }
    recovered.partial = unfinished(geometry, &claims, &recovered.have);
    // Pieces that were complete are found by their blocks until a record has them.
    claims.retain(|piece, _| {
        let is_left = recovered.partial.binary_search_by_key(piece, |left| left.piece).is_ok();
        is_left || (recovered.have.contains(*piece) && !vouched.contains(*piece))
    });
    correct_journal(storage, journal, is_needed, claims);
    Ok(Some(recovered))
}

/// Hashes a sample of what the record vouches for, and doubts the files of pieces that are wrong.
fn check_sample(
    storage: &Storage,
    hashes: &PieceHashes,
    options: &RecoverOptions,
    record: &ResumeRecord,
    files: &mut Files,
) -> Result<(), StorageError> {
    let sample = Sample::pick(storage, record, files, options.sample_bytes, options.seed);
    let pieces = sample.pieces(storage.geometry().piece_count());
    let go_on = |_| ControlFlow::Continue(());
    let verified = verify(storage, hashes, &pieces, options.threads, go_on);
    refuse_inconsistent(&verified)?;
    sample.judge(&verified, storage, files);
    Ok(())
}

/// The blocks of unfinished pieces in the record.
fn recorded_blocks(record: Option<&ResumeRecord>) -> Claims {
    let partial = record.map_or(&[][..], |record| &record.partial);
    partial.iter().map(|partial| (partial.piece, partial.blocks.clone())).collect()
}

/// The claims as far as the files reach.
fn within_files(storage: &Storage, files: &Files, mut claims: Claims) -> Claims {
    let geometry = storage.geometry();
    for (&piece, blocks) in &mut claims {
        blocks.retain(|&number| {
            geometry.nth_block(piece, number).is_some_and(|block| files.may_have(storage, block))
        });
    }
    claims.retain(|_, blocks| !blocks.is_empty());
    claims
}

/// The pieces of the record whose files are as they were.
fn vouched_pieces(storage: &Storage, record: Option<&ResumeRecord>, files: &Files) -> Bitfield {
    let mut have = Bitfield::new(storage.geometry().piece_count());
    let Some(record) = record else { return have };
    for piece in storage.geometry().pieces().filter(|&piece| record.have.contains(piece)) {
        if matches!(files.claim(storage, piece), Claim::Unchanged) {
            have.insert(piece);
        }
    }
    have
}

/// The pieces that only their hash can tell about.
fn unsure_pieces(storage: &Storage, files: &Files, claims: &Claims, have: &Bitfield) -> Bitfield {
    let geometry = storage.geometry();
    let mut unsure = Bitfield::new(geometry.piece_count());
    for piece in geometry.pieces().filter(|&piece| !have.contains(piece)) {
        let claimed = claims.get(&piece).map_or(0, Vec::len);
        // A run may have ended between the last block of a piece and its hash.
        let is_whole = claimed == geometry.block_count(piece) as usize;
        if is_whole || matches!(files.claim(storage, piece), Claim::Changed | Claim::Padding) {
            unsure.insert(piece);
        }
    }
    unsure
}

/// The pieces of these that are right; `None` if `progress` ended the check.
fn check(
    storage: &Storage,
    hashes: &PieceHashes,
    options: &RecoverOptions,
    pieces: &Bitfield,
    mut progress: impl FnMut(VerifyProgress) -> ControlFlow<()> + Send,
) -> Result<Option<Bitfield>, StorageError> {
    let turns = options.turns.as_ref().filter(|_| !pieces.is_empty());
    let waiting = VerifyProgress { pieces_done: 0, pieces_total: pieces.count(), bytes_done: 0 };
    let turn = turns.map(|turns| turns.wait(storage.disk(), || progress(waiting)));
    if let Some(None) = turn {
        return Ok(None);
    }
    let verified = verify(storage, hashes, pieces, options.threads, progress);
    drop(turn);
    refuse_inconsistent(&verified)?;
    match verified.first_error {
        _ if verified.is_cancelled => Ok(None),
        Some((_, error)) => Err(error),
        None => Ok(Some(verified.have)),
    }
}

/// The claims about pieces that lack blocks. One of which all blocks are there was checked: it is right,
/// or has to come anew.
fn unfinished(geometry: &Geometry, claims: &Claims, have: &Bitfield) -> Vec<PartialPiece> {
    let is_unfinished = |piece: PieceIndex, blocks: &[u32]| {
        !have.contains(piece) && blocks.len() < geometry.block_count(piece) as usize
    };
    claims
        .iter()
        .filter(|(piece, blocks)| is_unfinished(**piece, blocks))
        .map(|(&piece, blocks)| PartialPiece { piece, blocks: blocks.clone() })
        .collect()
}

/// Writes the journal anew if it claims more. Otherwise blocks that are gone would be claimed again once
/// their file has grown.
fn correct_journal(storage: &Storage, journal: Option<Claims>, is_needed: bool, kept: Claims) {
    let is_right = match journal {
        None => kept.is_empty() && !is_needed,
        Some(claims) => claims == kept,
    };
    if !is_right && !storage.is_read_only() {
        let kept = kept.into_iter().map(|(piece, blocks)| PartialPiece { piece, blocks });
        // A claim that stands although it is false costs a piece that fails and comes anew.
        let _ = storage.journal().rewrite(storage.root(), is_needed, || kept.collect());
    }
}

/// An error if some content has shown that the torrent contradicts itself (V-17).
fn refuse_inconsistent(verified: &Verified) -> Result<(), StorageError> {
    match verified.inconsistent {
        Some(piece) => Err(StorageError::Inconsistent { piece: piece.get() }),
        None => Ok(()),
    }
}
