use std::path::PathBuf;
use std::sync::Arc;

use tinytorrent_metainfo::{Info, PathChange};
use tokio::sync::broadcast;

use crate::TorrentError;

/// Something that happened to a torrent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The metadata of a magnet link was received from peers, or found on disk from an earlier run.
    /// Its info-hash is right.
    MetadataReceived(Arc<Info>),
    /// The content on disk has been checked. The torrent begins to download, or to seed.
    Checked {
        /// Bytes of pieces that are on disk and right.
        have: u64,
        /// Bytes of all pieces.
        total: u64,
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
        path: PathBuf,
        /// Bytes of the file on disk, before it was cut.
        size: u64,
        /// Bytes of the file in the torrent.
        length: u64,
        /// `true` if the file was cut.
        is_cut: bool,
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

/// The events of a torrent, from the call of [`Torrent::events`](crate::Torrent::events) on.
///
/// At most the last [`Events::KEPT`] events are kept for a slow receiver. [`Event::Missed`] counts the
/// others.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Event>,
}

impl Events {
    /// Maximum number of events in the queue of a receiver.
    pub const KEPT: usize = 1024;

    pub(crate) fn new(receiver: broadcast::Receiver<Event>) -> Self {
        Self { receiver }
    }

    /// Waits for the next event. Returns `None` after the last event of the torrent. Safe to cancel.
    pub async fn next(&mut self) -> Option<Event> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Event::Missed(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
