use tinytorrent_swarm::{ConnectionError, PeerKey, Transport};
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::{Frames, Handshake};
use tokio::sync::mpsc;

use crate::web_seed::Report;

/// A report of a connection to the driver.
///
/// The channel is bounded: while the driver is busy, connections do not read, their sockets fill up,
/// and the peers slow down.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The connection could not be made.
    Failed { peer: PeerKey, error: ConnectionError },
    /// Both handshakes are complete.
    Greeted { peer: PeerKey, transport: Transport, handshake: Handshake, is_encrypted: bool },
    /// All complete messages of one read.
    Frames { peer: PeerKey, frames: Frames },
    /// These blocks have been written.
    Served { peer: PeerKey, blocks: Vec<BlockInfo> },
    /// A report of a web seed, over a connection of its own.
    WebSeed(Report),
    /// The connection has ended.
    Closed { peer: PeerKey, error: ConnectionError },
}

/// The sender that connections report through.
pub(crate) type NoticeSender = mpsc::Sender<Notice>;
