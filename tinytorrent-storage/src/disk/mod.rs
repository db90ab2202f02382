//! The data plane: threads that store blocks, verify pieces and read blocks.

mod batch;
mod completion;
mod figures;
mod files;
mod holds;
mod lanes;
mod options;
mod piece;
mod pins;
mod read_budget;
mod read_cache;
mod shared;
mod torrent;
mod worker;

use std::{
    fmt, io,
    sync::{Arc, atomic::AtomicU64},
    thread::JoinHandle,
};

use bytes::Bytes;
use tinytorrent_types::{BlockInfo, PieceIndex};

use crate::{
    PieceHashes, Storage,
    resume::{Counters, Journal, Recovered},
};
use lanes::{Lane, OwnThreads};
use shared::Shared;

pub use completion::{Completion, NotStored, PieceVerifyOptions};
pub use figures::DiskFigures;
pub use files::TorrentFiles;
pub use options::DiskOptions;

/// Threads that write, hash and read for any number of torrents, within one budget of memory.
///
/// No method but [`shutdown`](Self::shutdown) waits for the disk, so that an event loop can call them.
/// The outcome of each job is passed to the function given to [`add`](Self::add). The threads call that
/// function, which should only pass the completion on, into a channel for instance.
///
/// Blocks are not copied before the kernel takes them. Neighbouring blocks are written in one call,
/// before they are hashed. Pieces that are complete, or filled from their start, are hashed side by side
/// in lanes. A block that is written and hashed leaves memory.
///
/// If no file descriptor is left, not even after all files of the [`FilePool`](crate::FilePool) were closed,
/// the torrent pauses: for 50 ms, and for up to a second if that lasts. Nothing is lost or reported
/// meanwhile. A torrent that is dropped, or whose disk is shut down, gives up after some seconds.
///
/// ```
/// use std::sync::{Arc, mpsc};
/// use tinytorrent_hash::sha1;
/// use tinytorrent_metainfo::Layout;
/// use tinytorrent_storage::{
///     Completion, Disk, DiskOptions, PieceHashes, Recovered, Storage, StorageOptions,
///     TorrentDiskOptions, PieceVerifyOptions,
/// };
/// use tinytorrent_types::{InfoHashV1, InfoHashes};
///
/// let content = vec![7; 40_000];
/// let mut builder = Layout::builder(32_768);
/// builder.file(["file"], 40_000);
/// let layout = Arc::new(builder.build()?);
/// let hashes = PieceHashes::from_v1(content.chunks(32_768).map(sha1));
/// let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
/// let folder = tempfile::tempdir()?;
/// let storage = Storage::open(layout, identity, folder.path(), &StorageOptions::default())?;
///
/// let disk = Disk::new(&DiskOptions::default())?;
/// let (sender, completions) = mpsc::channel();
/// let torrent = disk.add(
///     Arc::new(storage),
///     hashes,
///     Recovered::nothing(2),
///     &TorrentDiskOptions::default(),
///     move |completion| drop(sender.send(completion)),
/// );
///
/// let geometry = torrent.storage().geometry();
/// for piece in geometry.pieces() {
///     for block in geometry.blocks(piece) {
///         let begin = geometry.block_offset(block) as usize;
///         let data = content[begin..begin + block.length() as usize].to_vec();
///         torrent.store(block, data.into())?;
///     }
///     torrent.verify(piece, PieceVerifyOptions::default());
/// }
///
/// let mut verified = 0;
/// for completion in completions {
///     match completion {
///         Completion::BlocksWritten { .. } => {} // Peers may be asked for as many more.
///         Completion::PieceVerified { piece, .. } => {
///             verified += 1; // Peers may learn of the piece, and request blocks of it.
///             torrent.read(geometry.block(piece.get(), 0, 100).unwrap(), 42);
///         }
///         Completion::PieceFailed { .. } => panic!("a peer sent wrong data"),
///         Completion::PieceUnstored { error, .. } => return Err(error.into()),
///         Completion::BlockRead { tag: 42, data, .. } => {
///             assert_eq!(data.len(), 100);
///             if verified == 2 {
///                 break;
///             }
///         }
///         other => panic!("{other:?}"),
///     }
/// }
/// disk.shutdown();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    own_threads: OwnThreads,
}

/// The handle of one torrent on a [`Disk`].
///
/// When it is dropped, blocks in memory are still written, in the background, and waiting reads are
/// dropped. For a resume record of all blocks, make a [`checkpoint`](Self::checkpoint) and wait for its
/// completion first.
pub struct TorrentDisk {
    shared: Arc<Shared>,
    content: Arc<Subject>,
}

/// Options of one torrent on a [`Disk`].
///
/// # Defaults
/// - [`keep_record`](Self::keep_record): yes
#[derive(Debug, Clone)]
pub struct TorrentDiskOptions {
    keep_record: bool,
}

/// The parts of a torrent that workers use.
pub(crate) struct Subject {
    id: u64,
    storage: Arc<Storage>,
    hashes: PieceHashes,
    lane: Lane,
    keeps_record: bool,
    /// `None` if no record is kept, and for content of the program's own.
    journal: Option<Box<Journal>>,
    unstored: AtomicU64,
    on_completion: Box<dyn Fn(Completion) + Send + Sync>,
}

impl TorrentDiskOptions {
    /// Keeps a resume record and a journal beside the content. Default: yes.
    pub fn keep_record(&mut self, keep: bool) -> &mut Self {
        self.keep_record = keep;
        self
    }
}

impl Default for TorrentDiskOptions {
    fn default() -> Self {
        Self { keep_record: true }
    }
}

impl Disk {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn new(options: &DiskOptions) -> io::Result<Self> {
        let shared = Shared::new(options.clone());
        let mut disk = Self { shared, threads: Vec::new(), own_threads: OwnThreads::default() };
        for number in 0..options.threads {
            // If it fails, dropping `disk` ends the threads that were started before.
            disk.threads.push(disk.start_thread(format!("disk {number}"), Lane::Files)?);
        }
        Ok(disk)
    }

    fn start_thread(&self, name: String, lane: Lane) -> io::Result<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new().name(name).spawn(move || worker::run(&shared, lane))
    }

    /// The threads for a content. Those for content of the program's own are started with the first of it.
    fn lane_for(&self, storage: &Storage) -> Lane {
        if storage.is_in_files() {
            return Lane::Files;
        }
        let count = self.shared.options.content_threads;
        self.own_threads
            .start(count, |number| self.start_thread(format!("content {number}"), Lane::Own))
    }

    /// Adds a torrent, with the result of [`recover`](crate::recover) for it. The threads call
    /// `on_completion`, several of them at the same time.
    pub fn add(
        &self,
        storage: Arc<Storage>,
        hashes: PieceHashes,
        recovered: Recovered,
        options: &TorrentDiskOptions,
        on_completion: impl Fn(Completion) + Send + Sync + 'static,
    ) -> TorrentDisk {
        let journal = storage.journal().filter(|_| options.keep_record).map(Box::new);
        let content = Arc::new(Subject {
            id: self.shared.next_id(),
            lane: self.lane_for(&storage),
            storage,
            hashes,
            keeps_record: options.keep_record,
            journal,
            unstored: AtomicU64::new(0),
            on_completion: Box::new(on_completion),
        });
        self.shared.add(Arc::clone(&content), recovered);
        TorrentDisk { shared: Arc::clone(&self.shared), content }
    }

    /// Changes the [`memory`](DiskOptions::memory), the [`read_cache`](DiskOptions::read_cache) and the
    /// [`read_memory`](DiskOptions::read_memory) to those of other options. With less, no block is lost:
    /// what is held above the new limits is written or dropped as soon as it can be.
    /// [`TorrentDisk::unstored_limit`] changes with it.
    pub fn set_memory(&self, options: &DiskOptions) {
        self.shared.set_memory(options);
    }

    /// Bytes of accepted blocks that are not written yet, of all torrents.
    pub fn unstored_bytes(&self) -> u64 {
        self.shared.unstored_bytes()
    }

    /// Upper bound of the bytes of memory that accepted blocks keep allocated, of all torrents.
    pub fn held_bytes(&self) -> u64 {
        self.shared.held_bytes()
    }

    /// Bytes of memory that reads keep allocated, of all torrents: the read cache, and blocks that were passed
    /// on and are not dropped. They do not exceed [`DiskOptions::read_cache`] and
    /// [`DiskOptions::read_memory`] together.
    pub fn read_bytes(&self) -> u64 {
        self.shared.read_budget.used()
    }

    /// What the disk holds and has done, of all torrents. The time grows with the number of torrents that have
    /// jobs.
    pub fn figures(&self) -> DiskFigures {
        self.shared.figures()
    }

    /// Writes all blocks in memory, ends the threads and waits for them, which pass on completions until
    /// then. Dropping the disk does the same without waiting.
    pub fn shutdown(mut self) {
        self.shared.stop();
        for thread in self.threads.drain(..).chain(self.own_threads.take()) {
            // A thread that panicked has printed its message already.
            let _ = thread.join();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl TorrentDisk {
    /// The content of the torrent.
    pub fn storage(&self) -> &Arc<Storage> {
        &self.content.storage
    }

    /// The files of the torrent, to be moved, renamed, checked or deleted on another thread.
    pub fn files(&self) -> TorrentFiles {
        TorrentFiles { shared: Arc::clone(&self.shared), content: Arc::clone(&self.content) }
    }

    /// Takes in a received block of a piece that is not verified yet.
    ///
    /// # Errors
    /// See [`NotStored`]; the block is dropped.
    pub fn store(&self, block: BlockInfo, data: Bytes) -> Result<(), NotStored> {
        self.shared.store(&self.content, block, data, None)
    }

    /// Takes in the last missing block of a piece and asks for the verification of the piece:
    /// [`store`](Self::store) and [`verify`](Self::verify) in one call, at the cost of the first.
    ///
    /// # Errors
    /// As for [`store`](Self::store). A block that is refused asks for nothing.
    pub fn store_last(
        &self,
        block: BlockInfo,
        data: Bytes,
        options: PieceVerifyOptions,
    ) -> Result<(), NotStored> {
        self.shared.store(&self.content, block, data, Some(options))
    }

    /// Asks for the verification of a piece of which all blocks were stored, by this run or, as
    /// [`recover`](crate::recover) found, by an earlier one. Ends as
    /// [`Completion::PieceVerified`], [`Completion::PieceFailed`], [`Completion::PieceUnstored`] or,
    /// for a hybrid, [`Completion::PieceInconsistent`]. A piece that is verified already has no completion.
    ///
    /// The last block that is received should be passed to [`store_last`](Self::store_last) instead.
    pub fn verify(&self, piece: PieceIndex, options: PieceVerifyOptions) {
        self.shared.verify(&self.content, piece, options);
    }

    /// Asks for a block of a verified piece. Ends as [`Completion::BlockRead`] or
    /// [`Completion::BlockUnread`] with the same tag, unless it is cancelled or the torrent is dropped.
    ///
    /// Any number of requests may have the same tag, such as the number of their peer. They are answered
    /// in the order in which they were made, and the tags in turn.
    ///
    /// Requests made shortly after each other are served together, and those for neighbouring
    /// blocks are read from disk at once. Requests wait while earlier blocks fill
    /// [`DiskOptions::read_memory`], until those are dropped or the disk is shut down
    /// ([`StorageError::ShutDown`](crate::StorageError::ShutDown)), and while no file descriptor is left.
    pub fn read(&self, block: BlockInfo, tag: u64) {
        self.shared.read(&self.content, block, tag);
    }

    /// Drops the read requests that no worker has begun and for which `is_unwanted` is true, given the
    /// block and the tag: a peer was choked or has left. They end without a completion.
    ///
    /// `is_unwanted` is called under a lock of the disk, for each request of this torrent that waits. It
    /// must not call the disk, nor drop a block that was read.
    pub fn cancel_reads(&self, is_unwanted: impl FnMut(BlockInfo, u64) -> bool) {
        self.shared.cancel_reads(&self.content, is_unwanted);
    }

    /// Writes all blocks in memory, syncs the content and saves a resume record. Ends as
    /// [`Completion::Checkpointed`] or [`Completion::NotCheckpointed`]. A checkpoint that has not begun
    /// is replaced by a newer one, and both end with one completion.
    pub fn checkpoint(&self, counters: Counters) {
        self.shared.checkpoint(&self.content, counters);
    }

    /// Bytes of accepted blocks of this torrent that are not written yet. Above
    /// [`unstored_limit`](Self::unstored_limit), the disk is slower than the peers, and should be asked
    /// to store no more. [`Completion::BlocksWritten`] gives the same figure without a call.
    pub fn unstored_bytes(&self) -> u64 {
        self.content.unstored.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The number of [`unstored_bytes`](Self::unstored_bytes) that keeps the disk busy. More are of no
    /// use, and a kill loses them all. It is 1 % of the content, but at least 192 KiB, and at most 24 MiB
    /// or three eighths of the memory budget.
    pub fn unstored_limit(&self) -> u64 {
        let total = self.content.storage.geometry().total_length();
        options::unstored_limit(options::batch_bytes(total, self.shared.memory()))
    }
}

impl Drop for TorrentDisk {
    fn drop(&mut self) {
        self.shared.close(&self.content);
    }
}

impl fmt::Debug for TorrentDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TorrentDisk")
            .field("identity", &self.content.storage.identity())
            .field("unstored_bytes", &self.unstored_bytes())
            .finish_non_exhaustive()
    }
}
