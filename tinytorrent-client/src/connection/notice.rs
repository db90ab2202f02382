use tinytorrent_swarm::{ConnectionError, PeerKey};
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::{Frames, Handshake};
use tokio::sync::mpsc;

/// A report of a connection to the task that owns the torrent.
///
/// The channel is bounded: when the owner is busy, connections wait, their sockets fill up, and
/// the other ends slow down.
#[derive(Debug)]
pub(crate) enum Notice {
    /// It could not be made, or the handshake failed.
    Failed { peer: PeerKey, error: ConnectionError },
    /// Both handshakes are through.
    Greeted { peer: PeerKey, handshake: Handshake },
    /// All whole messages of one read.
    Frames { peer: PeerKey, frames: Frames },
    /// These blocks have been written.
    Served { peer: PeerKey, blocks: Vec<BlockInfo> },
    /// The connection is over.
    Closed { peer: PeerKey, error: ConnectionError },
}

/// The connections' end of the channel to the owner.
pub(crate) type NoticeSender = mpsc::Sender<Notice>;
