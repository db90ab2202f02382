use std::{ops::ControlFlow, sync::Arc};

use tinytorrent_types::{Bitfield, Geometry, PieceIndex};

use super::{
    PartialPiece, Recovered, ResumeRecord,
    files::{Claim, Files},
    journal::{Claims, Journal},
    sample::{self, Sample},
};
use crate::{
    CheckTurns, PieceHashes, Storage, StorageError, Verified, VerifyProgress, storage::FileContent,
    verify,
};

/// Options of [`recover`].
///
/// # Defaults
/// - [`threads`](Self::threads): as many as there are processors, at most 4
/// - [`ignore_record`](Self::ignore_record): no
/// - [`turns`](Self::turns): none
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
    /// Threads that hash pieces. Default: as many as there are processors, at most 4.
    pub fn threads(&mut self, threads: usize) -> &mut Self {
        self.threads = threads;
        self
    }

    /// Checks everything that is on disk, as if there were no record. Default: no.
    pub fn ignore_record(&mut self, ignore: bool) -> &mut Self {
        self.ignore_record = ignore;
        self
    }

    /// Puts the check after those of others with the same turns on the same disk (S-19). Default: none,
    /// it does not wait. While it waits, progress reports no pieces. There is no wait if the record
    /// answers for everything.
    pub fn turns(&mut self, turns: Arc<CheckTurns>) -> &mut Self {
        self.turns = Some(turns);
        self
    }

    /// Bytes of the sample, which is hashed although the record vouches for it; zero for none. Default:
    /// 16 MiB. A sample has no more than 16 pieces of 32 files, which a spinning disk reads in half a
    /// second, and at least one piece, however large. It does not wait for [`turns`](Self::turns).
    pub fn sample_bytes(&mut self, bytes: u64) -> &mut Self {
        self.sample_bytes = bytes;
        self
    }

    /// Seed of the random choice of that sample. Default: 0. With another one in each run, many runs check
    /// all of the content.
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

/// Finds the pieces and blocks that earlier runs have left on disk.
///
/// The record's claims hold for files with the same [`FileStamp`](crate::FileStamp) as in the record. In all
/// other files, every piece with data on disk is checked, which finds pieces that were written after the
/// record. Blocks of unfinished pieces are found through the journal or, without one, the record (S-16,
/// S-18). A run that was killed loses the blocks in its memory, and nothing else.
///
/// A sample of the pieces that the record vouches for is hashed as well: up to 16 pieces, spread over the
/// files. If one is wrong, its whole file is checked, and if several files are wrong, everything is.
///
/// Claims that are false are removed from the journal, so that no later run finds them again. A read-only
/// storage is not written to.
///
/// Changes of the places of files wait for the end of it; it waits for those that have begun.
///
/// Returns `None` if `progress` ended it.
///
/// # Errors
/// The system refuses, something else is in the place of a file, or a hybrid torrent contradicts itself
/// ([`StorageError::Inconsistent`]). Files that are absent or too short are no error, nor are records that
/// are absent or damaged.
pub fn recover(
    storage: &Storage,
    hashes: &PieceHashes,
    options: &RecoverOptions,
    progress: impl FnMut(VerifyProgress) -> ControlFlow<()> + Send,
) -> Result<Option<Recovered>, StorageError> {
    recover_with(storage, storage.journal().as_ref(), hashes, options, progress)
}

/// Finds the pieces and blocks that are on disk, with the journal that is in use.
pub(crate) fn recover_with(
    storage: &Storage,
    journal: Option<&Journal>,
    hashes: &PieceHashes,
    options: &RecoverOptions,
    progress: impl FnMut(VerifyProgress) -> ControlFlow<()> + Send,
) -> Result<Option<Recovered>, StorageError> {
    // The places of files decide which pieces are looked for.
    let _alone = storage.begin_change();
    let geometry = storage.geometry();
    let (record, kept) = load_record(storage)?;
    // Of a record that is ignored, too: the next run may use it.
    let is_needed = record.as_ref().is_some_and(|record| !record.partial.is_empty());
    let has_record = record.is_some();
    let record = record.filter(|_| !options.ignore_record);
    let mut files = Files::look(storage, record.as_ref(), kept.is_some())?;
    // Before any claim of the record is used.
    if let Some(record) = &record {
        check_sample(storage, hashes, options, record, &mut files)?;
    }
    let files_and_journal = storage.files().zip(journal);
    let journaled = match files_and_journal {
        Some((content, journal)) => journal.load(&content.root(), geometry)?,
        None => None,
    };
    let claims = journaled.clone().unwrap_or_else(|| recorded_blocks(record.as_ref()));
    let mut claims = within_files(storage, &files, claims);
    let mut recovered = Recovered::nothing(geometry.piece_count());
    recovered.longer = files.longer(storage);
    let vouched = vouched_pieces(storage, record.as_ref(), &files);
    let changed: Vec<_> = files.changed(storage).filter(|_| has_record).collect();
    recovered.counters = record.map(|record| record.counters).unwrap_or_default();
    let mut unsure = unsure_pieces(storage, &files, &claims, &vouched);
    if let Some(kept) = kept {
        // What is there of others does not last.
        let others = unsure.iter().filter(|&piece| !kept.get(piece));
        let others: Vec<_> = others.filter_map(|piece| geometry.piece(piece)).collect();
        others.into_iter().for_each(|piece| _ = unsure.remove(piece));
    }
    let Some(checked) = check(storage, hashes, options, &unsure, progress)? else {
        return Ok(None);
    };
    // The next record may have the stamps that they have now.
    changed.into_iter().for_each(|file| storage.note_checked(file));
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
    if let Some((content, journal)) = files_and_journal.filter(|_| storage.takes_records()) {
        correct_journal(content, journal, journaled, is_needed, claims);
    }
    Ok(Some(recovered))
}

/// The record. Content that has right pieces alone, and knows which, is asked for them instead: the record may
/// be older, or another machine's. Those pieces are the second value.
fn load_record(
    storage: &Storage,
) -> Result<(Option<ResumeRecord>, Option<Bitfield>), StorageError> {
    let record = ResumeRecord::load(storage)?;
    let Some(kept) = storage.kept()? else { return Ok((record, None)) };
    let of_kept = ResumeRecord {
        identity: storage.identity(),
        have: kept.clone(),
        counters: record.as_ref().map(|record| record.counters).unwrap_or_default(),
        partial: record
            .filter(|_| storage.keeps_blocks())
            .map_or(Vec::new(), |record| record.partial),
        stamps: storage.stamps()?,
    };
    Ok((Some(of_kept), Some(kept)))
}

/// Hashes a sample of the pieces that the record vouches for. The files of wrong ones are taken for changed.
fn check_sample(
    storage: &Storage,
    hashes: &PieceHashes,
    options: &RecoverOptions,
    record: &ResumeRecord,
    files: &mut Files,
) -> Result<(), StorageError> {
    let sample = Sample::pick(storage, record, files, options.sample_bytes, options.seed);
    let pieces = sample.pieces(storage.geometry().piece_count());
    // Not to be cancelled, as the limits of a sample keep it short.
    let go_on = |_| ControlFlow::Continue(());
    let verified = verify(storage, hashes, &pieces, options.threads, go_on);
    refuse_inconsistent(&verified)?;
    match verified.first_error {
        // It says nothing about the content.
        Some((_, error)) if error.is_out_of_descriptors() => Err(error),
        _ => {
            sample.doubt_wrong_files(&verified, storage, files);
            Ok(())
        }
    }
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
    for piece in record.have.iter().filter_map(|index| storage.geometry().piece(index)) {
        if matches!(files.claim(storage, piece), Claim::Unchanged) {
            have.insert(piece);
        }
    }
    have
}

/// The pieces to be hashed: those that may be on disk and that the record does not vouch for. Pieces of files
/// that are absent are not gone through, as there may be millions of them.
fn unsure_pieces(storage: &Storage, files: &Files, claims: &Claims, have: &Bitfield) -> Bitfield {
    let geometry = storage.geometry();
    let mut unsure = Bitfield::new(geometry.piece_count());
    for piece in files.possible(storage).filter(|piece| !have.contains(*piece)) {
        if matches!(files.claim(storage, piece), Claim::Changed | Claim::Padding) {
            unsure.insert(piece);
        }
    }
    for (&piece, blocks) in claims {
        // A run may have ended between the last block of a piece and its hash.
        let is_whole = blocks.len() == geometry.block_count(piece) as usize;
        if is_whole && !have.contains(piece) {
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
fn correct_journal(
    content: &FileContent,
    journal: &Journal,
    journaled: Option<Claims>,
    is_needed: bool,
    kept: Claims,
) {
    let is_right = match journaled {
        None => kept.is_empty() && !is_needed,
        Some(claims) => claims == kept,
    };
    if !is_right {
        let kept = kept.into_iter().map(|(piece, blocks)| PartialPiece { piece, blocks });
        // An error leaves a false claim, which costs a piece that fails and is downloaded again.
        let _ = journal.rewrite(&content.root(), is_needed, || kept.collect());
    }
}

/// An error if the check found that the torrent contradicts itself (V-17).
fn refuse_inconsistent(verified: &Verified) -> Result<(), StorageError> {
    match verified.inconsistent {
        Some(piece) => Err(StorageError::Inconsistent { piece: piece.get() }),
        None => Ok(()),
    }
}
