use std::path::PathBuf;
use std::sync::Arc;

use tinytorrent_metainfo::{Info, Metainfo};
use tinytorrent_swarm::{Stats, Swarm};
use tinytorrent_types::InfoHashes;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::memory::Memory;
use crate::{Event, Events, MemoryStats, PeerAddress, TorrentError};

/// A handle of a torrent that is downloaded or seeded. Cheap to clone.
///
/// A task does the work, and ends when the last handle is dropped. Call [`stop`](Self::stop) before,
/// so that trackers are notified and the resume data is saved.
#[derive(Debug, Clone)]
pub struct Torrent {
    shared: Arc<Shared>,
}

/// The state of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The info dictionary (BEP 9) or piece layers (BEP 52) are being fetched from peers.
    FetchingMetadata,
    /// The content on disk is being checked.
    Checking,
    /// Wanted pieces are missing.
    Downloading,
    /// All wanted pieces are on disk.
    Seeding,
    /// The torrent has no connections until it is resumed.
    Paused,
    /// The torrent has ended.
    Stopped,
    /// The torrent has ended by a [`TorrentError`].
    Failed,
}

/// The ends of the channels to the task of a torrent.
#[derive(Debug)]
struct Shared {
    hashes: InfoHashes,
    commands: mpsc::UnboundedSender<Command>,
    events: broadcast::WeakSender<Event>,
    status: watch::Receiver<Status>,
    memory: Memory,
}

/// The published status of a torrent, which handles read without a command.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) state: State,
    pub(crate) metainfo: Option<Arc<Metainfo>>,
    pub(crate) content_path: Option<PathBuf>,
    pub(crate) error: Option<TorrentError>,
    /// The figures at the end of the torrent.
    pub(crate) stats: Stats,
}

/// A command of a handle to the task.
#[derive(Debug)]
pub(crate) enum Command {
    AddPeers(Vec<PeerAddress>),
    AddTrackers(Vec<Vec<String>>),
    Pause,
    Resume,
    SetUrgent(Vec<u32>),
    SetDownloadLimit(Option<u64>),
    SetUploadLimit(Option<u64>),
    Stats(oneshot::Sender<Stats>),
    Stop,
}

impl Torrent {
    pub(crate) fn new(
        hashes: InfoHashes,
        commands: mpsc::UnboundedSender<Command>,
        events: broadcast::WeakSender<Event>,
        status: watch::Receiver<Status>,
        memory: Memory,
    ) -> Self {
        Self { shared: Arc::new(Shared { hashes, commands, events, status, memory }) }
    }

    /// The identity of the torrent.
    pub fn hashes(&self) -> InfoHashes {
        self.shared.hashes
    }

    /// The metadata; `None` while it is being fetched.
    pub fn info(&self) -> Option<Arc<Info>> {
        self.metainfo().map(|metainfo| Arc::clone(metainfo.info()))
    }

    /// The path of the file or folder on disk that has the torrent's name; `None` until the content is
    /// checked.
    pub fn content_path(&self) -> Option<PathBuf> {
        self.shared.status.borrow().content_path.clone()
    }

    /// The torrent file, as far as it is known: the one that was added, or one with the metadata from
    /// peers. The piece layers of a v2 torrent are in it once they are complete. A program may save it
    /// to add the torrent later without such peers. Trackers of a magnet link are not in it.
    pub fn metainfo(&self) -> Option<Arc<Metainfo>> {
        self.shared.status.borrow().metainfo.clone()
    }

    /// The present state.
    pub fn state(&self) -> State {
        self.shared.status.borrow().state
    }

    /// Subscribes to the events from now on. They end at once if the torrent has ended.
    pub fn events(&self) -> Events {
        let receiver = match self.shared.events.upgrade() {
            Some(sender) => sender.subscribe(),
            // Its sender is dropped at once, so that the events are at their end.
            None => broadcast::channel(1).1,
        };
        Events::new(receiver)
    }

    /// Returns the present figures, or the last ones if the torrent has ended.
    pub async fn stats(&self) -> Stats {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Stats(answer));
        match answered.await {
            Ok(stats) => stats,
            // The task has ended, and has left its last figures there.
            Err(_) => self.shared.status.borrow().stats,
        }
    }

    /// The memory that is held for other hosts, over all torrents of the client.
    pub fn memory(&self) -> MemoryStats {
        self.shared.memory.stats()
    }

    /// Adds peers. The torrent connects to them when it has room for more connections.
    pub fn add_peers(&self, peers: impl IntoIterator<Item = PeerAddress>) {
        self.send(Command::AddPeers(peers.into_iter().collect()));
    }

    /// Adds tiers of trackers behind the present ones (BEP 12). They may be at any path of a local
    /// address, as the URLs are the user's.
    pub fn add_trackers(&self, tiers: Vec<Vec<String>>) {
        self.send(Command::AddTrackers(tiers));
    }

    /// Disconnects all peers, and announces `stopped` to the trackers. The content stays on disk.
    pub fn pause(&self) {
        self.send(Command::Pause);
    }

    /// Goes on after [`pause`](Self::pause), or after a pause because the disk had failed.
    pub fn resume(&self) {
        self.send(Command::Resume);
    }

    /// Sets the pieces to be downloaded before all others, in this order, for instance those that a
    /// player will read next. They replace the urgent pieces of an earlier call; an empty list goes back
    /// to the rarest first. Pieces that are on disk or not wanted are ignored, and so are those beyond
    /// the first 1,024.
    ///
    /// [`Layout::file_pieces`](tinytorrent_metainfo::Layout::file_pieces) returns the pieces of a file.
    pub fn set_urgent(&self, pieces: impl IntoIterator<Item = u32>) {
        self.send(Command::SetUrgent(pieces.into_iter().take(Swarm::MAX_URGENT).collect()));
    }

    /// Limits the received bytes of content a second; `None` for no limit. With zero nothing is
    /// received.
    pub fn set_download_limit(&self, bytes_per_second: Option<u64>) {
        self.send(Command::SetDownloadLimit(bytes_per_second));
    }

    /// Limits the sent bytes of content a second; `None` for no limit. With zero nothing is sent.
    pub fn set_upload_limit(&self, bytes_per_second: Option<u64>) {
        self.send(Command::SetUploadLimit(bytes_per_second));
    }

    /// Waits until all wanted pieces are verified and on disk.
    ///
    /// # Errors
    /// The torrent has ended before, by an error or by a stop.
    pub async fn finished(&self) -> Result<(), TorrentError> {
        let mut status = self.shared.status.clone();
        let done = status.wait_for(|status| match status.state {
            State::Seeding | State::Stopped | State::Failed => true,
            State::FetchingMetadata | State::Checking | State::Downloading | State::Paused => false,
        });
        match done.await {
            Ok(status) if status.state == State::Seeding => Ok(()),
            Ok(status) => Err(status.error.clone().unwrap_or(TorrentError::Stopped)),
            // The task was dropped with its runtime, before it could publish an end.
            Err(_) => Err(TorrentError::Stopped),
        }
    }

    /// Ends the torrent: disconnects the peers, announces `stopped` to the trackers, and writes the
    /// blocks in memory and the resume data. Takes 5 s at most, however slow trackers and the disk are.
    /// Returns the last figures.
    pub async fn stop(&self) -> Stats {
        self.send(Command::Stop);
        let mut status = self.shared.status.clone();
        let is_over = |state| matches!(state, State::Stopped | State::Failed);
        // An error means that the task is gone, as after a stop.
        let _ = status.wait_for(|status| is_over(status.state)).await;
        self.shared.status.borrow().stats
    }

    fn send(&self, command: Command) {
        // Fails if the torrent has ended, and needs no commands any more.
        let _ = self.shared.commands.send(command);
    }
}
