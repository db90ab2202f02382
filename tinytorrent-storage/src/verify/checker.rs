use std::sync::{Mutex, PoisonError};

use tinytorrent_types::PieceIndex;

use super::{patience::with_patience, zeros::Zeros};
use crate::{
    Fault, PieceHashes, Storage, StorageError, hasher::PieceHasher, hashes, presence::Presence,
};

/// The check of pieces in batches, with buffers that are used again.
pub(super) struct Checker<'a> {
    storage: &'a Storage,
    hashes: &'a PieceHashes,
    buffers: Vec<Vec<u8>>,
    zeros: &'a Mutex<Zeros>,
}

/// The outcome for one piece.
#[derive(Debug)]
pub(super) enum Verdict {
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
    /// Bytes of the piece that are hashed.
    length: u32,
    /// Bytes of them that are read so far.
    read: u32,
    /// The slice that is hashed next.
    buffer: Vec<u8>,
    error: Option<StorageError>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(
        storage: &'a Storage,
        hashes: &'a PieceHashes,
        zeros: &'a Mutex<Zeros>,
    ) -> Self {
        Self { storage, hashes, buffers: vec![Vec::new(); LANES], zeros }
    }

    /// The verdicts on one batch of pieces, at most [`LANES`], in any order. `go_on` is called now and then;
    /// when it returns `false`, there are none for the pieces that were to be read.
    pub(super) fn check(
        &mut self,
        batch: &[PieceIndex],
        go_on: impl Fn() -> bool,
    ) -> Vec<(PieceIndex, Verdict)> {
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut lanes = Vec::with_capacity(batch.len());
        for &piece in batch {
            match with_patience(|| self.storage.presence(piece), &go_on) {
                Ok(Presence::Data) => lanes.push(self.lane(piece)),
                Ok(Presence::Absent) => verdicts.push((piece, Verdict::Absent)),
                Ok(Presence::Hole | Presence::Padding) => {
                    verdicts.push((piece, self.check_zeros(piece)));
                }
                Err(error) => verdicts.push((piece, Verdict::Unreadable(error))),
            }
        }
        if self.hash(&mut lanes, &go_on) {
            self.compare(lanes, &mut verdicts);
        }
        verdicts
    }

    fn lane(&mut self, piece: PieceIndex) -> Lane {
        let buffer = self.buffers.pop().unwrap_or_default();
        let (geometry, hasher) = (self.storage.geometry(), self.hashes.hasher(piece));
        let length = match hasher.covers_padding() {
            true => geometry.piece_length(piece),
            false => geometry.payload_length(piece),
        };
        Lane { piece, hasher, length, read: 0, buffer, error: None }
    }

    /// The verdict on a piece that reads as zeros, which are not read.
    pub(super) fn check_zeros(&self, piece: PieceIndex) -> Verdict {
        let length = self.storage.geometry().piece_length(piece);
        let mut zeros = self.zeros.lock().unwrap_or_else(PoisonError::into_inner);
        match self.hashes.judge_zeros(piece, length, &mut zeros) {
            hashes::Verdict::Right => Verdict::Right,
            hashes::Verdict::Inconsistent => Verdict::Inconsistent,
            // It was never written, so that the zeros are not wrong but absent.
            hashes::Verdict::Wrong => Verdict::Absent,
        }
    }

    /// Reads and hashes the pieces, a slice of each in turn. Returns `false` if `go_on` did.
    fn hash(&self, lanes: &mut [Lane], go_on: impl Fn() -> bool) -> bool {
        for round in 1_u32.. {
            // Sixteen pieces can be gigabytes.
            if round.is_multiple_of(ROUNDS) && !go_on() {
                return false;
            }
            for lane in &mut *lanes {
                lane.read_slice(self.storage, &go_on);
            }
            let mut feeds = lanes
                .iter_mut()
                .filter(|lane| !lane.buffer.is_empty())
                .map(|lane| (&mut lane.hasher, std::slice::from_ref(&lane.buffer)))
                .peekable();
            if feeds.peek().is_none() {
                break;
            }
            PieceHasher::update_many(feeds);
        }
        true
    }

    /// Compares the hashes, and takes the buffers back.
    fn compare(&mut self, mut lanes: Vec<Lane>, verdicts: &mut Vec<(PieceIndex, Verdict)>) {
        let hashed = lanes.iter_mut().map(|lane| (lane.piece, std::mem::take(&mut lane.hasher)));
        let judged = self.hashes.judge(hashed.collect());
        for (lane, judged) in lanes.into_iter().zip(judged) {
            // The hash of a piece that was not read to its end says nothing about it.
            let verdict = match lane.error {
                None => judged.into(),
                // Only content that cannot tell of what it lacks is read in vain.
                Some(StorageError::Content { fault: Fault::Missing, .. }) => Verdict::Absent,
                Some(error) => Verdict::Unreadable(error),
            };
            verdicts.push((lane.piece, verdict));
            self.buffers.push(lane.buffer);
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
    fn read_slice(&mut self, storage: &Storage, go_on: impl Fn() -> bool) {
        let geometry = storage.geometry();
        let left = self.length - self.read;
        let length = if self.error.is_some() { 0 } else { left.min(SLICE) };
        self.buffer.resize(length as usize, 0);
        if length == 0 {
            return;
        }
        let offset = geometry.piece_offset(self.piece) + u64::from(self.read);
        match with_patience(|| storage.read(offset, &mut self.buffer), go_on) {
            Ok(()) => self.read += length,
            Err(error) => {
                self.buffer.clear();
                self.error = Some(error);
            }
        }
    }
}

/// Pieces that are hashed side by side, as many as the widest kernel has lanes.
pub(super) const LANES: usize = 16;

/// Bytes that are read of a piece at once. Sixteen slices fit into a second-level cache of 512 KiB, and one
/// is long enough for the cost of the call to be small.
const SLICE: u32 = 32 << 10;

/// Rounds between two calls of `go_on`: 8 MiB.
const ROUNDS: u32 = (8 << 20) / (LANES as u32 * SLICE);
