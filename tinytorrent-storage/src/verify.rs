use std::{
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tinytorrent_types::{Bitfield, PieceIndex};

use crate::{
    Storage, StorageError,
    hasher::PieceHasher,
    hashes::{self, PieceHashes},
    presence::Presence,
};

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

struct Shared<'a, F> {
    storage: &'a Storage,
    hashes: &'a PieceHashes,
    batches: Vec<&'a [PieceIndex]>,
    next: AtomicUsize,
    /// Set when the threads are to take no more batches.
    is_over: AtomicBool,
    found: Mutex<Found<F>>,
}

struct Found<F> {
    have: Bitfield,
    absent: Bitfield,
    first_error: Option<(PieceIndex, StorageError)>,
    inconsistent: Option<PieceIndex>,
    is_cancelled: bool,
    done: VerifyProgress,
    progress: F,
}

enum Verdict {
    Right,
    Wrong,
    Absent,
    /// Right by one hash of a hybrid and wrong by the other.
    Inconsistent,
    Unreadable(StorageError),
}

/// One of the pieces that are hashed side by side.
struct Lane {
    piece: PieceIndex,
    hasher: PieceHasher,
    /// Bytes of the piece that are read so far.
    read: u32,
    /// The slice that is hashed next.
    buffer: Vec<u8>,
    error: Option<StorageError>,
}

impl<F: FnMut(VerifyProgress) -> ControlFlow<()> + Send> Shared<'_, F> {
    fn work(&self) {
        let mut buffers = vec![Vec::new(); LANES];
        let mut zeros = Zeros::default();
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = self.batches.get(number) else { return };
            if let Some(next) = self.batches.get(number + 1) {
                self.advise_reading(next);
            }
            let verdicts = self.check(batch, &mut buffers, &mut zeros);
            self.report(verdicts);
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

    /// The verdicts on one batch of pieces.
    fn check(
        &self,
        batch: &[PieceIndex],
        buffers: &mut Vec<Vec<u8>>,
        zeros: &mut Zeros,
    ) -> Vec<(PieceIndex, Verdict)> {
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut lanes = Vec::with_capacity(batch.len());
        for &piece in batch {
            match self.storage.presence(piece) {
                Ok(Presence::Data) => {
                    let buffer = buffers.pop().unwrap_or_default();
                    let hasher = self.hashes.hasher(piece);
                    lanes.push(Lane { piece, hasher, read: 0, buffer, error: None });
                }
                Ok(Presence::Absent) => verdicts.push((piece, Verdict::Absent)),
                Ok(Presence::Hole | Presence::Padding) => {
                    let length = self.storage.geometry().piece_length(piece);
                    let hasher = zeros.hasher(self.hashes.hasher(piece), length);
                    let judged = self.hashes.judge(vec![(piece, hasher)]);
                    verdicts.extend(judged.into_iter().map(|judged| {
                        // A hole was never written, so that its zeros are not wrong but absent.
                        let is_wrong = judged == hashes::Verdict::Wrong;
                        (piece, if is_wrong { Verdict::Absent } else { judged.into() })
                    }));
                }
                Err(error) => verdicts.push((piece, Verdict::Unreadable(error))),
            }
        }
        self.hash(&mut lanes);
        let hashed = lanes.iter_mut().map(|lane| (lane.piece, std::mem::take(&mut lane.hasher)));
        let judged = self.hashes.judge(hashed.collect());
        for (lane, judged) in lanes.into_iter().zip(judged) {
            let verdict = lane.error.map_or_else(|| judged.into(), Verdict::Unreadable);
            verdicts.push((lane.piece, verdict));
            buffers.push(lane.buffer);
        }
        verdicts
    }

    fn hash(&self, lanes: &mut [Lane]) {
        loop {
            for lane in &mut *lanes {
                lane.read_slice(self.storage);
            }
            let mut feeds = lanes
                .iter_mut()
                .filter(|lane| !lane.buffer.is_empty())
                .map(|lane| (&mut lane.hasher, std::slice::from_ref(&lane.buffer)))
                .peekable();
            if feeds.peek().is_none() {
                return;
            }
            PieceHasher::update_many(feeds);
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
        if (found.progress)(done).is_break() {
            found.is_cancelled = true;
            self.is_over.store(true, Ordering::Relaxed);
        }
    }
}

impl From<hashes::Verdict> for Verdict {
    fn from(judged: hashes::Verdict) -> Self {
        match judged {
            hashes::Verdict::Right => Verdict::Right,
            hashes::Verdict::Wrong => Verdict::Wrong,
            hashes::Verdict::Inconsistent => Verdict::Inconsistent,
        }
    }
}

impl Lane {
    /// Reads the next slice. The buffer is empty after the last one, or after an error.
    fn read_slice(&mut self, storage: &Storage) {
        let geometry = storage.geometry();
        let left = geometry.piece_length(self.piece) - self.read;
        let length = if self.error.is_some() { 0 } else { left.min(SLICE) };
        self.buffer.resize(length as usize, 0);
        if length == 0 {
            return;
        }
        let offset = geometry.piece_offset(self.piece) + u64::from(self.read);
        match storage.read(offset, &mut self.buffer) {
            Ok(()) => self.read += length,
            Err(error) => {
                self.buffer.clear();
                self.error = Some(error);
            }
        }
    }
}

/// Hashers that have seen the zeros of a piece, one for each length: most pieces have the same.
#[derive(Default)]
struct Zeros(Vec<(ZerosKey, PieceHasher)>);

/// The length of a piece, and that of its payload if it has a tree over that.
type ZerosKey = (u32, Option<u32>);

impl Zeros {
    /// The hasher after `length` zeros, which are all of its piece.
    fn hasher(&mut self, mut hasher: PieceHasher, length: u32) -> PieceHasher {
        let key = (length, hasher.payload());
        if let Some((_, hasher)) = self.0.iter().find(|(known, _)| *known == key) {
            return hasher.clone();
        }
        let zeros = vec![0; SLICE as usize];
        for begin in (0..length).step_by(zeros.len()) {
            let slice = &zeros[..zeros.len().min((length - begin) as usize)];
            PieceHasher::update_many([(&mut hasher, &[slice][..])].into_iter());
        }
        if self.0.len() < MAX_ZEROS {
            self.0.push((key, hasher.clone()));
        }
        hasher
    }
}

/// Lengths of pieces that are kept. The last piece of each file of a v2 torrent may have its own.
const MAX_ZEROS: usize = 8;

/// Pieces that are hashed side by side, as many as the widest kernel has lanes.
const LANES: usize = 16;

/// Bytes that are read of a piece at once. Sixteen slices fit into a second-level cache of 512 KiB, and one
/// is long enough for the cost of the call to be small.
const SLICE: u32 = 32 << 10;
