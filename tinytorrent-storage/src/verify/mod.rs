mod checker;
mod patience;
mod survey;
mod zeros;

use std::{
    ops::{ControlFlow, Range},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tinytorrent_types::{Bitfield, PieceIndex};

use crate::{PieceHashes, Storage, StorageError, presence::Presence};

use checker::{Checker, LANES, Verdict};
use survey::{Run, Survey};

pub(crate) use zeros::Zeros;

/// The progress of a [`verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct VerifyProgress {
    /// Pieces that are checked.
    pub pieces_done: u32,
    /// Pieces to be checked in all.
    pub pieces_total: u32,
    /// Bytes of the pieces that are checked.
    pub bytes_done: u64,
}

/// The result of a [`verify`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Verified {
    /// Pieces that are on disk and right.
    pub have: Bitfield,
    /// Pieces that were checked and are not on disk: their files are absent or too short, or they were
    /// never written.
    pub absent: Bitfield,
    /// The first piece that could not be read, and the reason. Such pieces are not in `have`.
    pub first_error: Option<(PieceIndex, StorageError)>,
    /// A piece of a hybrid whose hashes belong to different contents, as in
    /// [`StorageError::Inconsistent`]. The check ends with it, as no content can be right; pieces that
    /// were not checked are not in `have`.
    pub inconsistent: Option<PieceIndex>,
    /// `true` if `progress` ended the check early. Pieces that were not checked are not in `have`.
    pub is_cancelled: bool,
}

/// Checks which of the pieces are on disk and right. Never writes.
///
/// It runs on `threads` threads, at least one. Pieces are hashed side by side in lanes, and read in slices
/// that stay in the processor's cache. `progress` is called after each batch, and every
/// few MiB of a long one, and can end the check (S-19).
///
/// The work is in proportion to what is on disk, whatever the torrent claims. Files that are absent or too
/// short, and holes of sparse files where the system tells them, are found without reading, in one step each.
/// Pieces of holes are compared with the hashes of zeros.
///
/// Files are opened anew, so that those are checked that have the names now.
///
/// While no file descriptor is left, it waits, up to 20 s for one operation.
///
/// Two checks at a time on one disk slow each other down. [`CheckTurns`](crate::CheckTurns) puts those of
/// [`recover`](crate::recover) one after the other.
pub fn verify(
    storage: &Storage,
    hashes: &PieceHashes,
    pieces: &Bitfield,
    threads: usize,
    progress: impl FnMut(VerifyProgress) -> ControlFlow<()> + Send,
) -> Verified {
    // Another file may have the name of one that is open.
    if let Some(files) = storage.files() {
        files.begin_anew();
    }
    let geometry = storage.geometry();
    let threads = threads.max(1);
    // Few pieces are divided among the threads, even if that leaves lanes empty.
    let batch = (pieces.count() as usize).div_ceil(threads).clamp(1, LANES);
    let shared = Shared {
        storage,
        hashes,
        pieces,
        batch,
        cursor: Mutex::new(Cursor { next: 0, survey: Survey::new(storage) }),
        zeros: Mutex::default(),
        is_over: AtomicBool::new(false),
        found: Mutex::new(Found {
            have: Bitfield::new(geometry.piece_count()),
            absent: Bitfield::new(geometry.piece_count()),
            first_error: None,
            inconsistent: None,
            is_cancelled: false,
            done: VerifyProgress { pieces_done: 0, pieces_total: pieces.count(), bytes_done: 0 },
            progress,
        }),
    };
    std::thread::scope(|scope| {
        // The calling thread is one of them.
        for _ in 1..threads.min((pieces.count() as usize).div_ceil(batch)) {
            scope.spawn(|| shared.work());
        }
        shared.work();
    });
    let found = shared.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Verified {
        have: found.have,
        absent: found.absent,
        first_error: found.first_error,
        inconsistent: found.inconsistent,
        is_cancelled: found.is_cancelled,
    }
}

/// The work that the threads of a check share.
struct Shared<'a, F> {
    storage: &'a Storage,
    hashes: &'a PieceHashes,
    pieces: &'a Bitfield,
    /// Pieces that a thread takes at once.
    batch: usize,
    cursor: Mutex<Cursor<'a>>,
    zeros: Mutex<Zeros>,
    /// Set when the threads are to take no more batches.
    is_over: AtomicBool,
    found: Mutex<Found<F>>,
}

/// The place up to which pieces were taken.
struct Cursor<'a> {
    next: u32,
    survey: Survey<'a>,
}

/// The work that one thread takes.
#[derive(Default)]
struct Share {
    /// Pieces to be checked one by one.
    batch: Vec<PieceIndex>,
    /// Pieces before and among them that have no data. Some may not be asked for.
    runs: Vec<Run>,
    /// The pieces that the next thread is likely to take.
    ahead: Vec<PieceIndex>,
}

/// The result so far.
struct Found<F> {
    have: Bitfield,
    absent: Bitfield,
    first_error: Option<(PieceIndex, StorageError)>,
    inconsistent: Option<PieceIndex>,
    is_cancelled: bool,
    done: VerifyProgress,
    progress: F,
}

impl<F: FnMut(VerifyProgress) -> ControlFlow<()> + Send> Shared<'_, F> {
    fn work(&self) {
        let mut checker = Checker::new(self.storage, self.hashes, &self.zeros);
        while !self.is_over.load(Ordering::Relaxed) {
            let share = self.take();
            if share.batch.is_empty() && share.runs.is_empty() {
                return;
            }
            // The system reads the next batch while this one is hashed, whichever thread takes it.
            self.advise_reading(&share.ahead);
            for (run, presence) in share.runs {
                self.report_run(&checker, run, presence);
            }
            if !share.batch.is_empty() {
                self.report(checker.check(&share.batch, || self.goes_on()));
            }
        }
    }

    /// Reports the same figures again in the midst of a batch, which may be long. Returns `false` if the check
    /// is over.
    fn goes_on(&self) -> bool {
        self.report([]);
        !self.is_over.load(Ordering::Relaxed)
    }

    fn take(&self) -> Share {
        let mut cursor = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let mut share = Share::default();
        while share.batch.len() < self.batch && share.runs.len() < MAX_RUNS {
            let Some(piece) = self.next_piece(&mut cursor.next) else { break };
            match cursor.survey.run_from(piece) {
                Some(run) => {
                    cursor.next = run.0.end;
                    share.runs.push(run);
                }
                None => share.batch.push(piece),
            }
        }
        if !share.batch.is_empty() {
            let mut next = cursor.next;
            share.ahead.extend(std::iter::from_fn(|| self.next_piece(&mut next)).take(self.batch));
        }
        share
    }

    /// The next piece that is asked for, from `next` on, which is then behind it.
    fn next_piece(&self, next: &mut u32) -> Option<PieceIndex> {
        loop {
            let piece = self.storage.geometry().piece(*next)?;
            *next += 1;
            if self.pieces.contains(piece) {
                return Some(piece);
            }
        }
    }

    /// Advises the system to read ahead. It would not by itself, as reads at 16 places of a file in turn
    /// look random to it.
    fn advise_reading(&self, batch: &[PieceIndex]) {
        for &piece in batch {
            let geometry = self.storage.geometry();
            let length = u64::from(geometry.piece_length(piece));
            self.storage.will_need(geometry.piece_offset(piece), length);
        }
    }

    /// Reports pieces that were not read. Those of holes are compared with the hashes of zeros.
    fn report_run(
        &self,
        checker: &Checker<'_>,
        run: Range<u32>,
        presence: Result<Presence, StorageError>,
    ) {
        let geometry = self.storage.geometry();
        let pieces = run.filter_map(|index| geometry.piece(index));
        let pieces = pieces.filter(|piece| self.pieces.contains(*piece));
        match presence {
            Ok(Presence::Absent | Presence::Data) => {
                self.report(pieces.map(|piece| (piece, Verdict::Absent)));
            }
            Ok(Presence::Hole | Presence::Padding) => {
                self.report(pieces.map(|piece| (piece, checker.check_zeros(piece))));
            }
            Err(error) => {
                let mut error = Some(error);
                self.report(pieces.map(|piece| {
                    // The first error is the one that is kept.
                    (piece, error.take().map_or(Verdict::Absent, Verdict::Unreadable))
                }));
            }
        }
    }

    fn report(&self, verdicts: impl IntoIterator<Item = (PieceIndex, Verdict)>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for (piece, verdict) in verdicts {
            found.done.pieces_done += 1;
            found.done.bytes_done += u64::from(self.storage.geometry().piece_length(piece));
            match verdict {
                Verdict::Right => _ = found.have.insert(piece),
                Verdict::Absent => _ = found.absent.insert(piece),
                Verdict::Wrong => {}
                Verdict::Inconsistent => {
                    found.inconsistent.get_or_insert(piece);
                    self.is_over.store(true, Ordering::Relaxed);
                }
                Verdict::Unreadable(error) => _ = found.first_error.get_or_insert((piece, error)),
            }
        }
        let done = found.done;
        // Under the lock, so that no thread reports figures that are older than the last ones.
        if (found.progress)(done).is_break() {
            found.is_cancelled = true;
            self.is_over.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs that a thread takes at once. A file can have many holes, and the other threads wait meanwhile.
const MAX_RUNS: usize = 64;
