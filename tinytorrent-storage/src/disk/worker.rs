//! The threads of the disk: each takes a job, does it without the lock, and reports the outcome.

use std::time::Instant;

use super::{
    Completion, Subject,
    batch::{self, Done, Progress},
    lanes::Lane,
    shared::{Job, Shared},
    torrent::{Batch, Ending, ReadRequest, Torrent},
};
use crate::{
    StorageError,
    resume::{BlockRange, Counters, PartialPiece, ResumeRecord},
};

pub(super) fn run(shared: &Shared, lane: Lane) {
    while let Some(job) = shared.next_job(lane) {
        match job {
            Job::Store { content, batch } => store(shared, &content, batch),
            Job::Read { content, requests } => read(shared, &content, &requests),
            Job::Refuse { content, requests } => refuse(shared, &content, &requests),
            Job::Checkpoint { content, counters } => checkpoint(shared, &content, counters),
        }
    }
}

fn read(shared: &Shared, content: &Subject, requests: &[ReadRequest]) {
    let waiting = shared.cache.serve(content, requests, &content.on_completion);
    let mut is_over = false;
    end(shared, content, |torrent| {
        is_over = !torrent.may_wait();
        if !is_over {
            torrent.reads.put_back(waiting);
        }
        torrent.note_shortage(Instant::now(), !waiting.is_empty());
        requests.iter().for_each(|request| torrent.reads.end(request.tag));
    });
    if is_over {
        report_unread(content, waiting);
    }
}

fn report_unread(content: &Subject, requests: &[ReadRequest]) {
    for &ReadRequest { block, tag } in requests {
        let error = StorageError::ShutDown;
        (content.on_completion)(Completion::BlockUnread { tag, block, error });
    }
}

fn refuse(shared: &Shared, content: &Subject, requests: &[ReadRequest]) {
    report_unread(content, requests);
    end(shared, content, |torrent| {
        requests.iter().for_each(|request| torrent.reads.end(request.tag));
    });
}

fn store(shared: &Shared, content: &Subject, batch: Batch) {
    let keep = batch.keep;
    let done = batch::run(content, batch.works, shared.options.sync_before_have);
    let (written, completions) = settle_and_note(shared, content, done, keep);
    // After the journal, as only then a kill cannot lose them.
    shared.count_stored(content, written);
    if written > 0 {
        (content.on_completion)(Completion::BlocksWritten { bytes: written });
    }
    completions.into_iter().for_each(&content.on_completion);
    // After the completions, so that the completion of a checkpoint comes after those of the blocks and
    // pieces in it.
    end(shared, content, Torrent::end_batch);
}

/// Notes the end of a job in the torrent, which may have the next one.
fn end(shared: &Shared, content: &Subject, note: impl FnOnce(&mut Torrent)) {
    let mut state = shared.lock();
    if let Some(torrent) = state.torrents.get_mut(&content.id) {
        note(torrent);
        if !torrent.waiters.is_empty() {
            shared.calm.notify_all();
        }
    }
    shared.schedule(state, content.id, Instant::now());
}

/// Takes back a batch. Gives the bytes that are written or dropped, and the completions of pieces.
fn settle(
    shared: &Shared,
    content: &Subject,
    done: Vec<Done>,
    keep: bool,
) -> (u64, Vec<Completion>) {
    let now = Instant::now();
    let mut completions = Vec::new();
    let (mut written, mut is_short) = (0, false);
    let mut guard = shared.lock();
    let state = &mut *guard;
    // Memory may have become short during the batch.
    let keep = keep && !state.is_pressed();
    let Some(torrent) = state.torrents.get_mut(&content.id) else {
        // Never the case: a torrent is removed only when no worker has a batch of it.
        return (written, completions);
    };
    for Done { work, result } in done {
        let piece = work.piece;
        // Asked before `settle`, which may forget the piece.
        let is_recovered = torrent.is_recovered(piece);
        let (ending, completion) = match result {
            Ok(Progress::Partial) => (Ending::Unfinished, None),
            Ok(Progress::Verified(digests)) => {
                (Ending::Verified, Some(Completion::PieceVerified { piece, digests }))
            }
            Ok(Progress::Failed(digests)) => {
                let failed = Completion::PieceFailed { piece, digests, is_recovered };
                (Ending::Forgotten, Some(failed))
            }
            Ok(Progress::Inconsistent) => {
                (Ending::Forgotten, Some(Completion::PieceInconsistent { piece }))
            }
            Err(error) if error.is_out_of_descriptors() && torrent.may_wait() => {
                is_short = true;
                written += torrent.postpone(now, work, keep, &mut state.pins);
                continue;
            }
            Err(error) => (Ending::Forgotten, Some(Completion::PieceUnstored { piece, error })),
        };
        match &completion {
            Some(Completion::PieceVerified { .. }) => shared.tally.right_pieces.add(1),
            Some(Completion::PieceUnstored { .. }) => shared.tally.store_errors.add(1),
            Some(_) => shared.tally.wrong_pieces.add(1),
            None => {}
        }
        written += torrent.settle(now, work, keep, ending, &mut state.pins);
        if completion.is_some() {
            shared.cache.forget(content.id, piece);
        }
        completions.extend(completion);
    }
    torrent.note_shortage(now, is_short);
    (written, completions)
}

/// Takes the batch back and adds it to the journal, in the same order for all workers: once a piece is
/// taken back, another worker may have it.
fn settle_and_note(
    shared: &Shared,
    content: &Subject,
    done: Vec<Done>,
    keep: bool,
) -> (u64, Vec<Completion>) {
    let Some((files, journal)) = content.storage.files().zip(content.journal.as_ref()) else {
        return settle(shared, content, done, keep);
    };
    let root = &*files.root();
    // Order of locks: the journal, the state in `settle`, the read cache.
    let settled = journal.append(root, || {
        let mut ranges = batch::written_ranges(&done);
        let settled = settle(shared, content, done, keep);
        ranges.extend(settled.1.iter().filter_map(discarded_range));
        (settled, ranges)
    });
    if journal.is_to_be_rewritten() {
        // What cannot be written costs progress after a kill, and nothing else.
        let _ = journal.rewrite(root, true, || claims(shared, content));
    }
    settled
}

/// The journal's entry for a piece that lost its blocks.
fn discarded_range(completion: &Completion) -> Option<BlockRange> {
    match completion {
        Completion::PieceFailed { piece, .. }
        | Completion::PieceInconsistent { piece }
        | Completion::PieceUnstored { piece, .. } => {
            Some(BlockRange { piece: *piece, first: 0, count: 0 })
        }
        _ => None,
    }
}

/// The blocks that the journal has to claim at this moment.
fn claims(shared: &Shared, content: &Subject) -> Vec<PartialPiece> {
    let state = shared.lock();
    state.torrents.get(&content.id).map(|torrent| torrent.claims()).unwrap_or_default()
}

fn checkpoint(shared: &Shared, content: &Subject, counters: Counters) {
    let outcome = record(shared, content, counters);
    let is_short = outcome.as_ref().is_err_and(StorageError::is_out_of_descriptors);
    let mut is_put_off = false;
    end(shared, content, |torrent| {
        torrent.end_checkpoint();
        is_put_off = is_short && torrent.may_wait();
        if is_put_off {
            torrent.postpone_checkpoint(counters);
        }
        torrent.note_shortage(Instant::now(), is_short);
    });
    if !is_put_off {
        (content.on_completion)(match outcome {
            Ok(()) => {
                shared.tally.records.add(1);
                Completion::Checkpointed
            }
            Err(error) => {
                shared.tally.record_errors.add(1);
                Completion::NotCheckpointed { error }
            }
        });
    }
}

/// Saves a resume record, which claims only what is on the medium (S-18).
fn record(shared: &Shared, content: &Subject, counters: Counters) -> Result<(), StorageError> {
    let storage = &content.storage;
    // Without a record, a checkpoint still promises that the blocks are on the medium.
    if !content.keeps_record {
        return storage.sync();
    }
    // First of all: a file that is written to after its stamp was taken is checked by the next run.
    let (stamps, recording) = storage.stamps_to_record()?;
    let (have, partial, unrecorded) = {
        let mut state = shared.lock();
        let Some(torrent) = state.torrents.get_mut(&content.id) else {
            storage.record_failed(recording);
            return Ok(());
        };
        let partial = if storage.keeps_blocks() { torrent.partial() } else { Vec::new() };
        (torrent.have().clone(), partial, torrent.take_unrecorded())
    };
    // The blocks in a record count only where there is no journal, so that an empty one has to say
    // that they are gone.
    let is_needed = !partial.is_empty();
    let record = ResumeRecord { identity: storage.identity(), have, partial, counters, stamps };
    // After the pieces were listed, so that all of them are on the medium before the record is.
    if let Err(error) = storage.sync().and_then(|()| record.save(storage)) {
        storage.record_failed(recording);
        if let Some(torrent) = shared.lock().torrents.get_mut(&content.id) {
            // No record has them yet, so that the journal has to go on claiming them.
            torrent.put_back_unrecorded(unrecorded);
        }
        return Err(error);
    }
    // Blocks may have been written meanwhile, or lost, and pieces verified.
    match storage.files().zip(content.journal.as_ref()) {
        Some((files, journal)) => {
            journal.rewrite(&files.root(), is_needed, || claims(shared, content))
        }
        None => Ok(()),
    }
}
