use core::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tinytorrent_hash::{Sha1, sha256_many};
use tinytorrent_types::{BLOCK_LENGTH, Geometry, PieceIndex};

use super::files::{Fault, Files};
use super::survey::{Known, Survey};
use super::zeros::Zeros;
use super::{Observer, Open, Progress};
use crate::{Layout, Version, merkle};

/// A task that hashes all pieces of a torrent's content.
///
/// Several pieces are hashed in parallel, in lanes of vector registers, and a slice of each at a time.
/// So the data is still in the cache when it is hashed; a large read, which leaves the cache, takes as
/// long as the hashing itself. In a v2 torrent the blocks of one piece fill the lanes. Slices are longer
/// there, as reading in one place is cheaper than reading in many places in turn.
pub(crate) struct Hashing<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) version: Version,
    pub(crate) open: Open<'a>,
    pub(crate) threads: usize,
    /// Leaves out what need not be read: files that are missing or too short, and holes, whose hashes are
    /// known. Without it, every byte is read.
    pub(crate) skips: bool,
    /// Returns true for a piece of a hybrid whose SHA-1 is not wanted.
    pub(crate) is_by_tree_alone: &'a (dyn Fn(PieceIndex) -> bool + Sync),
    pub(crate) observer: Observer<'a>,
}

/// Takes the outcome of pieces in a row, which are all alike.
pub(crate) type Sink<'a> = &'a (dyn Fn(Range<u32>, Result<Digest, Fault>) + Sync);

/// The hashes of a piece: the SHA-1 of v1, the merkle root of v2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) sha1: Option<[u8; 20]>,
    /// The root over the blocks of the piece, or over those of a file smaller than a piece (BEP 52).
    pub(crate) root: Option<[u8; 32]>,
}

/// Bytes that are read before they are hashed: half of a common second-level cache.
const READ: u32 = 32 * BLOCK_LENGTH;

/// Pieces in parallel if each is one message: the number of lanes of AVX-512.
const LANES: u32 = 16;

impl Hashing<'_> {
    /// Calls `sink` with each piece, in any order and from any thread. Returns false if the observer
    /// ended the task before the last piece.
    pub(crate) fn run(&self, sink: Sink<'_>) -> bool {
        let survey = self.skips.then(|| Survey::new(self.layout, self.open));
        let shared = Shared {
            cursor: Mutex::new(Cursor { next: 0, survey }),
            zeros: Zeros::default(),
            done: AtomicU64::new(0),
            is_cancelled: AtomicBool::new(false),
        };
        thread::scope(|scope| {
            let workers = self.threads.clamp(1, MAX_THREADS).min(self.group_count() as usize);
            // The calling thread is a worker too.
            for _ in 1..workers {
                scope.spawn(|| self.hash_groups(&shared, sink));
            }
            self.hash_groups(&shared, sink);
        });
        !shared.is_cancelled.into_inner()
    }

    /// The loop of one thread: takes the next group of pieces and hashes it.
    fn hash_groups(&self, shared: &Shared<'_>, sink: Sink<'_>) {
        let mut worker = Worker::new(self, shared);
        while !shared.is_cancelled.load(Ordering::Relaxed) {
            let Share { group, known } = self.next_share(shared);
            if group.is_empty() && known.is_empty() {
                return;
            }
            for (run, state) in known {
                worker.finish_known(run, state, sink);
            }
            worker.hash_group(group, sink);
        }
    }

    /// The next pieces to hash, as many as there are lanes, and those before them whose state is known.
    fn next_share(&self, shared: &Shared<'_>) -> Share {
        let mut cursor = shared.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let mut share = Share::default();
        while share.group.len() < self.lanes() as usize && share.known.len() < MAX_RUNS {
            let Some(piece) = self.geometry().piece(cursor.next) else { break };
            match cursor.survey.as_mut().and_then(|survey| survey.run_from(piece)) {
                Some((run, state)) => {
                    cursor.next = run.end;
                    share.known.push((run, state));
                }
                None => {
                    cursor.next += 1;
                    share.group.push(piece);
                }
            }
        }
        share
    }

    fn geometry(&self) -> &Geometry {
        self.layout.geometry()
    }

    fn group_count(&self) -> u64 {
        self.geometry().piece_count().div_ceil(self.lanes()).into()
    }

    /// Bytes of a piece that are read at a time at most.
    fn slice(&self) -> u32 {
        let slice = if self.version.has_v1() { READ / LANES } else { READ };
        slice.min(self.geometry().nominal_piece_length())
    }

    /// The number of pieces that are hashed in parallel. Pieces smaller than a block get no more lanes,
    /// as they are not worth the memory.
    fn lanes(&self) -> u32 {
        READ / self.slice().max(BLOCK_LENGTH)
    }
}

/// Threads at most. More would only wait for memory.
const MAX_THREADS: usize = 64;

/// Bytes between two calls of the observer, which can end the task. Every disk reads them in a moment,
/// and the call takes no time in comparison. A group of large pieces would be gigabytes.
const REPORT: u64 = 8 << 20;

/// Runs of known pieces that a thread takes at once. A file can have many holes, and the other threads wait
/// meanwhile.
const MAX_RUNS: usize = 64;

/// The state that all threads share.
struct Shared<'a> {
    cursor: Mutex<Cursor<'a>>,
    zeros: Zeros,
    done: AtomicU64,
    is_cancelled: AtomicBool,
}

/// The place up to which pieces were given to threads.
struct Cursor<'a> {
    next: u32,
    survey: Option<Survey<'a>>,
}

/// Work that one thread takes.
#[derive(Default)]
struct Share {
    group: Vec<PieceIndex>,
    known: Vec<(Range<u32>, Known)>,
}

/// The state of one thread.
struct Worker<'a, 's> {
    hashing: &'a Hashing<'a>,
    shared: &'a Shared<'s>,
    files: Files<'a>,
    buffer: Vec<u8>,
    lanes: Vec<Lane>,
    /// Bytes that were not yet reported to the observer.
    bytes: u64,
}

/// A piece that is being hashed.
struct Lane {
    piece: PieceIndex,
    /// Bytes that are hashed: without the padding, if the SHA-1 is not wanted.
    length: u32,
    has_sha1: bool,
    sha1: Sha1,
    leaves: Vec<merkle::Hash>,
    fault: Option<Fault>,
    /// Bytes of the current slice.
    filled: usize,
}

impl<'a, 's> Worker<'a, 's> {
    fn new(hashing: &'a Hashing<'a>, shared: &'a Shared<'s>) -> Self {
        Self {
            hashing,
            shared,
            files: Files::new(hashing.layout, hashing.open),
            buffer: vec![0; READ as usize],
            lanes: Vec::with_capacity(hashing.lanes() as usize),
            bytes: 0,
        }
    }

    /// Reports pieces whose state is known without reading.
    fn finish_known(&mut self, run: Range<u32>, state: Known, sink: Sink<'_>) {
        let geometry = self.hashing.geometry();
        let Some(last) = geometry.piece(run.end - 1) else { return };
        let full = u64::from(geometry.nominal_piece_length());
        self.bytes += (run.len() as u64 - 1) * full + u64::from(geometry.piece_length(last));
        match state {
            Known::Faulty(fault) => sink(run, Err(fault)),
            Known::Zeros => {
                // The last one may be shorter, and so have another hash.
                for run in [run.start..last.get(), last.get()..run.end] {
                    let Some(piece) = geometry.piece(run.start).filter(|_| !run.is_empty()) else {
                        continue;
                    };
                    sink(run, Ok(self.zeros(piece)));
                }
            }
        }
        self.report();
    }

    fn zeros(&self, piece: PieceIndex) -> Digest {
        let Hashing { layout, version, .. } = self.hashing;
        let has_sha1 = version.has_v1() && !(self.hashing.is_by_tree_alone)(piece);
        self.shared.zeros.digest(layout, has_sha1, version.has_v2(), piece)
    }

    /// Hashes a group of pieces, slice by slice.
    fn hash_group(&mut self, group: Vec<PieceIndex>, sink: Sink<'_>) {
        for piece in group {
            self.begin(piece, sink);
        }
        let longest = self.lanes.iter().map(|lane| lane.length).max();
        let slice = self.hashing.slice();
        for begin in (0..longest.unwrap_or(0)).step_by(slice as usize) {
            self.read(begin, slice);
            self.hash(begin, slice);
            if self.bytes >= REPORT {
                self.report();
            }
            if self.shared.is_cancelled.load(Ordering::Relaxed) {
                // Pieces that were not finished are not reported.
                return self.lanes.clear();
            }
            // The rest of a piece that cannot be read can be long.
            if self.lanes.iter().all(|lane| lane.fault.is_some()) {
                break;
            }
        }
        self.finish(sink);
        self.report();
    }

    /// Adds a piece to the lanes, unless a look at it tells its state.
    fn begin(&mut self, piece: PieceIndex, sink: Sink<'_>) {
        let length = self.hashing.geometry().piece_length(piece);
        // A piece of one slice is read as quickly as it is looked at.
        let is_worth_it = self.hashing.skips && length > self.hashing.slice();
        let outcome = match is_worth_it.then(|| self.files.is_hole(piece)) {
            None | Some(Ok(false)) => return self.lanes.push(Lane::new(self.hashing, piece)),
            Some(Ok(true)) => Ok(self.zeros(piece)),
            Some(Err(fault)) => Err(fault),
        };
        self.bytes += u64::from(length);
        sink(piece.get()..piece.get() + 1, outcome);
    }

    fn report(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let done = bytes + self.shared.done.fetch_add(bytes, Ordering::Relaxed);
        let total = self.hashing.geometry().total_length();
        if let ControlFlow::Break(()) = (self.hashing.observer)(Progress { done, total }) {
            self.shared.is_cancelled.store(true, Ordering::Relaxed);
        }
    }

    fn read(&mut self, begin: u32, slice: u32) {
        let geometry = self.hashing.geometry();
        let buffers = self.buffer.chunks_exact_mut(slice as usize);
        for (lane, buffer) in self.lanes.iter_mut().zip(buffers) {
            let rest = lane.length.saturating_sub(begin);
            lane.filled = rest.min(slice) as usize;
            // A piece that cannot be read counts as progress too.
            self.bytes += lane.filled as u64;
            if lane.fault.is_some() {
                continue;
            }
            let offset = geometry.piece_offset(lane.piece) + u64::from(begin);
            lane.fault = self.files.read(offset, &mut buffer[..lane.filled]).err();
        }
    }

    fn hash(&mut self, begin: u32, slice: u32) {
        let buffers = self.buffer.chunks_exact(slice as usize);
        if self.hashing.version.has_v1() {
            let lanes =
                self.lanes.iter_mut().zip(buffers.clone()).filter(|(lane, _)| lane.has_sha1);
            Sha1::update_many(lanes.map(|(lane, buffer)| (&mut lane.sha1, &buffer[..lane.filled])));
        }
        if self.hashing.version.has_v2() {
            self.hash_leaves(begin, slice);
        }
    }

    /// Adds the leaves of the current slices. Leaves cover the file, not the padding behind it.
    fn hash_leaves(&mut self, begin: u32, slice: u32) {
        let mut blocks: Vec<&[u8]> = Vec::with_capacity(self.lanes.len() * 2);
        let mut counts = Vec::with_capacity(self.lanes.len());
        for (lane, buffer) in self.lanes.iter().zip(self.buffer.chunks_exact(slice as usize)) {
            let payload = self.hashing.layout.payload_length(lane.piece).saturating_sub(begin);
            let payload = lane.filled.min(payload as usize);
            let before = blocks.len();
            blocks.extend(buffer[..payload].chunks(BLOCK_LENGTH as usize));
            counts.push(blocks.len() - before);
        }
        // The blocks of all lanes go into one call, which fills the vector registers best.
        let mut leaves = vec![[0; 32]; blocks.len()];
        sha256_many(&blocks, &mut leaves);
        let mut leaves = leaves.into_iter();
        for (lane, count) in self.lanes.iter_mut().zip(counts) {
            lane.leaves.extend(leaves.by_ref().take(count));
        }
    }

    fn finish(&mut self, sink: Sink<'_>) {
        let Hashing { layout, version, .. } = self.hashing;
        let mut hashers = Vec::with_capacity(self.lanes.len());
        let mut rest = Vec::with_capacity(self.lanes.len());
        for lane in self.lanes.drain(..) {
            hashers.push(lane.sha1);
            // Padding that was not hashed is done, too.
            self.bytes += u64::from(self.hashing.geometry().piece_length(lane.piece) - lane.length);
            rest.push((lane.piece, lane.has_sha1, lane.leaves, lane.fault));
        }
        let hashes = Sha1::finalize_many(hashers);
        for ((piece, has_sha1, leaves, fault), sha1) in rest.into_iter().zip(hashes) {
            let outcome = match fault {
                Some(fault) => Err(fault),
                None => Ok(Digest {
                    // The hash of a hasher that got no bytes means nothing.
                    sha1: has_sha1.then_some(sha1),
                    root: version.has_v2().then(|| root(layout, piece, &leaves)).flatten(),
                }),
            };
            sink(piece.get()..piece.get() + 1, outcome);
        }
    }
}

impl Lane {
    fn new(hashing: &Hashing<'_>, piece: PieceIndex) -> Self {
        let is_by_tree_alone = (hashing.is_by_tree_alone)(piece);
        let length = match is_by_tree_alone {
            true => hashing.layout.payload_length(piece),
            false => hashing.geometry().piece_length(piece),
        };
        let has_sha1 = hashing.version.has_v1() && !is_by_tree_alone;
        let (sha1, leaves) = (Sha1::new(), Vec::new());
        Self { piece, length, has_sha1, sha1, leaves, fault: None, filled: 0 }
    }
}

/// The root over a piece, or over a file that is smaller than a piece. `None` for a piece that is all
/// padding.
fn root(layout: &Layout, piece: PieceIndex, leaves: &[merkle::Hash]) -> Option<merkle::Hash> {
    Some(merkle::root(leaves, tree_width(layout, piece)?))
}

/// The number of leaves of the tree over a piece. `None` for a piece that is all padding.
pub(super) fn tree_width(layout: &Layout, piece: PieceIndex) -> Option<usize> {
    let file = layout.file(layout.piece_spans(piece).find(|span| !span.is_pad)?.file.get())?;
    let piece_length = layout.geometry().nominal_piece_length();
    let is_small = file.length <= piece_length.into();
    // The tree of a small file ends with it; other pieces have a tree of full width (BEP 52).
    Some(if is_small {
        merkle::leaf_count(file.length)
    } else {
        merkle::leaves_per_piece(piece_length)
    })
}
