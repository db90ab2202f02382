mod checker;
mod zeros;

use std::{
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tinytorrent_types::{Bitfield, PieceIndex};

use crate::{PieceHashes, Storage, StorageError};

use checker::{Checker, LANES, Verdict};

/// The progress of a [`verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
/// that stay in the processor's cache. Ranges that were never written are not read. `progress` is called
/// after each batch, and can end the check (S-19).
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
    let geometry = storage.geometry();
    let pieces: Vec<PieceIndex> = pieces.iter().filter_map(|index| geometry.piece(index)).collect();
    let threads = threads.max(1);
    // Few pieces are divided among the threads, even if that leaves lanes empty.
    let batch = pieces.len().div_ceil(threads).clamp(1, LANES);
    let shared = Shared {
        storage,
        hashes,
        batches: pieces.chunks(batch).collect(),
        next: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        found: Mutex::new(Found {
            have: Bitfield::new(geometry.piece_count()),
            absent: Bitfield::new(geometry.piece_count()),
            first_error: None,
            inconsistent: None,
            is_cancelled: false,
            done: VerifyProgress {
                pieces_done: 0,
                pieces_total: pieces.len() as u32,
                bytes_done: 0,
            },
            progress,
        }),
    };
    std::thread::scope(|scope| {
        // The calling thread is one of them.
        for _ in 1..threads.min(shared.batches.len()) {
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
    batches: Vec<&'a [PieceIndex]>,
    /// The number of the next batch.
    next: AtomicUsize,
    /// Set when the threads are to take no more batches.
    is_over: AtomicBool,
    found: Mutex<Found<F>>,
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
        let mut checker = Checker::new(self.storage, self.hashes);
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = self.batches.get(number) else { return };
            // The system reads the next batch while this one is hashed, whichever thread takes it.
            if let Some(next) = self.batches.get(number + 1) {
                self.advise_reading(next);
            }
            self.report(checker.check(batch));
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

    fn report(&self, verdicts: Vec<(PieceIndex, Verdict)>) {
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
