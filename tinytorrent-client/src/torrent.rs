use std::path::PathBuf;
use std::sync::Arc;

use tinytorrent_metainfo::{Info, Metainfo};
use tinytorrent_swarm::{Stats, Swarm};
use tinytorrent_types::InfoHashes;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{Event, Events, PeerAddress, TorrentError};

/// A torrent that is being downloaded or seeded. Cheap to clone.
///
/// Its work is done by a task of its own, which ends when the last handle is dropped; call
/// [`stop`](Self::stop) to end it in good order, so that trackers and resume data know.
#[derive(Debug, Clone)]
pub struct Torrent {
    shared: Arc<Shared>,
}

/// How far a torrent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The info dictionary is being fetched from peers (BEP 9), or piece layers are (BEP 52).
    FetchingMetadata,
    /// What is on the disk is being looked at.
    Checking,
    /// Wanted pieces are missing.
    Downloading,
    /// All wanted pieces are there.
    Seeding,
    /// Stopped, and ready to go on.
    Paused,
    /// Ended.
    Stopped,
    /// Ended by a [`TorrentError`].
    Failed,
}

/// What the task and the handles share.
#[derive(Debug)]
struct Shared {
    hashes: InfoHashes,
    commands: mpsc::UnboundedSender<Command>,
    events: broadcast::WeakSender<Event>,
    status: watch::Receiver<Status>,
}

/// What is known at any time without asking the task.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) state: State,
    pub(crate) metainfo: Option<Arc<Metainfo>>,
    pub(crate) content_path: Option<PathBuf>,
    pub(crate) error: Option<TorrentError>,
    /// The figures at the end.
    pub(crate) stats: Stats,
}

/// What handles ask of the task.
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
    ) -> Self {
        Self { shared: Arc::new(Shared { hashes, commands, events, status }) }
    }

    /// The identity of the torrent.
    pub fn hashes(&self) -> InfoHashes {
        self.shared.hashes
    }

    /// The metadata, if it is there: given at the start, or since fetched from peers.
    pub fn info(&self) -> Option<Arc<Info>> {
        self.metainfo().map(|metainfo| Arc::clone(metainfo.info()))
    }

    /// The file or the folder on disk that bears the torrent's name; `None` until the content has been
    /// looked at.
    pub fn content_path(&self) -> Option<PathBuf> {
        self.shared.status.borrow().content_path.clone()
    }

    /// The torrent file, as far as it is known: what was given at the start, or the metadata since fetched
    /// from peers, with the piece layers of a v2 torrent once they are there. Saved, it spares the
    /// next run the peers that have them; trackers of a magnet link are not in it.
    pub fn metainfo(&self) -> Option<Arc<Metainfo>> {
        self.shared.status.borrow().metainfo.clone()
    }

    /// How far it is at this moment.
    pub fn state(&self) -> State {
        self.shared.status.borrow().state
    }

    /// The events from now on. Ends at once if the torrent has ended.
    pub fn events(&self) -> Events {
        let receiver = match self.shared.events.upgrade() {
            Some(sender) => sender.subscribe(),
            None => broadcast::channel(1).1,
        };
        Events::new(receiver)
    }

    /// Figures of this moment; of the end, if it has ended.
    pub async fn stats(&self) -> Stats {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Stats(answer));
        match answered.await {
            Ok(stats) => stats,
            Err(_) => self.shared.status.borrow().stats,
        }
    }

    /// Makes peers known. They are connected to as there is room.
    pub fn add_peers(&self, peers: impl IntoIterator<Item = PeerAddress>) {
        self.send(Command::AddPeers(peers.into_iter().collect()));
    }

    /// Adds trackers, tier by tier, after those that are there (BEP 12).
    pub fn add_trackers(&self, tiers: Vec<Vec<String>>) {
        self.send(Command::AddTrackers(tiers));
    }

    /// Leaves all peers and tells the trackers `stopped`. What is on the disk stays.
    pub fn pause(&self) {
        self.send(Command::Pause);
    }

    /// Goes on after a pause, or after the disk has failed and has been put right.
    pub fn resume(&self) {
        self.send(Command::Resume);
    }

    /// Pieces to fetch before all others, in this order: what a player will read next, say. They take
    /// the place of those that were urgent before; an empty list goes back to the rarest first. Those
    /// that are there or not wanted are left out, and so is what goes beyond 1,024.
    ///
    /// Which pieces a file has, [`Layout::file_pieces`](tinytorrent_metainfo::Layout::file_pieces) tells.
    pub fn set_urgent(&self, pieces: impl IntoIterator<Item = u32>) {
        self.send(Command::SetUrgent(pieces.into_iter().take(Swarm::MAX_URGENT).collect()));
    }

    /// Bytes of content a second to receive from now on; zero for none, `None` for no limit.
    pub fn set_download_limit(&self, bytes_per_second: Option<u64>) {
        self.send(Command::SetDownloadLimit(bytes_per_second));
    }

    /// Bytes of content a second to send from now on; zero for none, `None` for no limit.
    pub fn set_upload_limit(&self, bytes_per_second: Option<u64>) {
        self.send(Command::SetUploadLimit(bytes_per_second));
    }

    /// Waits until every wanted piece is verified and on the disk.
    ///
    /// # Errors
    /// The torrent ended before.
    pub async fn finished(&self) -> Result<(), TorrentError> {
        let mut status = self.shared.status.clone();
        let done = status.wait_for(|status| match status.state {
            State::Seeding | State::Stopped | State::Failed => true,
            State::FetchingMetadata | State::Checking | State::Downloading | State::Paused => false,
        });
        match done.await {
            Ok(status) if status.state == State::Seeding => Ok(()),
            Ok(status) => Err(status.error.clone().unwrap_or(TorrentError::Stopped)),
            Err(_) => Err(TorrentError::Stopped),
        }
    }

    /// Ends it in good order: leaves the peers, tells the trackers `stopped`, writes what is in
    /// memory and the resume data. Takes 5 s at most, however slow a tracker is. Returns the last
    /// figures.
    pub async fn stop(&self) -> Stats {
        self.send(Command::Stop);
        let mut status = self.shared.status.clone();
        let is_over = |state| matches!(state, State::Stopped | State::Failed);
        // An error means that the task is gone: as good as stopped.
        let _ = status.wait_for(|status| is_over(status.state)).await;
        self.shared.status.borrow().stats
    }

    fn send(&self, command: Command) {
        // A torrent that has ended needs no commands any more.
        let _ = self.shared.commands.send(command);
    }
}
