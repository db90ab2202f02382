//! What happens to torrents, for applications.

mod queue;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tinytorrent_metainfo::{FileIndex, Info, Metainfo, PathChange};
use tinytorrent_swarm::Stats;
use tinytorrent_types::{Bitfield, InfoHashes};

use crate::TorrentError;
use crate::torrent::State;
use queue::Audience;
pub(crate) use queue::{Queue, Taken};

/// Something that happened to a torrent. Cheap to clone.
///
/// The last one is [`Stopped`](Self::Stopped) or [`Failed`](Self::Failed). An application that is told of
/// [`Missed`](Self::Missed) events finds the present state in the handle.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// The torrent as it is at the subscription. It is the first event, and everything that happens later
    /// follows, so that nothing is missed.
    Now(Arc<Snapshot>),
    /// The torrent has another state. [`Stopped`](Self::Stopped) and [`Failed`](Self::Failed) tell of the
    /// last one.
    StateChanged(State),
    /// The metadata of a magnet link was received from peers, or found on disk from an earlier run.
    /// Its info-hash is right.
    ///
    /// Serialized, it is `name`, `total_length` and `piece_count`.
    MetadataReceived(
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialization::info"))]
        Arc<Info>,
    ),
    /// The content on disk has been checked. The torrent begins to download, or to seed.
    Checked {
        /// Bytes of pieces that are on disk and right.
        have: u64,
        /// Bytes of all pieces.
        total: u64,
        /// The pieces that are on disk and right. Later ones come with
        /// [`PieceCompleted`](tinytorrent_swarm::Event::PieceCompleted).
        pieces: Arc<Bitfield>,
    },
    /// Files have other paths on disk than in the torrent, because the disk cannot hold the paths of
    /// the torrent, or because content was found under other paths. Comes before
    /// [`Checked`](Self::Checked).
    PathsChanged {
        /// The first changes, [`MAX_PATH_CHANGES`](Self::MAX_PATH_CHANGES) of them at most.
        changes: Arc<[PathChange]>,
        /// Number of all changes.
        count: usize,
    },
    /// A wanted file is longer on disk than in the torrent. Once all wanted pieces are there, it is
    /// cut, and this event comes before that of the finished download. With
    /// [`read_only`](crate::TorrentOptions::read_only) it is not cut, and this event comes before
    /// [`Checked`](Self::Checked).
    LongerFile {
        /// The file on disk.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialization::path"))]
        path: PathBuf,
        /// Bytes of the file on disk, before it was cut.
        size: u64,
        /// Bytes of the file in the torrent.
        length: u64,
        /// `true` if the file was cut.
        is_cut: bool,
    },
    /// A file has another path on disk, as the user asked for.
    FileRenamed {
        /// The file.
        file: FileIndex,
        /// Its path, with the folder.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialization::path"))]
        path: PathBuf,
    },
    /// The content is in another folder, as the user asked for, in this run or before.
    Moved {
        /// The folder.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialization::path"))]
        folder: PathBuf,
    },
    /// The torrent has been seeded as much as [`seed_ratio`](crate::TorrentOptions::seed_ratio) or
    /// [`seed_time`](crate::TorrentOptions::seed_time) say, and is paused.
    SeededEnough,
    /// The DHT was asked how many peers the torrent has, as [`Torrent::scrape`](crate::Torrent::scrape) does where there is
    /// no tracker (BEP 33). Both are estimates of what some nodes know, and 0 if none knows the torrent.
    DhtScraped {
        /// Peers that have everything.
        seeds: u32,
        /// Peers that do not.
        leeches: u32,
    },
    /// The [recording](crate::TorrentOptions::record) has ended by an error. The torrent goes on.
    #[cfg(feature = "record")]
    RecordingFailed {
        /// The error.
        error: tinytorrent_swarm::DiskError,
    },
    /// An event of the engine, about pieces, peers or trackers.
    Swarm(tinytorrent_swarm::Event),
    /// The torrent ended by an error.
    Failed(TorrentError),
    /// The torrent has been stopped.
    Stopped,
    /// This many events were lost, because they came faster than they were received.
    Missed(u64),
}

impl Event {
    /// Maximum number of path changes in one event. There may be a change for each file.
    pub const MAX_PATH_CHANGES: usize = 100;
}

/// A torrent at one moment. Of one that has ended, the pieces are missing.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The state.
    pub state: State,
    /// The figures.
    pub stats: Stats,
    /// The torrent file, as far as it is known. Serialized, it is as that of
    /// [`Event::MetadataReceived`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialization::metainfo"))]
    pub metainfo: Option<Arc<Metainfo>>,
    /// The path of the content on disk, once the content is checked.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialization::optional_path"))]
    pub content_path: Option<PathBuf>,
    /// The verified pieces, once the content is checked.
    pub pieces: Option<Bitfield>,
}

impl Snapshot {
    /// A torrent in this state of which nothing else is known, for tests.
    pub fn new(state: State) -> Self {
        let stats = Stats::default();
        Self { state, stats, metainfo: None, content_path: None, pieces: None }
    }
}

/// An event and its torrent.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TorrentEvent {
    /// The identity of the torrent. [`Client::get`](crate::Client::get) returns its handle.
    pub hashes: InfoHashes,
    /// The event.
    pub event: Event,
}

impl TorrentEvent {
    /// An event of this torrent, for tests of programs that handle events.
    pub fn new(hashes: InfoHashes, event: Event) -> Self {
        Self { hashes, event }
    }
}

/// The events of one torrent, beginning with [`Event::Now`].
///
/// At most the last [`Events::KEPT`] events are kept for a slow receiver. [`Event::Missed`] counts the
/// others. Dropping this ends the subscription. It does not keep the client.
#[derive(Debug)]
pub struct Events {
    queue: Arc<Queue<TorrentEvent>>,
}

impl Events {
    /// Maximum number of events in the queue of a receiver.
    pub const KEPT: usize = 1024;

    pub(crate) fn new(queue: Arc<Queue<TorrentEvent>>) -> Self {
        Self { queue }
    }

    /// Waits for the next event. Returns `None` after the last event of the torrent. Safe to cancel.
    pub async fn next(&mut self) -> Option<Event> {
        Some(match self.queue.next().await? {
            Taken::Item(item) => item.event,
            Taken::Missed(count) => Event::Missed(count),
        })
    }
}

/// The events of all torrents of a client, beginning with [`Event::Now`] of each.
///
/// At most the last [`ClientEvents::KEPT`] events are kept for a slow receiver. A torrent that ends does not end
/// them. Dropping this ends the subscription. It does not keep the client.
#[derive(Debug)]
pub struct ClientEvents {
    queue: Arc<Queue<TorrentEvent>>,
}

impl ClientEvents {
    /// Maximum number of events in the queue of a receiver.
    pub const KEPT: usize = 16 * Events::KEPT;

    pub(crate) fn new(queue: Arc<Queue<TorrentEvent>>) -> Self {
        Self { queue }
    }

    /// Waits for the next event. Returns `None` after the client has been shut down. Safe to cancel.
    ///
    /// # Errors
    /// This many events were lost, because they came faster than they were received.
    pub async fn next(&mut self) -> Option<Result<TorrentEvent, Missed>> {
        Some(match self.queue.next().await? {
            Taken::Item(item) => Ok(item),
            Taken::Missed(count) => Err(Missed(count)),
        })
    }
}

/// The number of events that were lost before the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} events were lost, because they came faster than they were received")]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Missed(pub u64);

/// The subscribers to one torrent.
pub(crate) type Subscribers = Audience<TorrentEvent>;

/// The subscribers to all torrents of a client.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    subscribers: Mutex<Subscribers>,
    /// Most clients have none, and then events need no lock.
    has_any: AtomicBool,
}

impl Hub {
    pub(crate) fn subscribe(&self, queue: &Arc<Queue<TorrentEvent>>) {
        self.lock().add(queue);
        self.has_any.store(true, Ordering::Release);
    }

    pub(crate) fn push(&self, event: &TorrentEvent) {
        if self.has_any.load(Ordering::Acquire) {
            self.lock().push(event);
        }
    }

    /// Ends all subscriptions.
    pub(crate) fn close(&self) {
        self.lock().close();
    }

    fn lock(&self) -> MutexGuard<'_, Subscribers> {
        // A panic under the lock cannot leave the list in a bad state.
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
