use std::{
    collections::HashMap,
    io::IoSlice,
    ops::{ControlFlow, Range},
    path::Path as FolderPath,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use object_store::{PutPayload, path::Path};
use tinytorrent_metainfo::{Info, Layout};
use tinytorrent_storage::{Content, Fault, MoveProgress, StorageError};
use tinytorrent_types::{Bitfield, Geometry, InfoHashes, PieceIndex};
use tokio::sync::Semaphore;

use crate::{
    ObjectOptions,
    calls::{Calls, Started},
    chunks::{ChunkKey, Chunks, Filling},
    draft::{Draft, Part, StoredDraft},
    keys::Keys,
};

/// The content of one torrent in an object store, with an object for each piece. From
/// [`Bucket::open`](crate::Bucket::open).
///
/// An object is written once its piece is right, as a whole, and so has the bytes of the piece or is not there.
/// Blocks of unfinished pieces are in memory, and above [`ObjectOptions::write_memory`] in objects of their own;
/// they do not last.
#[derive(Debug)]
pub struct ObjectContent {
    id: u64,
    shape: Shape,
    identity: InfoHashes,
    shared: Shared,
    /// The number of this run in the names of its drafts.
    run: u64,
    is_read_only: bool,
    /// The pieces that are being uploaded, as far as there is memory for them.
    uploads: Arc<Semaphore>,
    /// Locked for reading during uploads, so that none is left behind by a move.
    place: RwLock<Place>,
    state: Mutex<State>,
}

/// What the contents of a bucket share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) calls: Calls,
    pub(crate) chunks: Arc<Chunks>,
    /// Bytes of unfinished pieces in memory.
    pub(crate) drafts: Arc<AtomicU64>,
    pub(crate) options: Arc<ObjectOptions>,
    pub(crate) prefix: Path,
}

/// The owner of the layout.
#[derive(Debug)]
pub(crate) enum Shape {
    Layout(Arc<Layout>),
    Info(Arc<Info>),
}

#[derive(Debug)]
struct Place {
    keys: Keys,
}

#[derive(Debug)]
struct State {
    kept: Bitfield,
    drafts: HashMap<u32, Draft>,
    /// `kept` is the listing of the opening, which is as good as another one for the check that follows.
    is_listed: bool,
    /// Counts writes.
    clock: u64,
    next_draft: u64,
}

impl ObjectContent {
    /// Opens the content, and lists what is there. Blocks.
    pub(crate) fn open(
        shared: Shared,
        id: u64,
        run: u64,
        shape: Shape,
        identity: InfoHashes,
        folder: &FolderPath,
        is_read_only: bool,
    ) -> Result<Self, StorageError> {
        let piece = u64::from(shape.layout().geometry().nominal_piece_length());
        let uploads = (shared.options.write_memory / 4 / piece.max(1))
            .clamp(1, shared.options.parallel as u64) as usize;
        let state = State {
            kept: Bitfield::new(shape.layout().geometry().piece_count()),
            drafts: HashMap::new(),
            is_listed: false,
            clock: 0,
            next_draft: 0,
        };
        let content = Self {
            id,
            place: RwLock::new(Place { keys: Keys::new(&shared.prefix, folder, &identity) }),
            identity,
            shape,
            shared,
            run,
            is_read_only,
            uploads: Arc::new(Semaphore::new(uploads)),
            state: Mutex::new(state),
        };
        content.list_kept()?;
        content.lock().is_listed = true;
        if !is_read_only {
            content.delete_old_drafts();
        }
        Ok(content)
    }

    fn layout(&self) -> &Layout {
        self.shape.layout()
    }

    fn geometry(&self) -> &Geometry {
        self.layout().geometry()
    }

    fn calls(&self) -> &Calls {
        &self.shared.calls
    }

    /// Lists the pieces that are there.
    fn list_kept(&self) -> Result<Bitfield, StorageError> {
        let keys = self.place().keys.clone();
        let calls = self.calls().clone();
        let pieces = keys.pieces();
        let objects = self.calls().wait(async move { calls.list(&pieces).await })?;
        let mut kept = Bitfield::new(self.geometry().piece_count());
        for object in objects {
            let index = keys.index_of(&object.location);
            let piece = index.and_then(|index| self.geometry().piece(index));
            // One of another size is not the piece, and will be replaced.
            let is_whole =
                |piece: &PieceIndex| u64::from(self.geometry().piece_length(*piece)) == object.size;
            if let Some(piece) = piece.filter(is_whole) {
                kept.insert(piece);
            }
        }
        self.lock().kept = kept.clone();
        Ok(kept)
    }

    /// Deletes drafts of runs that were killed, in the background. Those of the last day may be of one that
    /// goes on elsewhere.
    fn delete_old_drafts(&self) {
        let (calls, drafts) = (self.calls().clone(), self.place().keys.drafts());
        self.calls().spawn(async move {
            let day_ago = SystemTime::now() - Duration::from_secs(24 * 60 * 60);
            // Those that stay cost their room.
            for draft in calls.list(&drafts).await.unwrap_or_default() {
                if SystemTime::from(draft.last_modified) < day_ago {
                    calls.delete_later(draft.location);
                }
            }
        });
    }

    /// Reads a range within a piece.
    fn read_in_piece(
        &self,
        piece: PieceIndex,
        range: Range<u64>,
        buffer: &mut [u8],
    ) -> Result<(), StorageError> {
        let (parts, is_kept) = {
            let state = self.lock();
            let draft = state.drafts.get(&piece.get());
            (draft.and_then(|draft| draft.parts(range.clone())), state.kept.contains(piece))
        };
        match parts {
            Some(parts) => self.read_parts(parts, range.start, buffer),
            None if is_kept => self.read_chunks(piece, range, buffer),
            None => Err(self.missing(piece, range.start)),
        }
    }

    fn read_parts(
        &self,
        parts: Vec<Part>,
        begin: u64,
        buffer: &mut [u8],
    ) -> Result<(), StorageError> {
        for part in parts {
            let at = (part.range.start - begin) as usize;
            let target = &mut buffer[at..at + (part.range.end - part.range.start) as usize];
            if !part.read_memory(target)? {
                let calls = self.calls().clone();
                let bytes = self.calls().wait(async move { part.read(&calls).await })?;
                target.copy_from_slice(&bytes);
            }
        }
        Ok(())
    }

    fn read_chunks(
        &self,
        piece: PieceIndex,
        range: Range<u64>,
        buffer: &mut [u8],
    ) -> Result<(), StorageError> {
        let length = self.shared.options.read_ahead;
        let mut rest = buffer;
        let mut at = range.start;
        while at < range.end {
            let number = at / length;
            let begin = at - number * length;
            let count = (length - begin).min(range.end - at);
            let (part, after) = rest.split_at_mut(count as usize);
            let (key, whole) = self.chunk(piece, number);
            let bytes = whole.end - whole.start;
            let slot =
                self.shared.chunks.get(key, bytes, |filling| self.fill(piece, whole, filling));
            self.read_ahead(piece, number + 1);
            let chunk = slot.wait()?;
            part.copy_from_slice(&chunk[begin as usize..(begin + count) as usize]);
            (at, rest) = (at + count, after);
        }
        Ok(())
    }

    /// Begins to read a chunk that will be read next, unless it is beyond the piece.
    fn read_ahead(&self, piece: PieceIndex, number: u64) {
        let (key, range) = self.chunk(piece, number);
        if range.start < range.end {
            let bytes = range.end - range.start;
            self.shared.chunks.expect(key, bytes, |filling| self.fill(piece, range, filling));
        }
    }

    fn fill(&self, piece: PieceIndex, range: Range<u64>, filling: Filling) {
        let (calls, key) = (self.calls().clone(), self.place().keys.piece(piece.get()));
        self.calls().spawn(async move { filling.finish(calls.get(&key, range).await) });
    }

    /// The name of a chunk, and its range in the piece.
    fn chunk(&self, piece: PieceIndex, number: u64) -> (ChunkKey, Range<u64>) {
        let key = ChunkKey { content: self.id, piece: piece.get(), number: number as u32 };
        let length = self.shared.options.read_ahead;
        let end = u64::from(self.geometry().piece_length(piece));
        (key, number * length..((number + 1) * length).min(end))
    }

    /// Has pieces leave memory, those that were written to longest ago first, until there is room.
    fn make_room(&self) -> Result<(), StorageError> {
        while self.shared.drafts.load(Ordering::Relaxed) > self.shared.options.write_memory {
            let leaving = {
                let mut state = self.lock();
                let oldest = state.oldest();
                let memory = oldest.and_then(|piece| {
                    let memory = state.drafts.get_mut(&piece)?.begin_leaving()?;
                    Some((piece, memory))
                });
                state.next_draft += 1;
                memory.map(|(piece, memory)| (piece, memory, state.next_draft))
            };
            // The others are those of other contents, or are leaving.
            let Some((piece, memory, number)) = leaving else { return Ok(()) };
            let key = self.place().keys.draft(self.run, number);
            let (stored, bytes) = StoredDraft::of(key.clone(), &memory)?;
            let calls = self.calls().clone();
            self.calls().wait(async move { calls.put(&key, bytes.into()).await })?;
            let key = stored.key().clone();
            let freed = memory.allocated_bytes();
            let mut state = self.lock();
            let draft = state.drafts.get_mut(&piece);
            if draft.is_some_and(|draft| draft.end_leaving(&memory, stored)) {
                self.shared.drafts.fetch_sub(freed, Ordering::Relaxed);
            } else {
                self.calls().delete_later(key);
            }
        }
        Ok(())
    }

    /// Begins to upload a piece.
    fn start_upload(&self, keys: &Keys, piece: PieceIndex) -> Result<Started<()>, StorageError> {
        let length = u64::from(self.geometry().piece_length(piece));
        let start = self.geometry().piece_offset(piece);
        let parts = {
            let state = self.lock();
            let draft = state.drafts.get(&piece.get());
            let draft = draft.ok_or_else(|| self.missing(piece, 0))?;
            let mut parts = Vec::new();
            // Padding was never written, and is zeros.
            let mut at = 0;
            for span in self.layout().spans(start, length) {
                let range = at..at + span.length;
                at = range.end;
                if !span.is_pad {
                    let found = draft.parts(range.clone());
                    parts.extend(found.ok_or_else(|| self.missing(piece, range.start))?);
                }
            }
            parts
        };
        let (calls, uploads) = (self.calls().clone(), Arc::clone(&self.uploads));
        let key = keys.piece(piece.get());
        Ok(self.calls().start(async move {
            // It is never closed, so that there is no error.
            let _permit = uploads.acquire().await;
            let mut bytes = vec![0; length as usize];
            for part in parts {
                let range = part.range.start as usize..part.range.end as usize;
                bytes[range].copy_from_slice(&part.read(&calls).await?);
            }
            calls.put(&key, PutPayload::from(bytes)).await
        }))
    }

    /// Forgets the draft of a piece.
    fn drop_draft(&self, piece: u32) {
        let dropped = self.lock().drafts.remove(&piece);
        if let Some(draft) = dropped {
            self.shared.drafts.fetch_sub(draft.bytes(), Ordering::Relaxed);
            draft.objects().for_each(|key| self.calls().delete_later(key.clone()));
        }
    }

    fn refuse_read_only(&self) -> Result<(), StorageError> {
        if self.is_read_only { Err(StorageError::ReadOnly) } else { Ok(()) }
    }

    fn missing(&self, piece: PieceIndex, at: u64) -> StorageError {
        // Without the lock of the place, which the caller may have.
        let place = format!("piece {piece} below {}", self.shared.prefix);
        StorageError::content(Fault::Missing, place, format!("there is no byte {at}"))
    }

    /// The parts of pieces that make up a range of the content.
    fn pieces(&self, offset: u64, length: u64) -> impl Iterator<Item = (PieceIndex, Range<u64>)> {
        let nominal = u64::from(self.geometry().nominal_piece_length());
        let end = (offset + length).min(self.geometry().total_length());
        let mut at = offset;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let piece = self.geometry().piece((at / nominal) as u32)?;
            let begin = at % nominal;
            let count = (nominal - begin).min(end - at);
            at += count;
            Some((piece, begin..begin + count))
        })
    }

    fn place(&self) -> RwLockReadGuard<'_, Place> {
        self.place.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content for ObjectContent {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let mut rest = buffer;
        for (piece, range) in self.pieces(offset, rest.len() as u64) {
            let (part, after) = rest.split_at_mut((range.end - range.start) as usize);
            rest = after;
            self.read_in_piece(piece, range, part)?;
        }
        Ok(())
    }

    fn write(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<(), StorageError> {
        self.refuse_read_only()?;
        let mut at = offset;
        {
            let mut state = self.lock();
            state.clock += 1;
            let clock = state.clock;
            for slice in slices {
                let mut rest = &slice[..];
                for (piece, range) in self.pieces(at, rest.len() as u64) {
                    let (part, after) = rest.split_at((range.end - range.start) as usize);
                    rest = after;
                    let draft = state.drafts.entry(piece.get()).or_default();
                    draft.touched = clock;
                    let taken = draft.write(range.start, &[IoSlice::new(part)])?;
                    self.shared.drafts.fetch_add(taken, Ordering::Relaxed);
                }
                at += slice.len() as u64;
            }
        }
        self.make_room()
    }

    /// Nothing is to be done: a piece that is kept is in the store.
    fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn is_present(&self, range: Range<u64>) -> Result<bool, StorageError> {
        let state = self.lock();
        let has = |piece: PieceIndex, range: Range<u64>| {
            let draft = state.drafts.get(&piece.get());
            state.kept.contains(piece) || draft.is_some_and(|draft| draft.parts(range).is_some())
        };
        let length = range.end.saturating_sub(range.start);
        Ok(self.pieces(range.start, length).all(|(piece, range)| has(piece, range)))
    }

    fn keep(&self, pieces: &[PieceIndex]) -> Vec<Result<(), StorageError>> {
        let place = self.place();
        let start = |piece: &PieceIndex| {
            self.refuse_read_only()?;
            self.start_upload(&place.keys, *piece)
        };
        let started: Vec<_> = pieces.iter().map(start).collect();
        let mut results = Vec::with_capacity(pieces.len());
        for (&piece, started) in pieces.iter().zip(started) {
            let result = started.and_then(Started::wait);
            if result.is_ok() {
                self.shared.chunks.forget(self.id, Some(piece.get()));
                self.lock().kept.insert(piece);
                self.drop_draft(piece.get());
            }
            results.push(result);
        }
        results
    }

    fn discard(&self, piece: PieceIndex) {
        self.drop_draft(piece.get());
    }

    fn kept(&self) -> Result<Option<Bitfield>, StorageError> {
        let listed = {
            let mut state = self.lock();
            std::mem::take(&mut state.is_listed).then(|| state.kept.clone())
        };
        listed.map_or_else(|| self.list_kept(), Ok).map(Some)
    }

    fn keeps_blocks(&self) -> bool {
        false
    }

    /// The record. A content that is read only has none: that in the store is of the run that writes.
    fn load_record(&self) -> Result<Option<Vec<u8>>, StorageError> {
        if self.is_read_only {
            return Ok(None);
        }
        let (calls, key) = (self.calls().clone(), self.place().keys.record());
        let found = self.calls().wait(async move { calls.find(&key, MAX_RECORD).await })?;
        Ok(found.map(Vec::from))
    }

    fn save_record(&self, record: &[u8]) -> Result<(), StorageError> {
        self.refuse_read_only()?;
        let place = self.place();
        let (calls, key) = (self.calls().clone(), place.keys.record());
        let payload = PutPayload::from(record.to_vec());
        self.calls().wait(async move { calls.put(&key, payload).await })
    }

    fn remove(&self) -> Result<(), StorageError> {
        self.refuse_read_only()?;
        let (calls, all) = (self.calls().clone(), self.place().keys.all().clone());
        let pieces: Vec<u32> = self.lock().drafts.keys().copied().collect();
        pieces.into_iter().for_each(|piece| self.drop_draft(piece));
        self.lock().kept = Bitfield::new(self.geometry().piece_count());
        self.shared.chunks.forget(self.id, None);
        self.calls().wait(async move {
            for object in calls.list(&all).await? {
                calls.delete(&object.location).await?;
            }
            Ok(())
        })
    }

    /// Copies the objects within the store to the names of the other folder, and deletes the old ones. Pieces
    /// that are kept meanwhile are copied at the end, when uploads wait.
    fn move_to(
        &self,
        folder: &FolderPath,
        progress: &mut dyn FnMut(MoveProgress) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StorageError> {
        self.refuse_read_only()?;
        let old = self.place().keys.clone();
        let new = Keys::new(&self.shared.prefix, folder, &self.identity);
        if new == old {
            return Ok(ControlFlow::Continue(()));
        }
        let mut copies = crate::moving::Copies::new(self.calls(), &old, &new);
        let moved = copies.copy(progress).and_then(|flow| {
            if flow.is_break() {
                return Ok(flow);
            }
            let mut place = self.place.write().unwrap_or_else(PoisonError::into_inner);
            let flow = copies.copy(progress)?;
            if flow.is_continue() {
                place.keys = new.clone();
            }
            Ok(flow)
        });
        let is_moved = matches!(moved, Ok(ControlFlow::Continue(())));
        copies.clear(is_moved);
        moved
    }
}

impl Drop for ObjectContent {
    fn drop(&mut self) {
        let drafts = std::mem::take(&mut self.lock().drafts);
        for draft in drafts.into_values() {
            self.shared.drafts.fetch_sub(draft.bytes(), Ordering::Relaxed);
            draft.objects().for_each(|key| self.calls().delete_later(key.clone()));
        }
        self.shared.chunks.forget(self.id, None);
    }
}

impl State {
    /// The piece that was written to longest ago, of those that have memory.
    fn oldest(&self) -> Option<u32> {
        let leaving = self.drafts.iter().filter(|(_, draft)| draft.can_leave());
        leaving.min_by_key(|(_, draft)| draft.touched).map(|(&piece, _)| piece)
    }
}

impl Shape {
    fn layout(&self) -> &Layout {
        match self {
            Shape::Layout(layout) => layout,
            Shape::Info(info) => info.layout(),
        }
    }
}

/// Bytes of a record that are read at most. That of 2^21 pieces and 100,000 files has 17 MB.
const MAX_RECORD: u64 = 64 << 20;
