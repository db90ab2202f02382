use std::path::PathBuf;
use std::sync::Arc;

use tinytorrent_metainfo::{Info, PathChange};
use tokio::sync::broadcast;

use crate::TorrentError;

/// Something that happened to a torrent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The metadata of a magnet link is here, from peers or from an earlier run, and is what the
    /// info-hash names.
    MetadataReceived(Arc<Info>),
    /// What is on the disk has been looked at. The torrent begins to download, or to seed.
    Checked {
        /// Bytes of pieces that are there and right.
        have: u64,
        /// Bytes of all pieces.
        total: u64,
    },
    /// Files have other paths on disk than in the torrent, as the system or the disk does not hold
    /// those, or as content was there under others. Comes before [`Checked`](Self::Checked).
    PathsChanged {
        /// The changes, [`MAX_PATH_CHANGES`](Self::MAX_PATH_CHANGES) of them at most.
        changes: Arc<[PathChange]>,
        /// Changes in all.
        count: usize,
    },
    /// A wanted file was longer than its torrent says. It is cut once all that is wanted is there and
    /// right, before the end of the download is told; where nothing is written, it is told before
    /// [`Checked`](Self::Checked) and stays as it is.
    LongerFile {
        /// The file on disk.
        path: PathBuf,
        /// Bytes that it had.
        size: u64,
        /// Bytes that it has in the torrent.
        length: u64,
        /// `true` if it has been cut.
        is_cut: bool,
    },
    /// What the engine tells: pieces, peers, trackers.
    Swarm(tinytorrent_swarm::Event),
    /// The torrent ended by a failure.
    Failed(TorrentError),
    /// The torrent has been stopped.
    Stopped,
    /// So many events came faster than they were received, and are lost.
    Missed(u64),
}

impl Event {
    /// Path changes of which one event tells; there may be one for each file.
    pub const MAX_PATH_CHANGES: usize = 100;
}

/// The events of a torrent from the moment of asking for them on.
///
/// Holds the last [`Events::KEPT`] at most, so that a listener that does not listen costs little;
/// it is told how many it missed.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Event>,
}

impl Events {
    /// How many events wait for a slow listener.
    pub const KEPT: usize = 1024;

    pub(crate) fn new(receiver: broadcast::Receiver<Event>) -> Self {
        Self { receiver }
    }

    /// The next event; `None` after the last one of the torrent. Safe to cancel.
    pub async fn next(&mut self) -> Option<Event> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Event::Missed(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
