use std::sync::Arc;

use tinytorrent_metainfo::Info;
use tokio::sync::broadcast;

use crate::TorrentError;

/// Something that happened to a torrent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The metadata of a magnet link is here, and is what the info-hash names.
    MetadataReceived(Arc<Info>),
    /// What is on the disk has been looked at. The torrent begins to download, or to seed.
    Checked {
        /// Bytes of pieces that are there and right.
        have: u64,
        /// Bytes of all pieces.
        total: u64,
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
