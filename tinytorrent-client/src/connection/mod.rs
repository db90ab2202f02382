//! One connection: a socket, its buffers, and nothing that decides.

pub(crate) mod buffers;
pub(crate) mod channel;
pub(crate) mod handshake;
mod outgoing;
mod reader;
mod writer;

use std::sync::Arc;

use buffers::ReceiveBuffer;
use channel::Channel;
pub(crate) use outgoing::{Link, Outgoing};
use tinytorrent_swarm::{ConnectionError, PeerKey};
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::{Frames, Handshake};
use tokio::sync::mpsc;

/// What connections tell the task that owns the torrent.
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

/// The way from connections to their owner.
pub(crate) type Owner = mpsc::Sender<Notice>;

/// Carries messages both ways until one side ends it.
///
/// It ends when the owner lets go of the connection's [`Link`] and what it sent has been written,
/// when the socket fails, or when the other side closes.
pub(crate) async fn run(
    peer: PeerKey,
    channel: Channel,
    received: ReceiveBuffer,
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    pending: Arc<outgoing::Pending>,
    owner: Owner,
) {
    let Channel { mut stream, receive, send } = channel;
    let (read, write) = stream.split();
    let error = tokio::select! {
        error = reader::run(peer, read, receive, received, &owner) => error,
        ended = writer::run(peer, write, send, outgoing, &pending, &owner) => match ended {
            Ok(()) => return,
            Err(error) => error.into(),
        },
    };
    // The owner may be gone; then nobody wants to know.
    let _ = owner.send(Notice::Closed { peer, error }).await;
}
