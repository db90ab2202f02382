//! The state that handles and workers share: the queues of all torrents, under one lock that is never
//! held during I/O.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use tinytorrent_types::{BlockInfo, PieceIndex};

use super::{
    Completion, DiskFigures, DiskOptions, NotStored, PieceVerifyOptions, Subject,
    figures::Tally,
    lanes::{Lane, LaneState, Lanes},
    options::batch_bytes,
    pins::Pins,
    read_budget::ReadBudget,
    read_cache::ReadCache,
    torrent::{Batch, ReadRequest, Reads, Torrent},
};
use crate::{
    StorageError,
    resume::{Counters, Recovered},
};

pub(super) struct Shared {
    pub(super) options: DiskOptions,
    pub(super) cache: ReadCache,
    pub(super) tally: Arc<Tally>,
    pub(super) read_budget: Arc<ReadBudget>,
    next_id: AtomicU64,
    unstored: AtomicU64,
    state: Mutex<State>,
    wake: Lanes<Condvar>,
    /// Notified when a job of a torrent ends for which somebody waits.
    pub(super) calm: Condvar,
}

pub(super) struct State {
    /// Boxed, as the free places of a table are as large as those that are taken.
    pub(super) torrents: HashMap<u64, Box<Torrent>>,
    pub(super) pins: Pins,
    lanes: Lanes<LaneState>,
    /// The budget, in bytes.
    memory: u64,
    pub(super) is_stopping: bool,
}

/// A job for one worker.
pub(super) enum Job {
    Store {
        content: Arc<Subject>,
        batch: Batch,
    },
    Read {
        content: Arc<Subject>,
        requests: Vec<ReadRequest>,
    },
    /// Ends reads that are not served any more.
    Refuse {
        content: Arc<Subject>,
        requests: Vec<ReadRequest>,
    },
    Checkpoint {
        content: Arc<Subject>,
        counters: Counters,
    },
}

impl Shared {
    pub(super) fn new(options: DiskOptions) -> Arc<Self> {
        let state = State {
            torrents: HashMap::new(),
            pins: Pins::new(options.receive_buffer),
            lanes: Lanes::default(),
            memory: options.memory,
            is_stopping: false,
        };
        let read_budget = Arc::new(ReadBudget::new(options.read_limit(), options.read_cache));
        let tally = Arc::<Tally>::default();
        let shared = Arc::new(Self {
            cache: ReadCache::new(Arc::clone(&read_budget), Arc::clone(&tally)),
            tally,
            read_budget,
            options,
            next_id: AtomicU64::new(0),
            unstored: AtomicU64::new(0),
            state: Mutex::new(state),
            wake: Lanes::default(),
            calm: Condvar::new(),
        });
        let weak = Arc::downgrade(&shared);
        shared.read_budget.call_on_room(move || {
            let Some(shared) = weak.upgrade() else { return };
            // A worker that has found no room goes to sleep under the lock, and would miss the call.
            drop(shared.lock());
            shared.wake.notify_all();
        });
        shared
    }

    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn add(&self, content: Arc<Subject>, recovered: Recovered) {
        let total = content.storage.geometry().total_length();
        let mut state = self.lock();
        let batch = batch_bytes(total, state.memory);
        let id = content.id;
        state.torrents.insert(id, Box::new(Torrent::new(content, recovered, batch)));
    }

    /// The budget, in bytes.
    pub(super) fn memory(&self) -> u64 {
        self.lock().memory
    }

    /// Changes the budget and the size of the cache, as [`DiskOptions`] have them.
    pub(super) fn set_memory(&self, options: &DiskOptions) {
        let mut state = self.lock();
        state.memory = options.memory;
        for torrent in state.torrents.values_mut() {
            torrent.set_batch_bytes(|total| batch_bytes(total, options.memory));
        }
        drop(state);
        self.read_budget.set_limits(options.read_limit(), options.read_cache);
        self.cache.shrink();
        // There may be more to write, or room to read.
        self.wake.notify_all();
    }

    pub(super) fn store(
        &self,
        content: &Subject,
        block: BlockInfo,
        data: Bytes,
        then: Option<PieceVerifyOptions>,
    ) -> Result<(), NotStored> {
        let (piece, length) = (block.piece(), data.len() as u64);
        let now = Instant::now();
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.is_stopping {
            return Err(NotStored::Stopped);
        }
        // The caller still has its handle, so that only `stop` can have removed the torrent.
        let Some(torrent) = state.torrents.get_mut(&content.id) else {
            return Err(NotStored::Stopped);
        };
        torrent.store(now, block, data, &mut state.pins)?;
        // Under the lock: a worker that took the block at once could otherwise subtract it before
        // it is added.
        content.unstored.fetch_add(length, Ordering::Relaxed);
        self.unstored.fetch_add(length, Ordering::Relaxed);
        let asked = then.map_or(Ok(()), |options| torrent.verify(now, piece, options));
        self.schedule(guard, content.id, now);
        // `schedule` has released the lock, as the function of the caller may call the disk.
        asked.unwrap_or_else(|missing| report_incomplete(content, piece, missing));
        Ok(())
    }

    pub(super) fn verify(&self, content: &Subject, piece: PieceIndex, options: PieceVerifyOptions) {
        let now = Instant::now();
        let mut state = self.lock();
        let Some(torrent) = state.torrents.get_mut(&content.id) else { return };
        if torrent.have().contains(piece) {
            return;
        }
        match torrent.verify(now, piece, options) {
            Ok(()) => self.schedule(state, content.id, now),
            Err(missing) => {
                drop(state);
                report_incomplete(content, piece, missing);
            }
        }
    }

    pub(super) fn read(&self, content: &Subject, block: BlockInfo, tag: u64) {
        let mut state = self.lock();
        let Some(torrent) = state.torrents.get_mut(&content.id) else { return };
        torrent.reads.push(block, tag);
        self.schedule(state, content.id, Instant::now());
    }

    pub(super) fn cancel_reads(
        &self,
        content: &Subject,
        is_unwanted: impl FnMut(BlockInfo, u64) -> bool,
    ) {
        if let Some(torrent) = self.lock().torrents.get_mut(&content.id) {
            torrent.reads.cancel(is_unwanted);
        }
    }

    pub(super) fn checkpoint(&self, content: &Subject, counters: Counters) {
        let mut state = self.lock();
        let Some(torrent) = state.torrents.get_mut(&content.id) else { return };
        torrent.request_checkpoint(counters);
        self.schedule(state, content.id, Instant::now());
    }

    pub(super) fn close(&self, content: &Subject) {
        let mut state = self.lock();
        let Some(torrent) = state.torrents.get_mut(&content.id) else { return };
        torrent.close();
        torrent.reads.clear();
        self.schedule(state, content.id, Instant::now());
    }

    pub(super) fn stop(&self) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.is_stopping = true;
        // Torrents without a job as well: only active ones are removed, and the threads end when
        // none is left.
        for (&id, torrent) in &mut state.torrents {
            torrent.close();
            if !std::mem::replace(&mut torrent.is_active, true) {
                state.lanes.of_mut(torrent.content.lane).active.push_back(id);
            }
        }
        drop(guard);
        self.wake.notify_all();
    }

    pub(super) fn unstored_bytes(&self) -> u64 {
        self.unstored.load(Ordering::Relaxed)
    }

    pub(super) fn held_bytes(&self) -> u64 {
        self.lock().pins.charge()
    }

    pub(super) fn figures(&self) -> DiskFigures {
        let (held_bytes, active_torrents, waiting_reads) = {
            let state = self.lock();
            // Only these have requests.
            let ids: Vec<_> = state.lanes.both().flat_map(|lane| &lane.active).collect();
            let active = ids.iter().filter_map(|id| state.torrents.get(id));
            let waiting: usize = active.map(|torrent| torrent.reads.waiting()).sum();
            (state.pins.charge(), ids.len() as u64, waiting as u64)
        };
        DiskFigures {
            unstored_bytes: self.unstored_bytes(),
            held_bytes,
            read_memory: self.read_budget.used(),
            active_torrents,
            waiting_reads,
            ..self.tally.figures()
        }
    }

    /// Counts bytes that are written, or dropped.
    pub(super) fn count_stored(&self, content: &Subject, bytes: u64) {
        content.unstored.fetch_sub(bytes, Ordering::Relaxed);
        self.unstored.fetch_sub(bytes, Ordering::Relaxed);
        self.tally.stored_bytes.add(bytes);
    }

    /// Waits for a job; `None` at the end of the disk.
    pub(super) fn next_job(&self, lane: Lane) -> Option<Job> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let (job, forgotten) = state.take_job(lane, now, &self.read_budget);
            // The lock of the cache is taken under this one here and in the worker's `settle`, and
            // never the other way round.
            for torrent in forgotten {
                self.cache.forget_torrent(torrent);
            }
            if job.is_some() {
                return job;
            }
            // A torrent stays until its last block is written, so that no accepted block is lost.
            if state.is_stopping && state.torrents.is_empty() {
                drop(state);
                // The other workers wait for jobs that will not come.
                self.wake.notify_all();
                return None;
            }
            let deadline = state.deadline(lane);
            let waiting = state.lanes.of_mut(lane);
            waiting.idle_workers += 1;
            waiting.wakes_at = deadline;
            let wake = self.wake.of(lane);
            state = match deadline {
                None => wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let time = deadline.saturating_duration_since(now);
                    let woken = wake.wait_timeout(state, time);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.lanes.of_mut(lane).idle_workers -= 1;
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the torrent, which has changed, among the active ones, and wakes a worker if there is a job
    /// for it now or a new deadline.
    pub(super) fn schedule(&self, mut guard: MutexGuard<'_, State>, id: u64, now: Instant) {
        let state = &mut *guard;
        let is_pressed = state.is_pressed();
        let Some(torrent) = state.torrents.get_mut(&id) else { return };
        let is_new = !std::mem::replace(&mut torrent.is_active, true);
        let is_due = torrent.waiters.calm == 0 && torrent.has_job(now, is_pressed);
        let deadline = torrent.deadline();
        let which = torrent.content.lane;
        let lane = state.lanes.of_mut(which);
        if is_new {
            lane.active.push_back(id);
        }
        // A busy worker looks for its next job by itself. An idle one sleeps until the deadline that it
        // has computed, in which neither a new torrent nor a piece that is complete since is included.
        let is_sooner = deadline.is_some_and(|due| lane.wakes_at.is_none_or(|at| due < at));
        let has_idle = lane.idle_workers > 0;
        drop(guard);
        if has_idle && (is_new || is_due || is_sooner) {
            self.wake.of(which).notify_one();
        }
    }
}

impl State {
    /// The next job, of the torrents of a lane in turn, and the torrents that were removed.
    fn take_job(
        &mut self,
        lane: Lane,
        now: Instant,
        budget: &ReadBudget,
    ) -> (Option<Job>, Vec<u64>) {
        let mut removed = Vec::new();
        let is_pressed = self.is_pressed();
        let active = &mut self.lanes.of_mut(lane).active;
        for _ in 0..active.len() {
            let Some(id) = active.pop_front() else { break };
            let Some(torrent) = self.torrents.get_mut(&id) else { continue };
            if let Some(job) = job_of(torrent, now, is_pressed, budget) {
                active.push_back(id);
                return (Some(job), removed);
            }
            // Its job is due later, or with another worker.
            if !torrent.is_idle() {
                active.push_back(id);
                continue;
            }
            torrent.is_active = false;
            if torrent.is_closed
                && let Some(mut torrent) = self.torrents.remove(&id)
            {
                torrent.release_all(&mut self.pins);
                removed.push(id);
            }
        }
        (None, removed)
    }

    fn deadline(&self, lane: Lane) -> Option<Instant> {
        let active = self.lanes.of(lane).active.iter().filter_map(|id| self.torrents.get(id));
        active.filter_map(|torrent| torrent.deadline()).min()
    }

    /// Returns `true` if blocks keep more than three quarters of the budget allocated.
    pub(super) fn is_pressed(&self) -> bool {
        self.pins.charge() > self.memory / 4 * 3
    }
}

/// Ends a request to verify a piece that lacks blocks. To be called without the lock.
pub(super) fn report_incomplete(content: &Subject, piece: PieceIndex, missing: u32) {
    let error = StorageError::IncompletePiece { missing };
    (content.on_completion)(Completion::PieceUnstored { piece, error });
}

/// The next job for the torrent, if one is due.
fn job_of(
    torrent: &mut Torrent,
    now: Instant,
    is_pressed: bool,
    budget: &ReadBudget,
) -> Option<Job> {
    if torrent.waiters.calm > 0 {
        return None;
    }
    let content = Arc::clone(&torrent.content);
    torrent.expire_pause(now);
    // Reads first, as a peer waits for each. `take_reads` lets a batch that is due go between two
    // of them.
    let reserve = |block: BlockInfo| budget.reserve_block(block.length());
    match torrent.take_reads(now, is_pressed, reserve) {
        Reads::Served(requests) if !requests.is_empty() => {
            return Some(Job::Read { content, requests });
        }
        Reads::Refused(requests) if !requests.is_empty() => {
            return Some(Job::Refuse { content, requests });
        }
        Reads::Served(_) | Reads::Refused(_) => {}
    }
    // Before the next batch: a steady stream of blocks would put a checkpoint off for ever.
    if let Some(counters) = torrent.take_checkpoint(now) {
        return Some(Job::Checkpoint { content, counters });
    }
    let batch = torrent.take_batch(now, is_pressed)?;
    Some(Job::Store { content, batch })
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}
